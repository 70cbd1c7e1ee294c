//! Expressions and devices with the outcomes that cel-go gave them, recorded by `conformance/cel`.

use trainyard_model::device::{Attribute, Capacity, Device};
use trainyard_model::features::{Feature, Features};
use trainyard_model::selector::Engine as _;
use trainyard_selector::{Checker, Engine, Prepared};

/// The devices of `devices.json`, with their drivers.
fn devices(engine: &mut Engine) -> Vec<Prepared> {
    let text = include_str!("devices.json");
    let listed: Vec<serde_json::Value> = serde_json::from_str(text).expect("JSON");
    listed
        .iter()
        .map(|entry| {
            let driver = entry["driver"].as_str().expect("a driver");
            let device = device(&entry["device"]);
            engine.convert(driver, &device)
        })
        .collect()
}

fn device(json: &serde_json::Value) -> Device {
    let entries = |key: &str| json[key].as_object().into_iter().flatten();
    Device {
        name: json["name"].as_str().expect("a name").into(),
        allow_multiple_allocations: json["allowMultipleAllocations"].as_bool(),
        attributes: entries("attributes")
            .map(|(name, value)| (name.as_str().into(), attribute(value)))
            .collect(),
        capacity: entries("capacity")
            .map(|(name, value)| {
                let value = value["value"].as_str().expect("a quantity");
                let value = value.parse().expect("a quantity");
                let capacity = Capacity {
                    value,
                    request_policy: None,
                };
                (name.as_str().into(), capacity)
            })
            .collect(),
        ..Device::default()
    }
}

fn attribute(json: &serde_json::Value) -> Attribute {
    let (kind, value) = json
        .as_object()
        .and_then(|object| object.iter().next())
        .expect("an attribute has a value");
    let text = || value.as_str().expect("a text").into();
    let list = || value.as_array().expect("a list").iter();
    match kind.as_str() {
        "int" => Attribute::Int(value.as_i64().expect("a number")),
        "bool" => Attribute::Bool(value.as_bool().expect("a boolean")),
        "string" => Attribute::String(text()),
        "version" => Attribute::Version(text()),
        "ints" => Attribute::Ints(list().map(|v| v.as_i64().expect("a number")).collect()),
        "strings" => {
            Attribute::Strings(list().map(|v| v.as_str().expect("a text").into()).collect())
        }
        other => panic!("no attribute {other}"),
    }
}

/// What cel-go said of an expression.
struct Recorded {
    expression: String,
    /// A letter for each device; `c`: does not compile.
    outcomes: String,
    /// Estimated costs, with the gates on and off; `c`: does not compile.
    estimates: [String; 2],
    /// What it cost on each device, where that is known.
    costs: Vec<Option<u64>>,
}

fn recorded() -> Vec<Recorded> {
    // Another table, made by `conformance/cel`, can be compared in its place.
    let table = match std::env::var("OUTCOMES") {
        Ok(file) => std::fs::read_to_string(file).expect("a table"),
        Err(_) => include_str!("outcomes.txt").to_owned(),
    };
    let record = |line: &str| {
        let mut parts = line.split('\t');
        let mut part = || parts.next().unwrap_or("c").to_owned();
        Recorded {
            expression: serde_json::from_str(&part()).expect("a JSON string"),
            outcomes: part(),
            estimates: [part(), part()],
            costs: part().split(',').map(|cost| cost.parse().ok()).collect(),
        }
    };
    table.lines().map(record).collect()
}

