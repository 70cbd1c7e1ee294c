trainyard plan -f truncated.yaml -f misspelt.yaml -f binary.yaml -f nowhere.yaml -f empty.yaml --nodes trn2.48xlarge
