trainyard plan -f reference.yaml -f ../aligned-efa-neuron/template.yaml --nodes trn2.48xlarge
