trainyard plan -f vllm.yaml --nodes trn2.48xlarge --kubernetes 1.34
