//! The allocator as the books of all nodes' devices.
//!
//! Nodes whose devices look alike to every expression and constraint of the input, and of which the
//! same are in use, have one state: a verdict on one of them holds for all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use trainyard_allocator::{Inventory, Order, Question, Verdict as Answer};
use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, DeviceResult, ResourceClaim};
use trainyard_model::class::DeviceClass;
use trainyard_model::features::Features;
use trainyard_model::node::Node;
use trainyard_model::selector::{Engine as _, Reads};
use trainyard_model::slice::{DeviceId, ResourceSlice};
use trainyard_selector::Engine;

use crate::devices::{Devices, MOST_STEPS, Reason, Verdict};
use crate::projection::Projections;
use crate::reason;

/// Search steps that one question may take.
const BUDGET: u64 = 10_000_000;

/// See the module.
#[derive(Debug)]
pub struct Books {
    inventory: Inventory<Engine>,
    nodes: Vec<Node>,
    features: Features,
    order: Order,
    /// What a node's devices look like.
    looks: Vec<u64>,
    /// What of them is in use, by a name that does not depend on the node.
    uses: Vec<BTreeMap<Text, Vec<Text>>>,
    used_ids: FxHashMap<(u64, InUse), u64>,
    states: Vec<u64>,
    /// Whether any device belongs to no single node.
    shared: bool,
    revision: u64,
    /// Places of the pools on their node, by driver and pool.
    pools: FxHashMap<(Text, Text), (usize, usize)>,
    slices: Vec<Vec<Arc<ResourceSlice>>>,
}

/// Devices of a node with what is taken of each.
type InUse = Vec<(Text, Vec<Text>)>;

/// The expressions and constraints of an input: nothing else of its devices' attributes can reach an
/// answer.
#[derive(Debug, Clone, Default)]
pub struct Readers {
    selectors: BTreeSet<Text>,
    derived: BTreeSet<Text>,
    /// Attributes that constraints compare.
    compared: BTreeSet<Text>,
}

impl Readers {
    /// Adds a class.
    pub fn class(&mut self, class: &DeviceClass) {
        self.selectors
            .extend(class.selectors.iter().flatten().cloned());
    }

    /// Adds a claim.
    pub fn claim(&mut self, claim: &ResourceClaim) {
        for request in &claim.requests {
            for query in request.exactly.iter().chain(&request.first_available) {
                self.selectors
                    .extend(query.selectors.iter().flatten().cloned());
                let derived = query.derived_attributes.iter();
                self.derived
                    .extend(derived.map(|derived| derived.expression.clone()));
            }
        }
        for constraint in &claim.constraints {
            self.compared.extend(constraint.match_attribute.clone());
            self.compared.extend(constraint.distinct_attribute.clone());
        }
    }

    /// What all of them together read of a device. An expression that does not compile reads nothing:
    /// it fails on every device alike.
    fn reads(&self, engine: &mut Engine) -> Reads {
        let mut reads = Reads::default();
        for name in &self.compared {
            reads.add_attribute(name.clone());
        }
        for source in &self.selectors {
            if let Ok(expression) = engine.compile(source) {
                reads.add(&engine.reads(&expression));
            }
        }
        for source in &self.derived {
            if let Ok(expression) = engine.compile_derived(source) {
                reads.add(&engine.reads(&expression));
            }
        }
        reads
    }
}

