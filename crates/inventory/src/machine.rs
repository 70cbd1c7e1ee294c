//! What one machine has: the facts that publishing and preparing start from, whether they come from
//! the catalogue ([`Machine::of`]) or were read from a host ([`crate::sysfs`]).

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use trainyard_model::Text;

use crate::catalogue::{Efas, InstanceType, Shape, UltraServer};
use crate::pci;
use crate::publish::KERNEL_MODULE_VERSION;
use crate::rules::{Group, Place};

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// EC2 name of its type, as the firmware tells it; it need not be in the catalogue.
    pub instance_type: Text,
    /// Version of the kernel's Neuron module; empty: not loaded.
    pub module_version: Text,
    /// In order of their ids.
    pub chips: Vec<Chip>,
    /// In order of their PCI addresses.
    pub efas: Vec<Efa>,
    /// Whether there is a `/dev/infiniband/rdma_cm`.
    pub rdma_cm: bool,
    /// Its place in an UltraServer; `None`: it is in none.
    pub ultraserver: Option<Group>,
}

/// One Neuron device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chip {
    /// The kernel's number, as in `/dev/neuron4`.
    pub id: u32,
    /// Marketing name of the silicon, such as `Trainium2`; empty: unreadable.
    pub silicon: Text,
    /// Sixteen hexadecimal digits; empty: unreadable.
    pub serial: Text,
    /// Physical NeuronCores; `None`: unreadable, the file is root's alone.
    pub cores: Option<u32>,
    /// Ids of the chips it is linked to, ascending; `None`: unreadable, likewise.
    pub connected: Option<Vec<u32>>,
    /// PCI address, where a public table tells it.
    pub address: Option<Text>,
    /// Uncorrected memory errors since the module was loaded, or since somebody reset the counters.
    pub ecc: Ecc,
    /// What the kernel says of its state.
    pub state: State,
    /// Whether `/dev/neuronN` is there.
    pub has_device_file: bool,
}

/// Counters of uncorrected errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ecc {
    /// In the cores' own memory.
    pub sram: u64,
    /// In the chip's HBM.
    pub memory: u64,
    /// In HBM, where a reset repairs it.
    pub repairable: u64,
}

/// State of a chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// In reset.
    Resetting,
    /// Usable.
    Ready,
    /// Unusable until it is reset.
    Invalid,
    /// No longer in sysfs: only [`Machine::remember`] says so.
    Gone,
    /// The file is root's alone, or of a driver that has none.
    #[default]
    Unknown,
}

/// One EFA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Efa {
    /// PCI address, such as `0000:c9:00.0`.
    pub address: Text,
    /// PCI subsystem id in hexadecimal, such as `efa2`; empty: unreadable.
    pub subsystem: Text,
    /// Root of its PCIe tree, such as `pci0000:c8`; empty: unknown.
    pub root: Text,
    /// NUMA node; `None`: the machine has but one, or does not say.
    pub numa: Option<i64>,
    /// RDMA device, such as `rdmap201s0`; empty: it is not registered as one.
    pub rdma: Text,
    /// N of its `uverbsN`; `None`: it has none.
    pub uverbs: Option<u32>,
    /// Whether `/dev/infiniband/uverbsN` is there.
    pub has_device_file: bool,
    /// No longer in sysfs: only [`Machine::remember`] says so.
    pub gone: bool,
}

impl Chip {
    /// It is not in sysfs any more.
    pub(crate) fn vanish(&mut self) {
        self.state = State::Gone;
        self.has_device_file = false;
    }
}

impl Efa {
    /// It is not in sysfs any more.
    pub(crate) fn vanish(&mut self) {
        self.gone = true;
        self.has_device_file = false;
    }
}

impl Machine {
    /// A machine of the catalogue in good order: what [`crate::emulate`] writes.
    pub fn of(kind: &InstanceType) -> Machine {
        let addresses = kind.efa_addresses();
        let efas = addresses.iter().zip(0..);
        Machine {
            instance_type: kind.name.into(),
            module_version: KERNEL_MODULE_VERSION.into(),
            chips: (0..kind.chips).map(|id| chip(kind, id)).collect(),
            efas: efas
                .map(|(address, number)| efa(kind, address, &addresses, number))
                .collect(),
            rdma_cm: !addresses.is_empty(),
            ultraserver: (kind.ultraserver == UltraServer::Links).then(|| ultraserver(kind, 0)),
        }
    }

    /// Adds, as gone, what an earlier look at the same machine found and this one did not: a device
    /// that vanishes from the slices could not tell why.
    pub fn remember(&mut self, before: &Machine) {
        // With the module all chips go, and nothing tells its version any more.
        if self.module_version.is_empty() {
            self.module_version = before.module_version.clone();
        }
        for chip in &before.chips {
            if self.chips.iter().all(|known| known.id != chip.id) {
                let mut chip = chip.clone();
                chip.vanish();
                self.chips.push(chip);
            }
        }
        self.chips.sort_by_key(|chip| chip.id);
        for efa in &before.efas {
            if self.efas.iter().all(|known| known.address != efa.address) {
                let mut efa = efa.clone();
                efa.vanish();
                self.efas.push(efa);
            }
        }
        self.efas.sort_by(|a, b| a.address.cmp(&b.address));
    }

    /// The type of the catalogue that it behaves like: its own, or for names that the catalogue
    /// lacks the one of its family and size.
    pub fn like(&self) -> Option<&'static InstanceType> {
        InstanceType::like(&self.instance_type)
    }
}

