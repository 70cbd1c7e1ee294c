trainyard plan -f booleans.yaml --nodes trn2.48xlarge
