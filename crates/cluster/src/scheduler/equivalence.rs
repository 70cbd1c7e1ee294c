//! Pods that ask the same: which node takes the next of them, or why none does.
//!
//! What has been found out for one pod of a class holds for the others, node state by node state. So a
//! pod costs as much as there are different states, and devices are searched only for states never
//! seen before and for the node chosen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, ResourceClaim};
use trainyard_model::plan::Rejection;

use super::filter::cause::Cause;
use super::filter::{self, peers, spread};
use super::node_group::{NodeGroup, OnNode, StateId};
use super::pre_filter::PreFilterState;
use super::pre_score::PreScoreState;
use super::score::{self, Candidate};
use super::snapshot::Snapshot;
use crate::devices::{Devices, Failure, rank_of_alternatives};
use crate::input::Node;
use crate::pod::demand::Demand;
use crate::pod::extended::Extended;
use crate::pod::labels::NodeTerm;

/// How to choose among the nodes that would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The highest score of kube-scheduler's default profile; of equals the first by name.
    #[default]
    Score,
    /// The first by name.
    Pack,
}

/// What one or more pods ask, and what is known about it.
#[derive(Debug, Default)]
pub(crate) struct EquivalenceClass {
    /// Of nodes.
    pub demand: Demand,
    /// Claims to allocate, in the pod's order.
    pub claims: Vec<Arc<ResourceClaim>>,
    /// Extended resources that may have to come from DRA.
    pub extended: Option<Extended>,
    /// Claims that have been allocated already, and where each can be used (terms are ORed).
    pub usable_on: Vec<(Text, Vec<NodeTerm>)>,
    /// The only node that the pods may go to, if there is one.
    pub pin: Option<Pin>,
    /// Rank of the alternatives in claims that have been allocated already.
    pub rank_of_alternatives: i64,
    /// Nodes whose devices were asked by the last call: one for each state not seen before.
    pub asked: Vec<usize>,
    on_nodes: FxHashMap<StateId, OnNode>,
    /// Whether devices of nodes in a state do, and the rank of the alternatives that they give.
    verdicts: FxHashMap<StateId, Result<i64, Failure>>,
    revision: u64,
}

/// The only node that a pod may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// Its place.
    pub node: usize,
    /// What to say of the others; `None`: nothing.
    pub others: Option<Cause>,
}

/// What becomes of a pod.
#[derive(Debug, Clone)]
pub(crate) enum Decision {
    /// It goes to a node.
    Scheduled {
        /// Place of the node.
        node: usize,
        /// The claims to allocate there, and what each gets.
        claims: Vec<(Arc<ResourceClaim>, AllocationResult)>,
    },
    /// No node takes it.
    Unschedulable(BTreeMap<Cause, BTreeSet<usize>>),
    /// A node's devices end the attempt.
    Error(usize, Arc<Rejection>),
}

impl EquivalenceClass {
    /// A class of pods without claims.
    pub(crate) fn of(demand: Demand) -> EquivalenceClass {
        EquivalenceClass {
            demand,
            ..EquivalenceClass::default()
        }
    }

