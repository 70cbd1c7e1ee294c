//! `trainyard allocate` answers thousands of random scenarios as upstream did when it was asked
//! (`conformance/oracle/record`).

use std::fs;

use serde_json::Value;
use trainyard_testkit::answer::{digest, hash};
use trainyard_testkit::generate;
use trainyard_testkit::process::Filter;

/// Steps are compared up to here: the plain search that counts them is slow in a debug build.
const CAP: u64 = 5_000;

#[test]
fn as_upstream_answered() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../conformance/recorded/answers.txt"
    );
    let recorded = fs::read_to_string(path).expect("the answers are committed");
    let mut recorded = recorded.lines();
    let guard = recorded.next().expect("a first line");
    let count: u64 = guard
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a count");
    let scenarios: Vec<Value> = (0..count).map(generate::scenario).collect();
    let all = scenarios
        .iter()
        .flat_map(|scenario| scenario.to_string().into_bytes());
    assert_eq!(
        guard,
        format!("{count} scenarios {:016x}", hash(all)),
        "the generator has changed: record anew"
    );
    let mut ours = ours(&[]);
    let mut different = Vec::new();
    for batch in scenarios.chunks(256) {
        let answers = ours.ask(batch).expect("every line is answered");
        for answer in answers {
            let line = recorded.next().expect("a line for each scenario");
            let digest = digest(&answer);
            if !equal(line, &digest) {
                different.push(format!("upstream {line}\n    ours {digest}"));
            }
        }
    }
    assert!(
        different.is_empty(),
        "{} of {count} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

/// Where other random scenarios (`conformance/oracle/crowded`), and some made by hand, once found
/// another answer than upstream's, or none: a device taken twice took from its counters once; errors
/// that could no longer come were waited for; a device that takes less than nothing made no room.
/// And where another answer was found when the code was broken on purpose.
#[test]
fn as_upstream_answered_what_was_found() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../conformance/recorded/found.jsonl"
    );
    let found = fs::read_to_string(path).expect("what was found is committed");
    let found: Vec<Value> = found
        .lines()
        .map(|line| serde_json::from_str(line).expect("it is JSON"))
        .collect();
    // The hardest takes 66,310, as many as upstream.
    let mut ours = ours(&["--steps=80000"]);
    let scenarios: Vec<Value> = found.iter().map(|it| it["scenario"].clone()).collect();
    let answers = ours.ask(&scenarios).expect("every line is answered");
    assert_eq!(answers.len(), found.len());
    for (found, answer) in found.iter().zip(answers) {
        let (upstream, ours) = (digest(&found["upstream"]), digest(&answer));
        assert!(
            equal(&upstream, &ours),
            "upstream {upstream}\n    ours {ours}"
        );
    }
}

fn ours(more: &[&str]) -> Filter {
    let mut command = vec![
        env!("CARGO_BIN_EXE_trainyard").to_owned(),
        "allocate".to_owned(),
        format!("--upstream-steps={CAP}"),
    ];
    command.extend(more.iter().map(|&argument| argument.to_owned()));
    Filter::start(&command).expect("the binary starts")
}

fn equal(upstream: &str, ours: &str) -> bool {
    let parts = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let (mut upstream, mut ours) = (parts(upstream), parts(ours));
    if upstream[1] == "panic" || upstream[1] == "time-out" {
        return upstream[0] == ours[0] && ours[1] != "gave-up";
    }
    for line in [&mut upstream, &mut ours] {
        let steps: u64 = line[2].parse().expect("a number of steps");
        line[2] = steps.min(CAP).to_string();
    }
    upstream == ours
}
