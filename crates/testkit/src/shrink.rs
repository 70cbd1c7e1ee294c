//! From a scenario that shows something to a small one that still shows it.

use serde_json::Value;

/// Takes away list items and fields, whatever they are, for as long as `shows` holds for what is
/// left. Big things go first, so that most questions are about small scenarios.
pub fn shrink(mut scenario: Value, mut shows: impl FnMut(&Value) -> bool) -> Value {
    loop {
        let before = scenario.to_string().len();
        let mut paths = paths(&scenario);
        paths.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        for (_, path) in paths {
            let mut smaller = scenario.clone();
            if remove(&mut smaller, &path) && shows(&smaller) {
                scenario = smaller;
            }
        }
        if scenario.to_string().len() == before {
            return scenario;
        }
    }
}

/// Everything that can be taken away, with its size: later items of a list before earlier ones, so
/// that paths stay true.
fn paths(scenario: &Value) -> Vec<(usize, Vec<String>)> {
    fn walk(value: &Value, path: &mut Vec<String>, found: &mut Vec<(usize, Vec<String>)>) {
        let mut visit = |key: String, child: &Value| {
            path.push(key);
            if path.len() > 1 || path[0] == "allocated" {
                found.push((child.to_string().len(), path.clone()));
            }
            walk(child, path, found);
            path.pop();
        };
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate().rev() {
                    visit(index.to_string(), item);
                }
            }
            Value::Object(fields) => {
                for (key, field) in fields {
                    visit(key.clone(), field);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(scenario, &mut Vec::new(), &mut found);
    found
}

fn remove(value: &mut Value, path: &[String]) -> bool {
    let Some((last, parents)) = path.split_last() else {
        return false;
    };
    let mut at = value;
    for key in parents {
        let next = match at {
            Value::Array(items) => key
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index)),
            Value::Object(fields) => fields.get_mut(key),
            _ => None,
        };
        let Some(next) = next else { return false };
        at = next;
    }
    match at {
        Value::Array(items) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        Value::Object(fields) => fields.remove(last).is_some(),
        _ => false,
    }
}
