//! Arithmetic and conversions between numbers; whole numbers never wrap around.

use crate::eval::Error;
use crate::value::Value;

use super::Evaluated;

fn overflow() -> Error {
    Error::new("integer overflow")
}

fn int(value: Option<i64>) -> Evaluated {
    value.map(Value::Int).ok_or_else(overflow)
}

fn uint(value: Option<u64>) -> Evaluated {
    value
        .map(Value::Uint)
        .ok_or_else(|| Error::new("unsigned integer overflow"))
}

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::{Double, Int, Uint};
    let by_zero = || Err(Error::new("division by zero"));
    let modulus_by_zero = || Err(Error::new("modulus by zero"));
    Some(match (function, arguments) {
        ("_+_", [Int(a), Int(b)]) => int(a.checked_add(*b)),
        ("_+_", [Uint(a), Uint(b)]) => uint(a.checked_add(*b)),
        ("_+_", [Double(a), Double(b)]) => Ok(Double(a + b)),
        ("_-_", [Int(a), Int(b)]) => int(a.checked_sub(*b)),
        ("_-_", [Uint(a), Uint(b)]) => uint(a.checked_sub(*b)),
        ("_-_", [Double(a), Double(b)]) => Ok(Double(a - b)),
        ("_*_", [Int(a), Int(b)]) => int(a.checked_mul(*b)),
        ("_*_", [Uint(a), Uint(b)]) => uint(a.checked_mul(*b)),
        ("_*_", [Double(a), Double(b)]) => Ok(Double(a * b)),
        ("_/_", [Int(_), Int(0)]) | ("_/_", [Uint(_), Uint(0)]) => by_zero(),
        ("_/_", [Int(a), Int(b)]) => int(a.checked_div(*b)),
        ("_/_", [Uint(a), Uint(b)]) => uint(a.checked_div(*b)),
        ("_/_", [Double(a), Double(b)]) => Ok(Double(a / b)),
        ("_%_", [Int(_), Int(0)]) | ("_%_", [Uint(_), Uint(0)]) => modulus_by_zero(),
        ("_%_", [Int(a), Int(b)]) => int(a.checked_rem(*b)),
        ("_%_", [Uint(a), Uint(b)]) => uint(a.checked_rem(*b)),
        ("-_", [Int(a)]) => int(a.checked_neg()),
        ("-_", [Double(a)]) => Ok(Double(-a)),
        ("int", [Int(a)]) => Ok(Int(*a)),
        ("int", [Uint(a)]) => int(i64::try_from(*a).ok()),
        // cel-go excludes both ends of the range, which a double cannot tell from their neighbours.
        ("int", [Double(a)]) if a.abs() < 9.223_372_036_854_776e18 => Ok(Int(*a as i64)),
        ("int", [Double(_)]) => Err(overflow()),
        ("int", [Value::String(text)]) => go_int(text).map(Int).ok_or_else(|| {
            Error::new(format!(
                "type conversion error from 'string' to 'int': {text:?}"
            ))
        }),
        ("uint", [Uint(a)]) => Ok(Uint(*a)),
        ("uint", [Int(a)]) => uint(u64::try_from(*a).ok()),
        ("uint", [Double(a)]) if *a >= 0.0 && *a < 1.844_674_407_370_955_2e19 => {
            Ok(Uint(*a as u64))
        }
        ("uint", [Double(_)]) => uint(None),
        ("uint", [Value::String(text)]) => text
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
            .map(Uint)
            .ok_or_else(|| {
                Error::new(format!(
                    "type conversion error from 'string' to 'uint': {text:?}"
                ))
            }),
        ("double", [Double(a)]) => Ok(Double(*a)),
        ("double", [Int(a)]) => Ok(Double(*a as f64)),
        ("double", [Uint(a)]) => Ok(Double(*a as f64)),
        ("double", [Value::String(text)]) => go_float(text).map(Double).ok_or_else(|| {
            Error::new(format!(
                "type conversion error from 'string' to 'double': {text:?}"
            ))
        }),
        ("bool", [Value::Bool(a)]) => Ok(Value::Bool(*a)),
        ("bool", [Value::String(text)]) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(Error::new(format!(
                "type conversion error from 'string' to 'bool': {text:?}"
            ))),
        },
        _ => return None,
    })
}

/// Go's `ParseFloat(text, 64)`: also in hexadecimal, and with underscores between digits. What is too
/// large for a double is none.
fn go_float(text: &str) -> Option<f64> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = unsigned.to_ascii_lowercase();
    match lower.as_str() {
        "inf" | "infinity" => return Some(sign * f64::INFINITY),
        "nan" if unsigned.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    let digits = without_underscores(&lower)?;
    let value = match digits.strip_prefix("0x") {
        Some(hex) => hex_float(hex)?,
        None => {
            let plain = digits
                .bytes()
                .all(|b| b.is_ascii_digit() || b".e+-".contains(&b));
            digits.parse::<f64>().ok().filter(|_| plain)?
        }
    };
    value.is_finite().then_some(sign * value)
}

/// The text without underscores, each of which stands between two digits, or after the prefix.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let hex = text.starts_with("0x");
    let digit = |at: usize| match bytes.get(at) {
        Some(byte) if hex => byte.is_ascii_hexdigit() || at == 1,
        Some(byte) => byte.is_ascii_digit(),
        None => false,
    };
    let misplaced = |at: usize| bytes[at] == b'_' && (at == 0 || !digit(at - 1) || !digit(at + 1));
    if (0..bytes.len()).any(misplaced) {
        return None;
    }
    Some(text.replace('_', ""))
}

/// `1.8p-1`: digits in base sixteen, rounded to even, times a power of two that must be given.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Beyond this no exponent makes a difference.
    let mut exponent = exponent.parse::<i32>().map_or(
        if exponent.starts_with('-') {
            -100_000
        } else {
            100_000
        },
        |exponent| exponent.clamp(-100_000, 100_000),
    );
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: u128 = 0;
    for (at, digit) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = digit.to_digit(16)?;
        if value >> 120 == 0 {
            value = value << 4 | u128::from(digit);
            exponent -= if at >= whole.len() { 4 } else { 0 };
        } else {
            // Only whether something follows matters for rounding.
            value |= u128::from(digit != 0);
            exponent += if at < whole.len() { 4 } else { 0 };
        }
    }
    let mut value = value as f64;
    while exponent != 0 && value != 0.0 && value.is_finite() {
        let step = exponent.clamp(-1000, 1000);
        value *= f64::powi(2.0, step);
        exponent -= step;
    }
    Some(value)
}

/// Go's `ParseInt(text, 10, 64)`: a sign and digits.
fn go_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}
