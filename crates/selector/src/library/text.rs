//! Texts, counted in code points, and bytes.

use crate::eval::Error;
use crate::value::{Key, Value};

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
        Value::Timestamp(nanos) => super::time::show_timestamp(*nanos),
        Value::Quantity(quantity) | Value::Computed(quantity) => quantity.to_string(),
        Value::Semver(version) => version.to_string(),
        Value::Ip(address) => address.to_string(),
        Value::Cidr(cidr) => super::net::show_cidr(*cidr),
        Value::Url(url) => url.text.to_string(),
        Value::Type(name) => name.to_string(),
        Value::Format(_) | Value::Optional(_) | Value::Device => value.type_name().to_owned(),
    }
}

fn show_key(key: &Key) -> String {
    match key {
        Key::Bool(value) => value.to_string(),
        Key::Number(value) => value.to_string(),
        Key::Fraction(bits) => double(f64::from_bits(*bits)),
        Key::String(value) => value.to_string(),
    }
}

/// As Go's `strconv.FormatFloat(value, 'g', -1, 64)`.
fn double(value: f64) -> String {
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
    if (-4..21).contains(&exponent) {
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
    if wanted.is_empty() {
        return Ok(from);
    }
    let from = usize::try_from(from).map_err(|_| out_of_range(from))?;
    Ok((from..text.len())
        .find(|at| text[*at..].starts_with(&wanted))
        .map_or(-1, |at| at as i64))
}

fn last_index_of(text: &str, wanted: &str, from: Option<i64>) -> Result<i64, Error> {
    let (text, wanted) = (chars(text), chars(wanted));
    if wanted.is_empty() {
        return Ok(from.unwrap_or(text.len() as i64));
    }
    let last = match from {
        None => text.len(),
        Some(from) => usize::try_from(from).map_err(|_| out_of_range(from))?,
    };
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

fn quote(text: &str) -> String {
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
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// The verbs of a format, in order; `Err`: the format itself is wrong.
pub(crate) fn verbs(pattern: &str) -> Result<Vec<char>, Error> {
    let mut verbs = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '%' {
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            continue;
        }
        if rest.next_if_eq(&'.').is_some() {
            while rest.next_if(char::is_ascii_digit).is_some() {}
        }
        match rest.next() {
            Some(verb) if "sdfebxXo".contains(verb) => verbs.push(verb),
            Some(verb) => {
                return Err(Error::new(format!(
                    "could not parse formatting clause: unrecognized formatting clause \"{verb}\""
                )));
            }
            None => return Err(Error::new("unexpected end of string")),
        }
    }
    Ok(verbs)
}

/// `%s %d %f %e %b %x %X %o %%`, with a precision for the floating ones.
fn format(pattern: &str, arguments: &[Value]) -> Evaluated {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        if rest.peek() == Some(&'%') {
            rest.next();
            out.push('%');
            continue;
        }
        let mut precision = None;
        if rest.peek() == Some(&'.') {
            rest.next();
            let mut digits = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            precision = Some(digits.parse::<usize>().map_err(|_| {
                Error::new("could not parse formatting clause: error while parsing precision")
            })?);
        }
        let Some(verb) = rest.next() else {
            return Err(Error::new("unexpected end of string"));
        };
        let Some(value) = arguments.next() else {
            return Err(Error::new("index out of range in format arguments"));
        };
        out.push_str(&clause(verb, precision, value)?);
    }
    Ok(out.into())
}

/// A value for `%s`: inside of lists and maps as CEL would write it.
fn shown(value: &Value) -> Result<String, Error> {
    let inside = |value: &Value| -> Result<String, Error> {
        Ok(match value {
            Value::String(text) => quote(text),
            Value::Bytes(_) => format!("b{}", quote(&show(value))),
            Value::Double(number) => format!("{number:.6}"),
            Value::Timestamp(_) => format!("timestamp({})", quote(&show(value))),
            Value::Duration(_) => format!("duration({})", quote(&show(value))),
            other => shown(other)?,
        })
    };
    match value {
        Value::List(items) => {
            let items = items.iter().map(inside).collect::<Result<Vec<_>, _>>()?;
            Ok(format!("[{}]", items.join(", ")))
        }
        Value::Map(map) => {
            let mut entries = Vec::new();
            for (key, value) in &map.entries {
                let key = match key {
                    Key::String(text) => quote(text),
                    Key::Fraction(_) => {
                        return Err(Error::new(
                            "no formatting function for map key of type double",
                        ));
                    }
                    key => show_key(key),
                };
                entries.push(format!("{key}:{}", inside(value)?));
            }
            entries.sort();
            Ok(format!("{{{}}}", entries.join(", ")))
        }
        Value::Quantity(_)
        | Value::Computed(_)
        | Value::Semver(_)
        | Value::Ip(_)
        | Value::Cidr(_)
        | Value::Url(_)
        | Value::Format(_)
        | Value::Optional(_)
        | Value::Device => Err(Error::new(format!(
            "error during formatting: no formatting function for {}",
            value.type_name()
        ))),
        plain => Ok(show(plain)),
    }
}

/// With commas between thousands, as Go's `message.Printer` writes in English.
fn grouped(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// `1.5 x 10^3` in print, likewise.
fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let mut out = format!("{mantissa}\u{202f}×\u{202f}10");
    if exponent < 0 {
        out.push('⁻');
    }
    for digit in format!("{:02}", exponent.abs()).chars() {
        let index = digit.to_digit(10).unwrap_or_default() as usize;
        out.extend("⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(index));
    }
    out
}

fn clause(verb: char, precision: Option<usize>, value: &Value) -> Result<String, Error> {
    let wrong = || {
        Err(Error::new(format!(
            "error during formatting: %{verb} does not take a {}",
            value.type_name()
        )))
    };
    let whole = match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        Value::Bool(value) if verb == 'b' => Some(i128::from(*value)),
        _ => None,
    };
    let signed = |text: String, value: i128| if value < 0 { format!("-{text}") } else { text };
    let number = match value {
        Value::Double(value) => Some(*value),
        Value::Int(value) => Some(*value as f64),
        Value::Uint(value) => Some(*value as f64),
        _ => None,
    };
    Ok(match (verb, whole, number, value) {
        ('s', _, _, Value::Optional(_) | Value::Format(_) | Value::Device) => return wrong(),
        ('s', ..) => shown(value)?,
        ('d', Some(whole), ..) => whole.to_string(),
        ('d', None, Some(number), _) if !number.is_finite() => double(number),
        ('b', Some(whole), ..) => signed(format!("{:b}", whole.unsigned_abs()), whole),
        ('o', Some(whole), ..) => signed(format!("{:o}", whole.unsigned_abs()), whole),
        ('x', Some(whole), ..) => signed(format!("{:x}", whole.unsigned_abs()), whole),
        ('X', Some(whole), ..) => signed(format!("{:X}", whole.unsigned_abs()), whole),
        ('x' | 'X', None, _, Value::String(_) | Value::Bytes(_)) => {
            let bytes: &[u8] = match value {
                Value::String(text) => text.as_bytes(),
                Value::Bytes(bytes) => bytes,
                _ => &[],
            };
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            if verb == 'X' { hex.to_uppercase() } else { hex }
        }
        ('f', _, Some(number), _) if number.is_finite() => {
            grouped(&format!("{number:.*}", precision.unwrap_or(6)))
        }
        ('e', None, Some(number), _) if number.is_finite() => {
            scientific(number, precision.unwrap_or(6))
        }
        ('f' | 'e', None, Some(number), _) => double(number),
        ('d' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o', ..) => return wrong(),
        _ => {
            return Err(Error::new(format!(
                "could not parse formatting clause: unrecognized formatting clause \"{verb}\""
            )));
        }
    })
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
        ("strings.quote", [S(text)]) => Ok(quote(text).into()),
        ("format", [S(pattern), List(items)]) => format(pattern, items),
        _ => return None,
    })
}
