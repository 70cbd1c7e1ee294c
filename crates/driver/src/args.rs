//! The command line: flags run the daemon, two subcommands help it.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use trainyard_inventory::emulate::command::{self, Emulate};

use crate::flags::{EXAMPLES, Flags};
use crate::probe::Probe;

/// The Neuron and the EFA driver of a node: publish its devices, prepare them for pods, watch their
/// health.
#[derive(Debug, Parser)]
#[command(
    name = "trainyard-driver",
    version,
    propagate_version = true,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_long_help = EXAMPLES,
    override_usage = "trainyard-driver --node-name NAME [OPTIONS]\n       trainyard-driver <COMMAND>"
)]
pub struct Args {
    /// What to do instead of running the drivers.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// How the drivers run.
    #[command(flatten)]
    pub flags: Flags,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask a running driver over HTTP: exit code 0 if it answers that all is well
    Probe(Probe),
    /// Write a machine's /sys and /dev as files, faults included, for a driver to read
    #[command(after_long_help = command::EXAMPLES)]
    Emulate(Emulate),
}

/// Writes an emulated machine: 0, or 2 if it cannot.
pub fn emulate(arguments: &Emulate) -> ExitCode {
    match arguments.run() {
        Ok(text) => {
            // A reader who has seen enough is no fault.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(help) = error.help {
                eprintln!("help: {help}");
            }
            ExitCode::from(2)
        }
    }
}
