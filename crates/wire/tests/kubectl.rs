//! Reads what kubectl's own decoder was given (`conformance/yaml`), and compares: the same objects
//! where it takes an input, a problem where it refuses one, would lose something in silence, or
//! answers by chance.

use serde_json::Value;
use trainyard_wire::yaml::{self, Node, Visitor};
use trainyard_wire::{Problem, problem};

#[derive(Default)]
struct Told {
    documents: Vec<Value>,
    problems: Vec<Problem>,
}

impl Visitor for Told {
    fn document(&mut self, document: Node<'_>) {
        self.documents.push(document.to_json());
    }
    fn opens(&mut self, _kind: &str) -> bool {
        false
    }
    fn item(&mut self, _item: Node<'_>) {
        unreachable!("no list was opened");
    }
    fn problem(&mut self, problem: Problem) {
        if problem.code != problem::EMPTY {
            self.problems.push(problem);
        }
    }
}

/// Whether two values are the same to whoever reads them as JSON.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        // serde_json may miss the last bit of what Go writes.
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= a.abs() * f64::EPSILON,
            _ => false,
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn what_kubectl_reads_is_read_so() {
    let mut different = Vec::new();
    let mut count = 0;
    for line in include_str!("kubectl/answers.jsonl").lines() {
        let asked: Value = serde_json::from_str(line).expect("a line of JSON");
        let text = asked["in"].as_str().expect("an input");
        let chance = asked["chance"] == true;
        let theirs = asked["out"].as_array().map_or(&[][..], Vec::as_slice);
        let mut ours = Told::default();
        yaml::read(&"in".into(), text.as_bytes(), &mut ours);
        count += 1;
        let lost = |problem: &Problem| {
            problem.code == problem::DUPLICATE_KEY || problem.message.contains("in silence")
        };
        let equal = ours.documents.len() == theirs.len()
            && ours.documents.iter().zip(theirs).all(|(a, b)| same(a, b));
        let good = if asked["refused"] == true {
            !ours.problems.is_empty()
        } else if chance {
            !ours.problems.is_empty() && ours.problems.iter().all(lost)
        } else if ours.problems.is_empty() {
            equal
        } else {
            ours.problems.iter().all(lost)
        };
        if !good {
            different.push(format!(
                "{text:?}\n  kubectl: {line}\n  ours:    {:?} {:?}",
                ours.documents, ours.problems
            ));
        }
    }
    assert!(count > 1000, "inputs have been lost");
    assert!(different.is_empty(), "{}", different.join("\n"));
}
