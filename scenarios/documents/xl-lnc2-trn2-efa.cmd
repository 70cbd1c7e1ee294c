trainyard plan -f xl-lnc2-trn2-efa.yaml --nodes trn2.48xlarge
