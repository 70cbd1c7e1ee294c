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
use trainyard_model::device::{Attribute, Device};
use trainyard_model::features::Features;
use trainyard_model::node::Node;
use trainyard_model::slice::{DeviceId, ResourceSlice};
use trainyard_selector::Engine;

use crate::devices::{Devices, MOST_STEPS, Reason, Verdict};
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

/// What expressions and constraints of an input read of devices.
#[derive(Debug, Clone, Default)]
pub struct Reads {
    /// Texts in which an attribute that is read is named.
    texts: BTreeSet<Text>,
    /// Some expression may read attributes that it does not name.
    everything: bool,
}

impl Reads {
    /// Adds a class.
    pub fn class(&mut self, class: &DeviceClass) {
        for selector in class.selectors.iter().flatten() {
            self.expression(selector);
        }
    }

    /// Adds a claim.
    pub fn claim(&mut self, claim: &ResourceClaim) {
        for request in &claim.requests {
            for query in request.exactly.iter().chain(&request.first_available) {
                for selector in query.selectors.iter().flatten() {
                    self.expression(selector);
                }
                for derived in &query.derived_attributes {
                    self.expression(&derived.expression);
                }
            }
        }
        for constraint in &claim.constraints {
            self.texts.extend(constraint.match_attribute.clone());
            self.texts.extend(constraint.distinct_attribute.clone());
        }
    }

    fn expression(&mut self, source: &Text) {
        if self.texts.insert(source.clone()) {
            self.everything |= !names_what_it_reads(source);
        }
    }

    fn attribute(&self, name: &str, value: &Attribute) -> bool {
        // These may fail to convert, which every expression notices.
        let fragile = matches!(
            value,
            Attribute::Version(_) | Attribute::Versions(_) | Attribute::Unknown
        );
        let id = name.rsplit_once('/').map_or(name, |(_, id)| id);
        self.everything || fragile || self.texts.iter().any(|text| text.contains(id))
    }
}

/// Whether every use of `attributes` in an expression is `attributes["domain"].id` with both written
/// out, so that the identifier stands in its text.
fn names_what_it_reads(source: &str) -> bool {
    source.match_indices("attributes").all(|(at, word)| {
        let after = source[at + word.len()..].trim_start();
        let Some(index) = after.strip_prefix('[') else {
            return false;
        };
        let index = index.trim_start();
        let Some(quote) = index.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return false;
        };
        let Some((_, rest)) = index[1..].split_once(quote) else {
            return false;
        };
        let Some(member) = rest.trim_start().strip_prefix(']') else {
            return false;
        };
        let Some(member) = member.trim_start().strip_prefix('.') else {
            return false;
        };
        let member = member.trim_start_matches('?').trim_start();
        let end = member
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(member.len());
        // A call is no attribute.
        end > 0 && !member[end..].trim_start().starts_with('(')
    })
}

