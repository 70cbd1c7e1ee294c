//! What becomes of a pod? Workloads, node filters and scoring, claims, the plan.

pub mod demand;
pub mod filter;
pub mod gates;
mod k8s;
pub mod labels;
mod natural;
mod nearest;
pub mod node;
pub mod resources;
pub mod score;
pub mod site;
