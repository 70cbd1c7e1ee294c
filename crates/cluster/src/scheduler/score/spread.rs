//! Topology spread with ScheduleAnyway, and the scheduler's own default (plugin PodTopologySpread).

use std::collections::{BTreeMap, BTreeSet};

use trainyard_model::Text;

use super::candidate::Candidate;
use super::normalize::MAX;
use crate::pod::demand::{Demand, Spread};
use crate::scheduler::filter::spread::has_all;
use crate::scheduler::node_group::{Domain, Domains, NodeGroup};

/// Pods by domain of several nodes, for each of [`Demand::preferred_spread`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Count(Vec<BTreeMap<Text, i64>>);

/// The topology whose domains are single nodes by definition.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// A node without one of the labels takes no part, unless the constraints are the default ones.
fn takes_part(demand: &Demand, domains: &Domains) -> bool {
    demand.default_spread || has_all(&demand.preferred_spread, domains)
}

/// The node's domain; the default constraints put nodes without the label into a domain of their own.
fn domain<'a>(spread: &Spread, domains: &'a Domains) -> &'a Domain {
    static NONE: std::sync::LazyLock<Domain> = std::sync::LazyLock::new(|| Domain::Of("".into()));
    domains.get(&spread.topology).unwrap_or(&NONE)
}

/// Counts over all nodes, candidates or not.
pub(crate) fn count(demand: &Demand, groups: &[NodeGroup<'_>]) -> Count {
    let mut count = Count(vec![BTreeMap::new(); demand.preferred_spread.len()]);
    if count.0.is_empty() {
        return count;
    }
    let taking_part = groups.iter();
    for group in taking_part.filter(|group| takes_part(demand, group.domains)) {
        let constraints = demand
            .preferred_spread
            .iter()
            .zip(&group.on_node.preferred_spread);
        for ((spread, here), pods) in constraints.zip(&mut count.0) {
            if let (true, Domain::Of(value)) = (here.included, domain(spread, group.domains)) {
                *pods.entry(value.clone()).or_default() += here.pods * group.nodes;
            }
        }
    }
    count
}

/// The normalised score of each candidate.
pub(super) fn scores(demand: &Demand, candidates: &[Candidate<'_>], count: &Count) -> Vec<i64> {
    if demand.preferred_spread.is_empty() {
        return vec![0; candidates.len()];
    }
    let part: Vec<bool> = candidates
        .iter()
        .map(|candidate| takes_part(demand, candidate.group.domains))
        .collect();
    let partakers = || {
        candidates
            .iter()
            .zip(&part)
            .filter(|(_, part)| **part)
            .map(|(c, _)| c)
    };
    let nodes: i64 = partakers().map(|candidate| candidate.group.nodes).sum();
    let weights: Vec<f64> = demand
        .preferred_spread
        .iter()
        .map(|spread| {
            let size = if &*spread.topology == HOSTNAME {
                nodes
            } else {
                domains(spread, partakers())
            };
            ((size + 2) as f64).ln()
        })
        .collect();
    let raw = |candidate: &Candidate<'_>| {
        let here = &candidate.group.on_node.preferred_spread;
        let constraints = demand
            .preferred_spread
            .iter()
            .zip(here)
            .zip(&weights)
            .zip(&count.0);
        let mut sum = 0.0;
        for (((spread, here), weight), pods) in constraints {
            let Some(domain) = candidate.group.domains.get(&spread.topology) else {
                continue;
            };
            let there = match domain {
                _ if &*spread.topology == HOSTNAME => here.pods,
                Domain::Own if here.included => here.pods,
                Domain::Own => 0,
                Domain::Of(value) => pods.get(value).copied().unwrap_or_default(),
            };
            sum += there as f64 * weight + (spread.max_skew - 1) as f64;
        }
        sum.round() as i64
    };
    let raw: Vec<Option<i64>> = candidates
        .iter()
        .zip(&part)
        .map(|(candidate, part)| part.then(|| raw(candidate)))
        .collect();
    let most = raw.iter().flatten().copied().max().unwrap_or_default();
    let least = raw.iter().flatten().copied().min().unwrap_or_default();
    raw.into_iter()
        .map(|score| match score {
            None => 0,
            Some(_) if most == 0 => MAX,
            Some(score) => MAX * (most + least - score) / most,
        })
        .collect()
}

/// How many domains the candidates are in.
fn domains<'a>(spread: &Spread, candidates: impl Iterator<Item = &'a Candidate<'a>>) -> i64 {
    let mut shared = BTreeSet::new();
    let mut own = 0;
    for candidate in candidates {
        match domain(spread, candidate.group.domains) {
            Domain::Own => own += candidate.group.nodes,
            Domain::Of(value) => {
                shared.insert(value);
            }
        }
    }
    own + shared.len() as i64
}
