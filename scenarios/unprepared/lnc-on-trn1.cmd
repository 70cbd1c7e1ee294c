trainyard plan -f lnc-on-trn1.yaml --nodes trn1.32xlarge
