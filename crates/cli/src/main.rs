//! What does a person type? `trainyard plan`, `inventory`, `emulate`, `driver`, `probe`, `allocate`; see [`args`].

mod allocate;
mod args;
mod driver;
mod emulate;
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
        args::Command::Emulate(arguments) => emulate::run(&arguments),
        args::Command::Driver(arguments) => driver::run(&arguments),
        args::Command::Probe(arguments) => driver::probe(&arguments),
        args::Command::Allocate(arguments) => allocate::run(&arguments),
        args::Command::Completions { shell } => args::completions(shell),
    })
}
