trainyard plan -f scattered.yaml --nodes trn1.32xlarge
