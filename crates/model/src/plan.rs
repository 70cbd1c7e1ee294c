//! The answer to "where would these pods go?": each pod's node and devices, or why not.
//!
//! This is the document that `trainyard plan -o json` prints (kind `Plan`, version 1) plus what its
//! picture of the nodes needs. Order is part of the answer: pods in the order in which they were
//! planned, nodes by name with digits read as numbers, warnings in the order in which they arose.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Text;
use crate::claim::{AllocationResult, ResourceClaim};
use crate::slice::{DeviceId, ResourceSlice};

/// What becomes of every pod of an input.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What the reader should know although it refuses nobody by itself.
    pub warnings: Vec<Warning>,
    /// Every pod that counts, those that run already included, in the order of planning.
    pub pods: Vec<PodPlan>,
    /// All nodes, those without a pod included.
    pub nodes: Vec<NodePlan>,
    /// Devices that were in use before the plan began.
    pub held: Vec<Held>,
}

/// The head of a [`Plan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// All pods.
    pub pods: usize,
    /// Pods with a node.
    pub placed: usize,
    /// Pods without.
    pub refused: usize,
    /// All nodes.
    pub nodes: usize,
}

impl Plan {
    /// Counts pods and nodes.
    pub fn summary(&self) -> Summary {
        let placed = self.pods.iter().filter(|pod| pod.node.is_some()).count();
        Summary {
            pods: self.pods.len(),
            placed,
            refused: self.pods.len() - placed,
            nodes: self.nodes.len(),
        }
    }

    /// Pods with a node whose devices would not be prepared.
    pub fn unprepared(&self) -> usize {
        let unprepared = |pod: &&PodPlan| pod.prepare.is_some();
        self.pods.iter().filter(unprepared).count()
    }
}

/// A warning about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable, such as `node/device-plugin-present`.
    pub code: &'static str,
    /// `kind/namespace/name` or `kind/name`, lower-case kind; empty: the input as a whole.
    pub object: Text,
    /// For a person, with the remedy where there is one.
    pub message: String,
}

impl Warning {
    /// [`Warning::object`] of an object; `namespace` is empty for one without.
    pub fn title(kind: &str, namespace: &str, name: &str) -> Text {
        let kind = kind.to_lowercase();
        if namespace.is_empty() {
            format!("{kind}/{name}").into()
        } else {
            format!("{kind}/{namespace}/{name}").into()
        }
    }
}

/// One pod.
#[derive(Debug, Clone)]
pub struct PodPlan {
    /// `metadata.namespace`
    pub namespace: Text,
    /// `metadata.name`; where the cluster would add random characters, a number stands in their
    /// place.
    pub name: Text,
    /// Where it goes, or already is.
    pub node: Option<Text>,
    /// In the order of `spec.resourceClaims`; a claim for extended resources comes last.
    pub claims: Vec<PodClaim>,
    /// Set exactly where `node` is not; shared by pods that are refused alike.
    pub refusal: Option<Arc<Refusal>>,
    /// Why the pod's containers would not start where it is placed: a driver would refuse to prepare
    /// its devices, which the scheduler cannot know.
    pub prepare: Option<PrepareRefusal>,
}

/// Why a driver would refuse to prepare a pod's devices.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrepareRefusal {
    /// Stable, such as `config/unknown-field`.
    pub code: &'static str,
    /// Claim, field path, what is wrong, what to write instead.
    pub message: String,
}

/// One claim of a pod.
#[derive(Debug, Clone)]
pub struct PodClaim {
    /// `metadata.namespace`
    pub namespace: Text,
    /// `metadata.name`; `POD-NAME_IN_POD` where the cluster would make the claim from a template.
    pub name: Text,
    /// What the pod calls it; empty for a claim that stands for extended resources.
    pub pod_claim_name: Text,
    /// The template it is made from, if it is.
    pub template: Option<Text>,
    /// What it asks for. Shared by claims of one template, so its own name is not the claim's.
    pub spec: Arc<ResourceClaim>,
    /// What it was given.
    pub allocation: Option<Arc<AllocationResult>>,
}

/// Why no node takes a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, such as `pod/no-node`.
    pub code: &'static str,
    /// The gist, for a person.
    pub message: String,
    /// Nodes that refuse for the same reason, together. Empty where no node was even asked.
    pub nodes: Vec<NodeRefusal>,
}

/// Nodes that refuse a pod for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRefusal {
    /// In natural order: `node-2` before `node-10`.
    pub names: Arc<[Text]>,
    /// The reason, shared by the refusals of many pods.
    pub reason: Arc<Rejection>,
}

/// Why a node does not take a pod, in words. Two are equal if they read alike.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// Stable, such as `node/taint`, `node/resources`, `claim/no-match`.
    pub code: &'static str,
    /// Short: what was there, what is wanted, what would fit.
    pub message: String,
    /// The rest of the proof, for `--verbose`, a line each.
    pub details: Vec<String>,
    /// The proof as data, where devices are the reason.
    pub proof: Option<Arc<crate::refusal::Refusal>>,
}

impl Rejection {
    /// A rejection that one sentence explains.
    pub fn new(code: &'static str, message: String) -> Rejection {
        Rejection {
            code,
            message,
            details: Vec::new(),
            proof: None,
        }
    }

    fn text(&self) -> (&'static str, &str, &[String]) {
        (self.code, &self.message, &self.details)
    }
}

impl PartialEq for Rejection {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Rejection {}

impl PartialOrd for Rejection {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rejection {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text().cmp(&other.text())
    }
}

/// One node.
#[derive(Debug, Clone)]
pub struct NodePlan {
    /// `metadata.name`
    pub name: Text,
    /// Label `node.kubernetes.io/instance-type`.
    pub instance_type: Option<Text>,
    /// By driver: the devices that the node's own slices hold, of the newest generation.
    pub devices: BTreeMap<Text, Usage>,
    /// The node's own slices, newest generation only, in the order of their names.
    pub slices: Vec<Arc<ResourceSlice>>,
}

/// How many of a driver's devices are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All there are.
    pub total: usize,
    /// Those that some claim holds once the plan is carried out.
    pub used: usize,
}

/// A device that a claim of the input holds already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which device.
    pub device: DeviceId,
    /// `namespace/name` of the claim.
    pub claim: Text,
    /// Whom to ask: `pod NAMESPACE/NAME`, or `claim NAMESPACE/NAME` where nobody has reserved it.
    pub holder: Text,
}
