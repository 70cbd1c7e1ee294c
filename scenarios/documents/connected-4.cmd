trainyard plan -f connected-4.yaml --nodes trn2.48xlarge
