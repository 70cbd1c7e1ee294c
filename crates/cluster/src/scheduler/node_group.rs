//! Nodes that one pod cannot tell apart, looked at together.

use std::collections::BTreeMap;

use trainyard_model::Text;

use super::filter::cause::Cause;
use super::node_info::{AssignedPods, ResidentId};
use crate::pod::demand::{Identity, Peers};

/// The number of a node's state: its kind, the pods on it and its devices.
pub(crate) type StateId = u32;

/// A node's domain in one topology.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Domain {
    /// No other node has this value: the domain is the node itself.
    Own,
    /// The label's value.
    Of(Text),
}

/// By topology key; a key that the node's labels lack is missing.
pub(crate) type Domains = BTreeMap<Text, Domain>;

/// A pod on a node as the selectors of others see it, and what it asks of others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Resident {
    /// What selectors see.
    pub identity: Identity,
    /// What it asks.
    pub peers: Peers,
}

/// All kinds of pods on nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Residents(pub Vec<Resident>);

impl Residents {
    /// The pods on one node, by kind.
    pub(crate) fn on<'a>(
        &'a self,
        assigned: &'a AssignedPods,
    ) -> impl Iterator<Item = (&'a Resident, i64)> {
        let residents = assigned.residents.iter();
        residents
            .map(|(id, number): (&ResidentId, &u32)| (&self.0[*id as usize], i64::from(*number)))
    }

    /// How many of them satisfy a condition.
    pub(crate) fn count(&self, assigned: &AssignedPods, is: impl Fn(&Resident) -> bool) -> i64 {
        let counted = self.on(assigned).filter(|(resident, _)| is(resident));
        counted.map(|(_, number)| number).sum()
    }
}

/// What one spread constraint finds on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SpreadOnNode {
    /// Pods on the node that the constraint counts.
    pub pods: i64,
    /// Whether the node takes part in the count, by the constraint's policies.
    pub included: bool,
}

/// What a pod's affinity, and that of the pods on a node, find on the node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PeersOnNode {
    /// Pods that meet all of the affinity terms.
    pub affinity: i64,
    /// Pods that meet an anti-affinity term, by topology key.
    pub anti_affinity: BTreeMap<Text, i64>,
    /// Anti-affinity terms of theirs that the new pod meets, by topology key.
    pub existing: BTreeMap<Text, i64>,
    /// Sum of weights of preferences, theirs and the new pod's, by topology key.
    pub preferred: BTreeMap<Text, i64>,
}

/// The scores of a node by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ScoreOnNode {
    /// 0 to 100.
    pub least_allocated: i64,
    /// 0 to 100.
    pub balanced: i64,
    /// Number of `PreferNoSchedule` taints that the pod does not tolerate.
    pub taints: i64,
    /// Sum of weights of the preferred node terms that match.
    pub preferred_nodes: i64,
}

/// What one demand finds on one node without a look at the others.
#[derive(Debug, Clone)]
pub(crate) struct OnNode {
    /// The filters that look at one node alone.
    pub filters: Result<(), Cause>,
    /// For each of the demand's constraints with DoNotSchedule.
    pub spread: Vec<SpreadOnNode>,
    /// For each of its constraints with ScheduleAnyway.
    pub preferred_spread: Vec<SpreadOnNode>,
    /// For its affinity and that of the pods there.
    pub peers: PeersOnNode,
    /// Scores of the node by itself.
    pub score: ScoreOnNode,
}

/// Nodes in one state, as one demand sees them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeGroup<'a> {
    /// Their state.
    pub state: StateId,
    /// The first of them by name.
    pub first: usize,
    /// How many they are.
    pub nodes: i64,
    /// Their places in the topologies.
    pub domains: &'a Domains,
    /// Whether the pod may go there at all: false beside the node that it is pinned to.
    pub eligible: bool,
    /// What the demand finds on each.
    pub on_node: &'a OnNode,
}
