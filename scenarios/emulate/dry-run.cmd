trainyard emulate trn1.2xlarge node-0 --dry-run
