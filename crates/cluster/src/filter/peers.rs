//! Affinity and anti-affinity between pods (plugin InterPodAffinity): what must, what must not, and
//! what had better be near.

use std::collections::BTreeMap;

use trainyard_model::Text;

use super::Cause;
use crate::demand::{Demand, Namespaces};
use crate::node::Load;
use crate::site::{Domain, Domains, Residents, Site};

/// What the pods on one node say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Here {
    /// Pods that meet all of the affinity terms.
    affinity: i64,
    /// Pods that meet an anti-affinity term, by topology key.
    anti_affinity: BTreeMap<Text, i64>,
    /// Anti-affinity terms of theirs that the new pod meets, by topology key.
    existing: BTreeMap<Text, i64>,
    /// Sum of weights of preferences, theirs and the new pod's, by topology key.
    preferred: BTreeMap<Text, i64>,
}

/// The weight that a required affinity term of a pod already there has for pods that meet it.
const REQUIRED_WEIGHT: i64 = 1;

/// Asks the pods on one node.
pub fn here(demand: &Demand, load: &Load, residents: &Residents, namespaces: &Namespaces) -> Here {
    let mut here = Here::default();
    let own = &demand.peers;
    for (resident, number) in residents.on(load) {
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
        let meets = |term: &&crate::demand::PeerTerm| term.matches(&demand.identity, namespaces);
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

/// What the pods of all nodes say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Count {
    affinity: Sums,
    anti_affinity: Sums,
    existing: Sums,
    preferred: Sums,
    /// Whether any pod anywhere meets all of the affinity terms.
    met: bool,
}

/// Sums over all nodes.
pub fn count<'a>(demand: &Demand, sites: impl Iterator<Item = Site<'a>>) -> Count {
    let mut count = Count::default();
    for site in sites {
        let here = &site.local.peers;
        let add = |sums: &mut Sums, topology: &Text, number: i64| {
            if let Some(Domain::Of(value)) = site.domains.get(topology) {
                *sums.entry((topology.clone(), value.clone())).or_default() += number * site.nodes;
            }
        };
        if here.affinity > 0 {
            for term in &demand.peers.affinity {
                add(&mut count.affinity, &term.topology, here.affinity);
                count.met |= site.domains.contains_key(&term.topology);
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
pub fn check(
    demand: &Demand,
    count: &Count,
    site: &Site<'_>,
    namespaces: &Namespaces,
) -> Result<(), Cause> {
    let here = &site.local.peers;
    let terms = &demand.peers.affinity;
    if !terms.is_empty() {
        let sums: Option<Vec<i64>> = terms
            .iter()
            .map(|term| sum(&term.topology, site.domains, &count.affinity, here.affinity))
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
        sum(topology, site.domains, sums, own).is_some_and(|sum| sum > 0)
    };
    let anti = &mut demand.peers.anti_affinity.iter().map(|term| &term.topology);
    if anti.any(|topology| any(&here.anti_affinity, &count.anti_affinity, topology)) {
        return Err(Cause::PodAntiAffinity);
    }
    if site
        .domains
        .keys()
        .any(|topology| any(&here.existing, &count.existing, topology))
    {
        return Err(Cause::ExistingAntiAffinity);
    }
    Ok(())
}

/// The sum of preferences for a node, not yet normalised.
pub fn preference(count: &Count, site: &Site<'_>) -> i64 {
    site.domains
        .keys()
        .filter_map(|topology| {
            let here = &site.local.peers.preferred;
            let here = here.get(topology).copied().unwrap_or_default();
            sum(topology, site.domains, &count.preferred, here)
        })
        .sum()
}
