//! Node selector and required node affinity (plugin NodeAffinity).

use super::cause::Cause;
use crate::input::Node;
use crate::pod::demand::Demand;

/// The selector and one of the terms must match.
pub(super) fn check(demand: &Demand, node: &Node) -> Result<(), Cause> {
    if demand.selects(node.name(), node.labels()) {
        Ok(())
    } else {
        Err(Cause::Affinity)
    }
}
