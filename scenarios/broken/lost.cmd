trainyard plan -f lost.yaml --nodes trn2.48xlarge
