trainyard emulate trn2.48xlarge node-0 --fault gone=neuron-device-16
