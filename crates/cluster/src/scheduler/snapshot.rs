//! All nodes, with the pods and devices on them, arranged so that one pod after the other can be
//! placed without looking at each node anew.
//!
//! Nodes in the same *state* (kind, assigned pods and devices) are one group: each filter looks at a
//! group once, and its verdict is remembered by demand and state. Placing a pod moves one node from
//! one group to another, and nothing else changes.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use trainyard_model::Text;
use trainyard_model::slice::ResourceSlice;
use trainyard_model::taint::Taint;

use super::node_group::{Domain, Domains, Resident, Residents, StateId};
use super::node_info::{AssignedPods, NodeInfo, ResidentId};
use crate::devices::{self, Devices};
use crate::input::claims::Claims;
use crate::input::{Node, natural};
use crate::pod::demand::{Demand, Namespaces};
use crate::pod::labels::NodeTerm;
use crate::pod::resources::Resources;

/// Numbers equal values alike.
#[derive(Debug)]
pub(crate) struct Interner<T> {
    values: Vec<T>,
    ids: FxHashMap<T, u32>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Interner {
            values: Vec::new(),
            ids: FxHashMap::default(),
        }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    pub(crate) fn id(&mut self, value: &T) -> u32 {
        if let Some(id) = self.ids.get(value) {
            return *id;
        }
        let id = u32::try_from(self.values.len()).expect("fewer than four billion values");
        self.values.push(value.clone());
        self.ids.insert(value.clone(), id);
        id
    }

    pub(crate) fn get(&self, id: u32) -> &T {
        &self.values[id as usize]
    }
}

/// What stays as it is of a node, as far as any pod of the input can tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    /// Set only where some pod asks for the node by name.
    name: Option<Text>,
    labels: Vec<(Text, Text)>,
    taints: Vec<Taint>,
    unschedulable: bool,
    allocatable: Resources,
    max_pods: i64,
    domains: Domains,
}

/// A node's kind, the pods assigned to it and its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    kind: u32,
    assigned: u32,
    devices: devices::StateId,
}

/// What the demands of an input read, so that nothing else tells nodes apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct LabelReads {
    /// Labels of nodes whose values are compared.
    pub node_labels: BTreeSet<Text>,
    /// Labels of nodes by which they are grouped.
    pub topologies: BTreeSet<Text>,
    /// Nodes asked for by name in affinity terms.
    pub node_names: BTreeSet<Text>,
    /// Labels of pods that selectors look at.
    pub pod_labels: BTreeSet<Text>,
    /// Whether any pod asks for or against other pods, or is spread among them.
    pub peers: bool,
}

impl LabelReads {
    /// The labels of nodes that slices and allocated claims read.
    pub(crate) fn of_devices(slices: &[Arc<ResourceSlice>], claims: &Claims) -> LabelReads {
        let mut reads = LabelReads::default();
        let of_slices = slices
            .iter()
            .filter_map(|slice| slice.node_selector.as_ref());
        let devices = slices.iter().flat_map(|slice| slice.devices.iter());
        let of_devices = devices.filter_map(|device| device.node_selector.as_ref());
        let claims = claims.claims.values();
        let of_claims =
            claims.filter_map(|claim| claim.allocation.as_ref()?.node_selector.as_ref());
        for selector in of_slices.chain(of_devices).chain(of_claims) {
            for term in NodeTerm::of_selector(selector) {
                reads.node_labels.extend(term.keys().cloned());
                // A term with one name alone pins the pod, which needs no kind of its own.
                if term.only().is_none() {
                    reads.node_names.extend(term.names().cloned());
                }
            }
        }
        reads
    }

