//! Topology spread with DoNotSchedule (plugin PodTopologySpread).

use std::collections::BTreeMap;

use trainyard_model::Text;

use super::Cause;
use crate::demand::{Demand, Spread};
use crate::filter::{node_affinity, taints};
use crate::node::{Load, Machine};
use crate::site::{Domain, Domains, Residents, Site};

/// What one node says to one constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Here {
    /// Pods on the node that the constraint counts.
    pub pods: i64,
    /// Whether the node takes part in the count, by the constraint's policies.
    pub included: bool,
}

/// Asks one node, for each of `constraints`.
pub fn here(
    demand: &Demand,
    constraints: &[Spread],
    machine: &Machine,
    load: &Load,
    residents: &Residents,
) -> Vec<Here> {
    let namespace = &demand.identity.namespace;
    let one = |spread: &Spread| Here {
        pods: residents.count(load, |resident| {
            spread.counts(namespace, &resident.identity)
        }),
        included: (!spread.honors_affinity || node_affinity::matches(demand, machine))
            && (!spread.honors_taints || taints::check(demand, machine).is_ok()),
    };
    constraints.iter().map(one).collect()
}

/// What all nodes together say to one constraint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Count {
    /// Pods by domain, for domains of several nodes.
    pods: BTreeMap<Text, i64>,
    /// Number of domains.
    domains: i64,
    /// Pods in the emptiest domain.
    least: Option<i64>,
}

/// Counts for every constraint with DoNotSchedule. Only nodes that have all of the constraints'
/// labels take part.
pub fn count<'a>(demand: &Demand, sites: impl Iterator<Item = Site<'a>>) -> Vec<Count> {
    let mut counts = vec![Count::default(); demand.spread.len()];
    if counts.is_empty() {
        return counts;
    }
    for site in sites.filter(|site| has_all(&demand.spread, site.domains)) {
        for ((spread, here), count) in demand
            .spread
            .iter()
            .zip(&site.local.spread)
            .zip(&mut counts)
        {
            if !here.included || (spread.honors_affinity && !site.eligible) {
                continue;
            }
            match &site.domains[&spread.topology] {
                Domain::Own => {
                    count.domains += site.nodes;
                    count.least = Some(count.least.map_or(here.pods, |least| least.min(here.pods)));
                }
                Domain::Of(value) => {
                    *count.pods.entry(value.clone()).or_default() += here.pods * site.nodes;
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
pub fn has_all(constraints: &[Spread], domains: &Domains) -> bool {
    constraints
        .iter()
        .all(|spread| domains.contains_key(&spread.topology))
}

/// One more pod must not make the difference too great.
pub fn check(demand: &Demand, counts: &[Count], site: &Site<'_>) -> Result<(), Cause> {
    let constraints = demand.spread.iter().zip(counts).zip(&site.local.spread);
    for ((spread, count), here) in constraints {
        let topology = &spread.topology;
        let Some(domain) = site.domains.get(topology) else {
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
