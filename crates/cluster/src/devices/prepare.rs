//! Whether the drivers of a node will prepare what the scheduler gave a pod: the scheduler looks at
//! no configuration and at no set of chips.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use trainyard_inventory::catalogue::InstanceType;
use trainyard_inventory::publish::{EFA_DRIVER, NEURON_DRIVER};
use trainyard_inventory::rules::{self, Hardware, Present, Question};
use trainyard_model::Text;
use trainyard_model::plan::{PodPlan, PrepareRefusal, Warning};
use trainyard_model::slice::ResourceSlice;

/// The drivers whose rules are known.
const DRIVERS: [(Hardware, &str); 2] = [
    (Hardware::Neuron, NEURON_DRIVER),
    (Hardware::Efa, EFA_DRIVER),
];

/// Asks the drivers; remembers what nodes have.
#[derive(Debug, Default)]
pub(crate) struct Drivers {
    known: FxHashMap<Published, Known>,
}

/// A node's type, and drivers with lists of devices, by address: equal nodes share lists.
type Published = (Option<Text>, Vec<(Text, usize)>);

/// What each driver has, and slices that keep the addresses of their lists taken.
type Known = ([Present; DRIVERS.len()], Vec<Arc<ResourceSlice>>);

impl Drivers {
    fn presents(
        &mut self,
        instance_type: Option<&Text>,
        slices: &[Arc<ResourceSlice>],
    ) -> &[Present; DRIVERS.len()] {
        let lists = slices.iter().map(|slice| {
            let address = slice.devices.as_ptr() as usize;
            (slice.driver.clone(), address)
        });
        let key = (instance_type.cloned(), lists.collect());
        let (presents, _) = self.known.entry(key).or_insert_with(|| {
            let of = |(hardware, driver)| present(instance_type, hardware, driver, slices);
            (DRIVERS.map(of), slices.to_vec())
        });
        presents
    }

    /// Judges a pod that was placed on this node: writes down a refusal, returns the warnings.
    pub(crate) fn check(
        &mut self,
        pod: &mut PodPlan,
        instance_type: Option<&Text>,
        slices: &[Arc<ResourceSlice>],
    ) -> Vec<Warning> {
        if pod.claims.is_empty() {
            return Vec::new();
        }
        let presents = self.presents(instance_type, slices);
        let mut warnings = Vec::new();
        for claim in &pod.claims {
            let Some(allocation) = &claim.allocation else {
                continue;
            };
            let name = match &*claim.pod_claim_name {
                "" => &claim.name,
                _ => &claim.pod_claim_name,
            };
            for ((hardware, driver), present) in DRIVERS.into_iter().zip(presents) {
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
                            object: Warning::title("Pod", &pod.namespace, &pod.name),
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

/// What a driver has on a node.
fn present(
    instance_type: Option<&Text>,
    hardware: Hardware,
    driver: &str,
    slices: &[Arc<ResourceSlice>],
) -> Present {
    let kind = instance_type.and_then(|kind| InstanceType::find(kind).ok());
    let own = slices.iter().filter(|slice| &*slice.driver == driver);
    let devices = own.flat_map(|slice| slice.devices.iter());
    Present::published(kind, hardware, driver, devices)
}
