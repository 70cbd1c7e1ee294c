//! Does this device match? Kubernetes' CEL environment for devices.
