//! Node selector and required node affinity (plugin NodeAffinity).

use super::Cause;
use crate::demand::Demand;
use crate::node::Machine;

/// The selector and one of the terms must match.
pub fn check(demand: &Demand, machine: &Machine) -> Result<(), Cause> {
    if matches(demand, machine) {
        Ok(())
    } else {
        Err(Cause::Affinity)
    }
}

/// Whether they do; topology spread asks the same.
pub fn matches(demand: &Demand, machine: &Machine) -> bool {
    let required = demand.node_affinity.as_ref();
    demand.node_selector.matches(&machine.labels)
        && required.is_none_or(|terms| {
            terms
                .iter()
                .any(|term| term.matches(&machine.name, &machine.labels))
        })
}
