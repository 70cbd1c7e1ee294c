//! Nodes that are cordoned (plugin NodeUnschedulable).

use trainyard_model::taint::{Effect, Taint};

use super::cause::Cause;
use crate::input::Node;
use crate::pod::demand::Demand;

/// A pod that tolerates the taint which the node controller sets on a cordoned node may go there all
/// the same.
pub(super) fn check(demand: &Demand, node: &Node) -> Result<(), Cause> {
    let taint = || Taint {
        key: "node.kubernetes.io/unschedulable".into(),
        value: "".into(),
        effect: Effect::NoSchedule,
        time_added: None,
    };
    if node.unschedulable && !demand.tolerates(&taint()) {
        return Err(Cause::Unschedulable);
    }
    Ok(())
}
