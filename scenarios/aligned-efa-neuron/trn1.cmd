trainyard plan -f . --nodes trn1.32xlarge
