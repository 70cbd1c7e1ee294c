//! `format`: texts with `%s %d %f %e %b %x %X %o %%` in them, the floating ones with a precision.

use crate::eval::Error;
use crate::map::Key;
use crate::value::Value;

use super::text::{double, quoted, show, show_key};

/// Where upstream would run out of memory, the text ends.
const LONGEST: usize = 1 << 24;

/// A clause of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clause {
    /// Its letter.
    pub verb: char,
    /// After a dot.
    precision: Option<usize>,
}

enum Piece {
    Text(String),
    Clause(Result<Clause, Error>),
}

fn wrong(message: &str) -> Error {
    Error::new(format!("could not parse formatting clause: {message}"))
}

/// Texts and clauses. What follows a clause that is wrong is not read.
fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '%' || rest.next_if_eq(&'%').is_some() {
            text.push(character);
            continue;
        }
        let mut precision = None;
        if rest.next_if_eq(&'.').is_some() {
            let mut digits = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            precision = Some(digits.parse::<i64>());
        }
        let clause = match (rest.next(), precision) {
            (None, _) => Err(Error::new("unexpected end of string")),
            (_, Some(Err(_))) => Err(wrong("error while parsing precision")),
            (Some(verb), precision) if "sdfebxXo".contains(verb) => Ok(Clause {
                verb,
                precision: precision
                    .and_then(Result::ok)
                    .map(|precision| usize::try_from(precision).unwrap_or_default()),
            }),
            (Some(verb), _) => Err(wrong(&format!("unrecognized formatting clause \"{verb}\""))),
        };
        let end = clause.is_err();
        pieces.push(Piece::Text(std::mem::take(&mut text)));
        pieces.push(Piece::Clause(clause));
        if end {
            return pieces;
        }
    }
    pieces.push(Piece::Text(text));
    pieces
}

/// The clauses of a format, in order; `Err`: the format itself is wrong.
pub(crate) fn clauses(pattern: &str) -> Result<Vec<Clause>, Error> {
    let clauses = pieces(pattern).into_iter().filter_map(|piece| match piece {
        Piece::Text(_) => None,
        Piece::Clause(clause) => Some(clause),
    });
    clauses.collect()
}

/// The text with its clauses replaced by the arguments.
pub(super) fn format(pattern: &str, arguments: &[Value]) -> Result<String, Error> {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    for piece in pieces(pattern) {
        match piece {
            Piece::Text(text) => out.push_str(&text),
            Piece::Clause(clause) => {
                let value = arguments
                    .next()
                    .ok_or_else(|| Error::new("index out of range in format arguments"))?;
                out.push_str(&write(clause?, value)?);
            }
        }
    }
    Ok(out)
}

/// A value for `%s`: inside of lists and maps as CEL would write it.
fn shown(value: &Value) -> Result<String, Error> {
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
                    Key::Double(_) | Key::Other(_) => {
                        let name = key.value().type_name();
                        return Err(Error::new(format!(
                            "error during formatting: no formatting function for map key of type {name}"
                        )));
                    }
                    key => show_key(key),
                };
                entries.push((key, inside(value)?));
            }
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            let entries = entries.iter().map(|(key, value)| format!("{key}:{value}"));
            Ok(format!("{{{}}}", entries.collect::<Vec<_>>().join(", ")))
        }
        Value::Bytes(bytes) => std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| Error::new("error during formatting: invalid UTF-8 in bytes")),
        Value::Optional(_) | Value::Empty | Value::Device => Err(no_function(value)),
        own if own.is_kubernetes() => Err(no_function(own)),
        plain => Ok(show(plain)),
    }
}

fn no_function(value: &Value) -> Error {
    Error::new(format!(
        "error during formatting: no formatting function for {}",
        value.type_name()
    ))
}

fn inside(value: &Value) -> Result<String, Error> {
    Ok(match value {
        Value::String(text) => quote(text),
        Value::Bytes(_) => format!("b{}", quote(&shown(value)?)),
        Value::Double(number) if number.is_finite() => format!("{number:.6}"),
        Value::Double(number) => quote(&double(*number)),
        Value::Timestamp(_) => format!("timestamp({})", quote(&show(value))),
        Value::Duration(_) => format!("duration({})", quote(&show(value))),
        other => shown(other)?,
    })
}

/// As Go's `%q`: what cannot be printed is escaped.
fn quote(text: &str) -> String {
    quoted(text, |out, other| {
        if is_printable(other) {
            return out.push(other);
        }
        let code = u32::from(other);
        out.push_str(&match code {
            0..0x80 => format!("\\x{code:02x}"),
            0x80..0x1_0000 => format!("\\u{code:04x}"),
            _ => format!("\\U{code:08x}"),
        });
    })
}

/// Letters, marks, numbers, punctuation, symbols and the space, as Rust's `Debug` tells them. After
/// another character it does not escape marks.
fn is_printable(character: char) -> bool {
    character == '\'' || format!("a{character}").escape_debug().eq(['a', character])
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

/// `1.500000×10⁰³`, likewise. Go's printer takes the precision for the least width.
fn scientific(number: f64, width: usize) -> String {
    let text = match number {
        number if number.is_finite() => {
            let text = format!("{number:.6e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().unwrap_or_default();
            let mut out = format!("{mantissa}×10");
            if exponent < 0 {
                out.push('⁻');
            }
            for digit in format!("{:02}", exponent.abs()).chars() {
                let index = digit.to_digit(10).unwrap_or_default() as usize;
                out.extend("⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(index));
            }
            out
        }
        number => boundless(number),
    };
    let spaces = width.min(LONGEST).saturating_sub(text.chars().count());
    " ".repeat(spaces) + &text
}

/// What is no number, or larger than any.
fn boundless(number: f64) -> String {
    match number {
        number if number.is_nan() => "NaN",
        number if number > 0.0 => "∞",
        _ => "-∞",
    }
    .to_owned()
}

fn write(clause: Clause, value: &Value) -> Result<String, Error> {
    let whole = match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        Value::Bool(value) if clause.verb == 'b' => Some(i128::from(*value)),
        _ => None,
    };
    let number = match value {
        // The printer drops the sign of nothing.
        Value::Double(value) => Some(value + 0.0),
        Value::String(text) => match &**text {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    };
    let signed = |text: String, value: i128| if value < 0 { format!("-{text}") } else { text };
    let precision = clause.precision.unwrap_or(6);
    Ok(match (clause.verb, whole, number, value) {
        ('s', ..) => shown(value)?,
        ('d', Some(whole), ..) => whole.to_string(),
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
            if clause.verb == 'X' {
                hex.to_uppercase()
            } else {
                hex
            }
        }
        ('f', _, Some(number), _) if number.is_finite() => {
            // No double has more digits; Rust writes no more than 65,535.
            let known = precision.min(1100);
            let zeros = precision.min(LONGEST) - known;
            grouped(&format!("{number:.known$}")) + &"0".repeat(zeros)
        }
        ('f', _, Some(number), _) => boundless(number),
        ('e', _, Some(number), _) => scientific(number, precision),
        (verb, ..) => {
            return Err(Error::new(format!(
                "error during formatting: %{verb} does not take a {}",
                value.type_name()
            )));
        }
    })
}
