trainyard plan -f types.yaml --nodes trn2.48xlarge
