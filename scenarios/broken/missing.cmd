trainyard plan -f nowhere.yaml --nodes trn2.48xlarge
