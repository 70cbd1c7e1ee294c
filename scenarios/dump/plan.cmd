trainyard plan -f cluster.json -f new.yaml
