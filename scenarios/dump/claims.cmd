trainyard plan -f cluster.json -f new.yaml --nodes trn2.3xlarge -o claims
