//! Whether the drivers of a node will prepare what the scheduler gave a pod: the scheduler looks at
//! no configuration and at no set of chips.

use std::collections::BTreeMap;
use std::sync::Arc;

use trainyard_inventory::catalogue::InstanceType;
use trainyard_inventory::node::INSTANCE_TYPE_LABEL;
use trainyard_inventory::publish::{EFA_DRIVER, NEURON_DRIVER};
use trainyard_inventory::rules::{self, Hardware, Present, Question};
use trainyard_model::plan::{PodPlan, PrepareRefusal, Warning};
use trainyard_model::slice::ResourceSlice;

use crate::check::title;
use crate::node::Machine;

/// The drivers whose rules are known.
const DRIVERS: [(Hardware, &str); 2] = [
    (Hardware::Neuron, NEURON_DRIVER),
    (Hardware::Efa, EFA_DRIVER),
];

/// Asks the drivers; remembers what each node has.
#[derive(Debug, Default)]
pub struct Drivers {
    nodes: BTreeMap<usize, [Present; DRIVERS.len()]>,
}

impl Drivers {
    /// Judges a pod that was placed on this node: writes down a refusal, returns the warnings.
    pub fn check<'a>(
        &mut self,
        pod: &mut PodPlan,
        node: usize,
        machine: &Machine,
        slices: impl Fn() -> Vec<&'a Arc<ResourceSlice>>,
    ) -> Vec<Warning> {
        if pod.claims.is_empty() {
            return Vec::new();
        }
        let presents = self.nodes.entry(node).or_insert_with(|| {
            let slices = slices();
            DRIVERS.map(|(hardware, driver)| present(machine, hardware, driver, &slices))
        });
        let mut warnings = Vec::new();
        for claim in &pod.claims {
            let Some(allocation) = &claim.allocation else {
                continue;
            };
            let name = match &*claim.pod_claim_name {
                "" => &claim.name,
                _ => &claim.pod_claim_name,
            };
            for ((hardware, driver), present) in DRIVERS.into_iter().zip(&*presents) {
                // Nothing is known of a driver without devices, nor need it be of one without a
                // part in the claim.
                let asked = allocation
                    .results
                    .iter()
                    .any(|result| &*result.driver == driver);
                if !asked || present.devices.is_empty() {
                    continue;
                }
                let answer = rules::check(&Question {
                    hardware,
                    driver,
                    claim: &claim.spec,
                    allocation,
                    present,
                });
                match answer {
                    Ok(edits) => {
                        warnings.extend(edits.warnings.into_iter().map(|warning| Warning {
                            code: warning.code,
                            object: title("Pod", &pod.namespace, &pod.name),
                            message: format!("claim {name}: {}", warning.message),
                        }))
                    }
                    Err(refusal) => {
                        pod.prepare = Some(PrepareRefusal {
                            code: refusal.code,
                            message: format!("claim {name}: {refusal}"),
                        });
                        return Vec::new();
                    }
                }
            }
        }
        warnings
    }
}

fn present(
    machine: &Machine,
    hardware: Hardware,
    driver: &str,
    slices: &[&Arc<ResourceSlice>],
) -> Present {
    let kind = machine.labels.get(INSTANCE_TYPE_LABEL);
    let kind = kind.and_then(|kind| InstanceType::find(kind).ok());
    let own = slices.iter().filter(|slice| &*slice.driver == driver);
    let devices = own.flat_map(|slice| slice.devices.iter());
    Present::published(kind, hardware, driver, devices)
}
