trainyard emulate trn1.2xlarge node-0 --dry-run --fault mem-ecc=neuron-device-0 --fault no-node=neuron0
