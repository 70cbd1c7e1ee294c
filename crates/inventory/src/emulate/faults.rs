//! What can go wrong with an emulated machine: `KIND=DEVICE`.

use std::str::FromStr;

use crate::health::{Fault as Kind, UnknownFault};
use crate::machine::{Machine, State};
use crate::publish;

/// One fault of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: Kind,
    /// With which device, as written.
    pub device: String,
}

/// Why a text is no fault of a machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Not of the form.
    #[error("{0:?} is no KIND=DEVICE, as in mem-ecc=neuron-device-3")]
    Form(String),
    /// No such kind.
    #[error(transparent)]
    Kind(#[from] UnknownFault),
    /// The machine lacks the device.
    #[error("no device {device:?} on a {instance_type}, which has {has}")]
    Device {
        /// As written.
        device: String,
        /// The machine's type.
        instance_type: String,
        /// What it has.
        has: String,
    },
    /// The device cannot have the fault.
    #[error("{kind} is a fault of Neuron devices, and {device} is an EFA")]
    Efa {
        /// The fault.
        kind: Kind,
        /// As written.
        device: String,
    },
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let form = || FaultError::Form(text.to_owned());
        let (kind, device) = text.split_once('=').ok_or_else(form)?;
        if device.is_empty() {
            return Err(form());
        }
        Ok(Fault {
            kind: kind.parse()?,
            device: device.to_owned(),
        })
    }
}

impl Fault {
    /// Lets it happen to a machine.
    pub fn strike(&self, machine: &mut Machine) -> Result<(), FaultError> {
        let device = self.device.as_str();
        if let Some(at) = chip(machine, device) {
            match self.kind {
                Kind::Gone => {
                    machine.chips.remove(at);
                }
                Kind::NoNode => machine.chips[at].has_device_file = false,
                Kind::SramEcc => machine.chips[at].ecc.sram += 1,
                Kind::MemEcc => machine.chips[at].ecc.memory += 1,
                Kind::RepairableEcc => machine.chips[at].ecc.repairable += 1,
                Kind::Reset => machine.chips[at].state = State::Resetting,
                Kind::Invalid => machine.chips[at].state = State::Invalid,
            }
            return Ok(());
        }
        let found = machine.efas.iter().position(|efa| {
            [&*efa.address, &*efa.rdma, &publish::efa_name(&efa.address)].contains(&device)
        });
        match (found, self.kind) {
            (Some(at), Kind::Gone) => {
                machine.efas.remove(at);
                Ok(())
            }
            (Some(at), Kind::NoNode) => {
                machine.efas[at].has_device_file = false;
                Ok(())
            }
            (Some(_), kind) => Err(FaultError::Efa {
                kind,
                device: device.to_owned(),
            }),
            (None, _) => Err(FaultError::Device {
                device: device.to_owned(),
                instance_type: machine.instance_type.to_string(),
                has: has(machine),
            }),
        }
    }
}

/// By the name of the published device, of the file in `/dev`, or by its number.
fn chip(machine: &Machine, device: &str) -> Option<usize> {
    let digits = ["neuron-device-", "neuron"]
        .iter()
        .find_map(|stem| device.strip_prefix(stem))
        .unwrap_or(device);
    let id: u32 = digits.parse().ok()?;
    machine.chips.iter().position(|chip| chip.id == id)
}

/// `neuron-device-0 to neuron-device-15 and EFAs pci-... to pci-...`
fn has(machine: &Machine) -> String {
    let span = |names: Vec<String>| match names.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [first, .., last] => Some(format!("{first} to {last}")),
    };
    let chips = machine.chips.iter().map(|chip| publish::chip_name(chip.id));
    let efas = machine
        .efas
        .iter()
        .map(|efa| publish::efa_name(&efa.address));
    let parts = [span(chips.collect()), span(efas.collect())];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(" and ")
}
