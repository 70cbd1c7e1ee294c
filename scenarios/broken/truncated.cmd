trainyard plan -f truncated.yaml --nodes trn2.48xlarge
