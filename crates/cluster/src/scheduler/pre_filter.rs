//! PreFilter: what the filters that look at more than one node need to know of all nodes.

use super::filter::{peers, spread};
use super::node_group::NodeGroup;
use crate::pod::demand::Demand;

/// Counts over all nodes, for one pod.
#[derive(Debug)]
pub(crate) struct PreFilterState {
    /// For each topology spread constraint with DoNotSchedule.
    pub spread: Vec<spread::Count>,
    /// For the affinity between pods.
    pub peers: peers::Count,
}

impl PreFilterState {
    /// Counts.
    pub(crate) fn of(demand: &Demand, groups: &[NodeGroup<'_>]) -> Self {
        PreFilterState {
            spread: spread::count(demand, groups),
            peers: peers::count(demand, groups),
        }
    }
}
