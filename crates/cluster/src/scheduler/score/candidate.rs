//! Nodes that pass all filters.

use crate::scheduler::node_group::NodeGroup;

/// A candidate, with what its devices are worth before normalising.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    /// The nodes.
    pub group: NodeGroup<'a>,
    /// Rank of the chosen alternatives of prioritized lists: 8 for each first choice, 7 for each
    /// second, and so on.
    pub alternatives: i64,
}
