//! What a node has, as a driver on it finds it.

use trainyard_model::Text;
use trainyard_model::taint::Taint;

use super::{Condition, Hardware, Part, Present, What};
use crate::health::Health;
use crate::machine::{Chip, Machine, State};
use crate::publish::{self, NODE_DEVICE, NeuronPublish};

impl Present {
    /// Those of a driver's devices that are asked for: what the machine has, and what is known of its
    /// health.
    pub fn found(
        machine: &Machine,
        hardware: Hardware,
        publish: NeuronPublish,
        health: &Health,
        is_asked: impl Fn(&str) -> bool,
    ) -> Present {
        let part = |name: String, what, condition| {
            let taints = is_asked(&name).then(|| health.taints(&name))?;
            let part = Part {
                what,
                condition,
                taints,
            };
            Some((Text::from(name), part))
        };
        let chips = machine.chips.iter();
        let efas = machine.efas.iter();
        let devices = match hardware {
            Hardware::Efa => efas
                .filter_map(|efa| {
                    let name = publish::efa_name(&efa.address);
                    let there = efa.has_device_file && !efa.gone && efa.uverbs.is_some();
                    part(name, What::Efa(efa.uverbs), ready(there))
                })
                .collect(),
            Hardware::Neuron if publish::is_one_device(machine, publish) => {
                let ids = chips.clone().map(|chip| chip.id).collect();
                let whole = Part {
                    what: What::Node(ids),
                    condition: chips.map(condition).max().unwrap_or(Condition::Gone),
                    taints: health.taints_of_all(),
                };
                [(NODE_DEVICE.into(), whole)].into()
            }
            Hardware::Neuron => chips
                .filter_map(|chip| {
                    part(
                        publish::chip_name(chip.id),
                        What::Chip(chip.id),
                        condition(chip),
                    )
                })
                .collect(),
        };
        Present {
            instance_type: machine.like(),
            devices,
            rdma_cm: machine.rdma_cm,
            // A machine in no UltraServer has no modes to choose from.
            ultraserver: Some(machine.ultraserver.clone().unwrap_or_default()),
        }
    }
}

/// The taints that a driver publishes with a device.
pub fn taints(health: &Health, device: &str) -> Vec<Taint> {
    match device {
        NODE_DEVICE => health.taints_of_all(),
        _ => health.taints(device),
    }
}

fn ready(there: bool) -> Condition {
    if there {
        Condition::Ready
    } else {
        Condition::Gone
    }
}

fn condition(chip: &Chip) -> Condition {
    match chip.state {
        State::Resetting => Condition::Resetting,
        State::Invalid | State::Gone => Condition::Gone,
        State::Ready | State::Unknown => ready(chip.has_device_file),
    }
}
