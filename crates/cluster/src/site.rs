//! Nodes that one pod cannot tell apart, looked at together.

use std::collections::BTreeMap;

use trainyard_model::Text;

use crate::demand::{Demand, Identity, Namespaces, Peers};
use crate::filter::{self, Cause, peers, spread};
use crate::node::{Load, Machine, ResidentId};
use crate::score;

/// Where a node stands in one topology.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Domain {
    /// No other node has this value: the domain is the node itself.
    Own,
    /// The label's value.
    Of(Text),
}

/// By topology key; a key that the node's labels lack is missing.
pub type Domains = BTreeMap<Text, Domain>;

/// A pod on a node as the selectors of others see it, and what it asks of others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resident {
    /// What selectors see.
    pub identity: Identity,
    /// What it asks.
    pub peers: Peers,
}

/// All kinds of pods on nodes.
#[derive(Debug, Clone, Default)]
pub struct Residents(pub Vec<Resident>);

impl Residents {
    /// The pods on one node, by kind.
    pub fn on<'a>(&'a self, load: &'a Load) -> impl Iterator<Item = (&'a Resident, i64)> {
        let residents = load.residents.iter();
        residents
            .map(|(id, number): (&ResidentId, &u32)| (&self.0[*id as usize], i64::from(*number)))
    }

    /// How many of them are so.
    pub fn count(&self, load: &Load, so: impl Fn(&Resident) -> bool) -> i64 {
        let counted = self.on(load).filter(|(resident, _)| so(resident));
        counted.map(|(_, number)| number).sum()
    }
}

/// What one demand finds on one node without a look at the others.
#[derive(Debug, Clone)]
pub struct Local {
    /// The filters that look at one node alone.
    pub fits: Result<(), Cause>,
    /// For each of [`Demand::spread`].
    pub spread: Vec<spread::Here>,
    /// For each of [`Demand::preferred_spread`].
    pub preferred_spread: Vec<spread::Here>,
    /// For [`Demand::peers`] and those of the pods there.
    pub peers: peers::Here,
    /// Scores of the node by itself.
    pub score: score::Here,
}

impl Local {
    /// Looks at one node.
    pub fn of(
        demand: &Demand,
        machine: &Machine,
        load: &Load,
        residents: &Residents,
        namespaces: &Namespaces,
    ) -> Local {
        let spread = |constraints| spread::here(demand, constraints, machine, load, residents);
        Local {
            fits: filter::check(demand, machine, load),
            spread: spread(&demand.spread),
            preferred_spread: spread(&demand.preferred_spread),
            peers: peers::here(demand, load, residents, namespaces),
            score: score::here(demand, machine, load),
        }
    }
}

/// A set of nodes that a demand finds equal.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Their places in the topologies.
    pub domains: &'a Domains,
    /// How many they are.
    pub nodes: i64,
    /// Whether they come into question at all, for a pod that is made for one node.
    pub eligible: bool,
    /// What the demand finds on each.
    pub local: &'a Local,
}
