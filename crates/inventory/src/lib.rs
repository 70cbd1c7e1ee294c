//! What hardware is here? Neuron and EFA devices, as a catalogue of instance types.
