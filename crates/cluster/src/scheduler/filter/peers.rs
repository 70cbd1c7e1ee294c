//! Affinity and anti-affinity between pods (plugin InterPodAffinity): what must, what must not, and
//! what had better be near.

use std::collections::BTreeMap;

use trainyard_model::Text;

use super::cause::Cause;
use crate::pod::demand::{Demand, Namespaces, PeerTerm};
use crate::scheduler::node_group::{Domain, Domains, NodeGroup, PeersOnNode, Residents};
use crate::scheduler::node_info::NodeInfo;

/// The weight that a required affinity term of a pod already there has for pods that meet it.
const REQUIRED_WEIGHT: i64 = 1;

/// Looks at the pods on one node.
pub(crate) fn on_node(
    demand: &Demand,
    info: NodeInfo<'_>,
    residents: &Residents,
    namespaces: &Namespaces,
) -> PeersOnNode {
    let mut here = PeersOnNode::default();
    let own = &demand.peers;
    for (resident, number) in residents.on(info.assigned) {
        let theirs = &resident.identity;
        if !own.affinity.is_empty()
            && own
                .affinity
                .iter()
                .all(|term| term.matches(theirs, namespaces))
        {
            here.affinity += number;
        }
        for term in own
            .anti_affinity
            .iter()
            .filter(|term| term.matches(theirs, namespaces))
        {
            *here.anti_affinity.entry(term.topology.clone()).or_default() += number;
        }
        let mut prefer = |topology: &Text, weight: i64| {
            *here.preferred.entry(topology.clone()).or_default() += weight * number;
        };
        for (weight, term) in &own.preferred {
            if term.matches(theirs, namespaces) {
                prefer(&term.topology, *weight);
            }
        }
        let meets = |term: &&PeerTerm| term.matches(&demand.identity, namespaces);
        for term in resident.peers.affinity.iter().filter(meets) {
            prefer(&term.topology, REQUIRED_WEIGHT);
        }
        for (weight, term) in &resident.peers.preferred {
            if meets(&term) {
                prefer(&term.topology, *weight);
            }
        }
        for term in resident.peers.anti_affinity.iter().filter(meets) {
            *here.existing.entry(term.topology.clone()).or_default() += number;
        }
    }
    here
}

/// Sums by topology key and value, for domains of several nodes.
type Sums = BTreeMap<(Text, Text), i64>;

/// What is found on all nodes together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Count {
    affinity: Sums,
    anti_affinity: Sums,
    existing: Sums,
    preferred: Sums,
    /// Whether any pod anywhere meets all of the affinity terms.
    met: bool,
}

/// Sums over all nodes.
pub(crate) fn count(demand: &Demand, groups: &[NodeGroup<'_>]) -> Count {
    let mut count = Count::default();
    for group in groups {
        let here = &group.on_node.peers;
        let add = |sums: &mut Sums, topology: &Text, number: i64| {
            if let Some(Domain::Of(value)) = group.domains.get(topology) {
                *sums.entry((topology.clone(), value.clone())).or_default() += number * group.nodes;
            }
        };
        if here.affinity > 0 {
            for term in &demand.peers.affinity {
                add(&mut count.affinity, &term.topology, here.affinity);
                count.met |= group.domains.contains_key(&term.topology);
            }
        }
        for (from, to) in [
            (&here.anti_affinity, &mut count.anti_affinity),
            (&here.existing, &mut count.existing),
            (&here.preferred, &mut count.preferred),
        ] {
            for (topology, number) in from {
                add(to, topology, *number);
            }
        }
    }
    count
}

/// The sum in a node's domain of `topology`; `None`: the node has no such label.
fn sum(topology: &Text, domains: &Domains, sums: &Sums, here: i64) -> Option<i64> {
    Some(match domains.get(topology)? {
        Domain::Own => here,
        Domain::Of(value) => {
            let key = (topology.clone(), value.clone());
            sums.get(&key).copied().unwrap_or_default()
        }
    })
}

/// Affinity must be met, by pods that are there or by the pod itself if it is the first;
/// anti-affinity must not, of neither side.
pub(crate) fn check(
    demand: &Demand,
    count: &Count,
    group: &NodeGroup<'_>,
    namespaces: &Namespaces,
) -> Result<(), Cause> {
    let here = &group.on_node.peers;
    let terms = &demand.peers.affinity;
    if !terms.is_empty() {
        let sums: Option<Vec<i64>> = terms
            .iter()
            .map(|term| {
                sum(
                    &term.topology,
                    group.domains,
                    &count.affinity,
                    here.affinity,
                )
            })
            .collect();
        let first = || {
            !count.met
                && terms
                    .iter()
                    .all(|term| term.matches(&demand.identity, namespaces))
        };
        if !sums.is_some_and(|sums| sums.iter().all(|sum| *sum > 0) || first()) {
            return Err(Cause::PodAffinity);
        }
    }
    let any = |here: &BTreeMap<Text, i64>, sums: &Sums, topology: &Text| {
        let own = here.get(topology).copied().unwrap_or_default();
        sum(topology, group.domains, sums, own).is_some_and(|sum| sum > 0)
    };
    let anti = &mut demand.peers.anti_affinity.iter().map(|term| &term.topology);
    if anti.any(|topology| any(&here.anti_affinity, &count.anti_affinity, topology)) {
        return Err(Cause::PodAntiAffinity);
    }
    if group
        .domains
        .keys()
        .any(|topology| any(&here.existing, &count.existing, topology))
    {
        return Err(Cause::ExistingAntiAffinity);
    }
    Ok(())
}

/// The sum of preferences for a node, not yet normalised.
pub(crate) fn preference(count: &Count, group: &NodeGroup<'_>) -> i64 {
    group
        .domains
        .keys()
        .filter_map(|topology| {
            let here = &group.on_node.peers.preferred;
            let here = here.get(topology).copied().unwrap_or_default();
            sum(topology, group.domains, &count.preferred, here)
        })
        .sum()
}
