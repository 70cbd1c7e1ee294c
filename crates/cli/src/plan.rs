//! `trainyard plan`: reads, plans, shows.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trainyard_cluster::{Input, Options, Strategy};
use trainyard_inventory::spec;
use trainyard_model::gates::Gates;
use trainyard_model::plan::Warning;
use trainyard_selector::Checker;
use trainyard_wire::gates as api;
use trainyard_wire::{Object, Problem, Severity, problem, read};

use crate::args::{Plan, PlanOutput};
use crate::exit::Exit;
use crate::manifests;
use crate::output::{Look, harmless, print, print_with};
use crate::render::{claims, document, problems, text};

/// Runs the command.
pub fn run(arguments: &Plan) -> Exit {
    if arguments.files.is_empty() {
        eprintln!("error: no manifests were given");
        eprintln!("help: name files or folders with -f, or `-f -` for standard input, such as");
        eprintln!("help: trainyard plan -f manifests/ --nodes trn2.48xlarge=4");
        return Exit::Fault;
    }
    let mut gates = Gates::of(arguments.kubernetes);
    for setting in &arguments.feature_gates {
        if let Err(error) = gates.set(setting) {
            eprintln!("error: --feature-gates: {error}");
            return Exit::Fault;
        }
    }
    let (sources, mut found) = manifests::open(&arguments.files);
    let checker = Checker::new(gates.features());
    let mut reading = read(&sources, &checker, &api::Gates::from(&gates));
    found.append(&mut reading.problems);

    let taken: BTreeSet<String> = reading
        .manifests
        .iter()
        .filter(|manifest| matches!(manifest.object, Object::Node(_)))
        .map(|manifest| manifest.object.name().to_owned())
        .collect();
    let input = Input {
        manifests: reading.manifests,
        hardware: spec::nodes(&arguments.nodes, &taken, arguments.neuron_publish),
    };
    let options = Options {
        gates,
        strategy: if arguments.pack {
            Strategy::Pack
        } else {
            Strategy::Score
        },
    };
    let planned = if found.iter().any(|p| p.severity == Severity::Fault) {
        Err(faults_beside(&found, &input))
    } else {
        let bar = progress_bar();
        let planned = trainyard_cluster::plan(&input, &options, &mut |done, total| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        planned
    };
    let plan = match planned {
        Ok(plan) => plan,
        Err(mut more) => {
            found.append(&mut more);
            let look = Look::of_stderr(arguments.color);
            eprint!("{}", harmless(&problems::render(&found, &sources, look)));
            return Exit::Fault;
        }
    };
    let mut warnings: Vec<Warning> = found.iter().map(warning).collect();
    warnings.extend(plan.warnings.iter().cloned());
    let printed = match arguments.output {
        PlanOutput::Text => {
            let look = Look::of_stdout(arguments.color);
            let text = text::render(&plan, &warnings, arguments.verbose, look);
            print(&harmless(&text))
        }
        PlanOutput::Json => print_with(|out| document::json(&plan, &warnings, out)),
        PlanOutput::Yaml => print(&document::yaml(&plan, &warnings)),
        PlanOutput::Claims => print(&claims::yaml(&plan, &input)),
    };
    if let Err(exit) = printed {
        return exit;
    }
    if plan.summary().refused == 0 && plan.unprepared() == 0 {
        Exit::Fine
    } else {
        Exit::Refused
    }
}

/// What is wrong with the input as a whole beside what is wrong with its files: all is told at once.
/// Not asked where an object could not be read, for what others miss may be that one.
fn faults_beside(found: &[Problem], input: &Input) -> Vec<Problem> {
    const KNOWN: [&str; 5] = [
        problem::DUPLICATE_KEY,
        problem::UNKNOWN_FIELD,
        problem::WRONG_TYPE,
        problem::INVALID_FIELD,
        problem::DUPLICATE_OBJECT,
    ];
    let faults = found.iter().filter(|p| p.severity == Severity::Fault);
    if faults.map(|p| p.code).any(|code| !KNOWN.contains(&code)) {
        return Vec::new();
    }
    trainyard_cluster::faults(input)
}

/// A warning of the files, in the form of the plan's.
fn warning(problem: &Problem) -> Warning {
    let mut message = problem.message.clone();
    if let Some(path) = &problem.path {
        message = format!("{path}: {message}");
    }
    if !problem.file.is_empty() {
        message = format!("{message} ({}:{})", problem.file, problem.line);
    }
    if let Some(help) = &problem.help {
        message = format!("{message}; {help}");
    }
    Warning {
        code: problem.code,
        object: problem.object.as_deref().unwrap_or_default().into(),
        message,
    }
}

/// On a terminal, and only once a moment has passed.
fn progress_bar() -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let style = ProgressStyle::with_template("planning {wide_bar} {pos}/{len} pods {eta}")
        .expect("the template is well formed");
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}
