//! `trainyard emulate`: a machine as files.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use trainyard_inventory::catalogue::{InstanceType, UltraServer};
use trainyard_inventory::emulate::{self, Entry, Fault, Nodes, Options, Tree};

use crate::exit::Exit;
use crate::output::print;
use crate::render::count;

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

/// `trainyard emulate`
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

/// Runs the command.
pub fn run(arguments: &Emulate) -> Exit {
    match emulated(arguments) {
        Ok(text) => print(&text).map_or_else(|exit| exit, |()| Exit::Fine),
        Err((error, help)) => {
            eprintln!("error: {error}");
            if let Some(help) = help {
                eprintln!("help: {help}");
            }
            Exit::Fault
        }
    }
}

fn emulated(arguments: &Emulate) -> Result<String, (String, Option<&'static str>)> {
    let kind = InstanceType::find(&arguments.instance_type).map_err(|error| {
        let help = "`trainyard inventory` lists the types";
        (error.to_string(), Some(help))
    })?;
    if arguments.ultraserver_node > 0 && kind.ultraserver != UltraServer::Links {
        let message = format!("--ultraserver-node: a {} is in no UltraServer", kind.name);
        return Err((message, Some("trn2u.48xlarge is")));
    }
    let options = Options {
        faults: arguments.faults.clone(),
        ultraserver_node: arguments.ultraserver_node,
    };
    let tree =
        emulate::tree(kind, &options).map_err(|error| (format!("--fault: {error}"), None))?;
    if arguments.dry_run {
        return Ok(listing(&tree));
    }
    let nodes = match arguments.device_nodes {
        DeviceNodes::Auto => Nodes::Character,
        DeviceNodes::Plain => Nodes::Plain,
    };
    let made = emulate::write(&arguments.folder, kind.name, &tree, nodes).map_err(|error| {
        let help = matches!(error, emulate::Error::Foreign(_))
            .then_some("name a new folder, or one that `trainyard emulate` wrote");
        (error.to_string(), help)
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
