//! One pod, all nodes: which one takes it, or why none does.
//!
//! A [`Shape`] is a question that several pods may ask; what has been found out for it is kept per
//! state of a node, so that a pod costs as much as there are different states, and devices are
//! searched only for states never seen before and for the node chosen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, ResourceClaim};

use crate::demand::Demand;
use crate::devices::{Devices, Reason, Verdict, alternatives};
use crate::extended::Extended;
use crate::filter::{Cause, peers, spread};
use crate::labels::NodeTerm;
use crate::node::Machine;
use crate::score::{self, Candidate};
use crate::site::{Local, Site};
use crate::world::{StateId, World};

/// How to choose among the nodes that would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The highest score of kube-scheduler's default profile; of equals the first by name.
    #[default]
    Score,
    /// The first by name.
    Pack,
}

/// What one or more pods ask.
#[derive(Debug, Default)]
pub struct Shape {
    /// Of nodes.
    pub demand: Demand,
    /// Claims to allocate, in the pod's order.
    pub claims: Vec<Arc<ResourceClaim>>,
    /// Extended resources that may have to come from DRA.
    pub extended: Option<Extended>,
    /// Claims that have been allocated already, and where each can be used (terms are ORed).
    pub usable_on: Vec<(Text, Vec<NodeTerm>)>,
    /// The only node that comes into question, where there is one.
    pub pin: Option<Pin>,
    /// Rank of the alternatives in claims that have been allocated already.
    pub alternatives: i64,
    /// Nodes whose devices were asked since the last look: one for each state not seen before.
    pub(crate) asked: Vec<usize>,
    found: FxHashMap<StateId, Local>,
    verdicts: FxHashMap<StateId, Answer>,
    revision: u64,
}

/// A node besides which no other comes into question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its place.
    pub node: usize,
    /// What to say of the others; `None`: nothing.
    pub others: Option<Objection>,
}

/// What devices say, remembered.
#[derive(Debug, Clone)]
enum Answer {
    Fits { alternatives: i64 },
    Refused(Arc<Reason>),
    Fatal(Arc<Reason>),
}

/// Why one node does not do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Objection {
    /// Some filter.
    Filter(Cause),
    /// A claim, by the pod's name for it, that was allocated elsewhere.
    Claim(Text),
    /// Its devices.
    Devices(Arc<Reason>),
}

/// What becomes of a pod.
#[derive(Debug, Clone)]
pub enum Decision {
    /// A node, and a result for each claim to allocate.
    Placed {
        /// Place of the node.
        node: usize,
        /// What [`Shape::claims_on`] this node asks for, and what each gets.
        claims: Vec<(Arc<ResourceClaim>, AllocationResult)>,
    },
    /// Every node objects.
    Refused(BTreeMap<Objection, BTreeSet<usize>>),
    /// A node's devices end the attempt.
    Fatal(usize, Arc<Reason>),
}

/// Nodes in one state, as one question sees them.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    state: StateId,
    /// The first by name.
    first: usize,
    site: Site<'a>,
}

impl Shape {
    /// A question about `demand`.
    pub fn of(demand: Demand) -> Shape {
        Shape {
            demand,
            ..Shape::default()
        }
    }

    /// How much is remembered.
    pub fn remembered(&self) -> usize {
        self.found.len() + self.verdicts.len()
    }

    /// Forgets what was found out; it can be found out again.
    pub fn forget(&mut self) {
        self.found = FxHashMap::default();
        self.forget_devices();
    }

    /// Forgets what devices said, once something else is asked of them.
    pub fn forget_devices(&mut self) {
        self.verdicts = FxHashMap::default();
    }

    /// What a node's devices are asked for.
    pub fn claims_on(&self, machine: &Machine) -> Vec<Arc<ResourceClaim>> {
        let extended = self
            .extended
            .as_ref()
            .and_then(|extended| extended.claim(machine));
        self.claims.iter().cloned().chain(extended).collect()
    }

