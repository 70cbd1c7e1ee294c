trainyard plan -f lower-case-all.yaml --nodes trn2.48xlarge
