//! The subcommand `emulate` of both programs: `trainyard emulate` on a laptop, `trainyard-driver
//! emulate` in the chart's init container.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Entry, Error, Fault, Nodes, Options, Tree, tree, write};
use crate::catalogue::{InstanceType, UltraServer};

/// Stands below the options in `--help`.
pub const EXAMPLES: &str = "\
Faults:
  gone            the device is off the bus: neither sysfs nor /dev has it
  no-node         only its file below /dev is missing
  mem-ecc         an uncorrected error in a Neuron device's HBM, counted
  repairable-ecc  one that a reset repairs
  sram-ecc        one in the NeuronCores' own memory
  reset           the Neuron device is in reset
  invalid         the Neuron device is unusable until it is reset

Devices are named as in slices (neuron-device-3, pci-0000-c9-00-0), as in /dev and sysfs (neuron3,
rdmap201s0), by number or by PCI address. A fault given twice counts twice.

Examples:
  A machine for a driver to read as --sysfs-root node-0/sys --dev-root node-0/dev:
    trainyard emulate trn2.48xlarge node-0

  Later, while the driver runs: one device fails, and an EFA is gone
    trainyard emulate trn2.48xlarge node-0 --fault mem-ecc=neuron-device-3 --fault gone=rdmap201s0

  And all is well again:
    trainyard emulate trn2.48xlarge node-0

  Only look:
    trainyard emulate trn1.2xlarge node-0 --dry-run

Exit code: 0 written, 2 the command is at fault or the folder cannot be written.";

/// The arguments of `emulate`.
#[derive(Debug, Args)]
pub struct Emulate {
    /// An instance type, such as trn2.48xlarge
    #[arg(value_name = "TYPE")]
    instance_type: String,

    /// Where to write `sys` and `dev`. What an earlier call wrote there is changed into what is
    /// asked now, and only where it differs
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// What is wrong with the machine. May be repeated
    #[arg(long = "fault", value_name = "KIND=DEVICE")]
    faults: Vec<Fault>,

    /// Index of the node among those of UltraServers, on types that are part of one: 0 to 3 make the
    /// first
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    ultraserver_node: u32,

    /// What stands for devices
    #[arg(long, value_enum, default_value_t = DeviceNodes::Auto)]
    device_nodes: DeviceNodes,

    /// Print what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// `--device-nodes`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DeviceNodes {
    /// Character devices (those of /dev/null) where we may make them, else empty files
    Auto,
    /// Empty files
    Plain,
}

/// Why there is no emulated machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    /// What to try instead.
    pub help: Option<&'static str>,
}

impl Emulate {
    /// Writes the machine, or only lists it, and says so in a text for standard output.
    ///
    /// # Errors
    ///
    /// The type or a fault is unknown, or the folder cannot be written.
    pub fn run(&self) -> Result<String, Failure> {
        let failure = |message: String, help| Failure { message, help };
        let kind = InstanceType::find(&self.instance_type).map_err(|error| {
            failure(
                error.to_string(),
                Some("`trainyard inventory` lists the types"),
            )
        })?;
        if self.ultraserver_node > 0 && kind.ultraserver != UltraServer::Links {
            let message = format!("--ultraserver-node: a {} is in no UltraServer", kind.name);
            return Err(failure(message, Some("trn2u.48xlarge is")));
        }
        let options = Options {
            faults: self.faults.clone(),
            ultraserver_node: self.ultraserver_node,
        };
        let tree =
            tree(kind, &options).map_err(|error| failure(format!("--fault: {error}"), None))?;
        if self.dry_run {
            return Ok(listing(&tree));
        }
        let nodes = match self.device_nodes {
            DeviceNodes::Auto => Nodes::Character,
            DeviceNodes::Plain => Nodes::Plain,
        };
        let made = write(&self.folder, kind.name, &tree, nodes).map_err(|error| {
            let help = matches!(error, Error::Foreign(_))
                .then_some("name a new folder, or one that `trainyard emulate` wrote");
            failure(error.to_string(), help)
        })?;
        let devices = tree.values().filter(|entry| **entry == Entry::Node).count();
        let what = match made {
            Nodes::Character => "character device",
            Nodes::Plain => "empty file",
        };
        Ok(format!(
            "{}: {} and links, and {} for the devices\n",
            kind.name,
            count(tree.len() - devices, "file"),
            count(devices, what),
        ))
    }
}

/// `1 file`, `2 files`.
fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Everything that the tree holds, a line each.
fn listing(tree: &Tree) -> String {
    let mut out = String::new();
    for (path, entry) in tree {
        let path = path.display();
        // Writing to a string does not fail.
        let _ = match entry {
            Entry::File { text, .. } => writeln!(out, "{path}: {}", text.trim_end()),
            Entry::Link(target) => writeln!(out, "{path} -> {}", target.display()),
            Entry::Node => writeln!(out, "{path} (device)"),
        };
    }
    out
}
