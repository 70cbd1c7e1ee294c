//! Taints with NoSchedule or NoExecute (plugin TaintToleration).

use super::Cause;
use crate::demand::Demand;
use crate::node::Machine;

/// Every such taint must be tolerated; the first that is not is the cause.
pub fn check(demand: &Demand, machine: &Machine) -> Result<(), Cause> {
    let tolerated = |taint| {
        demand
            .tolerations
            .iter()
            .any(|toleration| toleration.tolerates(taint))
    };
    match machine
        .taints
        .iter()
        .find(|taint| taint.repels() && !tolerated(taint))
    {
        Some(taint) => Err(Cause::Taint(taint.clone())),
        None => Ok(()),
    }
}
