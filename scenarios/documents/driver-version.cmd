trainyard plan -f driver-version.yaml --nodes trn2.48xlarge
