trainyard plan -f scattered.yaml --nodes trn2.48xlarge
