trainyard emulate trn2.48xlarg node-0