impl Books {
    /// Opens the books on nodes in natural order, with all slices and classes.
    pub fn new(
        nodes: Vec<Node>,
        slices: &[Arc<ResourceSlice>],
        classes: &[Arc<DeviceClass>],
        readers: &Readers,
        features: Features,
        order: Order,
    ) -> Books {
        let mut engine = Engine::new();
        let reads = readers.reads(&mut engine);
        let mut inventory = Inventory::new(engine);
        for class in classes {
            inventory.apply_class(class);
        }
        let by_name: FxHashMap<Text, usize> = nodes
            .iter()
            .enumerate()
            .map(|(place, node)| (node.name.clone(), place))
            .collect();
        let mut own: Vec<Vec<Arc<ResourceSlice>>> = vec![Vec::new(); nodes.len()];
        let mut at_home: FxHashMap<(Text, Text), Option<usize>> = FxHashMap::default();
        let mut shared = false;
        let mut projections = Projections::new(reads);
        let mut projected: Vec<Vec<Arc<ResourceSlice>>> = vec![Vec::new(); nodes.len()];
        for slice in slices {
            let read = projections.of(slice);
            inventory.apply_slice(&read);
            let name = slice.node_name.as_ref().filter(|name| !name.is_empty());
            let home = name.and_then(|name| by_name.get(name).copied());
            let pool = (slice.driver.clone(), slice.pool.name.clone());
            // A pool of several nodes is nobody's own; neither is a slice without a node.
            let known = at_home.entry(pool).or_insert(home);
            shared |= name.is_none() || *known != home;
            if let Some(home) = home {
                own[home].push(slice.clone());
                projected[home].push(read);
            }
        }
        let mut books = Books {
            inventory,
            uses: vec![BTreeMap::new(); nodes.len()],
            nodes,
            features,
            order,
            looks: Vec::new(),
            used_ids: FxHashMap::default(),
            states: Vec::new(),
            shared,
            revision: 0,
            pools: FxHashMap::default(),
            slices: own,
        };
        books.look(projected);
        books.states = vec![0; books.nodes.len()];
        for node in 0..books.nodes.len() {
            books.number(node);
        }
        books
    }

    /// Sorts nodes by what their devices look like: `projected` are their slices with what is read.
    fn look(&mut self, mut projected: Vec<Vec<Arc<ResourceSlice>>>) {
        let mut kinds: FxHashMap<Vec<Text>, Vec<(usize, u64)>> = FxHashMap::default();
        let mut next = 0;
        for place in 0..self.nodes.len() {
            sort(&mut self.slices[place]);
            sort(&mut projected[place]);
            let mut pools = BTreeSet::new();
            for slice in &self.slices[place] {
                let pool = (slice.driver.clone(), slice.pool.name.clone());
                pools.insert(pool.clone());
                self.pools.insert(pool, (place, pools.len() - 1));
            }
            if self.shared {
                self.looks.push(place as u64);
                continue;
            }
            // Nodes are compared with one of each kind that has the same drivers.
            let slices = &projected[place];
            let drivers = slices.iter().map(|slice| slice.driver.clone()).collect();
            let alike = kinds.entry(drivers).or_default();
            let known = alike
                .iter()
                .find(|(other, _)| look_alike(&projected[*other], slices));
            let look = known.map(|(_, look)| *look).unwrap_or_else(|| {
                next += 1;
                alike.push((place, next));
                next
            });
            self.looks.push(look);
        }
    }

    fn number(&mut self, node: usize) {
        let uses = self.uses[node].iter();
        let uses = uses
            .map(|(device, uses)| (device.clone(), uses.clone()))
            .collect();
        let next = self.used_ids.len() as u64;
        self.states[node] = *self
            .used_ids
            .entry((self.looks[node], uses))
            .or_insert(next);
    }

    /// What was allocated before the plan: `holder` has it.
    pub fn hold(&mut self, result: &AllocationResult, holder: &Text) {
        self.inventory.hold_result(result, holder);
        let touched: BTreeSet<usize> = result
            .results
            .iter()
            .filter_map(|device| self.note(device))
            .collect();
        for node in touched {
            self.number(node);
        }
        self.revision += u64::from(self.shared);
    }

