//! Are two answers equal?

use serde_json::Value;
use trainyard_model::quantity::Quantity;

/// What tells our answer from upstream's, if anything does: outcome, results, or the count of
/// upstream's steps where both give it. Where upstream was cut short, anything but `gave-up` is fine.
pub fn difference(upstream: &Value, ours: &Value) -> Option<String> {
    if upstream["name"] != ours["name"] {
        return Some(format!(
            "answers to {} and {}",
            upstream["name"], ours["name"]
        ));
    }
    // Objects that no API server lets pass can make upstream panic: nothing to be equal to.
    if upstream["outcome"] == "time-out" || upstream["outcome"] == "panic" {
        return (ours["outcome"] == "gave-up").then(|| "gave-up".to_owned());
    }
    if upstream["outcome"] != ours["outcome"] {
        return Some(format!(
            "upstream {} {}, ours {} {}",
            upstream["outcome"], upstream["error"], ours["outcome"], ours["error"]
        ));
    }
    if canonical(&upstream["results"]) != canonical(&ours["results"]) {
        return Some("different results".to_owned());
    }
    let (theirs, counted) = (&upstream["upstreamSteps"], &ours["upstreamSteps"]);
    (!counted.is_null() && theirs != counted)
        .then(|| format!("upstream took {theirs} steps, counted {counted}"))
}

/// Upstream's answer as one short line: name, outcome, steps, and the hash of what else counts.
pub fn digest(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let results = canonical(&answer["results"]).to_string();
    format!(
        "{} {} {} {:016x}",
        text(&answer["name"]),
        text(&answer["outcome"]),
        answer["upstreamSteps"].as_u64().unwrap_or(0),
        hash(results.bytes())
    )
}

/// FNV-1a: short, and the same for ever.
pub fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Quantities by value, node selectors in any order.
fn canonical(results: &Value) -> Value {
    let mut results = results.clone();
    for result in results.as_array_mut().into_iter().flatten() {
        let devices = result.pointer_mut("/devices/results");
        for device in devices.and_then(Value::as_array_mut).into_iter().flatten() {
            let amounts = device
                .get_mut("consumedCapacity")
                .and_then(Value::as_object_mut);
            for amount in amounts.into_iter().flat_map(|amounts| amounts.values_mut()) {
                let value = amount
                    .as_str()
                    .and_then(|text| text.parse::<Quantity>().ok());
                if let Some(value) = value {
                    *amount = Value::String(value.nanos().to_string());
                }
            }
        }
        if let Some(selector) = result.get_mut("nodeSelector") {
            sort(selector);
        }
    }
    results
}

fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_key(Value::to_string);
        }
        Value::Object(fields) => fields.values_mut().for_each(sort),
        _ => {}
    }
}
