//! The Kubernetes types that this crate looks at, by their short names.

pub use trainyard_wire::k8s::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
pub use trainyard_wire::k8s::api::batch::v1::{CronJob, Job, JobSpec};
pub use trainyard_wire::k8s::api::core::v1::{
    Affinity, Container, Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodAffinityTerm,
    PodSpec, PodTemplateSpec, ResourceRequirements, Taint, Toleration, TopologySpreadConstraint,
};
pub use trainyard_wire::k8s::apimachinery::pkg::api::resource::Quantity;
pub use trainyard_wire::k8s::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, LabelSelectorRequirement, ObjectMeta, OwnerReference,
};
