//! Taints with NoSchedule or NoExecute (plugin TaintToleration).

use super::cause::Cause;
use crate::input::Node;
use crate::pod::demand::Demand;

/// Every such taint must be tolerated; the first that is not is the cause.
pub(super) fn check(demand: &Demand, node: &Node) -> Result<(), Cause> {
    match demand.repelled_by(&node.taints) {
        Some(taint) => Err(Cause::Taint(taint.clone())),
        None => Ok(()),
    }
}
