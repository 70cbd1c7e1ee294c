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
        ("double", [Value::String(text)]) => text.parse().map(Double).map_err(|_| {
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

/// Go's `ParseInt(text, 10, 64)`: a sign and digits.
fn go_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}
