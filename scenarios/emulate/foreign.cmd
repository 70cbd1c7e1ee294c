trainyard emulate trn1.2xlarge foreign
