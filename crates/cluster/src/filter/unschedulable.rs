//! Nodes that are cordoned (plugin NodeUnschedulable).

use super::Cause;
use crate::demand::{Demand, Taint};
use crate::node::Machine;

/// A pod that tolerates the taint that stands for it may go there all the same.
pub fn check(demand: &Demand, machine: &Machine) -> Result<(), Cause> {
    let taint = Taint {
        key: "node.kubernetes.io/unschedulable".into(),
        value: "".into(),
        effect: "NoSchedule".into(),
    };
    let tolerated = || {
        demand
            .tolerations
            .iter()
            .any(|toleration| toleration.tolerates(&taint))
    };
    if machine.unschedulable && !tolerated() {
        return Err(Cause::Unschedulable);
    }
    Ok(())
}
