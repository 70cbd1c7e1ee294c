//! Reads a machine's facts from `/sys` and `/dev`, or from what stands for them.
//!
//! The kernel's interfaces are read as they are, links and all; an emulated tree (see
//! [`crate::emulate`]) differs in its root alone. A file that cannot be read (some are root's alone)
//! leaves its fact open and is told as a [`Problem`]; nothing here fails because of one device.
//!
//! Sources: the Neuron kernel module (`neuron_sysfs_metrics.c`, `neuron_cdev.c`), amzn-drivers'
//! `efa`, and the kernel's `Documentation/ABI`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{CWD, Mode, OFlags, openat};
use trainyard_model::Text;

use crate::machine::{Chip, Ecc, Efa, Machine, State};
use crate::pci;
use crate::publish;
use crate::rules::{Group, Hardware, Place};

/// The Neuron devices, below `/sys`.
const CHIPS: &str = "class/neuron_device";
/// The PCI functions, below `/sys`.
const FUNCTIONS: &str = "bus/pci/devices";

/// Where to read.
#[derive(Debug, Clone)]
pub struct Roots {
    /// `/sys`
    pub sys: PathBuf,
    /// `/dev`
    pub dev: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Roots {
            sys: "/sys".into(),
            dev: "/dev".into(),
        }
    }
}

