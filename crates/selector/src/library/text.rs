//! Texts, counted in code points, and bytes.

use crate::eval::Error;
use crate::map::Key;
use crate::value::Value;

use super::Evaluated;

/// A value as `string()` or `%s` shows it.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => double(*value),
        Value::String(text) => text.to_string(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(show).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entries: Vec<String> = map
                .entries
                .iter()
                .map(|(key, value)| format!("{}: {}", show_key(key), show(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Duration(nanos) => super::time::show_duration(*nanos),
        Value::Timestamp(moment) => super::time::show_timestamp(*moment),
        Value::Quantity(quantity) | Value::Computed(quantity) => quantity.to_string(),
        Value::Semver(version) => version.to_string(),
        Value::Ip(address) => address.to_string(),
        Value::Cidr(cidr) => super::net::show_cidr(*cidr),
        Value::Url(url) => url.text.to_string(),
        Value::Type(name) => name.to_string(),
        Value::Format(_) | Value::Optional(_) | Value::Empty | Value::Device => {
            value.type_name().to_owned()
        }
    }
}

pub(super) fn show_key(key: &Key) -> String {
    match key {
        Key::Bool(value) => value.to_string(),
        Key::String(value) => value.to_string(),
        key => show(&key.value()),
    }
}

/// As Go's `%g`.
pub(super) fn double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("Rust writes an exponent with {:e}");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn out_of_range(index: i64) -> Error {
    Error::new(format!("index out of range: {index}"))
}

/// The position of `wanted` in `text` at or after `from`, in code points.
fn index_of(text: &str, wanted: &str, from: i64) -> Result<i64, Error> {
    let (text, wanted) = (chars(text), chars(wanted));
    let from = usize::try_from(from).map_err(|_| out_of_range(from))?;
    if wanted.is_empty() {
        return Ok(from.min(text.len()) as i64);
    }
    Ok((from..text.len())
        .find(|at| text[*at..].starts_with(&wanted))
        .map_or(-1, |at| at as i64))
}

fn last_index_of(text: &str, wanted: &str, from: Option<i64>) -> Result<i64, Error> {
    let (text, wanted) = (chars(text), chars(wanted));
    let last = match from {
        None => text.len(),
        Some(from) => usize::try_from(from).map_err(|_| out_of_range(from))?,
    };
    if wanted.is_empty() {
        return Ok(last.min(text.len()) as i64);
    }
    if last > text.len() || (from.is_some() && last == text.len()) {
        return Ok(-1);
    }
    Ok((0..=last.min(text.len()))
        .rev()
        .find(|at| text[*at..].starts_with(&wanted))
        .map_or(-1, |at| at as i64))
}

fn substring(text: &str, start: i64, end: Option<i64>) -> Evaluated {
    let text = chars(text);
    let end = end.unwrap_or(text.len() as i64);
    if start > end {
        return Err(Error::new(format!(
            "invalid substring range. start: {start}, end: {end}"
        )));
    }
    let place = |at: i64| {
        usize::try_from(at)
            .ok()
            .filter(|at| *at <= text.len())
            .ok_or_else(|| out_of_range(at))
    };
    let (start, end) = (place(start)?, place(end)?);
    Ok(text[start..end].iter().collect::<String>().into())
}

/// Go's `strings.Replace`: an empty pattern stands between all characters.
fn replace(text: &str, from: &str, to: &str, most: i64) -> String {
    match usize::try_from(most) {
        Ok(most) => text.replacen(from, to, most),
        Err(_) => text.replace(from, to),
    }
}

/// Go's `strings.SplitN`.
fn split(text: &str, separator: &str, most: i64) -> Value {
    let pieces: Vec<Value> = if most == 0 {
        Vec::new()
    } else if separator.is_empty() {
        let all = chars(text);
        let most = usize::try_from(most)
            .unwrap_or(all.len())
            .min(all.len())
            .max(1);
        let mut pieces: Vec<Value> = all
            .iter()
            .take(most.saturating_sub(1))
            .map(|c| c.to_string().into())
            .collect();
        if !all.is_empty() {
            pieces.push(all[pieces.len()..].iter().collect::<String>().into());
        }
        if most == all.len() {
            pieces = all.iter().map(|c| c.to_string().into()).collect();
        }
        pieces
    } else {
        match usize::try_from(most) {
            Ok(most) => text.splitn(most, separator).map(Value::from).collect(),
            Err(_) => text.split(separator).map(Value::from).collect(),
        }
    };
    pieces.into()
}

fn join(items: &[Value], separator: &str) -> Evaluated {
    let texts: Option<Vec<&str>> = items
        .iter()
        .map(|item| match item {
            Value::String(text) => Some(&**text),
            _ => None,
        })
        .collect();
    texts
        .map(|texts| texts.join(separator).into())
        .ok_or_else(Error::no_overload)
}

/// A text between quotes, with escapes for those, for backslashes and for the controls that have a
/// letter; `write` writes all others.
pub(super) fn quoted(text: &str, write: impl Fn(&mut String, char)) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' | '"' => out.extend(['\\', character]),
            other => write(&mut out, other),
        }
    }
    out.push('"');
    out
}

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::{Bytes, Int, List, String as S};
    Some(match (function, arguments) {
        ("_+_", [S(a), S(b)]) => Ok(format!("{a}{b}").into()),
        ("_+_", [Bytes(a), Bytes(b)]) => Ok(Bytes([&**a, &**b].concat().into())),
        ("contains", [S(text), S(part)]) => Ok(Value::Bool(text.contains(&**part))),
        ("startsWith", [S(text), S(part)]) => Ok(Value::Bool(text.starts_with(&**part))),
        ("endsWith", [S(text), S(part)]) => Ok(Value::Bool(text.ends_with(&**part))),
        ("string", [Bytes(bytes)]) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(Error::new(
                "invalid UTF-8 in bytes, cannot convert to string",
            )),
        },
        (
            "string",
            [
                value @ (S(_)
                | Int(_)
                | Value::Bool(_)
                | Value::Uint(_)
                | Value::Double(_)
                | Value::Duration(_)
                | Value::Timestamp(_)
                | Value::Ip(_)
                | Value::Cidr(_)),
            ],
        ) => Ok(show(value).into()),
        ("bytes", [Bytes(bytes)]) => Ok(Bytes(bytes.clone())),
        ("bytes", [S(text)]) => Ok(Bytes(text.as_bytes().into())),
        ("charAt", [S(text), Int(at)]) => {
            let text = chars(text);
            match usize::try_from(*at) {
                Ok(index) if index == text.len() => Ok("".into()),
                Ok(index) if index < text.len() => Ok(text[index].to_string().into()),
                _ => Err(out_of_range(*at)),
            }
        }
        ("indexOf", [S(text), S(part)]) => index_of(text, part, 0).map(Int),
        ("indexOf", [S(text), S(part), Int(from)]) => index_of(text, part, *from).map(Int),
        ("lastIndexOf", [S(text), S(part)]) => last_index_of(text, part, None).map(Int),
        ("lastIndexOf", [S(text), S(part), Int(from)]) => {
            last_index_of(text, part, Some(*from)).map(Int)
        }
        ("lowerAscii", [S(text)]) => Ok(text.to_ascii_lowercase().into()),
        ("upperAscii", [S(text)]) => Ok(text.to_ascii_uppercase().into()),
        ("replace", [S(text), S(from), S(to)]) => Ok(replace(text, from, to, -1).into()),
        ("replace", [S(text), S(from), S(to), Int(most)]) => {
            Ok(replace(text, from, to, *most).into())
        }
        ("split", [S(text), S(separator)]) => Ok(split(text, separator, -1)),
        ("split", [S(text), S(separator), Int(most)]) => Ok(split(text, separator, *most)),
        ("substring", [S(text), Int(start)]) => substring(text, *start, None),
        ("substring", [S(text), Int(start), Int(end)]) => substring(text, *start, Some(*end)),
        ("trim", [S(text)]) => Ok(text.trim().into()),
        ("join", [List(items)]) => join(items, ""),
        ("join", [List(items), S(separator)]) => join(items, separator),
        ("strings.quote", [S(text)]) => Ok(quoted(text, String::push).into()),
        ("format", [S(pattern), List(items)]) => {
            super::formatting::format(pattern, items).map(Value::from)
        }
        _ => return None,
    })
}
