trainyard plan -f xl-trn2.yaml --nodes trn2.48xlarge