impl Books {
    /// Opens the books on nodes in natural order, with all slices and classes.
    pub fn new(
        nodes: Vec<Node>,
        slices: &[Arc<ResourceSlice>],
        classes: &[Arc<DeviceClass>],
        reads: &Reads,
        features: Features,
        order: Order,
    ) -> Books {
        let mut inventory = Inventory::new(Engine::new());
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
        for slice in slices {
            inventory.apply_slice(slice);
            let name = slice.node_name.as_ref().filter(|name| !name.is_empty());
            let home = name.and_then(|name| by_name.get(name).copied());
            let pool = (slice.driver.clone(), slice.pool.name.clone());
            // A pool of several nodes is nobody's own; neither is a slice without a node.
            let known = at_home.entry(pool).or_insert(home);
            shared |= name.is_none() || *known != home;
            if let Some(home) = home {
                own[home].push(slice.clone());
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
        books.look(reads);
        books.states = vec![0; books.nodes.len()];
        for node in 0..books.nodes.len() {
            books.number(node);
        }
        books
    }

    /// Sorts nodes by what their devices look like.
    fn look(&mut self, reads: &Reads) {
        let mut kinds: FxHashMap<Vec<Text>, Vec<(usize, u64)>> = FxHashMap::default();
        let mut next = 0;
        for place in 0..self.nodes.len() {
            let slices = &mut self.slices[place];
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
            let mut pools = BTreeSet::new();
            for slice in slices.iter() {
                let pool = (slice.driver.clone(), slice.pool.name.clone());
                pools.insert(pool.clone());
                self.pools.insert(pool, (place, pools.len() - 1));
            }
            if self.shared {
                self.looks.push(place as u64);
                continue;
            }
            // Nodes are compared with one of each kind that has the same drivers.
            let drivers = self.slices[place]
                .iter()
                .map(|slice| slice.driver.clone())
                .collect();
            let alike = kinds.entry(drivers).or_default();
            let known = alike
                .iter()
                .find(|(other, _)| look_alike(&self.slices[*other], &self.slices[place], reads));
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
            Answer::Refused(refused) => {
                let refusal = self.inventory.explain(&question, refused);
                Verdict::Refused(Arc::new(reason::refused(refusal)))
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

/// Whether two nodes' slices are the same but for the names of node and pools, as far as anybody
/// looks.
fn look_alike(a: &[Arc<ResourceSlice>], b: &[Arc<ResourceSlice>], reads: &Reads) -> bool {
    a.len() == b.len()
        && pools_of(a) == pools_of(b)
        && a.iter().zip(b).all(|(a, b)| {
            a.driver == b.driver
                && a.pool.generation == b.pool.generation
                && a.pool.resource_slice_count == b.pool.resource_slice_count
                && a.node_selector.is_none()
                && b.node_selector.is_none()
                && a.all_nodes == b.all_nodes
                && a.per_device_node_selection.is_none()
                && b.per_device_node_selection.is_none()
                && a.skip_node_operations == b.skip_node_operations
                && a.shared_counters == b.shared_counters
                && (Arc::ptr_eq(&a.devices, &b.devices)
                    || a.devices.len() == b.devices.len()
                        && a.devices
                            .iter()
                            .zip(b.devices.iter())
                            .all(|(a, b)| same(a, b, reads)))
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

fn same(a: &Device, b: &Device, reads: &Reads) -> bool {
    let plain = |device: &Device| {
        device.capacity.is_empty()
            && device.consumes_counters.is_empty()
            && device.node_selector.is_none()
            && device.node_name.is_none()
    };
    let rest = || {
        plain(a) && plain(b)
            || (format!("{:?}", a.capacity) == format!("{:?}", b.capacity)
                && format!("{:?}", a.consumes_counters) == format!("{:?}", b.consumes_counters)
                && a.node_selector == b.node_selector
                && a.node_name == b.node_name)
    };
    a.name == b.name
        && a.taints == b.taints
        && a.binds_to_node == b.binds_to_node
        && a.binding_conditions == b.binding_conditions
        && a.binding_failure_conditions == b.binding_failure_conditions
        && a.allow_multiple_allocations == b.allow_multiple_allocations
        && a.all_nodes == b.all_nodes
        && rest()
        && same_attributes(&a.attributes, &b.attributes, reads)
}

fn same_attributes(
    a: &BTreeMap<Text, Attribute>,
    b: &BTreeMap<Text, Attribute>,
    reads: &Reads,
) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|((a_name, a_value), (b_name, b_value))| {
                a_name == b_name
                    && (a_value == b_value
                        || !(reads.attribute(a_name, a_value) || reads.attribute(b_name, b_value)))
            })
}

/// The identity of an allocated device.
pub fn id(device: &DeviceResult) -> DeviceId {
    DeviceId {
        driver: device.driver.clone(),
        pool: device.pool.clone(),
        device: device.device.clone(),
    }
}
