//! Named formats: what Kubernetes accepts as a name, a label, a date and so on.

use std::sync::Arc;

use crate::value::Value;

use super::Evaluated;

const NAMES: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

fn label(text: &str, letter_first: bool) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > 63 {
        errors.push("must be no more than 63 bytes".to_owned());
    }
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let first = bytes.first().is_some_and(|b| {
        if letter_first {
            b.is_ascii_lowercase()
        } else {
            good(*b)
        }
    });
    if !first
        || !bytes.last().is_some_and(|b| good(*b))
        || !bytes.iter().all(|b| good(*b) || *b == b'-')
    {
        errors.push(if letter_first {
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character".to_owned()
        } else {
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character".to_owned()
        });
    }
    errors
}

fn subdomain(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > 253 {
        errors.push("must be no more than 253 bytes".to_owned());
    }
    let part = |part: &str| {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.first().is_some_and(|b| good(*b))
            && bytes.last().is_some_and(|b| good(*b))
            && bytes.iter().all(|b| good(*b) || *b == b'-')
    };
    if !text.split('.').all(part) {
        errors.push("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character".to_owned());
    }
    errors
}

fn name_part(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

fn qualified_name(text: &str) -> Vec<String> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let mut errors = Vec::new();
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            errors.push("prefix part must be non-empty".to_owned());
        } else {
            errors.extend(
                subdomain(prefix)
                    .into_iter()
                    .map(|e| format!("prefix part {e}")),
            );
        }
    }
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    }
    if name.len() > 63 {
        errors.push("name part must be no more than 63 bytes".to_owned());
    }
    if !name_part(name) {
        errors.push("name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character".to_owned());
    }
    errors
}

fn one(good: bool, message: &str) -> Vec<String> {
    if good {
        Vec::new()
    } else {
        vec![message.to_owned()]
    }
}

/// A prefix may end with the dash that the rest of the name will follow.
fn without_dash(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => format!("{rest}a"),
        _ => text.to_owned(),
    }
}

fn validate(format: &str, text: &str) -> Vec<String> {
    match format {
        "dns1123Label" => label(text, false),
        "dns1123LabelPrefix" => label(&without_dash(text), false),
        "dns1035Label" => label(text, true),
        "dns1035LabelPrefix" => label(&without_dash(text), true),
        "dns1123Subdomain" => subdomain(text),
        "dns1123SubdomainPrefix" => subdomain(&without_dash(text)),
        "qualifiedName" => qualified_name(text),
        "labelValue" => {
            let mut errors = one(text.len() <= 63, "must be no more than 63 bytes");
            errors.extend(one(
                text.is_empty() || name_part(text),
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            ));
            errors
        }
        "uri" => one(super::url::is_url(text), "invalid URI for request"),
        "uuid" => one(uuid(text), "does not match the UUID format"),
        "byte" => one(base64(text), "invalid base64"),
        "date" => one(super::time::is_date(text), "invalid date"),
        "datetime" => one(is_date_time(text), "invalid datetime"),
        _ => Vec::new(),
    }
}

/// Thirty-two digits; a dash may stand in each of the usual places.
fn uuid(text: &str) -> bool {
    let mut rest = text;
    for (at, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        let digits = rest.bytes().take(length);
        if digits.len() < length || !digits.clone().all(|b| b.is_ascii_hexdigit()) {
            return false;
        }
        rest = &rest[length..];
    }
    rest.is_empty()
}

fn base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b))
}

/// A date, a `t` and a time with a zone, in whatever case. What follows another `t` is not looked at.
fn is_date_time(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut parts = text.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let clock = time.get(..8).is_some_and(|clock| {
        let mut parts = clock.split(':');
        let within = |part: Option<&str>, last: &str| {
            part.is_some_and(|part| part.len() == 2 && digits(part) && part <= last)
        };
        within(parts.next(), "23") && within(parts.next(), "59") && within(parts.next(), "59")
    });
    if !clock || !super::time::is_date(date) {
        return false;
    }
    let rest = &time[8..];
    let zone = |zone: &str| {
        let offset = zone
            .strip_prefix(['+', '-'])
            .and_then(|zone| zone.split_once(':'));
        zone == "z"
            || offset.is_some_and(|(hours, minutes)| {
                hours.len() == 2 && minutes.len() == 2 && digits(hours) && digits(minutes)
            })
    };
    // Any character, not a dot alone, stands before a fraction.
    let mut fraction = rest.chars();
    let with_fraction = fraction.next().is_some_and(|c| c != '\n') && {
        let after = fraction
            .as_str()
            .trim_start_matches(|c: char| c.is_ascii_digit());
        after.len() < fraction.as_str().len() && zone(after)
    };
    zone(rest) || with_fraction
}

/// How long a pattern the validation of a format is taken for.
pub(crate) fn longest_pattern(name: &str) -> u64 {
    match name {
        "dns1123Subdomain" | "qualifiedName" | "dns1123SubdomainPrefix" => 60,
        "labelValue" => 40,
        "uri" => 1103,
        "uuid" => 70,
        "byte" => 84,
        "date" | "datetime" => 71,
        _ => 30,
    }
}

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    match (function, arguments) {
        ("format.named", [Value::String(name)]) => {
            let found = NAMES.iter().find(|known| **known == &**name);
            Some(Ok(Value::Optional(
                found.map(|name| Arc::new(Value::Format(name))),
            )))
        }
        ("validate", [Value::Format(format), Value::String(text)]) => {
            let errors = validate(format, text);
            let errors = (!errors.is_empty()).then(|| {
                let errors: Vec<Value> = errors.into_iter().map(Value::from).collect();
                Arc::new(errors.into())
            });
            Some(Ok(Value::Optional(errors)))
        }
        (function, []) => {
            let name = function.strip_prefix("format.")?;
            let found = NAMES.iter().find(|known| **known == name)?;
            Some(Ok(Value::Format(found)))
        }
        _ => None,
    }
}
