//! Which of the nodes that would do is best? The default profile of kube-scheduler, as far as files
//! can tell: image locality is left out, and ties are broken by name instead of by chance.
//!
//! Source: `pkg/scheduler/framework/plugins` of Kubernetes 1.37.2 with the weights of
//! `apis/config/v1/default_plugins.go`.

pub mod resources;
pub mod spread;

use crate::demand::Demand;
use crate::filter::peers;
use crate::node::{Load, Machine};
use crate::site::Site;

/// The best that a plugin can give.
const MAX: i64 = 100;

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

/// What a node by itself is worth to a demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Here {
    /// 0 to 100.
    pub least_allocated: i64,
    /// 0 to 100.
    pub balanced: i64,
    /// Number of `PreferNoSchedule` taints that the pod does not tolerate.
    pub taints: i64,
    /// Sum of weights of the preferred node terms that match.
    pub preferred_nodes: i64,
}

/// Looks at one node.
pub fn here(demand: &Demand, machine: &Machine, load: &Load) -> Here {
    let soft = machine.taints.iter().filter(|taint| {
        &*taint.effect == "PreferNoSchedule"
            && !demand
                .tolerations
                .iter()
                .any(|toleration| toleration.tolerates(taint))
    });
    let preferred = demand.preferred_nodes.iter();
    let preferred = preferred.filter(|(_, term)| term.matches(&machine.name, &machine.labels));
    Here {
        least_allocated: resources::least_allocated(demand, machine, load),
        balanced: resources::balanced(demand, machine, load),
        taints: soft.count() as i64,
        preferred_nodes: preferred.map(|(weight, _)| weight).sum(),
    }
}

/// One candidate: nodes that pass all filters, and what they are worth before normalising.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The nodes.
    pub site: Site<'a>,
    /// Rank of the chosen alternatives of prioritized lists: 8 for each first choice, 7 for each
    /// second...
    pub alternatives: i64,
}

/// The total of each candidate, in their order.
pub fn totals(
    demand: &Demand,
    candidates: &[Candidate<'_>],
    peers: &peers::Count,
    spread: &spread::Count,
) -> Vec<i64> {
    let here = || {
        candidates
            .iter()
            .map(|candidate| &candidate.site.local.score)
    };
    let taints = share(here().map(|here| here.taints).collect());
    let nodes = share(here().map(|here| here.preferred_nodes).collect());
    let devices = share(
        candidates
            .iter()
            .map(|candidate| candidate.alternatives)
            .collect(),
    );
    let spread = spread::scores(demand, candidates, spread);
    let peers = between(
        candidates
            .iter()
            .map(|candidate| peers::preference(peers, &candidate.site))
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

/// Each as a share of the greatest.
fn share(mut scores: Vec<i64>) -> Vec<i64> {
    let most = scores.iter().copied().max().unwrap_or_default();
    if most > 0 {
        scores
            .iter_mut()
            .for_each(|score| *score = MAX * *score / most);
    }
    scores
}

/// Each by its place between the least and the greatest.
fn between(mut scores: Vec<i64>) -> Vec<i64> {
    let least = scores.iter().copied().min().unwrap_or_default();
    let most = scores.iter().copied().max().unwrap_or_default();
    for score in &mut scores {
        *score = if most > least {
            (MAX as f64 * ((*score - least) as f64 / (most - least) as f64)) as i64
        } else {
            0
        };
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_normalised_as_upstream_does() {
        assert_eq!(share(vec![0, 0]), [0, 0]);
        assert_eq!(share(vec![1, 3, 2]), [33, 100, 66]);
        assert_eq!(between(vec![5, 5]), [0, 0]);
        assert_eq!(between(vec![-10, 20, 0]), [0, 100, 33]);
    }
}
