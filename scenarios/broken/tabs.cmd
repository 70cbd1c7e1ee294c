trainyard plan -f tabs.yaml --nodes trn2.48xlarge
