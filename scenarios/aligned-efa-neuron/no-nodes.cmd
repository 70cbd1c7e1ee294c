trainyard plan -f .