    /// Decides on one pod. Nothing changes but what is remembered.
    pub fn place(
        &mut self,
        world: &World,
        devices: &mut impl Devices,
        strategy: Strategy,
    ) -> Decision {
        if self.revision != devices.revision() {
            self.revision = devices.revision();
            self.forget_devices();
        }
        self.look(world);
        let Shape {
            demand,
            claims,
            extended,
            usable_on,
            pin,
            found,
            verdicts,
            asked,
            ..
        } = self;
        let rows = rows(world, demand, pin.as_ref(), found);
        let sites = || rows.iter().map(|row| row.site);
        let spread = spread::count(demand, sites());
        let peers = peers::count(demand, sites());
        let mut objections = Objections::default();
        let mut open = Vec::new();
        for row in &rows {
            match check(demand, usable_on, world, row, &spread, &peers) {
                Ok(()) => open.push(*row),
                Err(objection) => objections.add(objection, row),
            }
        }
        let asks = |machine: &Machine| -> Vec<Arc<ResourceClaim>> {
            let extended = extended
                .as_ref()
                .and_then(|extended| extended.claim(machine));
            claims.iter().cloned().chain(extended).collect()
        };
        let mut candidates = Vec::new();
        let mut fatal: Option<(usize, Arc<Reason>)> = None;
        for row in &open {
            let answer = verdicts.entry(row.state).or_insert_with(|| {
                let claims = asks(&world.machines()[row.first]);
                asked.push(row.first);
                ask(devices, row.first, &claims)
            });
            match answer {
                Answer::Fits { alternatives } => candidates.push((
                    row,
                    Candidate {
                        site: row.site,
                        alternatives: self.alternatives + *alternatives,
                    },
                )),
                Answer::Refused(reason) => objections.add(Objection::Devices(reason.clone()), row),
                Answer::Fatal(reason) => {
                    if fatal.as_ref().is_none_or(|(node, _)| row.first < *node) {
                        fatal = Some((row.first, reason.clone()));
                    }
                }
            }
        }
        if let Some((node, reason)) = fatal {
            return Decision::Fatal(node, reason);
        }
        let Some(node) = choose(demand, &candidates, &peers, sites(), strategy) else {
            return Decision::Refused(objections.of_nodes(world, self.pin.as_ref()));
        };
        let claims = asks(&world.machines()[node]);
        let results = if claims.is_empty() {
            Vec::new()
        } else {
            match devices.allocate(node, &claims) {
                Verdict::Fits(results) => results,
                Verdict::Refused(reason) | Verdict::Fatal(reason) => {
                    debug_assert!(false, "nodes in one state give one verdict");
                    return Decision::Fatal(node, reason);
                }
            }
        };
        Decision::Placed {
            node,
            claims: claims.into_iter().zip(results).collect(),
        }
    }

    /// Whether devices of nodes in a state are known to do.
    pub(crate) fn fits(&self, state: StateId) -> bool {
        matches!(self.verdicts.get(&state), Some(Answer::Fits { .. }))
    }

    /// Looks at every state not seen before.
    fn look(&mut self, world: &World) {
        for (state, nodes) in world.groups() {
            self.found.entry(state).or_insert_with(|| {
                let first = *nodes.first().expect("a group has nodes");
                Local::of(
                    &self.demand,
                    &world.machines()[first],
                    world.load(state),
                    world.residents(),
                    world.namespaces(),
                )
            });
        }
    }
}

/// All nodes by state; the node of a pin stands apart from those in the same state.
fn rows<'a>(
    world: &'a World,
    demand: &Demand,
    pin: Option<&Pin>,
    found: &'a FxHashMap<StateId, Local>,
) -> Vec<Row<'a>> {
    let row = |state, first, nodes: usize, eligible| Row {
        state,
        first,
        site: Site {
            domains: world.domains(state),
            nodes: nodes as i64,
            eligible,
            local: &found[&state],
        },
    };
    let Some(pin) = pin else {
        let groups = world.groups();
        return groups
            .map(|(state, nodes)| {
                let first = *nodes.first().expect("a group has nodes");
                row(state, first, nodes.len(), true)
            })
            .collect();
    };
    let own = row(world.state(pin.node), pin.node, 1, true);
    let mut rows = vec![own];
    // The others matter only for what they say of pods near by.
    if demand.topologies().next().is_some() || !world.residents().0.is_empty() {
        rows.extend(world.groups().filter_map(|(state, nodes)| {
            let first = nodes.iter().find(|node| **node != pin.node)?;
            let own = usize::from(nodes.contains(&pin.node));
            Some(row(state, *first, nodes.len() - own, false))
        }));
    }
    rows
}