fn report(count: usize, different: &[String]) {
    let own = std::env::var("OUTCOMES").is_err();
    assert!(!own || count > 1000, "the table has lost lines");
    assert!(
        different.is_empty(),
        "{} of {count} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

#[test]
fn outcomes_and_costs_are_those_of_cel_go() {
    let mut engine = Engine::new();
    let devices = devices(&mut engine);
    let (mut different, mut count) = (Vec::new(), 0);
    for line in recorded() {
        let (mut ours, mut why, mut costs) = (String::new(), String::new(), Vec::new());
        match engine.compile(&line.expression) {
            Err(error) => {
                ours = "c".to_owned();
                why = error.to_string();
            }
            Ok(compiled) => {
                for (device, theirs) in devices.iter().zip(&line.costs) {
                    ours.push(match engine.matches(&compiled, device) {
                        Ok(true) => 't',
                        Ok(false) => 'f',
                        Err(error) => {
                            why = error.to_string();
                            if why.contains("cost limit exceeded") {
                                'l'
                            } else {
                                'e'
                            }
                        }
                    });
                    costs.push(theirs.and_then(|_| compiled.cost(device)));
                }
            }
        };
        count += 1;
        if ours != line.outcomes || (ours != "c" && costs != line.costs) {
            different.push(format!(
                "{}\n    cel-go {} {:?}\n    ours   {ours} {costs:?} ({why})",
                line.expression, line.outcomes, line.costs,
            ));
        }
    }
    report(count, &different);
}

#[test]
fn estimates_are_those_of_cel_go() {
    let none = Features::NONE;
    let all = none
        .with(Feature::ListTypeAttributes)
        .with(Feature::ConsumableCapacity);
    let checkers = [all, none].map(Checker::new);
    let (mut different, mut count) = (Vec::new(), 0);
    for line in recorded() {
        count += 1;
        let mut why = String::new();
        let ours =
            checkers
                .each_ref()
                .map(|checker| match checker.estimate(&line.expression, false) {
                    Ok(cost) => cost.max.to_string(),
                    Err(error) => {
                        why = error.to_string();
                        "c".to_owned()
                    }
                });
        if ours != line.estimates {
            different.push(format!(
                "{}\n    cel-go {:?}\n    ours   {ours:?} ({why})",
                line.expression, line.estimates
            ));
        }
    }
    report(count, &different);
}

/// An attribute as upstream writes it.
fn written(attribute: &Attribute) -> serde_json::Value {
    use serde_json::json;
    match attribute {
        Attribute::Int(value) => json!({"int": value}),
        Attribute::Bool(value) => json!({"bool": value}),
        Attribute::String(value) => json!({"string": **value}),
        Attribute::Version(value) => json!({"version": **value}),
        Attribute::Ints(values) => json!({"ints": values}),
        Attribute::Bools(values) => json!({"bools": values}),
        // Empty lists are left out.
        Attribute::Strings(values) if values.is_empty() => json!({}),
        Attribute::Strings(values) => {
            json!({"strings": values.iter().map(|v| &**v).collect::<Vec<_>>()})
        }
        Attribute::Versions(values) => {
            json!({"versions": values.iter().map(|v| &**v).collect::<Vec<_>>()})
        }
        other => panic!("no expression makes {other:?}"),
    }
}

#[test]
fn derived_attributes_are_those_of_upstream() {
    let mut engine = Engine::new();
    let devices = devices(&mut engine);
    let lists = Features::NONE
        .with(Feature::ListTypeAttributes)
        .with(Feature::ConsumableCapacity);
    let checkers = [lists, Features::NONE].map(Checker::new);
    let mut different = Vec::new();
    let table = include_str!("derived-outcomes.txt");
    for line in table.lines() {
        let mut parts = line.split('\t');
        let expression = parts.next().expect("an expression");
        let expression: String = serde_json::from_str(expression).expect("a JSON string");
        let theirs: Vec<&str> = parts.collect();
        let ours: Vec<String> = match engine.compile_derived(&expression) {
            Err(_) => vec!["c".to_owned()],
            Ok(compiled) => {
                let may = checkers.each_ref().map(|checker| {
                    let may = checker.estimate(&expression, true).is_ok();
                    if may { "w" } else { "c" }.to_owned()
                });
                let made = devices.iter().map(|device| {
                    let made = engine.derive(&compiled, device);
                    made.map_or("e".to_owned(), |made| written(&made).to_string())
                });
                may.into_iter().chain(made).collect()
            }
        };
        if ours != theirs {
            different.push(format!(
                "{expression}\n    upstream {theirs:?}\n    ours     {ours:?}"
            ));
        }
    }
    assert!(table.lines().count() > 100, "the table has lost lines");
    assert!(different.is_empty(), "{}", different.join("\n"));
}