/// A place among four nodes, two of them above each other (chosen).
pub(crate) fn ultraserver(kind: &InstanceType, node: u32) -> Group {
    let group = |nodes: u32| {
        let number = node / nodes;
        let id = made_up_digits(&format!("{}/ultraserver-{nodes}/{number}", kind.name), 16);
        (nodes, (id, i64::from(node % nodes)))
    };
    Group::Elected(Place {
        modes: vec![1, 3, 4],
        groups: BTreeMap::from([group(2), group(4)]),
    })
}

/// Hexadecimal digits that depend on the seed alone, at most 64: what a real machine would have
/// there is random.
pub(crate) fn made_up_digits(seed: &str, count: usize) -> String {
    let digest = Sha256::digest(seed);
    let mut digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.truncate(count);
    digits
}

fn chip(kind: &InstanceType, id: u32) -> Chip {
    let silicon = match kind.family() {
        "inf2" => "Inferentia2",
        "trn1" | "trn1n" => "Trainium1",
        "trn3" => "Trainium3",
        _ => "Trainium2",
    };
    Chip {
        id,
        silicon: silicon.into(),
        serial: made_up_digits(&format!("{}/{id}", kind.name), 16).into(),
        cores: Some(kind.cores_per_chip),
        connected: Some(connected(kind, id)),
        address: pci::chip_address(kind, id).map(Text::from),
        ecc: Ecc::default(),
        state: State::Ready,
        has_device_file: true,
    }
}

/// Neighbours of a chip, ascending. trn3 has those of trn2: its chips are linked all to all, but the
/// kernel module does not say so.
pub(crate) fn connected(kind: &InstanceType, id: u32) -> Vec<u32> {
    let count = kind.chips;
    let mut ids = match kind.shape {
        Shape::Single => Vec::new(),
        Shape::Chain => (id.saturating_sub(1)..count.min(id + 2))
            .filter(|other| *other != id)
            .collect(),
        Shape::Ring => vec![(id + count - 1) % count, (id + 1) % count],
        Shape::Torus | Shape::Switch => {
            let (row, column) = (id / 4, id % 4);
            vec![
                (row + 3) % 4 * 4 + column,
                (row + 1) % 4 * 4 + column,
                row * 4 + (column + 3) % 4,
                row * 4 + (column + 1) % 4,
            ]
        }
    };
    ids.sort_unstable();
    ids
}

fn efa(kind: &InstanceType, address: &str, all: &[String], number: u32) -> Efa {
    let (bus, slot) = pci::bus_and_slot(address);
    let subsystem = match kind.family() {
        "trn1" | "trn1n" => "efa1",
        "trn3" => "efa3",
        _ => "efa2",
    };
    Efa {
        address: address.into(),
        subsystem: subsystem.into(),
        root: format!("pci0000:{:02x}", root_bus(kind, bus, all)).into(),
        numa: numa_node(kind, address),
        rdma: format!("rdmap{bus}s{slot}").into(),
        uverbs: Some(number),
        has_device_file: true,
        gone: false,
    }
}

/// The bus of the PCIe root port above an EFA. On trn1 the EFA sits on the root bus itself; elsewhere
/// (chosen) two EFAs on neighbouring buses share the root just below the lower one.
fn root_bus(kind: &InstanceType, bus: u32, all: &[String]) -> u32 {
    if matches!(kind.family(), "trn1" | "trn1n") {
        return bus;
    }
    let below = all
        .iter()
        .any(|other| pci::bus_and_slot(other).0 + 1 == bus);
    // Buses come in pairs: the upper one of a pair is the one whose lower neighbour exists.
    if below { bus - 2 } else { bus - 1 }
}

/// NUMA node of an EFA: that of the chips it serves, where documented samples tell it.
fn numa_node(kind: &InstanceType, address: &str) -> Option<i64> {
    let Efas::Mapped(map) = kind.efas else {
        return None;
    };
    let chip = map.chip(address)?;
    match kind.family() {
        "trn1" | "trn1n" => Some(i64::from(matches!(chip, 2 | 3 | 6 | 7 | 10 | 11 | 14 | 15))),
        "trn2" | "trn2u" => Some(i64::from(!(4..12).contains(&chip))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbours(kind: &str, id: u32) -> Vec<u32> {
        connected(InstanceType::find(kind).expect("in the catalogue"), id)
    }

    #[test]
    fn a_module_that_is_unloaded_takes_its_chips_along() {
        let before = Machine::of(InstanceType::find("trn1.2xlarge").expect("in the catalogue"));
        let mut now = Machine {
            module_version: "".into(),
            chips: Vec::new(),
            ..before.clone()
        };
        now.remember(&before);
        assert_eq!(now.chips[0].state, State::Gone);
        assert!(!now.chips[0].has_device_file);
        assert_eq!(now.module_version, before.module_version);
    }

    #[test]
    fn neighbours_are_those_of_the_kernels_tables() {
        assert_eq!(neighbours("trn1.32xlarge", 0), [1, 3, 4, 12]);
        assert_eq!(neighbours("trn2.48xlarge", 7), [3, 4, 6, 11]);
        assert_eq!(neighbours("inf2.48xlarge", 11), [0, 10]);
        assert_eq!(neighbours("inf2.24xlarge", 0), [1]);
        assert_eq!(neighbours("inf2.24xlarge", 5), [4]);
        assert_eq!(neighbours("inf2.24xlarge", 2), [1, 3]);
        assert!(neighbours("trn2.3xlarge", 0).is_empty());
    }
}