    /// How much is remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.on_nodes.len() + self.verdicts.len()
    }

    /// Forgets what was found out; it can be found out again.
    pub(crate) fn forget(&mut self) {
        self.on_nodes = FxHashMap::default();
        self.verdicts = FxHashMap::default();
    }

    /// The claims to allocate on a node.
    pub(crate) fn claims_on(&self, node: &Node) -> Vec<Arc<ResourceClaim>> {
        claims_on(&self.claims, self.extended.as_ref(), node)
    }

    /// Decides on one pod, phase by phase as kube-scheduler does. Nothing changes but what is
    /// remembered.
    pub(crate) fn schedule(
        &mut self,
        snapshot: &Snapshot,
        devices: &mut Devices,
        strategy: Strategy,
    ) -> Decision {
        if self.revision != devices.revision() {
            self.revision = devices.revision();
            self.verdicts = FxHashMap::default();
        }
        self.look(snapshot);
        let EquivalenceClass {
            demand,
            claims,
            extended,
            usable_on,
            pin,
            on_nodes,
            verdicts,
            asked,
            ..
        } = self;
        let groups = groups(snapshot, demand, pin.as_ref(), on_nodes);
        let pre_filter = PreFilterState::of(demand, &groups);
        let mut rejected = Rejected::default();
        let mut candidates = Vec::new();
        let mut error: Option<(usize, Arc<Rejection>)> = None;
        for group in groups.iter().filter(|group| group.eligible) {
            if let Err(cause) = check(demand, usable_on, snapshot, group, &pre_filter) {
                rejected.add(cause, group);
                continue;
            }
            let verdict = verdicts.entry(group.state).or_insert_with(|| {
                let node = &snapshot.nodes()[group.first];
                asked.push(group.first);
                let claims = claims_on(claims, extended.as_ref(), node);
                let results = allocate(devices, group.first, &claims)?;
                Ok(rank_of_all(&claims, &results))
            });
            match verdict {
                Ok(rank) => candidates.push(Candidate {
                    group: *group,
                    alternatives: self.rank_of_alternatives + *rank,
                }),
                Err(Failure::Unschedulable(rejection)) => {
                    rejected.add(Cause::Devices(rejection.clone()), group);
                }
                Err(Failure::Error(rejection)) => {
                    if error.as_ref().is_none_or(|(node, _)| group.first < *node) {
                        error = Some((group.first, rejection.clone()));
                    }
                }
            }
        }
        if let Some((node, rejection)) = error {
            return Decision::Error(node, rejection);
        }
        let Some(node) = choose(demand, &groups, &candidates, &pre_filter, strategy) else {
            return Decision::Unschedulable(rejected.by_node(snapshot, pin.as_ref()));
        };
        let claims = claims_on(claims, extended.as_ref(), &snapshot.nodes()[node]);
        match allocate(devices, node, &claims) {
            Ok(results) => Decision::Scheduled {
                node,
                claims: claims.into_iter().zip(results).collect(),
            },
            // Nodes in one state give one verdict, so this does not happen.
            Err(Failure::Unschedulable(rejection) | Failure::Error(rejection)) => {
                debug_assert!(false, "node {node} is in a state whose devices do");
                Decision::Error(node, rejection)
            }
        }
    }

    /// Whether devices of nodes in a state are known to do.
    pub(crate) fn fits(&self, state: StateId) -> bool {
        matches!(self.verdicts.get(&state), Some(Ok(_)))
    }

    /// Looks at every state not seen before.
    fn look(&mut self, snapshot: &Snapshot) {
        for (state, nodes) in snapshot.groups() {
            self.on_nodes.entry(state).or_insert_with(|| {
                let first = *nodes.first().expect("a group has nodes");
                on_node(&self.demand, snapshot, state, first)
            });
        }
    }
}

/// Looks at one node alone.
fn on_node(demand: &Demand, snapshot: &Snapshot, state: StateId, node: usize) -> OnNode {
    let info = snapshot.info(state, node);
    let spread = |constraints| spread::on_node(demand, constraints, info, snapshot.residents());
    OnNode {
        filters: filter::check(demand, info),
        spread: spread(&demand.spread),
        preferred_spread: spread(&demand.preferred_spread),
        peers: peers::on_node(demand, info, snapshot.residents(), snapshot.namespaces()),
        score: score::on_node(demand, info),
    }
}

fn claims_on(
    claims: &[Arc<ResourceClaim>],
    extended: Option<&Extended>,
    node: &Node,
) -> Vec<Arc<ResourceClaim>> {
    let extended = extended.and_then(|extended| extended.claim(&node.allocatable));
    claims.iter().cloned().chain(extended).collect()
}

fn allocate(
    devices: &mut Devices,
    node: usize,
    claims: &[Arc<ResourceClaim>],
) -> Result<Vec<AllocationResult>, Failure> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    devices.allocate(node, claims)
}

fn rank_of_all(claims: &[Arc<ResourceClaim>], results: &[AllocationResult]) -> i64 {
    let pairs = claims.iter().zip(results);
    pairs
        .map(|(claim, result)| rank_of_alternatives(claim, result))
        .sum()
}

