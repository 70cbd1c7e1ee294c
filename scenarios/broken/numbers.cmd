trainyard plan -f numbers.yaml -f numbers.json --nodes trn2.48xlarge
