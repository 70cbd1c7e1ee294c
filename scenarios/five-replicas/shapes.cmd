trainyard plan -f . --nodes trn3.48xlarge --nodes inf2.48xlarge
