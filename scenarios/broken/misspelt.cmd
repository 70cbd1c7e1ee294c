trainyard plan -f misspelt.yaml --nodes trn2.48xlarge
