//! What does a pod ask of a node? Its [demand](demand::Demand), the amounts and labels in it, and the
//! claims that its extended resources may become.
//!
//! The running example: a pod of the Deployment asks for no cpu and no memory, tolerates what
//! admission adds, and is spread over hosts and zones with the other pods of its ReplicaSet.
//!
//! Refuses to know: nodes, other than the labels and taints that it compares.

pub(crate) mod demand;
pub(crate) mod extended;
pub(crate) mod labels;
pub(crate) mod resources;

use std::collections::BTreeMap;
use std::sync::Arc;

use trainyard_model::Text;

use crate::k8s::PodSpec;
use labels::{Labels, Selector};

/// One pod, made or found.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    /// `metadata.namespace`
    pub namespace: Text,
    /// `metadata.name`
    pub name: Text,
    /// `metadata.uid`; empty for a pod that does not exist yet.
    pub uid: Text,
    /// `metadata.labels`
    pub labels: Arc<Labels>,
    /// `spec`, shared by pods of one template.
    pub spec: Arc<PodSpec>,
    /// The selector by which its ReplicaSet or StatefulSet knows it.
    pub controller: Option<Arc<Selector>>,
    /// The node that a DaemonSet made it for.
    pub made_for: Option<Text>,
    /// `spec.nodeName`: it runs there, or is about to.
    pub bound_to: Option<Text>,
    /// Being deleted.
    pub terminating: bool,
    /// `status.resourceClaimStatuses`: the claim made for each of its own; `None`: none is needed.
    pub claim_names: BTreeMap<Text, Option<Text>>,
    /// `status.extendedResourceClaimStatus.resourceClaimName`
    pub extended_claim: Option<Text>,
    /// `metadata.creationTimestamp`; empty for a pod that does not exist yet.
    pub created: Text,
    /// Place in the input of the object that says so.
    pub source: usize,
    /// Where in that object the pod's spec is, such as `spec.template.spec`.
    pub path: Arc<str>,
}

impl Pod {
    /// Whether a pod waits for its scheduling gates to be removed.
    pub(crate) fn is_gated(&self) -> bool {
        let mut gates = self.spec.scheduling_gates.iter().flatten();
        self.bound_to.is_none() && gates.next().is_some()
    }
}
