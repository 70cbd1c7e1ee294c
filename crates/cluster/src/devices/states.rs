//! Which nodes have the same devices, and the same of them in use?
//!
//! The running example: all nodes of a type publish equal devices (one *layout*), and four pods fill
//! each of them in the same order, so that ten thousand nodes are in five states. A verdict on one
//! node holds for all nodes in its state.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, DeviceResult};
use trainyard_model::slice::ResourceSlice;

/// The number of a state.
pub(crate) type StateId = u32;

/// The number of a layout.
type LayoutId = u32;

/// A device, numbered within its layout, and the number of what is taken of it.
type Use = (u32, u32);

/// All of a device is taken; other numbers are those of shares.
const WHOLE: u32 = 0;

/// The devices of a kind of node.
#[derive(Debug, Default)]
struct Layout {
    /// By place of the pool on the node and name of the device.
    numbers: FxHashMap<(u32, Text), u32>,
}

/// A layout with what is in use of it, by device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    layout: LayoutId,
    uses: Arc<[Use]>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct States {
    layouts: Vec<Layout>,
    states: Vec<State>,
    ids: FxHashMap<State, StateId>,
    of_node: Vec<StateId>,
    /// By driver and pool: the nodes whose own slices are in it, and its place among their pools.
    pools: FxHashMap<(Text, Text), Vec<(usize, u32)>>,
    /// What shares may take of a device, as text.
    shares: FxHashMap<Text, u32>,
}

/// Slices of one node by driver, pool and name.
type Slices = [Arc<ResourceSlice>];

impl States {
    /// `nodes` are the slices of each node, sorted, with what is read of their devices. Where
    /// `apart`, no two nodes are taken for equal.
    pub(crate) fn new(nodes: &[Vec<Arc<ResourceSlice>>], apart: bool) -> States {
        let mut states = States::default();
        // Nodes are compared with one of each layout that has the same drivers.
        let mut known: FxHashMap<Vec<&Text>, Vec<(usize, LayoutId)>> = FxHashMap::default();
        for (node, slices) in nodes.iter().enumerate() {
            states.add_pools(node, slices);
            let drivers = slices.iter().map(|slice| &slice.driver).collect();
            let alike = known.entry(drivers).or_default();
            let is_alike = |(other, _): &&(usize, LayoutId)| are_alike(&nodes[*other], slices);
            let equal = match apart {
                true => None,
                false => alike.iter().find(is_alike),
            };
            let layout = equal.map(|(_, layout)| *layout).unwrap_or_else(|| {
                let layout = id(states.layouts.len());
                states.layouts.push(Layout::of(slices));
                alike.push((node, layout));
                layout
            });
            let uses = Arc::default();
            let state = states.intern(State { layout, uses });
            states.of_node.push(state);
        }
        states
    }

    fn add_pools(&mut self, node: usize, slices: &Slices) {
        for (slice, place) in slices.iter().zip(places_of_pools(slices)) {
            let pool = (slice.driver.clone(), slice.pool.name.clone());
            let nodes = self.pools.entry(pool).or_default();
            if nodes.last() != Some(&(node, place)) {
                nodes.push((node, place));
            }
        }
    }

    fn intern(&mut self, state: State) -> StateId {
        let next = id(self.states.len());
        match self.ids.get(&state) {
            Some(known) => *known,
            None => {
                self.states.push(state.clone());
                self.ids.insert(state, next);
                next
            }
        }
    }

    /// The state of a node.
    pub(crate) fn of(&self, node: usize) -> StateId {
        self.of_node[node]
    }

    /// Notes that devices are in use from now on.
    pub(crate) fn add(&mut self, result: &AllocationResult) {
        let mut added: BTreeMap<usize, Vec<Use>> = BTreeMap::new();
        for device in result.exclusive() {
            let amount = self.amount(device);
            let pool = (device.driver.clone(), device.pool.clone());
            for (node, place) in self.pools.get(&pool).into_iter().flatten() {
                let layout = self.states[self.of_node[*node] as usize].layout;
                let numbers = &self.layouts[layout as usize].numbers;
                // A device that is no longer published cannot be had, in use or not.
                if let Some(number) = numbers.get(&(*place, device.device.clone())) {
                    added.entry(*node).or_default().push((*number, amount));
                }
            }
        }
        for (node, mut uses) in added {
            let state = &self.states[self.of_node[node] as usize];
            uses.extend(state.uses.iter());
            uses.sort_unstable();
            let layout = state.layout;
            let uses = uses.into();
            self.of_node[node] = self.intern(State { layout, uses });
        }
    }

    /// The number of what a result takes of its device.
    fn amount(&mut self, device: &DeviceResult) -> u32 {
        if device.share_id.is_none() {
            return WHOLE;
        }
        let amounts = device.consumed_capacity.iter().flatten();
        let amounts: Vec<_> = amounts
            .map(|(name, amount)| format!("{name}={amount}"))
            .collect();
        let next = id(self.shares.len() + 1);
        *self.shares.entry(amounts.join(" ").into()).or_insert(next)
    }

    /// For each device of `slices`, which are a node's own, whether it is in use.
    pub(crate) fn is_used<'a>(
        &'a self,
        node: usize,
        slices: &'a Slices,
    ) -> impl Iterator<Item = (&'a ResourceSlice, bool)> {
        let state = &self.states[self.of_node[node] as usize];
        let numbers = &self.layouts[state.layout as usize].numbers;
        let places = places_of_pools(slices);
        slices.iter().zip(places).flat_map(move |(slice, place)| {
            slice.devices.iter().map(move |device| {
                let number = numbers.get(&(place, device.name.clone()));
                let used = number.is_some_and(|number| {
                    let at = state.uses.partition_point(|(used, _)| used < number);
                    state.uses.get(at).is_some_and(|(used, _)| used == number)
                });
                (&**slice, used)
            })
        })
    }
}

impl Layout {
    fn of(slices: &Slices) -> Layout {
        let mut layout = Layout::default();
        for (slice, place) in slices.iter().zip(places_of_pools(slices)) {
            for device in slice.devices.iter() {
                let next = id(layout.numbers.len());
                let key = (place, device.name.clone());
                layout.numbers.entry(key).or_insert(next);
            }
        }
        layout
    }
}

fn id(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than four billion")
}

/// For each slice, the place of its pool among the pools of the node.
fn places_of_pools(slices: &Slices) -> Vec<u32> {
    let mut places = Vec::with_capacity(slices.len());
    for (at, slice) in slices.iter().enumerate() {
        let place = match at.checked_sub(1) {
            None => 0,
            Some(before) => {
                let other = &slices[before];
                let same = other.driver == slice.driver && other.pool.name == slice.pool.name;
                places[before] + u32::from(!same)
            }
        };
        places.push(place);
    }
    places
}

/// Whether two nodes' slices are the same but for the names of nodes, pools and slices.
fn are_alike(one: &Slices, other: &Slices) -> bool {
    one.len() == other.len()
        && places_of_pools(one) == places_of_pools(other)
        && one.iter().zip(other).all(|(one, other)| {
            one.pool.generation == other.pool.generation
                && one.pool.resource_slice_count == other.pool.resource_slice_count
                && one.node_selector.is_none()
                && other.node_selector.is_none()
                && one.per_device_node_selection.is_none()
                && one.all_nodes == other.all_nodes
                && one.shared_counters == other.shared_counters
                && one.has_same_devices(other)
        })
}
