trainyard plan -f all-neurons-lnc-1.yaml --nodes trn2.48xlarge