/// The filters that come before devices.
fn check(
    demand: &Demand,
    usable_on: &[(Text, Vec<NodeTerm>)],
    world: &World,
    row: &Row<'_>,
    spread: &[spread::Count],
    peers: &peers::Count,
) -> Result<(), Objection> {
    let local = row.site.local;
    local.fits.clone().map_err(Objection::Filter)?;
    spread::check(demand, spread, &row.site).map_err(Objection::Filter)?;
    peers::check(demand, peers, &row.site, world.namespaces()).map_err(Objection::Filter)?;
    let machine = &world.machines()[row.first];
    let elsewhere = usable_on.iter().find(|(_, terms)| {
        !terms
            .iter()
            .any(|term| term.matches(&machine.name, &machine.labels))
    });
    match elsewhere {
        Some((claim, _)) => Err(Objection::Claim(claim.clone())),
        None => Ok(()),
    }
}

fn ask(devices: &mut impl Devices, node: usize, claims: &[Arc<ResourceClaim>]) -> Answer {
    if claims.is_empty() {
        return Answer::Fits { alternatives: 0 };
    }
    match devices.allocate(node, claims) {
        Verdict::Fits(results) => Answer::Fits {
            alternatives: claims
                .iter()
                .zip(&results)
                .map(|(claim, result)| alternatives(claim, result))
                .sum(),
        },
        Verdict::Refused(reason) => Answer::Refused(reason),
        Verdict::Fatal(reason) => Answer::Fatal(reason),
    }
}

/// The best candidate; of equals, the first by name.
fn choose<'a>(
    demand: &Demand,
    candidates: &[(&Row<'a>, Candidate<'a>)],
    peers: &peers::Count,
    sites: impl Iterator<Item = Site<'a>>,
    strategy: Strategy,
) -> Option<usize> {
    let firsts = candidates.iter().map(|(row, _)| row.first);
    match (strategy, candidates) {
        (_, []) => None,
        (_, [(row, _)]) => Some(row.first),
        (Strategy::Pack, _) => firsts.min(),
        (Strategy::Score, _) => {
            let count = score::spread::count(demand, sites);
            let candidates: Vec<_> = candidates.iter().map(|(_, candidate)| *candidate).collect();
            let totals = score::totals(demand, &candidates, peers, &count);
            let best = totals.into_iter().zip(firsts);
            best.min_by_key(|(total, first)| (std::cmp::Reverse(*total), *first))
                .map(|(_, first)| first)
        }
    }
}

/// Objections of rows, to be told by node in the end.
#[derive(Debug, Default)]
struct Objections(BTreeMap<Objection, Vec<(StateId, usize, bool)>>);

impl Objections {
    fn add(&mut self, objection: Objection, row: &Row<'_>) {
        let rows = self.0.entry(objection).or_default();
        rows.push((row.state, row.first, row.site.eligible));
    }

    fn of_nodes(self, world: &World, pin: Option<&Pin>) -> BTreeMap<Objection, BTreeSet<usize>> {
        let Some(pin) = pin else {
            let groups: BTreeMap<StateId, &BTreeSet<usize>> = world.groups().collect();
            let nodes = |rows: Vec<(StateId, usize, bool)>| {
                rows.iter()
                    .flat_map(|(state, ..)| groups[state])
                    .copied()
                    .collect()
            };
            let objections = self.0.into_iter();
            return objections
                .map(|(objection, rows)| (objection, nodes(rows)))
                .collect();
        };
        let mut result: BTreeMap<Objection, BTreeSet<usize>> = BTreeMap::new();
        for (objection, rows) in self.0 {
            if rows.iter().any(|(_, _, eligible)| *eligible) {
                result.insert(objection, [pin.node].into());
            }
        }
        if let Some(others) = &pin.others {
            let nodes = (0..world.machines().len()).filter(|node| *node != pin.node);
            result.entry(others.clone()).or_default().extend(nodes);
        }
        result
    }
}
