trainyard plan -f binary.yaml --nodes trn2.48xlarge
