//! What is asked? Manifests and nodes of the catalogue, sorted into the objects that a scheduler knows.
//!
//! The running example: a Deployment of five replicas, a template and one trn2.48xlarge become five
//! [`Pod`](crate::pod::Pod)s in the order of their queue, one template among the
//! [`Claims`](claims::Claims), and one [`Node`]. What does not go together is said before anything is
//! scheduled.
//!
//! Refuses to know: which node takes a pod.

mod check;
pub(crate) mod claims;
mod classes;
mod intake;
pub(crate) mod natural;
mod node;
mod objects;
mod order;
mod taint_rules;
mod workloads;

pub(crate) use classes::Classes;
pub use classes::SUPPLIED;
pub use intake::faults;
pub(crate) use intake::intake;
pub(crate) use node::Node;
pub use objects::Input;
pub(crate) use objects::Objects;
