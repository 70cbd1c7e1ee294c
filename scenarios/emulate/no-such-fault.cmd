trainyard emulate trn2.48xlarge node-0 --fault ecc=neuron-device-1
