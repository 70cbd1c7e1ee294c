//! What hardware is here? Neuron devices and Elastic Fabric Adapters, as a catalogue of instance
//! types and as the ResourceSlices that the published drivers write for them.
//!
//! The running example: `trn2.48xlarge` has sixteen Trainium2 chips in a 4x4 torus and sixteen EFAs,
//! one beside each chip. Chips 0 to 3 and their EFAs carry the same
//! `resource.aws.com/devicegroup4_id`, `13713e551cd37c19`, computed by [`group`] from the PCI
//! addresses of the EFAs.
//!
//! - [`catalogue`]: the types, and what each has;
//! - [`emulate`]: a machine of the catalogue as files;
//! - [`group`]: which chip sits beside which EFA, and the device groups;
//! - [`health`]: which devices are sound, from readings to taints;
//! - [`machine`]: what one machine has, by the catalogue or as found;
//! - [`pci`]: addresses and ids;
//! - [`publish`]: devices and attributes as the Neuron and EFA drivers publish them;
//! - [`node`]: a whole node of a type, with labels and allocatable resources;
//! - [`spec`]: the text after `--nodes`;
//! - [`sysfs`]: what a host has, by its own account;
//! - [`runtime`]: which sets of chips the Neuron runtime accepts;
//! - [`rules`]: what containers get with a claim's devices, or why preparing it is refused.
//!
//! Refuses to know: Kubernetes' object types (it speaks `model`), and any network. Files are touched by
//! [`sysfs`] and [`emulate`] alone.
//! Where public sources are silent, a value is our choice and its comment says "chosen".

pub mod catalogue;
pub mod emulate;
pub mod group;
pub mod health;
pub mod machine;
pub mod node;
pub mod pci;
pub mod publish;
pub mod rules;
pub mod runtime;
pub mod spec;
pub mod sysfs;
