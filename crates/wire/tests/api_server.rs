//! What a real API server said of thousands of objects, and that the same is said here: the same
//! errors by path and kind. `conformance/api-server/record` asks it again.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};
use trainyard_model::features::{Feature, Features};
use trainyard_model::selector::{CheckError, ExpressionCheck};
use trainyard_selector::Checker;
use trainyard_wire::gates::{Gate, Gates};
use trainyard_wire::{Source, problem, read};

/// Writes out a value: texts repeated, lists and maps with "#" in each entry replaced by its number.
fn fill(value: &Value, number: Option<u64>) -> Value {
    let entries = |args: &Value, make: &mut dyn FnMut(u64)| {
        (0..args[0].as_u64().expect("a number of entries")).for_each(make);
    };
    match value {
        Value::String(text) => match number {
            Some(number) => text.replace('#', &number.to_string()).into(),
            None => text.clone().into(),
        },
        Value::Array(items) => items.iter().map(|item| fill(item, number)).collect(),
        Value::Object(members) => {
            if let Some(args) = members.get("$text") {
                let times = args[1].as_u64().expect("how often") as usize;
                let text = fill(&args[0], number);
                return text.as_str().expect("a text").repeat(times).into();
            }
            if let Some(args) = members.get("$list") {
                let mut list = Vec::new();
                entries(args, &mut |i| list.push(fill(&args[1], Some(i))));
                return list.into();
            }
            if let Some(args) = members.get("$map") {
                let mut map = Map::new();
                entries(args, &mut |i| {
                    let key = fill(&args[1], Some(i));
                    let key = key.as_str().expect("a key").to_owned();
                    map.insert(key, fill(&args[2], Some(i)));
                });
                return map.into();
            }
            let members = members.iter();
            let members = members.map(|(key, entry)| {
                let key = fill(&Value::from(key.as_str()), number);
                (key.as_str().expect("a key").to_owned(), fill(entry, number))
            });
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}

fn change(object: &mut Value, path: &[Value], value: Option<&Value>) {
    let (step, rest) = path.split_first().expect("a path is not empty");
    let value_here = || value.map(|value| fill(value, None));
    match (object, step) {
        (Value::Object(members), Value::String(key)) if rest.is_empty() => {
            match value_here() {
                Some(value) => members.insert(key.clone(), value),
                None => members.remove(key),
            };
        }
        (Value::Object(members), Value::String(key)) => {
            let empty = || Value::Object(Map::new());
            change(members.entry(key).or_insert_with(empty), rest, value);
        }
        (Value::Array(items), Value::Number(index)) => {
            let index = index.as_u64().expect("an index") as usize;
            if !rest.is_empty() {
                change(&mut items[index], rest, value);
                return;
            }
            match value_here() {
                Some(value) if index == items.len() => items.push(value),
                Some(value) => items[index] = value,
                None => {
                    items.remove(index);
                }
            }
        }
        (object, step) => panic!("no {step} in {object}"),
    }
}

/// What the API server said of the recorded expressions: nothing, `Invalid` or `Forbidden`.
#[derive(serde::Deserialize)]
struct Expressions {
    /// With the gates that are on by default.
    selectors: BTreeMap<String, Option<String>>,
    /// With all gates on.
    derived: BTreeMap<String, Option<String>>,
}

/// Checks expressions as an API server with these gates, each of them once.
struct Checked {
    checker: Checker,
    selectors: RefCell<BTreeMap<String, Result<(), CheckError>>>,
    derived: RefCell<BTreeMap<String, Result<u64, CheckError>>>,
}

impl Checked {
    fn new(gates: &Gates) -> Self {
        let features = Feature::ALL.into_iter();
        let on: Features = features.filter(|feature| gates.has(*feature)).collect();
        Checked {
            checker: Checker::new(on),
            selectors: RefCell::default(),
            derived: RefCell::default(),
        }
    }
}

impl ExpressionCheck for Checked {
    fn check_selector(&self, expression: &str) -> Result<(), CheckError> {
        let mut known = self.selectors.borrow_mut();
        let check = || self.checker.check_selector(expression);
        known.entry(expression.into()).or_insert_with(check).clone()
    }

    fn check_derived(&self, expression: &str) -> Result<u64, CheckError> {
        let mut known = self.derived.borrow_mut();
        let check = || self.checker.check_derived(expression);
        known.entry(expression.into()).or_insert_with(check).clone()
    }
}

type Verdict = Option<Vec<(String, String)>>;

/// What reading the object says: the invalid fields by path and kind, or `None` where it cannot
/// even be decoded.
fn judge(object: &Value, expressions: &Checked, gates: &Gates) -> Verdict {
    let source = Source {
        name: "case".into(),
        bytes: serde_json::to_vec(object).expect("JSON"),
    };
    let reading = read(&[source], expressions, gates);
    let mut verdict = Vec::new();
    for problem in reading.problems {
        if problem.code == problem::DROPPED_FIELD {
            continue;
        }
        let kind = match problem.message.split(':').next() {
            Some("duplicate value") => "Duplicate",
            Some("forbidden") => "Forbidden",
            Some("invalid value") => "Invalid",
            Some("not found") => "NotFound",
            Some("required value") => "Required",
            Some("too long") => "TooLong",
            Some("too many") => "TooMany",
            Some("unsupported value") => "NotSupported",
            _ => return None,
        };
        let path = problem.path.expect("a field is invalid");
        verdict.push((path, kind.to_owned()));
    }
    verdict.sort();
    Some(verdict)
}

fn recorded() -> String {
    let file = std::env::var("VERDICTS").unwrap_or_else(|_| {
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/api-server/verdicts.jsonl"
        )
        .into()
    });
    std::fs::read_to_string(&file).expect("recorded verdicts")
}

/// All gates on.
fn all_gates() -> Gates {
    let others = [
        Gate::ExtendedResource,
        Gate::NodeAllocatableResources,
        Gate::PartitionableDevicesType,
    ];
    Feature::ALL
        .into_iter()
        .map(Gate::from)
        .chain(others)
        .collect()
}

/// Compares all verdicts on objects of one kind.
fn compare(kind: &str) {
    let recorded = recorded();
    let mut lines = recorded.lines();
    let bases: BTreeMap<String, Value> =
        serde_json::from_str(lines.next().expect("the bases")).expect("bases by name");
    lines.next().expect("the expressions");
    let gates = [Gates::default(), all_gates()].map(|gates| (Checked::new(&gates), gates));
    let [default, all] = &gates;
    let mut differences = Vec::new();
    let mut count = 0;
    for line in lines {
        // [gates, standing, base, ...]: cheaper than reading a line for another kind.
        let base = line.split('"').nth(5).expect("a case names its base");
        if bases[base]["kind"] != kind {
            continue;
        }
        let (gates, standing, base, changes, verdict): (
            String,
            String,
            String,
            Vec<Vec<Value>>,
            Value,
        ) = serde_json::from_str(line).expect("a case");
        let mut object = bases[&base].clone();
        for parts in &changes {
            let path = parts[0].as_array().expect("a path");
            change(&mut object, path, parts.get(1));
        }
        match standing.as_str() {
            "new" => {}
            "stored" => object["metadata"]["uid"] = "u".into(),
            other => panic!("no such standing: {other}"),
        }
        let gates = match gates.as_str() {
            "default" => default,
            "all" => all,
            other => panic!("no such gates: {other}"),
        };
        let theirs: Verdict = match verdict {
            Value::String(_) => None,
            list => Some(serde_json::from_value(list).expect("a verdict")),
        };
        let (expressions, gates) = gates;
        let ours = judge(&object, expressions, gates);
        count += 1;
        if ours != theirs {
            differences.push(format!("{line}\n  ours: {ours:?}"));
        }
    }
    assert!(count > 0, "no cases of {kind}");
    assert!(
        differences.is_empty(),
        "{} of {count} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn claims_are_judged_as_by_the_api_server() {
    compare("ResourceClaim");
}

#[test]
fn templates_are_judged_as_by_the_api_server() {
    compare("ResourceClaimTemplate");
}

#[test]
fn classes_are_judged_as_by_the_api_server() {
    compare("DeviceClass");
}

#[test]
fn slices_are_judged_as_by_the_api_server() {
    compare("ResourceSlice");
}

#[test]
fn taint_rules_are_judged_as_by_the_api_server() {
    compare("DeviceTaintRule");
}

#[test]
fn expressions_are_judged_as_by_the_api_server() {
    let recorded = recorded();
    let line = recorded.lines().nth(1).expect("the expressions");
    let expressions: Expressions = serde_json::from_str(line).expect("verdicts");
    let (default, all) = (Checked::new(&Gates::default()), Checked::new(&all_gates()));
    let selectors = expressions.selectors.iter();
    let selectors = selectors.map(|(text, theirs)| (text, theirs, default.check_selector(text)));
    let derived = expressions.derived.iter();
    let derived = derived.map(|(text, theirs)| (text, theirs, all.check_derived(text).map(|_| ())));
    let (mut count, mut differences) = (0, Vec::new());
    for (text, theirs, ours) in selectors.chain(derived) {
        let kind = match &ours {
            Ok(()) => None,
            Err(CheckError::Invalid(_)) => Some("Invalid"),
            Err(CheckError::TooCostly(_)) => Some("Forbidden"),
        };
        count += 1;
        if kind != theirs.as_deref() {
            differences.push(format!("{text}: {theirs:?}, ours {ours:?}"));
        }
    }
    assert!(count > 200, "the expressions are lost");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