/// A fact that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub error: io::Error,
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// The facts.
    pub machine: Machine,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Reads everything. `instance_type` (a Node's label) stands in where the firmware does not tell.
pub fn discover(roots: &Roots, instance_type: Option<&str>) -> Found {
    look(roots, instance_type, &[Hardware::Neuron, Hardware::Efa])
}

/// Reads what one of the drivers needs, and nothing of the other's: it may not be allowed to.
pub fn discover_for(hardware: Hardware, roots: &Roots, instance_type: Option<&str>) -> Found {
    look(roots, instance_type, &[hardware])
}

/// Looks again at what can change about some of the devices that were found, by their names in
/// slices: whether they are still there, their state, their counters, their files below `/dev`. All
/// else stays as it was.
pub fn look_again(roots: &Roots, machine: &mut Machine, is_asked: impl Fn(&str) -> bool) {
    let mut reader = Reader {
        roots,
        problems: Vec::new(),
    };
    for chip in &mut machine.chips {
        if is_asked(&publish::chip_name(chip.id)) {
            let at = Path::new(CHIPS).join(format!("neuron{}", chip.id));
            reader.condition(chip, &at);
        }
    }
    for efa in &mut machine.efas {
        if is_asked(&publish::efa_name(&efa.address)) {
            let function = Path::new(FUNCTIONS).join(&*efa.address);
            match reader.is_efa(&function) {
                true => reader.uverbs(efa, &function),
                false => efa.vanish(),
            }
        }
    }
}

fn look(roots: &Roots, instance_type: Option<&str>, wanted: &[Hardware]) -> Found {
    let mut reader = Reader {
        roots,
        problems: Vec::new(),
    };
    let kind = reader.text("class/dmi/id/product_name");
    let kind = kind.or(instance_type.map(str::to_owned));
    let mut machine = Machine {
        instance_type: kind.unwrap_or_default().into(),
        ..Machine::default()
    };
    if wanted.contains(&Hardware::Neuron) {
        let version = reader.text("module/neuron/version");
        machine.module_version = version.unwrap_or_default().into();
        machine.chips = reader.chips();
        machine.ultraserver = reader.ultraserver();
        reader.addresses(&mut machine);
    }
    if wanted.contains(&Hardware::Efa) {
        machine.efas = reader.efas();
        machine.rdma_cm = reader.has_node("infiniband/rdma_cm");
    }
    Found {
        machine,
        problems: reader.problems,
    }
}

struct Reader<'a> {
    roots: &'a Roots,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The value or, unless it is absent, the problem.
    fn open<T>(&mut self, path: PathBuf, found: io::Result<T>) -> Option<T> {
        match found {
            Ok(value) => Some(value),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.problems.push(Problem { path, error });
                None
            }
        }
    }

    /// A file's text without its white space; `None` too where there is no other.
    fn text(&mut self, below: impl AsRef<Path>) -> Option<String> {
        let path = self.roots.sys.join(below);
        let text = read(CWD, &path);
        self.trimmed(path, text)
    }

    fn trimmed(&mut self, path: PathBuf, text: io::Result<String>) -> Option<String> {
        let text = self.open(path, text)?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn number<T: FromStr>(&mut self, below: impl AsRef<Path>) -> Option<T> {
        let path = self.roots.sys.join(below);
        let text = read(CWD, &path);
        self.parsed(path, text)
    }

    fn parsed<T: FromStr>(&mut self, path: PathBuf, text: io::Result<String>) -> Option<T> {
        let text = self.trimmed(path.clone(), text)?;
        let number = text.parse().ok();
        if number.is_none() {
            let error = format!("{text:?} is no number");
            self.problems.push(Problem {
                path,
                error: io::Error::new(io::ErrorKind::InvalidData, error),
            });
        }
        number
    }

    /// Names in a folder, in order.
    fn names(&mut self, below: impl AsRef<Path>) -> Vec<String> {
        let path = self.roots.sys.join(below);
        let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = self.open(path, entries).unwrap_or_default();
        let names = entries.into_iter().map(|entry| entry.file_name());
        let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    fn has_node(&self, below: &str) -> bool {
        self.roots.dev.join(below).exists()
    }

    fn chips(&mut self) -> Vec<Chip> {
        let numbered = |name: &String| name.strip_prefix("neuron")?.parse().ok();
        let mut ids: Vec<u32> = self.names(CHIPS).iter().filter_map(numbered).collect();
        ids.sort_unstable();
        ids.into_iter()
            .map(|id| self.chip(id, &Path::new(CHIPS).join(format!("neuron{id}"))))
            .collect()
    }

    fn chip(&mut self, id: u32, at: &Path) -> Chip {
        let text =
            |reader: &mut Self, below| Text::from(reader.text(at.join(below)).unwrap_or_default());
        let mut chip = Chip {
            id,
            silicon: text(self, "info/architecture/device_name"),
            serial: text(self, "info/serial_number"),
            cores: self.number(at.join("core_count")),
            connected: self.connected(&at.join("connected_devices")),
            address: None,
            ecc: Ecc::default(),
            state: State::default(),
            has_device_file: false,
        };
        self.condition(&mut chip, at);
        chip
    }

    /// What can change about a chip. A pod waits for it, and half of it is to walk there: once is
    /// enough.
    fn condition(&mut self, chip: &mut Chip, at: &Path) {
        let path = self.roots.sys.join(at);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, &path, flags, Mode::empty());
        let Some(folder) = self.open(path.clone(), folder.map_err(io::Error::from)) else {
            return chip.vanish();
        };
        let mut number = |below: &str| {
            let text = read(&folder, below.as_ref());
            self.parsed(path.join(below), text)
        };
        chip.ecc = Ecc {
            sram: number("stats/hardware/sram_ecc_uncorrected").unwrap_or_default(),
            memory: number("stats/hardware/mem_ecc_uncorrected").unwrap_or_default(),
            repairable: number("stats/hardware/mem_ecc_repairable_uncorrected").unwrap_or_default(),
        };
        chip.state = match number("reset") {
            Some(0) => State::Resetting,
            Some(1) => State::Ready,
            Some(2) => State::Invalid,
            Some(_) | None => State::Unknown,
        };
        chip.has_device_file = self.has_node(&format!("neuron{}", chip.id));
    }

    /// The kernel prints them in no order of ids.
    fn connected(&mut self, below: &Path) -> Option<Vec<u32>> {
        let path = self.roots.sys.join(below);
        let text = read(CWD, &path);
        let text = self.open(path, text)?;
        let ids = text.split(',').map(str::trim);
        let mut ids: Vec<u32> = ids.filter_map(|id| id.parse().ok()).collect();
        ids.sort_unstable();
        Some(ids)
    }

    /// Addresses of chips, by the tables. Believed where every chip's is a Neuron function here:
    /// sysfs does not link the one to the other.
    fn addresses(&mut self, machine: &mut Machine) {
        let Some(kind) = machine.like() else { return };
        let mut addresses = Vec::new();
        for chip in &machine.chips {
            let Some(address) = pci::chip_address(kind, chip.id) else {
                return;
            };
            if !self.is_chip(&address) {
                return;
            }
            addresses.push(Text::from(address));
        }
        for (chip, address) in machine.chips.iter_mut().zip(addresses) {
            chip.address = Some(address);
        }
    }

    /// A number such as `0x1d0f`, without its mark.
    fn id(&mut self, function: &Path, name: &str) -> String {
        let text = self.text(function.join(name)).unwrap_or_default();
        text.trim_start_matches("0x").to_owned()
    }

    fn is_chip(&mut self, address: &str) -> bool {
        let function = Path::new(FUNCTIONS).join(address);
        self.id(&function, "vendor") == pci::VENDOR
            && pci::CHIPS.contains(&self.id(&function, "device").as_str())
    }

    fn efas(&mut self) -> Vec<Efa> {
        let addresses = self.names(FUNCTIONS);
        let mut efas = Vec::new();
        for address in addresses {
            let function = Path::new(FUNCTIONS).join(&address);
            if self.is_efa(&function) {
                efas.push(self.efa(address, &function));
            }
        }
        efas
    }

    /// What is bound to the driver is an EFA, whatever its id: new ones come.
    fn is_efa(&self, function: &Path) -> bool {
        let driver = fs::read_link(self.roots.sys.join(function).join("driver"));
        driver.is_ok_and(|driver| driver.ends_with(pci::EFA_DRIVER))
    }

    fn efa(&mut self, address: String, function: &Path) -> Efa {
        let rdma = self.names(function.join("infiniband")).into_iter().next();
        let numa: Option<i64> = self.number(function.join("numa_node"));
        let mut efa = Efa {
            subsystem: self.id(function, "subsystem_device").into(),
            root: self.root(function).into(),
            numa: numa.filter(|node| *node >= 0),
            rdma: rdma.unwrap_or_default().into(),
            uverbs: None,
            has_device_file: false,
            gone: false,
            address: address.into(),
        };
        self.uverbs(&mut efa, function);
        efa
    }

    /// What can change about an EFA.
    fn uverbs(&mut self, efa: &mut Efa, function: &Path) {
        let names = self.names(function.join("infiniband_verbs"));
        let mut numbers = names
            .iter()
            .filter_map(|name| name.strip_prefix("uverbs")?.parse().ok());
        efa.uverbs = numbers.next();
        let node = |number| self.has_node(&format!("infiniband/uverbs{number}"));
        efa.has_device_file = efa.uverbs.is_some_and(node);
        efa.gone = false;
    }

    /// First part of the function's place among the devices, such as `pci0000:c8`.
    fn root(&mut self, function: &Path) -> String {
        let path = self.roots.sys.join(function);
        let target = fs::read_link(&path);
        let target = self.open(path, target).unwrap_or_default();
        let mut parts = target.iter().filter_map(|part| part.to_str());
        parts
            .find(|part| part.starts_with("pci") && part.contains(':'))
            .unwrap_or_default()
            .to_owned()
    }

    /// Every machine has the files; one that is in no UltraServer names no mode.
    fn ultraserver(&mut self) -> Option<Group> {
        let class = Path::new(CHIPS);
        let modes = self.text(class.join("ultraserver_mode"))?;
        let mut place = Place::default();
        let mut electing = modes == BUSY;
        place.modes = modes
            .split(',')
            .filter_map(|mode| mode.trim().parse().ok())
            .collect();
        for nodes in [2, 4] {
            let server = self.text(class.join(format!("server_id_{nodes}")));
            let node = self.text(class.join(format!("node_id_{nodes}")));
            electing |= node.as_deref() == Some(BUSY);
            if let (Some(server), Some(Ok(node))) = (server, node.map(|node| node.parse()))
                && node >= 0
            {
                place.groups.insert(nodes, (server, node));
            }
        }
        if electing {
            return Some(Group::Electing);
        }
        (!place.modes.is_empty()).then_some(Group::Elected(place))
    }
}

/// A file's text, in as few calls as can be: there are hundreds of files. The kernel hands out an
/// attribute as a whole, and a file ends where a read comes up short.
fn read(folder: impl AsFd, path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, path, flags, Mode::empty())?);
    let mut bytes = [0; 4096];
    let length = file.read(&mut bytes)?;
    let mut text = bytes[..length].to_vec();
    if length == bytes.len() {
        file.read_to_end(&mut text)?;
    }
    String::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// What the kernel says while the nodes of an UltraServer find each other.
const BUSY: &str = "busy";
