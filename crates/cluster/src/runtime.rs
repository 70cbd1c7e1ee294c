//! Whether the Neuron runtime will take the chips that a claim got: the scheduler does not know.

use std::collections::BTreeSet;

use trainyard_inventory::catalogue::InstanceType;
use trainyard_inventory::publish::NEURON_DRIVER;
use trainyard_inventory::runtime::{Verdict, judge};
use trainyard_model::claim::AllocationResult;
use trainyard_model::plan::{NodePlan, PodPlan, Warning};

use crate::check::title;
use crate::natural;

/// A warning for each pod whose chips the runtime refuses or may refuse. `nodes` are in natural
/// order.
pub fn check(pods: &[PodPlan], nodes: &[NodePlan]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for pod in pods {
        let Some(name) = &pod.node else { continue };
        let node = nodes
            .binary_search_by(|node| natural::compare(&node.name, name))
            .ok();
        let kind = node.and_then(|node| nodes[node].instance_type.as_deref());
        let Some(kind) = kind.and_then(|kind| InstanceType::find(kind).ok()) else {
            continue;
        };
        for claim in &pod.claims {
            let chips = claim.allocation.as_deref().map(chips).unwrap_or_default();
            let ids: Vec<_> = chips.iter().map(ToString::to_string).collect();
            let verdict = match judge(kind, &chips) {
                Verdict::Accepted => continue,
                Verdict::Doubtful => "may refuse them: on other types it needs consecutive ids",
                Verdict::Refused => "refuses them: it needs a row, a half or consecutive ids",
            };
            warnings.push(Warning {
                code: "runtime/chips",
                object: title("Pod", &pod.namespace, &pod.name),
                message: format!(
                    "claim {} gets chips {} of a {}, and the Neuron runtime {verdict}; a matchAttribute constraint on a device group keeps them together",
                    claim.name,
                    ids.join(", "),
                    kind.name
                ),
            });
        }
    }
    warnings
}

/// The ids of Neuron devices, which stand in their names.
fn chips(allocation: &AllocationResult) -> BTreeSet<u32> {
    let devices = allocation
        .results
        .iter()
        .filter(|device| &*device.driver == NEURON_DRIVER);
    devices
        .filter_map(|device| device.device.strip_prefix("neuron-device-")?.parse().ok())
        .collect()
}
