//! What becomes of a pod? Workloads, node filters and scoring, claims, the plan.
//!
//! The running example: five replicas of a pod with a claim from `aligned-efa-neuron`, and one
//! trn2.48xlarge. [`workload`] makes five pods of the Deployment; [`demand`] says what each asks of a
//! node; [`filter`] and [`score`] judge the node, [`devices`] hands out four chips and their EFAs;
//! [`place`] puts these together for one pod, [`run`] for one after the other. Four are placed, each
//! in a device group of its own; the fifth is refused by the allocator's proof, in words.
//!
//! [`plan()`] does all of it for an [`Input`]. Everything else is plain values that a cluster in
//! process can use as well.
//!
//! Refuses to know: files and clocks, how an answer is shown, how devices are searched.

pub mod books;
pub mod check;
pub mod claims;
pub mod demand;
pub mod devices;
pub mod extended;
pub mod filter;
pub mod gates;
pub mod input;
mod k8s;
pub mod labels;
mod natural;
mod nearest;
pub mod node;
pub mod order;
pub mod place;
mod planning;
mod prepare;
mod projection;
mod reason;
pub mod resources;
pub mod run;
pub mod score;
pub mod site;
pub mod strain;
pub mod taint_rules;
pub mod workload;
pub mod world;

pub use input::Input;
pub use place::Strategy;
pub use planning::{Options, plan};
