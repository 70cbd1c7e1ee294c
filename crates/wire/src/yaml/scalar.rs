//! What is a plain scalar? The rules of go-yaml v2 (`resolve.go`), through which kubectl reads.

use std::borrow::Cow;

/// A plain scalar that is no text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// Nothing, `~`, `null`
    Null,
    /// `true`, `yes`, `on`, `y` and their opposites
    Bool(bool),
    /// A whole number
    Int(i64),
    /// A whole number beyond the signed ones
    Unsigned(u64),
    /// A whole number written with a point or an exponent, such as `2.0`. In YAML it counts as one,
    /// since kubectl sends JSON, in which it stands as `2`.
    Whole(f64),
    /// Any other number
    Float(f64),
}

impl Scalar {
    /// What it is called in a message.
    pub fn describe(self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Bool(_) => "boolean",
            Scalar::Int(_) | Scalar::Unsigned(_) | Scalar::Whole(_) => "integer",
            Scalar::Float(_) => "number",
        }
    }

    /// What a number with a point or an exponent is in YAML.
    pub(super) fn whole(value: f64) -> Scalar {
        // Beyond this Go writes an exponent, and no reader takes it for a whole number.
        if value.fract() == 0.0 && value.abs() < 1e21 {
            Scalar::Whole(value)
        } else {
            Scalar::Float(value)
        }
    }

    /// The whole number that it is.
    pub(crate) fn integer(self) -> Option<i128> {
        match self {
            Scalar::Int(value) => Some(value.into()),
            Scalar::Unsigned(value) => Some(value.into()),
            // The digits that Go writes, which for large numbers are not those of the number itself.
            Scalar::Whole(value) => value.to_string().parse().ok(),
            Scalar::Null | Scalar::Bool(_) | Scalar::Float(_) => None,
        }
    }

    /// The number as JSON that Go writes.
    pub(crate) fn number(self) -> Option<String> {
        match self {
            Scalar::Float(value) if !value.is_finite() => None,
            Scalar::Float(value) if value != 0.0 && !(1e-6..1e21).contains(&value.abs()) => {
                let text = format!("{value:e}");
                // Go writes the sign of an exponent.
                Some(match text.split_once('e') {
                    Some((digits, exponent)) if !exponent.starts_with('-') => {
                        format!("{digits}e+{exponent}")
                    }
                    _ => text,
                })
            }
            Scalar::Float(value) | Scalar::Whole(value) => Some(value.to_string()),
            _ => self.integer().map(|value| value.to_string()),
        }
    }

    pub(super) fn to_json(self) -> serde_json::Value {
        match self {
            Scalar::Null => serde_json::Value::Null,
            Scalar::Bool(value) => value.into(),
            Scalar::Int(value) => value.into(),
            Scalar::Unsigned(value) => value.into(),
            Scalar::Whole(value) => match self.integer().map(i64::try_from) {
                Some(Ok(value)) => value.into(),
                _ => value.into(),
            },
            Scalar::Float(value) => value.into(),
        }
    }

    /// The key that JSON would have for it; `None`: there is none.
    pub(super) fn to_key(self) -> Option<String> {
        match self {
            Scalar::Null | Scalar::Unsigned(_) => None,
            Scalar::Bool(value) => Some(value.to_string()),
            Scalar::Int(value) => Some(value.to_string()),
            Scalar::Float(value) | Scalar::Whole(value) => Some(key_of_float(value as f32)),
        }
    }
}

/// Go's format `g` with the fewest digits that tell the number apart.
fn key_of_float(value: f32) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    value.to_string()
}

/// What a plain text stands for; `None`: for itself.
pub(super) fn resolve(text: &str) -> Option<Scalar> {
    let first = match text.bytes().next() {
        None => return Some(Scalar::Null),
        Some(first) => first,
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' => word(text).or_else(|| point(text)),
        b'+' | b'-' | b'0'..=b'9' => word(text).or_else(|| number(text)),
        _ => None,
    }
}

fn word(text: &str) -> Option<Scalar> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

fn number(text: &str) -> Option<Scalar> {
    if is_timestamp(text) {
        return None;
    }
    let plain: Cow<'_, str> = if text.contains('_') {
        text.replace('_', "").into()
    } else {
        text.into()
    };
    integer(&plain).or_else(|| float_of_number(&plain))
}

/// Go's `ParseInt(text, 0, 64)`, then `ParseUint`: the prefix decides the base, and a leading zero
/// means octal.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(value).map(Scalar::Int);
    }
    match i64::try_from(value) {
        Ok(value) => Some(Scalar::Int(value)),
        Err(_) if text.starts_with('+') => None,
        Err(_) => Some(Scalar::Unsigned(value)),
    }
}

/// A number with digits, perhaps a fraction and perhaps an exponent, and nothing else.
fn float_of_number(text: &str) -> Option<Scalar> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_ok = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    (mantissa_ok && exponent_ok).then(|| float(text)).flatten()
}

/// What begins with a point: Go takes underscores between digits.
fn point(text: &str) -> Option<Scalar> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let between = |at: usize| at > 0 && digit(at - 1) && digit(at + 1);
    if (0..bytes.len()).any(|at| bytes[at] == b'_' && !between(at)) {
        return None;
    }
    float_of_number(&text.replace('_', ""))
}

fn float(text: &str) -> Option<Scalar> {
    // Go refuses what is too large to be finite; Rust makes it infinite.
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
        .map(Scalar::whole)
}

/// `2006-1-2`, alone or with a time: go-yaml recognises it and hands it on as text.
pub(super) fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 5 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_go_yaml_does() {
        for (text, scalar) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("n", Scalar::Bool(false)),
            ("On", Scalar::Bool(true)),
            ("12", Scalar::Int(12)),
            ("-12", Scalar::Int(-12)),
            ("+12", Scalar::Int(12)),
            ("1_000", Scalar::Int(1000)),
            ("010", Scalar::Int(8)),
            ("0o10", Scalar::Int(8)),
            ("0x1F", Scalar::Int(31)),
            ("-0b11", Scalar::Int(-3)),
            ("08", Scalar::Whole(8.0)),
            ("1e3", Scalar::Whole(1000.0)),
            (".5", Scalar::Float(0.5)),
            ("5.", Scalar::Whole(5.0)),
            (".5_0", Scalar::Float(0.5)),
            ("1e21", Scalar::Float(1e21)),
            ("-9223372036854775808", Scalar::Int(i64::MIN)),
            ("18446744073709551615", Scalar::Unsigned(u64::MAX)),
            (
                "18446744073709551616",
                Scalar::Whole(18446744073709551616.0),
            ),
        ] {
            assert_eq!(resolve(text), Some(scalar), "{text:?}");
        }
    }

    #[test]
    fn leaves_text_alone() {
        for text in [
            "yEs",
            "nO",
            "tRue",
            "nulL",
            "-",
            "+",
            ".",
            "..",
            "1.2.3",
            "1:30",
            "4-neurons",
            "0x",
            "0b2",
            "1e",
            "e1",
            "2006-01-02",
            "2006-01-02T15:04:05Z",
            "_1",
            "inf",
            "NaN",
            "1 2",
            "12m",
            "--1",
            "._5",
            ".5_",
            ".inf_",
            "+18446744073709551615x",
        ] {
            assert_eq!(resolve(text), None, "{text:?}");
        }
    }
}
