trainyard emulate trn2.48xlarge node-0 --fault mem-ecc=rdmap201s0
