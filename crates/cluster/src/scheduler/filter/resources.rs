//! Room for pods, cpu, memory and the rest (plugin NodeResourcesFit).

use super::cause::{Cause, Lack};
use crate::pod::demand::Demand;
use crate::scheduler::node_info::NodeInfo;

/// Everything that is asked for must be free.
pub(super) fn check(demand: &Demand, info: NodeInfo<'_>) -> Result<(), Cause> {
    let NodeInfo { node, assigned } = info;
    let mut lacks = Vec::new();
    let mut need = |resource: &str, wanted: i64, used: i64, allocatable: i64| {
        let free = allocatable.saturating_sub(used);
        if wanted > 0 && wanted > free {
            lacks.push(Lack {
                resource: resource.into(),
                wanted,
                free: free.max(0),
                allocatable,
            });
        }
    };
    let (wanted, used, all) = (
        &demand.requests.exact,
        &assigned.requested,
        &node.allocatable,
    );
    need("pods", 1, assigned.pods, node.max_pods);
    need("cpu", wanted.milli_cpu, used.milli_cpu, all.milli_cpu);
    need("memory", wanted.memory, used.memory, all.memory);
    need(
        "ephemeral-storage",
        wanted.ephemeral_storage,
        used.ephemeral_storage,
        all.ephemeral_storage,
    );
    for (name, amount) in &wanted.scalar {
        // Extended resources that a DeviceClass stands for are DRA's business where no device
        // plugin has any.
        if !(demand.by_class.contains(name) && all.scalar(name) == 0) {
            need(name, *amount, used.scalar(name), all.scalar(name));
        }
    }
    if lacks.is_empty() {
        Ok(())
    } else {
        Err(Cause::Resources(lacks))
    }
}
