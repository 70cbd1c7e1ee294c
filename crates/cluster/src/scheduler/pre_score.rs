//! PreScore: what the scores that look at more than one node need to know of all nodes, candidates or
//! not.

use super::filter::peers;
use super::node_group::NodeGroup;
use super::pre_filter::PreFilterState;
use super::score::spread;
use crate::pod::demand::Demand;

/// Counts over all nodes, for one pod.
#[derive(Debug)]
pub(crate) struct PreScoreState<'a> {
    /// For the topology spread constraints with ScheduleAnyway.
    pub spread: spread::Count,
    /// For the affinity between pods, counted before the filters.
    pub peers: &'a peers::Count,
}

impl<'a> PreScoreState<'a> {
    /// Counts.
    pub(crate) fn of(
        demand: &Demand,
        groups: &[NodeGroup<'_>],
        pre_filter: &'a PreFilterState,
    ) -> Self {
        PreScoreState {
            spread: spread::count(demand, groups),
            peers: &pre_filter.peers,
        }
    }
}
