//! Nodes with more left (NodeResourcesFit, LeastAllocated) and nodes whose cpu and memory are used
//! up evenly (NodeResourcesBalancedAllocation).

use crate::pod::demand::Demand;
use crate::scheduler::node_info::NodeInfo;
use crate::scheduler::score::normalize::MAX;

/// The mean share of cpu and memory left, where containers that name no request count for a little.
pub(super) fn least_allocated(demand: &Demand, info: NodeInfo<'_>) -> i64 {
    let NodeInfo { node, assigned } = info;
    let all = &node.allocatable;
    let wanted = &demand.requests;
    let shares: Vec<i64> = [
        (
            assigned.nonzero_milli_cpu + wanted.nonzero_milli_cpu,
            all.milli_cpu,
        ),
        (assigned.nonzero_memory + wanted.nonzero_memory, all.memory),
    ]
    .into_iter()
    .filter(|(_, all)| *all != 0)
    .map(|(used, all)| {
        if used > all {
            0
        } else {
            (i128::from(all - used) * i128::from(MAX) / i128::from(all)) as i64
        }
    })
    .collect();
    shares.iter().sum::<i64>() / (shares.len() as i64).max(1)
}

/// How much more even the use becomes. Nothing for a pod that asks for neither.
pub(super) fn balanced(demand: &Demand, info: NodeInfo<'_>) -> i64 {
    let NodeInfo { node, assigned } = info;
    let wanted = &demand.requests.exact;
    if wanted.milli_cpu == 0 && wanted.memory == 0 {
        return 0;
    }
    let used = &assigned.requested;
    let all = &node.allocatable;
    let before = [(used.milli_cpu, all.milli_cpu), (used.memory, all.memory)];
    let after = [
        (used.milli_cpu + wanted.milli_cpu, all.milli_cpu),
        (used.memory + wanted.memory, all.memory),
    ];
    MAX / 2 + (MAX / 2 + evenness(after) - evenness(before)) / 2
}

fn evenness(use_of: [(i64, i64); 2]) -> i64 {
    let shares: Vec<f64> = use_of
        .into_iter()
        .filter(|(_, all)| *all != 0)
        .map(|(used, all)| (used as f64 / all as f64).min(1.0))
        .collect();
    let deviation = match shares[..] {
        [a, b] => ((a - b) / 2.0).abs(),
        _ => 0.0,
    };
    ((1.0 - deviation) * MAX as f64) as i64
}
