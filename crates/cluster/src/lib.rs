//! What becomes of a pod? Workloads, node filters and scoring, claims, the plan.

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
