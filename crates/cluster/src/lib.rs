//! What becomes of a pod? Workloads, node filters and scoring, claims, the plan.
//!
//! The running example: five replicas of a pod with a claim from `aligned-efa-neuron`, and one
//! trn2.48xlarge. `input` makes five pods of the Deployment; `pod` says what each asks of a node;
//! `scheduler` goes through kube-scheduler's phases for one pod after the other; `devices` gives four
//! chips and their EFAs to each. Four are placed, each in a device group of its own; the fifth is
//! refused with the allocator's proof, in words.
//!
//! [`plan()`] does all of it for an [`Input`].
//!
//! Refuses to know: files and clocks, how an answer is shown, how devices are searched.

mod devices;
mod input;
mod k8s;
mod plan;
mod pod;
mod scheduler;

pub use input::{Input, SUPPLIED, faults};
pub use plan::{Options, plan};
pub use scheduler::Strategy;
