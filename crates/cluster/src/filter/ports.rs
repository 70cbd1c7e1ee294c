//! Host ports (plugin NodePorts).

use super::Cause;
use crate::demand::Demand;
use crate::node::Load;

/// None of the pod's ports may be taken.
pub fn check(demand: &Demand, load: &Load) -> Result<(), Cause> {
    let taken = |port: &&_| load.ports.iter().any(|used| used.conflicts(port));
    match demand.ports.iter().find(taken) {
        Some(port) => Err(Cause::Port(port.clone())),
        None => Ok(()),
    }
}
