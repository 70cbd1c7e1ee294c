//! What does a person type? `trainyard plan`, `inventory`, `emulate`, `allocate`; see [`args`].

mod allocate;
mod args;
mod exit;
mod inventory;
mod manifests;
mod output;
mod plan;
mod render;

use clap::Parser;

/// Answers are made of many small texts.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    exit::catching_bugs(|| match args::Cli::parse().command {
        args::Command::Plan(arguments) => plan::run(&arguments),
        args::Command::Inventory(arguments) => inventory::run(&arguments),
        args::Command::Emulate(arguments) => args::emulate(&arguments),
        args::Command::Allocate(arguments) => allocate::run(&arguments),
        args::Command::Completions { shell } => args::completions(shell),
        args::Command::Driver(_) => args::moved("driver", "trainyard-driver"),
        args::Command::Probe(_) => args::moved("probe", "trainyard-driver probe"),
    })
}
