//! Which of the nodes that would do is best? The default profile of kube-scheduler, as far as files
//! can tell: image locality is left out, and ties are broken by name instead of by chance.
//!
//! Source: `pkg/scheduler/framework/plugins` of Kubernetes 1.37.2 with the weights of
//! `apis/config/v1/default_plugins.go`.

mod candidate;
mod normalize;
mod resources;
pub(crate) mod spread;

pub(crate) use candidate::Candidate;
use normalize::{MAX, between, share};

use super::filter::peers;
use super::node_group::ScoreOnNode;
use super::node_info::NodeInfo;
use super::pre_score::PreScoreState;
use crate::pod::demand::Demand;

/// Weights of the plugins in the sum.
mod weight {
    pub const TAINTS: i64 = 3;
    pub const NODE_AFFINITY: i64 = 2;
    pub const LEAST_ALLOCATED: i64 = 1;
    pub const BALANCED: i64 = 1;
    pub const SPREAD: i64 = 2;
    pub const PEERS: i64 = 2;
    pub const DEVICES: i64 = 2;
}

/// Scores one node by itself.
pub(crate) fn on_node(demand: &Demand, info: NodeInfo<'_>) -> ScoreOnNode {
    let node = info.node;
    let soft = node
        .taints
        .iter()
        .filter(|taint| taint.effect.as_str() == "PreferNoSchedule" && !demand.tolerates(taint));
    let preferred = demand.preferred_nodes.iter();
    let preferred = preferred.filter(|(_, term)| term.matches(node.name(), node.labels()));
    ScoreOnNode {
        least_allocated: resources::least_allocated(demand, info),
        balanced: resources::balanced(demand, info),
        taints: soft.count() as i64,
        preferred_nodes: preferred.map(|(weight, _)| weight).sum(),
    }
}

/// The total of each candidate, in their order.
pub(crate) fn totals(
    demand: &Demand,
    candidates: &[Candidate<'_>],
    state: &PreScoreState<'_>,
) -> Vec<i64> {
    let here = || {
        candidates
            .iter()
            .map(|candidate| &candidate.group.on_node.score)
    };
    let taints = share(here().map(|here| here.taints).collect());
    let nodes = share(here().map(|here| here.preferred_nodes).collect());
    let devices = share(
        candidates
            .iter()
            .map(|candidate| candidate.alternatives)
            .collect(),
    );
    let spread = spread::scores(demand, candidates, &state.spread);
    let peers = between(
        candidates
            .iter()
            .map(|candidate| peers::preference(state.peers, &candidate.group))
            .collect(),
    );
    here()
        .enumerate()
        .map(|(i, here)| {
            weight::LEAST_ALLOCATED * here.least_allocated
                + weight::BALANCED * here.balanced
                + weight::TAINTS * (MAX - taints[i])
                + weight::NODE_AFFINITY * nodes[i]
                + weight::SPREAD * spread[i]
                + weight::PEERS * peers[i]
                + weight::DEVICES * devices[i]
        })
        .collect()
}
