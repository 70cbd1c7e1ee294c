trainyard plan -f indentation.yaml --nodes trn2.48xlarge
