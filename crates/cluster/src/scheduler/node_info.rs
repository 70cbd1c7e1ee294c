//! A node as filters and scores see it: its own object, and the pods assigned to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::input::Node;
use crate::pod::demand::{Demand, HostPort};
use crate::pod::resources::Resources;

/// What a filter or a score looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeInfo<'a> {
    /// What stays as it is.
    pub node: &'a Node,
    /// What pods make of it.
    pub assigned: &'a AssignedPods,
}

/// A kind of pod as other pods see it: an index into
/// [`Snapshot::residents`](super::snapshot::Snapshot::residents).
pub(crate) type ResidentId = u32;

/// The pods assigned to a node, summed up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct AssignedPods {
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

impl AssignedPods {
    /// Adds a pod.
    pub(crate) fn add(&mut self, demand: &Demand, resident: Option<ResidentId>) {
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
