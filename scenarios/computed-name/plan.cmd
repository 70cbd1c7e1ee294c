trainyard plan -f in.yaml
