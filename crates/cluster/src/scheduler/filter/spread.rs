//! Topology spread with DoNotSchedule (plugin PodTopologySpread).

use std::collections::BTreeMap;

use trainyard_model::Text;

use super::cause::Cause;
use crate::pod::demand::{Demand, Spread};
use crate::scheduler::node_group::{Domain, Domains, NodeGroup, Residents, SpreadOnNode};
use crate::scheduler::node_info::NodeInfo;

/// Looks at one node, for each of `constraints`.
pub(crate) fn on_node(
    demand: &Demand,
    constraints: &[Spread],
    info: NodeInfo<'_>,
    residents: &Residents,
) -> Vec<SpreadOnNode> {
    let NodeInfo { node, assigned } = info;
    let namespace = &demand.identity.namespace;
    let one = |spread: &Spread| SpreadOnNode {
        pods: residents.count(assigned, |resident| {
            spread.counts(namespace, &resident.identity)
        }),
        included: (!spread.honors_affinity || demand.selects(node.name(), node.labels()))
            && (!spread.honors_taints || demand.repelled_by(&node.taints).is_none()),
    };
    constraints.iter().map(one).collect()
}

/// What one constraint finds on all nodes together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Count {
    /// Pods by domain, for domains of several nodes.
    pods: BTreeMap<Text, i64>,
    /// Number of domains.
    domains: i64,
    /// Pods in the emptiest domain.
    least: Option<i64>,
}

/// Counts for every constraint with DoNotSchedule. Only nodes that have all of the constraints'
/// labels take part.
pub(crate) fn count(demand: &Demand, groups: &[NodeGroup<'_>]) -> Vec<Count> {
    let mut counts = vec![Count::default(); demand.spread.len()];
    if counts.is_empty() {
        return counts;
    }
    let taking_part = groups.iter();
    for group in taking_part.filter(|group| has_all(&demand.spread, group.domains)) {
        for ((spread, here), count) in demand
            .spread
            .iter()
            .zip(&group.on_node.spread)
            .zip(&mut counts)
        {
            if !here.included || (spread.honors_affinity && !group.eligible) {
                continue;
            }
            match &group.domains[&spread.topology] {
                Domain::Own => {
                    count.domains += group.nodes;
                    count.least = Some(count.least.map_or(here.pods, |least| least.min(here.pods)));
                }
                Domain::Of(value) => {
                    *count.pods.entry(value.clone()).or_default() += here.pods * group.nodes;
                }
            }
        }
    }
    for count in &mut counts {
        count.domains += count.pods.len() as i64;
        count.least = count.pods.values().copied().chain(count.least).min();
    }
    counts
}

/// Whether a node has the labels of all `constraints`.
pub(crate) fn has_all(constraints: &[Spread], domains: &Domains) -> bool {
    constraints
        .iter()
        .all(|spread| domains.contains_key(&spread.topology))
}

/// One more pod must not make the difference too great.
pub(crate) fn check(demand: &Demand, counts: &[Count], group: &NodeGroup<'_>) -> Result<(), Cause> {
    let constraints = demand.spread.iter().zip(counts).zip(&group.on_node.spread);
    for ((spread, count), here) in constraints {
        let topology = &spread.topology;
        let Some(domain) = group.domains.get(topology) else {
            return Err(Cause::SpreadLabel(topology.clone()));
        };
        let there = match domain {
            Domain::Own if here.included => here.pods,
            Domain::Own => 0,
            Domain::Of(value) => count.pods.get(value).copied().unwrap_or_default(),
        };
        let least = if count.domains < spread.min_domains {
            0
        } else {
            // Without any domain upstream compares with the largest 32-bit number.
            count.least.unwrap_or(i64::from(i32::MAX))
        };
        let own = i64::from(spread.selector.matches(&demand.identity.labels));
        let skew = there + own - least;
        if skew > spread.max_skew {
            return Err(Cause::Spread {
                topology: topology.clone(),
                skew,
                max_skew: spread.max_skew,
            });
        }
    }
    Ok(())
}