    /// Adds what one demand reads.
    pub(crate) fn read(&mut self, demand: &Demand) {
        self.node_labels.extend(demand.node_keys().cloned());
        self.topologies.extend(demand.topologies().cloned());
        self.pod_labels.extend(demand.pod_keys().cloned());
        let terms = demand.node_affinity.iter().flatten();
        let preferred = demand.preferred_nodes.iter().map(|(_, term)| term);
        for term in terms.chain(preferred) {
            self.node_names.extend(term.names().cloned());
        }
        self.peers |= demand.topologies().next().is_some();
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// In natural order of their names. Elsewhere a node is its place in this list.
    nodes: Vec<Node>,
    kinds: Interner<Kind>,
    assigned: Interner<AssignedPods>,
    states: Interner<State>,
    residents: Interner<Resident>,
    resident_table: Residents,
    state_of: Vec<StateId>,
    groups: BTreeMap<StateId, BTreeSet<usize>>,
    namespaces: Namespaces,
    watch_residents: bool,
}

impl Snapshot {
    /// Sorts nodes into groups. `nodes` must be in natural order, as in `devices`.
    pub(crate) fn new(
        nodes: Vec<Node>,
        namespaces: Namespaces,
        reads: &LabelReads,
        devices: &Devices,
    ) -> Snapshot {
        debug_assert!(
            nodes.is_sorted_by(|a, b| natural::compare(a.name(), b.name()).is_le()),
            "nodes come in natural order"
        );
        let own = own_domains(&nodes, &reads.topologies);
        let mut snapshot = Snapshot {
            nodes,
            kinds: Interner::default(),
            assigned: Interner::default(),
            states: Interner::default(),
            residents: Interner::default(),
            resident_table: Residents::default(),
            state_of: Vec::new(),
            groups: BTreeMap::new(),
            namespaces,
            watch_residents: reads.peers,
        };
        let assigned = snapshot.assigned.id(&AssignedPods::default());
        for (place, node) in snapshot.nodes.iter().enumerate() {
            let kind = snapshot.kinds.id(&kind(node, reads, &own));
            let state = State {
                kind,
                assigned,
                devices: devices.state(place),
            };
            let state = snapshot.states.id(&state);
            snapshot.state_of.push(state);
            snapshot.groups.entry(state).or_default().insert(place);
        }
        snapshot
    }

    /// The node of that name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.nodes
            .binary_search_by(|node| natural::compare(node.name(), name))
            .ok()
    }

    /// All nodes.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Labels of namespaces.
    pub(crate) fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Kinds of pods on nodes.
    pub(crate) fn residents(&self) -> &Residents {
        &self.resident_table
    }

    /// Nodes by state.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (StateId, &BTreeSet<usize>)> {
        self.groups.iter().map(|(state, nodes)| (*state, nodes))
    }

    /// The state of one node.
    pub(crate) fn state(&self, node: usize) -> StateId {
        self.state_of[node]
    }

    /// A node in a state, as filters and scores see it.
    pub(crate) fn info(&self, state: StateId, node: usize) -> NodeInfo<'_> {
        NodeInfo {
            node: &self.nodes[node],
            assigned: self.assigned.get(self.states.get(state).assigned),
        }
    }

    /// Where the nodes in a state stand in topologies.
    pub(crate) fn domains(&self, state: StateId) -> &Domains {
        &self.kinds.get(self.states.get(state).kind).domains
    }

    /// Assigns a pod to a node, on which its devices must be held already.
    pub(crate) fn assume(&mut self, node: usize, demand: &Demand, devices: &Devices) {
        let resident = self.watch_residents.then(|| self.resident(demand));
        let state = *self.states.get(self.state_of[node]);
        let mut assigned = self.assigned.get(state.assigned).clone();
        assigned.add(demand, resident);
        let assigned = self.assigned.id(&assigned);
        let devices = devices.state(node);
        self.enter(
            node,
            State {
                assigned,
                devices,
                ..state
            },
        );
    }

    fn enter(&mut self, node: usize, state: State) {
        let state = self.states.id(&state);
        let before = std::mem::replace(&mut self.state_of[node], state);
        if before == state {
            return;
        }
        if let Some(group) = self.groups.get_mut(&before) {
            group.remove(&node);
            if group.is_empty() {
                self.groups.remove(&before);
            }
        }
        self.groups.entry(state).or_default().insert(node);
    }

    fn resident(&mut self, demand: &Demand) -> ResidentId {
        let resident = Resident {
            identity: demand.identity.clone(),
            peers: demand.peers.clone(),
        };
        let id = self.residents.id(&resident);
        if id as usize == self.resident_table.0.len() {
            self.resident_table.0.push(resident);
        }
        id
    }
}

/// The topology keys whose values no two nodes share.
fn own_domains(nodes: &[Node], topologies: &BTreeSet<Text>) -> BTreeSet<Text> {
    let own = |key: &&Text| {
        let mut seen = BTreeSet::new();
        nodes
            .iter()
            .filter_map(|node| node.labels().get(*key))
            .all(|value| seen.insert(value))
    };
    topologies.iter().filter(own).cloned().collect()
}

fn kind(node: &Node, reads: &LabelReads, own: &BTreeSet<Text>) -> Kind {
    let labels = reads.node_labels.iter();
    let topologies = reads.topologies.iter();
    Kind {
        name: reads.node_names.get(node.name()).cloned(),
        labels: labels
            .filter_map(|key| node.labels().get_key_value(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        taints: node.taints.clone(),
        unschedulable: node.unschedulable,
        allocatable: node.allocatable.clone(),
        max_pods: node.max_pods,
        domains: topologies
            .filter_map(|key| {
                let value = node.labels().get(key)?;
                let domain = if own.contains(key) {
                    Domain::Own
                } else {
                    Domain::Of(value.clone())
                };
                Some((key.clone(), domain))
            })
            .collect(),
    }
}
