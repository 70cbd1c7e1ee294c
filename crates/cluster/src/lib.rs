//! What becomes of a pod? Workloads, node filters and scoring, claims, the plan.

pub mod claims;
pub mod demand;
pub mod devices;
pub mod extended;
pub mod filter;
pub mod gates;
mod k8s;
pub mod labels;
mod natural;
mod nearest;
pub mod node;
pub mod order;
pub mod place;
pub mod resources;
pub mod score;
pub mod site;
pub mod taint_rules;
pub mod workload;
pub mod world;
