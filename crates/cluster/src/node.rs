//! A node as filters and scores see it: what stays as it is, and what pods make of it.

use std::collections::{BTreeMap, BTreeSet};

use trainyard_model::Text;

use crate::demand::{Demand, HostPort, Taint};
use crate::k8s;
use crate::labels::Labels;
use crate::resources::Resources;

/// What stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Machine {
    /// `metadata.name`
    pub name: Text,
    /// `metadata.labels`
    pub labels: Labels,
    /// `spec.taints`
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`
    pub unschedulable: bool,
    /// `status.allocatable`
    pub allocatable: Resources,
    /// `status.allocatable.pods`
    pub max_pods: i64,
}

impl Machine {
    /// Reads a node. One without a status, as in a hand-written file, has no resources at all.
    pub fn of(node: &k8s::Node) -> Machine {
        let spec = node.spec.as_ref();
        let status = node.status.as_ref();
        let allocatable =
            status.and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref()));
        let (allocatable, max_pods) = allocatable.map(Resources::of_node).unwrap_or_default();
        let labels = node.metadata.labels.iter().flatten();
        let taints = spec.and_then(|spec| spec.taints.as_ref());
        Machine {
            name: node.metadata.name.as_deref().unwrap_or_default().into(),
            labels: labels
                .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
                .collect(),
            taints: taints.into_iter().flatten().map(Taint::of).collect(),
            unschedulable: spec.is_some_and(|spec| spec.unschedulable == Some(true)),
            allocatable,
            max_pods,
        }
    }
}

/// A kind of pod as its neighbours see it: an index into [`crate::world::World`]'s table.
pub type ResidentId = u32;

/// What pods make of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Load {
    /// Sum of requests.
    pub requested: Resources,
    /// Sum of requests, with what is assumed for containers that name none.
    pub nonzero_milli_cpu: i64,
    /// Likewise.
    pub nonzero_memory: i64,
    /// Number of pods.
    pub pods: i64,
    /// Host ports in use.
    pub ports: BTreeSet<HostPort>,
    /// Number of pods by kind; empty while no pod of the input asks for or against other pods.
    pub residents: BTreeMap<ResidentId, u32>,
}

impl Load {
    /// Takes a pod in.
    pub fn admit(&mut self, demand: &Demand, resident: Option<ResidentId>) {
        self.requested.add(&demand.requests.exact);
        self.nonzero_milli_cpu += demand.requests.nonzero_milli_cpu;
        self.nonzero_memory += demand.requests.nonzero_memory;
        self.pods += 1;
        self.ports.extend(demand.ports.iter().cloned());
        if let Some(resident) = resident {
            *self.residents.entry(resident).or_default() += 1;
        }
    }
}
