//! Asks two programs the same scenarios and says where they differ.
//!
//! `compare --upstream ORACLE --ours TRAINYARD [--from SEED] [--count N] [--file SCENARIOS] [--diffs DIR]`
//!
//! Exit code 0: no difference; 1: some, printed as a minimal scenario each; 2: a program failed.

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use serde_json::Value;
use trainyard_testkit::process::Filter;
use trainyard_testkit::reached::Reached;
use trainyard_testkit::shrink::shrink;
use trainyard_testkit::{answer, generate};

struct Arguments {
    upstream: Vec<String>,
    ours: Vec<String>,
    from: u64,
    count: u64,
    file: Option<String>,
    diffs: Option<String>,
    most: usize,
}

fn arguments() -> Result<Arguments, String> {
    let mut given = Arguments {
        upstream: Vec::new(),
        ours: Vec::new(),
        from: 0,
        count: 2000,
        file: None,
        diffs: None,
        most: 10,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{word} wants a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|error| format!("{word}: {error}"))
        };
        let command = || value.split_whitespace().map(str::to_owned).collect();
        match word.as_str() {
            "--upstream" => given.upstream = command(),
            "--ours" => given.ours = command(),
            "--from" => given.from = number()?,
            "--count" => given.count = number()?,
            "--file" => given.file = Some(value),
            "--diffs" => given.diffs = Some(value),
            "--most" => given.most = usize::try_from(number()?).map_err(|e| e.to_string())?,
            _ => return Err(format!("unknown option {word}")),
        }
    }
    if given.upstream.is_empty() || given.ours.is_empty() {
        return Err("--upstream and --ours are needed".to_owned());
    }
    Ok(given)
}

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<usize, String> {
    let given = arguments()?;
    let scenarios: Box<dyn Iterator<Item = Value>> = match &given.file {
        Some(file) => {
            let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
            let scenarios: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
            Box::new(
                scenarios
                    .map_err(|error| format!("{file}: {error}"))?
                    .into_iter(),
            )
        }
        None => Box::new((given.from..given.from + given.count).map(generate::scenario)),
    };
    let start = |command: &[String]| {
        Filter::start(command).map_err(|error| format!("{}: {error}", command[0]))
    };
    let (mut upstream, mut ours) = (start(&given.upstream)?, start(&given.ours)?);
    let mut reached = Reached::default();
    let (mut asked, mut different) = (0, 0);
    let mut scenarios = scenarios.peekable();
    while scenarios.peek().is_some() {
        let batch: Vec<Value> = scenarios.by_ref().take(256).collect();
        let theirs = upstream
            .ask(&batch)
            .map_err(|error| format!("upstream: {error}"))?;
        let answers = ours.ask(&batch).map_err(|error| format!("ours: {error}"))?;
        for ((scenario, theirs), answer) in batch.iter().zip(&theirs).zip(&answers) {
            asked += 1;
            reached.note(scenario, theirs);
            let Some(found) = answer::difference(theirs, answer) else {
                continue;
            };
            different += 1;
            println!("{}: {found}", scenario["name"]);
            if different > given.most {
                continue;
            }
            let kind = kind(&found);
            let small = shrink(scenario.clone(), |smaller| {
                let question = std::slice::from_ref(smaller);
                match (upstream.ask(question), ours.ask(question)) {
                    (Ok(theirs), Ok(answers)) => answer::difference(&theirs[0], &answers[0])
                        .is_some_and(|found| self::kind(&found) == kind),
                    _ => false,
                }
            });
            let question = std::slice::from_ref(&small);
            let theirs = upstream.ask(question).map_err(|error| error.to_string())?;
            let answer = ours.ask(question).map_err(|error| error.to_string())?;
            println!(
                "  {small}\n  upstream {}\n  ours     {}",
                theirs[0], answer[0]
            );
            if let Some(folder) = &given.diffs {
                let topic: String = kind
                    .chars()
                    .map(|c| if c.is_alphanumeric() { c } else { '-' })
                    .collect();
                let mut file = fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(format!("{folder}/{topic}.jsonl"))
                    .map_err(|error| format!("{folder}: {error}"))?;
                writeln!(file, "{small}").map_err(|error| error.to_string())?;
            }
        }
    }
    println!("{reached}");
    for missed in reached.missed() {
        println!("never reached: {missed}");
    }
    println!("{asked} scenarios, {different} different");
    Ok(different)
}

/// What kind of difference it is, so that shrinking one does not end with another.
fn kind(found: &str) -> String {
    if found.contains(" steps, counted ") {
        return "steps".to_owned();
    }
    let words: Vec<&str> = found.split('"').collect();
    match words[..] {
        [theirs, outcome, ..] if theirs.starts_with("upstream") => {
            let ours = found.rsplit("ours \"").next().unwrap_or_default();
            let ours = ours.split('"').next().unwrap_or_default();
            format!("{outcome} or {ours}")
        }
        _ => found.to_owned(),
    }
}
