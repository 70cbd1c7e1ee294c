//! A machine as files: the `sys` and `dev` trees of an instance type, faults included, for drivers
//! that read them as the real ones.
//!
//! Sources: the kernel drivers' sysfs interfaces (Neuron SDK's sysfs guide; amzn-drivers).
//!
//! [`tree()`] says what a tree holds, [`write()`] makes a folder hold exactly that. Written again with
//! other faults it changes only what differs, so a driver that watches sees a chip fail and recover.

#[cfg(feature = "clap")]
pub mod command;
mod faults;
mod tree;
mod write;

pub use faults::{Fault, FaultError};
pub use tree::{Entry, Options, Tree, tree};
pub use write::{Error, Nodes, write};
