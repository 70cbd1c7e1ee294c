//! Host ports (plugin NodePorts).

use super::cause::Cause;
use crate::pod::demand::Demand;
use crate::scheduler::node_info::AssignedPods;

/// None of the pod's ports may be taken.
pub(super) fn check(demand: &Demand, assigned: &AssignedPods) -> Result<(), Cause> {
    let taken = |port: &&_| assigned.ports.iter().any(|used| used.conflicts(port));
    match demand.ports.iter().find(taken) {
        Some(port) => Err(Cause::Port(port.clone())),
        None => Ok(()),
    }
}
