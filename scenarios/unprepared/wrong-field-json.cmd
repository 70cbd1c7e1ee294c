trainyard plan -f wrong-field.yaml --nodes trn2.48xlarge -o json
