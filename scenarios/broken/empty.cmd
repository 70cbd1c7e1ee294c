trainyard plan -f empty.yaml --nodes trn2.48xlarge
