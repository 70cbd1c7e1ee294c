//! Semantic versions.

use std::sync::Arc;

use trainyard_model::version::Version;

use crate::eval::Error;
use crate::value::Value;

use super::Evaluated;

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::Semver as V;
    Some(match (function, arguments) {
        ("semver", [Value::String(text)]) => parse(text, false),
        ("semver", [Value::String(text), Value::Bool(normalize)]) => parse(text, *normalize),
        ("isSemver", [Value::String(text)]) => Ok(Value::Bool(parse(text, false).is_ok())),
        ("isSemver", [Value::String(text), Value::Bool(normalize)]) => {
            Ok(Value::Bool(parse(text, *normalize).is_ok()))
        }
        ("major", [V(v)]) => Ok(Value::Int(v.major as i64)),
        ("minor", [V(v)]) => Ok(Value::Int(v.minor as i64)),
        ("patch", [V(v)]) => Ok(Value::Int(v.patch as i64)),
        ("compareTo", [V(a), V(b)]) => Ok(Value::Int(a.cmp(b) as i64)),
        ("isLessThan", [V(a), V(b)]) => Ok(Value::Bool(a < b)),
        ("isGreaterThan", [V(a), V(b)]) => Ok(Value::Bool(a > b)),
        _ => return None,
    })
}

fn parse(text: &str, normalize: bool) -> Evaluated {
    let version: Result<Version, _> = if normalize {
        normalized(text).parse()
    } else {
        text.parse()
    };
    version
        .map(|version| Value::Semver(Arc::new(version)))
        .map_err(|error| Error::new(error.to_string()))
}

/// Without a leading `v`, with three numbers, none of which begins with zeros.
fn normalized(text: &str) -> String {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(str::to_owned).collect();
    for part in &mut parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 1 {
            let (number, rest) = part.split_at(digits);
            let number = number.trim_start_matches('0');
            let number = if number.is_empty() { "0" } else { number };
            *part = format!("{number}{rest}");
        }
    }
    if parts.len() < 3 {
        // A short version cannot carry a pre-release or build metadata.
        if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return text.to_owned();
        }
        parts.resize(3, "0".to_owned());
    }
    parts.join(".")
}
