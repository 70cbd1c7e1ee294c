trainyard plan -f - -f - -f misspelt.yaml -f ./misspelt.yaml -f nowhere.yaml --nodes trn2.48xlarge
