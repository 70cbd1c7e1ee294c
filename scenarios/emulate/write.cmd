trainyard emulate trn2.48xlarge ../../target/emulated/scenario --device-nodes plain --fault gone=pci-0000-c9-00-0