    fn note(&mut self, device: &DeviceResult) -> Option<usize> {
        if device.admin_access {
            return None;
        }
        let key = (device.driver.clone(), device.pool.clone());
        let (node, pool) = *self.pools.get(&key)?;
        let name: Text = format!("{}/{pool}/{}", device.driver, device.device).into();
        let amount = match &device.share_id {
            None => "whole".into(),
            Some(_) => {
                let amounts = device.consumed_capacity.iter().flatten();
                let amounts: Vec<_> = amounts
                    .map(|(name, amount)| format!("{name}={amount}"))
                    .collect();
                amounts.join(" ").into()
            }
        };
        let uses = self.uses[node].entry(name).or_default();
        uses.push(amount);
        uses.sort();
        Some(node)
    }

    /// A node's own slices, by driver, pool and name.
    pub fn slices(&self, node: usize) -> &[Arc<ResourceSlice>] {
        &self.slices[node]
    }
}

impl Devices for Books {
    fn state(&self, node: usize) -> u64 {
        self.states[node]
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn allocate(&mut self, node: usize, claims: &[Arc<ResourceClaim>]) -> Verdict {
        let claims: Vec<&ResourceClaim> = claims.iter().map(|claim| &**claim).collect();
        let question = Question {
            node: &self.nodes[node],
            claims: &claims,
            features: self.features,
            budget: BUDGET,
        };
        let answer = self.inventory.allocate(&question);
        match answer.verdict {
            Answer::Fits(results) => Verdict::Fits(results),
            Answer::Refused => {
                Verdict::Refused(Arc::new(reason::refused(&mut self.inventory, &question)))
            }
            Answer::NodeError(error) => {
                let reason = Reason::plain("claim/invalid-pool", error.to_string());
                Verdict::Refused(Arc::new(reason))
            }
            Answer::Fatal(error) => Verdict::Fatal(Arc::new(reason::fatal(&error))),
            Answer::GaveUp => {
                let message = format!("the search was given up after {} steps", answer.steps);
                Verdict::Refused(Arc::new(Reason::plain("claim/gave-up", message)))
            }
        }
    }

    fn upstream_steps(&mut self, node: usize, claims: &[Arc<ResourceClaim>]) -> u64 {
        let claims: Vec<&ResourceClaim> = claims.iter().map(|claim| &**claim).collect();
        let question = Question {
            node: &self.nodes[node],
            claims: &claims,
            features: self.features,
            budget: MOST_STEPS,
        };
        self.inventory
            .upstream_steps(&question, self.order, MOST_STEPS)
    }

    fn take(&mut self, _node: usize, results: &[AllocationResult], holder: &Text) {
        for result in results {
            self.hold(result, holder);
        }
    }
}

fn sort(slices: &mut [Arc<ResourceSlice>]) {
    slices.sort_by(|a, b| {
        let key = |slice: &ResourceSlice| {
            (
                slice.driver.clone(),
                slice.pool.name.clone(),
                slice.name.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
}

/// Whether two nodes' slices are the same but for the names of node and pools.
fn look_alike(a: &[Arc<ResourceSlice>], b: &[Arc<ResourceSlice>]) -> bool {
    a.len() == b.len()
        && pools_of(a) == pools_of(b)
        && a.iter().zip(b).all(|(a, b)| {
            a.pool.generation == b.pool.generation
                && a.pool.resource_slice_count == b.pool.resource_slice_count
                && a.node_selector.is_none()
                && b.node_selector.is_none()
                && a.all_nodes == b.all_nodes
                && a.per_device_node_selection.is_none()
                && a.shared_counters == b.shared_counters
                && a.has_same_devices(b)
        })
}

/// Which of the slices, in order, begin a new pool.
fn pools_of(slices: &[Arc<ResourceSlice>]) -> Vec<bool> {
    let mut last = None;
    slices
        .iter()
        .map(|slice| {
            let pool = (&slice.driver, &slice.pool.name);
            last.replace(pool) != Some(pool)
        })
        .collect()
}

/// The identity of an allocated device.
pub fn id(device: &DeviceResult) -> DeviceId {
    DeviceId {
        driver: device.driver.clone(),
        pool: device.pool.clone(),
        device: device.device.clone(),
    }
}
