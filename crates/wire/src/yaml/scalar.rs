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
    /// Any other number
    Float(f64),
}

impl Scalar {
    /// What it is called in a message.
    pub fn describe(self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Bool(_) => "boolean",
            Scalar::Int(_) | Scalar::Unsigned(_) => "integer",
            Scalar::Float(_) => "number",
        }
    }

    pub(super) fn to_json(self) -> serde_json::Value {
        match self {
            Scalar::Null => serde_json::Value::Null,
            Scalar::Bool(value) => value.into(),
            Scalar::Int(value) => value.into(),
            Scalar::Unsigned(value) => value.into(),
            Scalar::Float(value) => value.into(),
        }
    }

    /// The key that JSON would have for it; `None`: there is none.
    pub(super) fn to_key(self) -> Option<String> {
        match self {
            Scalar::Null => None,
            Scalar::Bool(value) => Some(value.to_string()),
            Scalar::Int(value) => Some(value.to_string()),
            Scalar::Unsigned(value) => Some(value.to_string()),
            Scalar::Float(value) if value.is_nan() => Some(".nan".to_owned()),
            Scalar::Float(value) if value.is_infinite() => {
                Some(if value > 0.0 { ".inf" } else { "-.inf" }.to_owned())
            }
            Scalar::Float(value) => Some((value as f32).to_string()),
        }
    }
}

/// What a plain text stands for; `None`: for itself.
pub(super) fn resolve(text: &str) -> Option<Scalar> {
    let first = match text.bytes().next() {
        None => return Some(Scalar::Null),
        Some(first) => first,
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' => word(text).or_else(|| float(text)),
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

fn float(text: &str) -> Option<Scalar> {
    // Go refuses what is too large to be finite; Rust makes it infinite.
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
        .map(Scalar::Float)
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
            ("08", Scalar::Float(8.0)),
            ("1e3", Scalar::Float(1000.0)),
            (".5", Scalar::Float(0.5)),
            ("5.", Scalar::Float(5.0)),
            ("-9223372036854775808", Scalar::Int(i64::MIN)),
            ("18446744073709551615", Scalar::Unsigned(u64::MAX)),
            (
                "18446744073709551616",
                Scalar::Float(18446744073709551616.0),
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
            "+18446744073709551615x",
        ] {
            assert_eq!(resolve(text), None, "{text:?}");
        }
    }
}
