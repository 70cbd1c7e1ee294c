//! Which devices do a pod's claims get on a node? The allocator, asked for one node at a time.
//!
//! The running example: four pods with a claim of `aligned-efa-neuron` fill a trn2.48xlarge, each
//! with a device group of its own. Nodes with equal devices of which the same are in use have one
//! [state](Devices::state), so that the scheduler asks once for all of them.
//!
//! Refuses to know: pods, filters, scores, and which node is best.

mod prepare;
mod projection;
mod readers;
mod states;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use trainyard_allocator::{Fatal, Inventory, Order, Question, Verdict};
use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, ResourceClaim};
use trainyard_model::class::DeviceClass;
use trainyard_model::features::Features;
use trainyard_model::gates::{Gates, Version};
use trainyard_model::node::Node;
use trainyard_model::plan::{Rejection, Usage};
use trainyard_model::slice::ResourceSlice;
use trainyard_selector::Engine;

pub(crate) use prepare::Drivers;
pub(crate) use states::StateId;

use projection::Projections;
use readers::Readers;
use states::States;

/// Search steps that one question may take.
const BUDGET: u64 = 10_000_000;

/// Where counting kube-scheduler's steps ends.
pub(crate) const MOST_STEPS: u64 = 10_000_000;

/// The devices of all nodes, and what of them is in use.
#[derive(Debug)]
pub(crate) struct Devices {
    allocator: Inventory<Engine>,
    nodes: Vec<Arc<Node>>,
    features: Features,
    order: Order,
    states: States,
    /// Whether a slice belongs to no single node, so that what one node gives away another may lack.
    shared: bool,
    revision: u64,
    /// Each node's own slices of the newest generation, by driver, pool and name.
    slices: Vec<Vec<Arc<ResourceSlice>>>,
}

/// Why a node's devices do not do, with the codes of kube-scheduler's `framework.Status`.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// Not on this node.
    Unschedulable(Arc<Rejection>),
    /// Ends the pod's attempt, whatever other nodes would say.
    Error(Arc<Rejection>),
}

/// What the allocator is set up with.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    classes: &'a [Arc<DeviceClass>],
    readers: Readers,
    features: Features,
    /// Of the search whose steps are counted.
    order: Order,
}

impl<'a> Settings<'a> {
    /// Collects what these claims and classes read of devices, and what the gates switch on.
    pub(crate) fn of(
        claims: &[Arc<ResourceClaim>],
        classes: &'a [Arc<DeviceClass>],
        gates: &Gates,
    ) -> Settings<'a> {
        let mut readers = Readers::default();
        classes.iter().for_each(|class| readers.add_class(class));
        claims.iter().for_each(|claim| readers.add_claim(claim));
        Settings {
            classes,
            readers,
            features: gates.features(),
            order: match gates.version() {
                Version::V1_34 | Version::V1_35 => Order::Permutations,
                Version::V1_36 | Version::V1_37 => Order::Combinations,
            },
        }
    }
}

impl Devices {
    /// The devices of nodes without any: every claim is refused.
    #[cfg(test)]
    pub(crate) fn none(nodes: Vec<Arc<Node>>) -> Devices {
        let settings = Settings::of(&[], &[], &Gates::default());
        Devices::new(nodes, &[], &settings)
    }

    /// Takes in the devices of `slices`, all of them free. `nodes` are in natural order.
    pub(crate) fn new(
        nodes: Vec<Arc<Node>>,
        slices: &[Arc<ResourceSlice>],
        settings: &Settings<'_>,
    ) -> Devices {
        let mut engine = Engine::new();
        let mut projections = Projections::new(settings.readers.reads(&mut engine));
        let mut allocator = Inventory::new(engine);
        for class in settings.classes {
            allocator.apply_class(class);
        }
        let by_name: FxHashMap<Text, usize> = nodes
            .iter()
            .enumerate()
            .map(|(place, node)| (node.name.clone(), place))
            .collect();
        let mut own = vec![Vec::new(); nodes.len()];
        let mut projected = vec![Vec::new(); nodes.len()];
        let mut home_of_pool: FxHashMap<(Text, Text), Option<usize>> = FxHashMap::default();
        let mut shared = false;
        for slice in slices {
            let projection = projections.of(slice);
            allocator.apply_slice(&projection);
            let name = slice.node_name.as_ref().filter(|name| !name.is_empty());
            let home = name.and_then(|name| by_name.get(name).copied());
            let pool = (slice.driver.clone(), slice.pool.name.clone());
            // Neither a pool of several nodes nor a slice without a node belongs to one node.
            let known = home_of_pool.entry(pool).or_insert(home);
            shared |= name.is_none() || *known != home;
            if let Some(home) = home {
                own[home].push(slice.clone());
                projected[home].push(projection);
            }
        }
        for slices in &mut own {
            sort(slices);
            keep_newest(slices);
        }
        projected.iter_mut().for_each(|slices| sort(slices));
        Devices {
            allocator,
            nodes,
            features: settings.features,
            order: settings.order,
            states: States::new(&projected, shared),
            shared,
            revision: 0,
            slices: own,
        }
    }

    /// A number for the node's devices and what of them is in use. Nodes with equal numbers give equal
    /// verdicts on equal claims, apart from the names of node and pools.
    pub(crate) fn state(&self, node: usize) -> StateId {
        self.states.of(node)
    }

