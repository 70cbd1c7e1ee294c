trainyard plan -f aliases.yaml --nodes trn2.48xlarge
