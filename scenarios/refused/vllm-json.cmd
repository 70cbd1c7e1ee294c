trainyard plan -f vllm.yaml --nodes trn2.48xlarge -o json