    /// Changes whenever something changes that belongs to no single node: verdicts from before no
    /// longer hold.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// `holder` has the devices of an allocation.
    pub(crate) fn hold(&mut self, result: &AllocationResult, holder: &Text) {
        self.allocator.hold_result(result, holder);
        self.states.add(result);
        self.revision += u64::from(self.shared);
    }

    /// Asks whether a node has all that `claims` want: one result for each claim, in order.
    pub(crate) fn allocate(
        &mut self,
        node: usize,
        claims: &[Arc<ResourceClaim>],
    ) -> Result<Vec<AllocationResult>, Failure> {
        let claims: Vec<&ResourceClaim> = claims.iter().map(|claim| &**claim).collect();
        let question = Question {
            node: &self.nodes[node],
            claims: &claims,
            features: self.features,
            budget: BUDGET,
        };
        let answer = self.allocator.allocate(&question);
        let rejection = match answer.verdict {
            Verdict::Fits(results) => return Ok(results),
            Verdict::Fatal(error) => {
                let rejection = Rejection::new(code_of(&error), error.to_string());
                return Err(Failure::Error(Arc::new(rejection)));
            }
            Verdict::Refused(refused) => {
                let proof = self.allocator.explain(&question, refused);
                Rejection {
                    code: proof.code(),
                    message: proof.to_string(),
                    details: proof.details(),
                    proof: Some(Arc::new(proof)),
                }
            }
            Verdict::NodeError(error) => Rejection::new("claim/invalid-pool", error.to_string()),
            Verdict::GaveUp => {
                let message = format!("the search was given up after {} steps", answer.steps);
                Rejection::new("claim/gave-up", message)
            }
        };
        Err(Failure::Unschedulable(Arc::new(rejection)))
    }

    /// How many steps kube-scheduler's own search takes for the same question; counting ends at
    /// [`MOST_STEPS`].
    pub(crate) fn upstream_steps(&mut self, node: usize, claims: &[Arc<ResourceClaim>]) -> u64 {
        let claims: Vec<&ResourceClaim> = claims.iter().map(|claim| &**claim).collect();
        let question = Question {
            node: &self.nodes[node],
            claims: &claims,
            features: self.features,
            budget: MOST_STEPS,
        };
        self.allocator
            .upstream_steps(&question, self.order, MOST_STEPS)
    }

    /// A node's own slices of the newest generation, by driver, pool and name.
    pub(crate) fn slices(&self, node: usize) -> &[Arc<ResourceSlice>] {
        &self.slices[node]
    }

    /// How many devices a node's own slices have by driver, and how many of them are in use.
    pub(crate) fn usage(&self, node: usize) -> BTreeMap<Text, Usage> {
        let slices = &self.slices[node];
        let mut usage: BTreeMap<Text, Usage> = BTreeMap::new();
        for slice in slices {
            usage.entry(slice.driver.clone()).or_default();
        }
        for (slice, is_used) in self.states.is_used(node, slices) {
            let usage = usage.entry(slice.driver.clone()).or_default();
            usage.total += 1;
            usage.used += usize::from(is_used);
        }
        usage
    }
}

/// The code of an error that ends the attempt on all nodes.
fn code_of(error: &Fatal) -> &'static str {
    match error {
        Fatal::Runtime { .. } | Fatal::Derived { .. } => "cel/runtime-error",
        Fatal::Compile { .. } => "cel/compile-error",
        Fatal::UnknownClass { .. } => "claim/class-not-found",
        _ => "claim/fatal",
    }
}

fn sort(slices: &mut [Arc<ResourceSlice>]) {
    fn key(slice: &ResourceSlice) -> (&Text, &Text, &Text) {
        (&slice.driver, &slice.pool.name, &slice.name)
    }
    slices.sort_by(|one, other| key(one).cmp(&key(other)));
}

/// Drops slices of pools of which there is a newer generation.
fn keep_newest(slices: &mut Vec<Arc<ResourceSlice>>) {
    let mut newest: BTreeMap<(Text, Text), i64> = BTreeMap::new();
    let pool = |slice: &ResourceSlice| (slice.driver.clone(), slice.pool.name.clone());
    for slice in slices.iter() {
        let generation = newest.entry(pool(slice)).or_insert(i64::MIN);
        *generation = (*generation).max(slice.pool.generation);
    }
    slices.retain(|slice| newest[&pool(slice)] == slice.pool.generation);
}

/// Rank of the alternatives that were chosen from prioritized lists: eight for each first choice,
/// seven for each second, and so on.
pub(crate) fn rank_of_alternatives(claim: &ResourceClaim, result: &AllocationResult) -> i64 {
    const MOST: i64 = 8;
    let lists = claim
        .requests
        .iter()
        .filter(|request| request.exactly.is_none());
    let chosen = lists.flat_map(|request| {
        let subrequests = request.first_available.iter().enumerate();
        subrequests.filter(|(_, sub)| {
            let name: Text = format!("{}/{}", request.name, sub.name).into();
            result.results.iter().any(|device| device.request == name)
        })
    });
    chosen.map(|(place, _)| MOST - place as i64).sum()
}
