//! The daemon of a node: `trainyard-driver` publishes the node's Neuron devices and EFAs, prepares
//! them for pods and watches their health. See [`args`] for the command line.

mod address;
mod args;
mod daemon;
mod flags;
mod http;
mod logs;
mod metrics;
mod probe;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match args.command {
        Some(args::Command::Probe(probe)) => probe::run(&probe),
        Some(args::Command::Emulate(emulate)) => args::emulate(&emulate),
        None => daemon::run(&args.flags),
    }
}
