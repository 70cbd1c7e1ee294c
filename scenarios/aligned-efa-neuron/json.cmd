trainyard plan -f . --nodes trn2.48xlarge -o json
