//! All nodes, with the pods and devices on them, arranged so that one pod after the other can be
//! placed without looking at each node anew.
//!
//! Nodes in the same *state* (kind, load and devices) are one group: a pod asks each group once, and
//! what it hears is remembered by demand and state. Placing a pod moves one node from one group to
//! another, and nothing else changes.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use rustc_hash::FxHashMap;
use trainyard_model::Text;

use crate::demand::{Demand, Namespaces};
use crate::devices::Devices;
use crate::natural;
use crate::node::{Load, Machine, ResidentId};
use crate::resources::Resources;
use crate::site::{Domain, Domains, Resident, Residents};

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
    taints: Vec<crate::demand::Taint>,
    unschedulable: bool,
    allocatable: Resources,
    max_pods: i64,
    domains: Domains,
}

/// A node's kind, load and devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    kind: u32,
    load: u32,
    devices: u64,
}

/// A state's number.
pub(crate) type StateId = u32;

/// What the demands of an input read, so that nothing else tells nodes apart.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// Labels of nodes whose values are compared.
    pub node_labels: BTreeSet<Text>,
    /// Labels of nodes by which they are grouped.
    pub topologies: BTreeSet<Text>,
    /// Nodes asked for by name in affinity terms.
    pub node_names: BTreeSet<Text>,
    /// Labels of pods that selectors look at.
    pub pod_labels: BTreeSet<Text>,
    /// Whether any pod asks for or against other pods.
    pub peers: bool,
}

impl Vocabulary {
    /// Adds what one demand reads.
    pub fn read(&mut self, demand: &Demand) {
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
pub struct World {
    /// In natural order of their names: a node is its place in this list.
    machines: Vec<Machine>,
    kinds: Interner<Kind>,
    loads: Interner<Load>,
    states: Interner<State>,
    residents: Interner<Resident>,
    resident_table: Residents,
    state_of: Vec<StateId>,
    groups: BTreeMap<StateId, BTreeSet<usize>>,
    namespaces: Namespaces,
    watch_residents: bool,
}

impl World {
    /// Sorts nodes into groups. `machines` must be in natural order, as in `devices`.
    pub fn new(
        machines: Vec<Machine>,
        namespaces: Namespaces,
        vocabulary: &Vocabulary,
        devices: &impl Devices,
    ) -> World {
        debug_assert!(
            machines.is_sorted_by(|a, b| natural::compare(&a.name, &b.name).is_le()),
            "nodes come in natural order"
        );
        let own = own_domains(&machines, &vocabulary.topologies);
        let mut world = World {
            machines,
            kinds: Interner::default(),
            loads: Interner::default(),
            states: Interner::default(),
            residents: Interner::default(),
            resident_table: Residents::default(),
            state_of: Vec::new(),
            groups: BTreeMap::new(),
            namespaces,
            watch_residents: vocabulary.peers,
        };
        let load = world.loads.id(&Load::default());
        for (node, machine) in world.machines.iter().enumerate() {
            let kind = world.kinds.id(&kind(machine, vocabulary, &own));
            let state = State {
                kind,
                load,
                devices: devices.state(node),
            };
            let state = world.states.id(&state);
            world.state_of.push(state);
            world.groups.entry(state).or_default().insert(node);
        }
        world
    }

    /// The node of that name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.machines
            .binary_search_by(|machine| natural::compare(&machine.name, name))
            .ok()
    }

    /// All nodes.
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// Labels of namespaces.
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Kinds of pods on nodes.
    pub fn residents(&self) -> &Residents {
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

    /// What pods make of the nodes in a state.
    pub(crate) fn load(&self, state: StateId) -> &Load {
        self.loads.get(self.states.get(state).load)
    }

    /// Where the nodes in a state stand in topologies.
    pub(crate) fn domains(&self, state: StateId) -> &Domains {
        &self.kinds.get(self.states.get(state).kind).domains
    }

    /// Puts a pod on a node; its devices must have been taken already.
    pub fn admit(&mut self, node: usize, demand: &Demand, devices: &impl Devices) {
        let resident = self.watch_residents.then(|| self.resident(demand));
        let state = *self.states.get(self.state_of[node]);
        let mut load = self.loads.get(state.load).clone();
        load.admit(demand, resident);
        let load = self.loads.id(&load);
        let devices = devices.state(node);
        self.enter(
            node,
            State {
                load,
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
fn own_domains(machines: &[Machine], topologies: &BTreeSet<Text>) -> BTreeSet<Text> {
    let own = |key: &&Text| {
        let mut seen = BTreeSet::new();
        machines
            .iter()
            .filter_map(|machine| machine.labels.get(*key))
            .all(|value| seen.insert(value))
    };
    topologies.iter().filter(own).cloned().collect()
}

fn kind(machine: &Machine, vocabulary: &Vocabulary, own: &BTreeSet<Text>) -> Kind {
    let labels = vocabulary.node_labels.iter();
    let topologies = vocabulary.topologies.iter();
    Kind {
        name: vocabulary.node_names.get(&machine.name).cloned(),
        labels: labels
            .filter_map(|key| machine.labels.get_key_value(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        taints: machine.taints.clone(),
        unschedulable: machine.unschedulable,
        allocatable: machine.allocatable.clone(),
        max_pods: machine.max_pods,
        domains: topologies
            .filter_map(|key| {
                let value = machine.labels.get(key)?;
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
