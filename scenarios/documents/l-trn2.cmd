trainyard plan -f l-trn2.yaml --nodes trn2.48xlarge
