//! What the files say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Fault, FaultError};
use crate::catalogue::InstanceType;
use crate::machine::{Chip, Efa, Machine, State, ultraserver};
use crate::pci;
use crate::rules::Group;

/// A tree: what stands at each path below its root, folders left out.
pub type Tree = BTreeMap<PathBuf, Entry>;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file of sysfs.
    File {
        /// What it says.
        text: String,
        /// Its permissions.
        mode: u32,
    },
    /// A symbolic link.
    Link(PathBuf),
    /// A character device.
    Node,
}

/// Which machine of a type, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// In their order.
    pub faults: Vec<Fault>,
    /// Its index among the nodes of UltraServers: 0 to 3 are of one.
    pub ultraserver_node: u32,
}

/// The trees of a machine, below `sys` and `dev`.
pub fn tree(kind: &InstanceType, options: &Options) -> Result<Tree, FaultError> {
    let mut machine = Machine::of(kind);
    if machine.ultraserver.is_some() {
        machine.ultraserver = Some(ultraserver(kind, options.ultraserver_node));
    }
    for fault in &options.faults {
        fault.strike(&mut machine)?;
    }
    let mut tree = Sketch::default();
    tree.file("sys/devices/virtual/dmi/id/product_name", line(kind.name));
    tree.link("sys/class/dmi/id", "../../devices/virtual/dmi/id");
    tree.file("sys/module/neuron/version", line(&machine.module_version));
    tree.neuron_class(&machine);
    for chip in &machine.chips {
        tree.chip(kind, chip);
    }
    for efa in &machine.efas {
        tree.efa(efa);
    }
    if machine.rdma_cm {
        tree.node("infiniband/rdma_cm");
    }
    Ok(tree.0)
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

#[derive(Default)]
struct Sketch(Tree);

impl Sketch {
    fn file_as(&mut self, path: impl AsRef<Path>, text: impl Into<String>, mode: u32) {
        let text = text.into();
        let entry = Entry::File { text, mode };
        self.0.insert(path.as_ref().to_owned(), entry);
    }

    fn file(&mut self, path: impl AsRef<Path>, text: impl Into<String>) {
        self.file_as(path, text, 0o444);
    }

    fn link(&mut self, path: impl AsRef<Path>, target: impl AsRef<Path>) {
        let target = Entry::Link(target.as_ref().to_owned());
        self.0.insert(path.as_ref().to_owned(), target);
    }

    fn node(&mut self, below: &str) {
        self.0.insert(Path::new("dev").join(below), Entry::Node);
    }

    /// Class level: the place in an UltraServer. Machines in none have the files too.
    fn neuron_class(&mut self, machine: &Machine) {
        let class = Path::new("sys/class/neuron_device");
        let place = match &machine.ultraserver {
            Some(Group::Elected(place)) => place.clone(),
            _ => crate::rules::Place::default(),
        };
        let modes: Vec<String> = place.modes.iter().map(u32::to_string).collect();
        self.file(class.join("ultraserver_mode"), line(&modes.join(",")));
        for nodes in [2, 4] {
            let none = ("0".repeat(16), -1);
            let (server, node) = place.groups.get(&nodes).unwrap_or(&none);
            self.file(class.join(format!("server_id_{nodes}")), line(server));
            self.file(
                class.join(format!("node_id_{nodes}")),
                line(&node.to_string()),
            );
        }
    }

    fn chip(&mut self, kind: &InstanceType, chip: &Chip) {
        let name = format!("neuron{}", chip.id);
        let device = Path::new("sys/devices/virtual/neuron_device").join(&name);
        self.link(
            Path::new("sys/class/neuron_device").join(&name),
            Path::new("../../devices/virtual/neuron_device").join(&name),
        );
        let (arch, core, family) = architecture(kind);
        let cores = chip.cores.unwrap_or_default();
        self.file_as(device.join("core_count"), cores.to_string(), 0o400);
        let connected: Vec<String> = order(kind, chip).iter().map(u32::to_string).collect();
        self.file_as(
            device.join("connected_devices"),
            line(&connected.join(", ")),
            0o400,
        );
        let state = match chip.state {
            State::Resetting => "0",
            State::Ready | State::Gone | State::Unknown => "1",
            State::Invalid => "2",
        };
        self.file_as(device.join("reset"), line(state), 0o600);
        self.file(device.join("dev"), line(&format!("243:{}", chip.id)));
        let info = device.join("info");
        self.file(info.join("serial_number"), line(&chip.serial));
        self.file(info.join("architecture/arch_type"), line(arch));
        self.file(info.join("architecture/device_name"), line(&chip.silicon));
        self.file(info.join("architecture/instance_type"), line(family));
        let hardware = device.join("stats/hardware");
        for (name, count) in [
            ("sram_ecc_uncorrected", chip.ecc.sram),
            ("mem_ecc_uncorrected", chip.ecc.memory),
            ("mem_ecc_repairable_uncorrected", chip.ecc.repairable),
        ] {
            self.file_as(hardware.join(name), line(&count.to_string()), 0o644);
        }
        for number in 0..cores {
            let own = device.join(format!("neuron_core{number}/info/architecture/arch_type"));
            self.file(own, line(core));
        }
        if let Some(address) = &chip.address {
            let (bus, _) = pci::bus_and_slot(address);
            let root = format!("pci0000:{bus:02x}");
            let id = pci::chip_id(kind);
            self.function(address, &root, id, "0x088000", pci::NEURON_DRIVER);
        }
        if chip.has_device_file {
            self.node(&name);
        }
    }

    fn efa(&mut self, efa: &Efa) {
        let function = self.function(
            &efa.address,
            &efa.root,
            // The generation is device and subsystem in one.
            &efa.subsystem,
            "0x020000",
            pci::EFA_DRIVER,
        );
        let device = Path::new("sys").join(&function);
        self.file(
            device.join("subsystem_vendor"),
            line(&format!("0x{}", pci::VENDOR)),
        );
        self.file(
            device.join("subsystem_device"),
            line(&format!("0x{}", efa.subsystem)),
        );
        self.file(
            device.join("numa_node"),
            line(&efa.numa.unwrap_or(-1).to_string()),
        );
        // The Neuron peer-to-peer provider, without which EFAs cannot reach the chips' memory.
        self.file(device.join("p2p"), line("NEURON"));
        let up = Path::new("../..");
        let rdma = Path::new("infiniband").join(&*efa.rdma);
        self.file(device.join(&rdma).join("node_type"), line("0: <unknown>"));
        self.link(
            Path::new("sys/class/infiniband").join(&*efa.rdma),
            up.join(&function).join(&rdma),
        );
        // Back to the function.
        self.link(device.join(&rdma).join("device"), "../..");
        if let Some(number) = efa.uverbs {
            let name = format!("uverbs{number}");
            let uverbs = Path::new("infiniband_verbs").join(&name);
            self.file(device.join(&uverbs).join("ibdev"), line(&efa.rdma));
            self.file(
                device.join(&uverbs).join("dev"),
                line(&format!("231:{}", 192 + number)),
            );
            self.link(device.join(&uverbs).join("device"), "../..");
            self.link(
                Path::new("sys/class/infiniband_verbs").join(&name),
                up.join(&function).join(&uverbs),
            );
            if efa.has_device_file {
                self.node(&format!("infiniband/{name}"));
            }
        }
    }

    /// A PCI function that is bound to a driver; its folder below `sys`.
    fn function(
        &mut self,
        address: &str,
        root: &str,
        id: &str,
        class: &str,
        driver: &str,
    ) -> PathBuf {
        let below = Path::new("devices").join(root).join(address);
        let device = Path::new("sys").join(&below);
        let up = Path::new("../../..");
        self.file(device.join("vendor"), line(&format!("0x{}", pci::VENDOR)));
        self.file(device.join("device"), line(&format!("0x{id}")));
        self.file(device.join("class"), line(class));
        self.link(
            device.join("driver"),
            up.join("bus/pci/drivers").join(driver),
        );
        let bus = Path::new("sys/bus/pci");
        self.link(bus.join("devices").join(address), up.join(&below));
        let bound = bus.join("drivers").join(driver).join(address);
        self.link(bound, Path::new("../../../..").join(&below));
        below
    }
}

/// Names of a chip's and a core's architecture, and of the family.
fn architecture(kind: &InstanceType) -> (&'static str, &'static str, &'static str) {
    match kind.family() {
        "inf2" => ("NDv3", "NCv2", "Inf2"),
        "trn1" | "trn1n" => ("NDv2", "NCv2", "Trn1"),
        "trn3" => ("NDv4", "NCv4", "Trn3"),
        _ => ("NDv3", "NCv3", "Trn2"),
    }
}

/// Linked chips in the order in which the kernel prints them, which is no order of ids.
fn order(kind: &InstanceType, chip: &Chip) -> Vec<u32> {
    const TRN1: [[u32; 4]; 16] = [
        [12, 3, 4, 1],
        [13, 0, 5, 2],
        [14, 1, 6, 3],
        [15, 2, 7, 0],
        [0, 7, 8, 5],
        [1, 4, 9, 6],
        [2, 5, 10, 7],
        [3, 6, 11, 4],
        [4, 11, 12, 9],
        [5, 8, 13, 10],
        [6, 9, 14, 11],
        [7, 10, 15, 8],
        [8, 15, 0, 13],
        [9, 12, 1, 14],
        [10, 13, 2, 15],
        [11, 14, 3, 12],
    ];
    const TRN2: [[u32; 4]; 16] = [
        [12, 1, 3, 4],
        [0, 13, 5, 2],
        [14, 3, 1, 6],
        [2, 15, 7, 0],
        [8, 5, 7, 0],
        [4, 9, 1, 6],
        [10, 7, 5, 2],
        [6, 11, 3, 4],
        [4, 9, 11, 12],
        [8, 5, 13, 10],
        [6, 11, 9, 14],
        [10, 7, 15, 8],
        [0, 13, 15, 8],
        [12, 1, 9, 14],
        [2, 15, 13, 10],
        [14, 3, 11, 12],
    ];
    match kind.family() {
        "trn1" | "trn1n" if kind.chips == 16 => TRN1[chip.id as usize].to_vec(),
        "trn2" | "trn2u" | "trn3" if kind.chips == 16 => TRN2[chip.id as usize].to_vec(),
        _ => chip.connected.clone().unwrap_or_default(),
    }
}
