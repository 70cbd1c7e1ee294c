//! The command line: one definition feeds parser, help and completions.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use trainyard_inventory::emulate::command::{self as emulate, Emulate};
use trainyard_inventory::publish::NeuronPublish;
use trainyard_inventory::spec::Spec;
use trainyard_model::gates;

use crate::allocate::Allocate;
use crate::exit::Exit;
use crate::output::print;

/// What will Kubernetes do with Neuron devices and Elastic Fabric Adapters?
#[derive(Debug, Parser)]
#[command(
    name = "trainyard",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say where pods would go and which devices they would get, from files alone
    #[command(
        after_long_help = PLAN_EXAMPLES,
        override_usage = "trainyard plan -f PATH... [--nodes TYPE[=COUNT]...] [OPTIONS]"
    )]
    Plan(Plan),
    /// List the instance types, or show what one of them publishes
    #[command(after_long_help = INVENTORY_EXAMPLES)]
    Inventory(Inventory),
    /// Write a machine's /sys and /dev as files, faults included, for a driver to read
    #[command(after_long_help = emulate::EXAMPLES)]
    Emulate(Emulate),
    /// Ask the allocator: one scenario a line in, one answer a line out
    Allocate(Allocate),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Moved to the program trainyard-driver
    #[command(hide = true, disable_help_flag = true)]
    Driver(Moved),
    /// Moved to the program trainyard-driver
    #[command(hide = true, disable_help_flag = true)]
    Probe(Moved),
}

/// The arguments of a subcommand that another program has now.
#[derive(Debug, Args)]
pub struct Moved {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

const PLAN_EXAMPLES: &str = "\
Examples:
  Four nodes of the catalogue, all manifests of a folder:
    trainyard plan -f manifests/ --nodes trn2.48xlarge=4

  What would fit into the cluster as it is (on 1.34 leave out devicetaintrules):
    kubectl get -A -o yaml nodes,namespaces,pods,resourceclaims,resourceclaimtemplates,\
resourceslices,deviceclasses,devicetaintrules > cluster.yaml
    trainyard plan -f cluster.yaml -f new-job.yaml

  Two zones, and the answer as data:
    trainyard plan -f job.yaml -o json \\
      --nodes trn2.48xlarge=2,topology.kubernetes.io/zone=us-east-1a \\
      --nodes trn2.48xlarge=2,topology.kubernetes.io/zone=us-east-1b

Exit code: 0 all pods are placed, 1 a pod is refused or its devices would not be prepared, 2 the input is at fault.";

const INVENTORY_EXAMPLES: &str = "\
Examples:
  trainyard inventory
  trainyard inventory trn2.48xlarge
  trainyard inventory trn2.48xlarge -o yaml > node.yaml && trainyard plan -f node.yaml -f job.yaml";

/// `trainyard plan`
#[derive(Debug, Args)]
pub struct Plan {
    /// Manifests or the dump of a cluster: a YAML or JSON file, a folder (with all below it), or `-`
    /// for standard input. May be repeated
    #[arg(short, long = "filename", value_name = "PATH")]
    pub files: Vec<PathBuf>,

    /// Nodes of the catalogue, with labels set over its own. May be repeated
    #[arg(long, value_name = "TYPE[=COUNT][,LABEL=VALUE...]")]
    pub nodes: Vec<Spec>,

    /// What trn2u nodes of the catalogue publish: their sixteen devices, or themselves as one
    #[arg(long, value_enum, default_value_t = NeuronPublish::Devices)]
    pub neuron_publish: NeuronPublish,

    /// Fill nodes one by one instead of choosing as kube-scheduler does
    #[arg(long)]
    pub pack: bool,

    /// Kubernetes version whose feature gates apply: 1.34, 1.35, 1.36 or 1.37
    #[arg(long, value_name = "VERSION", default_value = "1.37")]
    pub kubernetes: gates::Version,

    /// Single feature gates, such as DRAListTypeAttributes=true
    #[arg(long, value_name = "GATE=BOOL,...", value_delimiter = ',')]
    pub feature_gates: Vec<String>,

    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t = PlanOutput::Text)]
    pub output: PlanOutput,

    /// Show every pod, every node and the whole of each reason
    #[arg(short, long)]
    pub verbose: bool,

    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// `trainyard inventory`
#[derive(Debug, Args)]
pub struct Inventory {
    /// An instance type, such as trn2.48xlarge
    #[arg(value_name = "TYPE")]
    pub instance_type: Option<String>,

    /// Form of the answer: for a type, yaml and json are a List of its Node and ResourceSlices
    #[arg(short, long, value_enum, default_value_t = DataOutput::Text)]
    pub output: DataOutput,

    /// What a trn2u node publishes: its sixteen devices, or itself as one
    #[arg(long, value_enum, default_value_t = NeuronPublish::Devices)]
    pub neuron_publish: NeuronPublish,

    /// The DeviceClasses of the published Helm charts instead
    #[arg(long, conflicts_with = "instance_type")]
    pub classes: bool,
}

/// `plan --output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanOutput {
    /// For a person, with a picture of the nodes
    Text,
    /// The whole plan
    Json,
    /// The same as YAML
    Yaml,
    /// The ResourceClaims as they would stand in the cluster, as YAML
    Claims,
}

/// `inventory --output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DataOutput {
    /// For a person
    Text,
    /// YAML
    Yaml,
    /// JSON
    Json,
}

/// `--color`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "trainyard", &mut script);
    let script = String::from_utf8_lossy(&script);
    print(&script).map_or_else(|exit| exit, |()| Exit::Fine)
}

/// Writes an emulated machine.
pub fn emulate(arguments: &Emulate) -> Exit {
    match arguments.run() {
        Ok(text) => print(&text).map_or_else(|exit| exit, |()| Exit::Fine),
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(help) = error.help {
                eprintln!("help: {help}");
            }
            Exit::Fault
        }
    }
}

/// Says which program has a subcommand now.
pub fn moved(subcommand: &str, now: &str) -> Exit {
    eprintln!("error: `trainyard {subcommand}` is a program of its own");
    eprintln!("help: run `{now}` with the same flags");
    Exit::Fault
}