/// All nodes by state; the node of a pin is a group of its own.
fn groups<'a>(
    snapshot: &'a Snapshot,
    demand: &Demand,
    pin: Option<&Pin>,
    on_nodes: &'a FxHashMap<StateId, OnNode>,
) -> Vec<NodeGroup<'a>> {
    let group = |state, first, nodes: usize, eligible| NodeGroup {
        state,
        first,
        nodes: nodes as i64,
        domains: snapshot.domains(state),
        eligible,
        on_node: &on_nodes[&state],
    };
    let Some(pin) = pin else {
        let groups = snapshot.groups();
        return groups
            .map(|(state, nodes)| {
                let first = *nodes.first().expect("a group has nodes");
                group(state, first, nodes.len(), true)
            })
            .collect();
    };
    let mut groups = vec![group(snapshot.state(pin.node), pin.node, 1, true)];
    // The other nodes matter only for the pods on them.
    if demand.topologies().next().is_some() || !snapshot.residents().0.is_empty() {
        groups.extend(snapshot.groups().filter_map(|(state, nodes)| {
            let first = nodes.iter().find(|node| **node != pin.node)?;
            let own = usize::from(nodes.contains(&pin.node));
            Some(group(state, *first, nodes.len() - own, false))
        }));
    }
    groups
}

/// The filters that come before devices.
fn check(
    demand: &Demand,
    usable_on: &[(Text, Vec<NodeTerm>)],
    snapshot: &Snapshot,
    group: &NodeGroup<'_>,
    pre_filter: &PreFilterState,
) -> Result<(), Cause> {
    group.on_node.filters.clone()?;
    spread::check(demand, &pre_filter.spread, group)?;
    peers::check(demand, &pre_filter.peers, group, snapshot.namespaces())?;
    let node = &snapshot.nodes()[group.first];
    let elsewhere = usable_on.iter().find(|(_, terms)| {
        !terms
            .iter()
            .any(|term| term.matches(node.name(), node.labels()))
    });
    match elsewhere {
        Some((claim, _)) => Err(Cause::ClaimElsewhere(claim.clone())),
        None => Ok(()),
    }
}

/// The first node of the best candidate; of equals, the first by name.
fn choose(
    demand: &Demand,
    groups: &[NodeGroup<'_>],
    candidates: &[Candidate<'_>],
    pre_filter: &PreFilterState,
    strategy: Strategy,
) -> Option<usize> {
    let firsts = candidates.iter().map(|candidate| candidate.group.first);
    match (strategy, candidates) {
        (_, [] | [_]) | (Strategy::Pack, _) => firsts.min(),
        (Strategy::Score, _) => {
            let pre_score = PreScoreState::of(demand, groups, pre_filter);
            let totals = score::totals(demand, candidates, &pre_score);
            let best = totals.into_iter().zip(firsts);
            best.min_by_key(|(total, first)| (std::cmp::Reverse(*total), *first))
                .map(|(_, first)| first)
        }
    }
}

/// Groups of nodes by the cause of their rejection.
#[derive(Debug, Default)]
struct Rejected(BTreeMap<Cause, Vec<StateId>>);

impl Rejected {
    fn add(&mut self, cause: Cause, group: &NodeGroup<'_>) {
        let groups = self.0.entry(cause).or_default();
        groups.push(group.state);
    }

    fn by_node(self, snapshot: &Snapshot, pin: Option<&Pin>) -> BTreeMap<Cause, BTreeSet<usize>> {
        let causes = self.0.into_iter();
        let Some(pin) = pin else {
            let all: BTreeMap<StateId, &BTreeSet<usize>> = snapshot.groups().collect();
            let nodes = |states: Vec<StateId>| {
                let states = states.iter();
                states.flat_map(|state| all[state]).copied().collect()
            };
            return causes
                .map(|(cause, states)| (cause, nodes(states)))
                .collect();
        };
        let mut result: BTreeMap<Cause, BTreeSet<usize>> = causes
            .map(|(cause, _)| (cause, BTreeSet::from([pin.node])))
            .collect();
        if let Some(others) = &pin.others {
            let nodes = (0..snapshot.nodes().len()).filter(|node| *node != pin.node);
            result.entry(others.clone()).or_default().extend(nodes);
        }
        result
    }
}
