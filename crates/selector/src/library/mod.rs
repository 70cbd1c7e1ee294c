//! What do the functions do? One file a subject; all are pure, and strict in their arguments.

pub mod format;
pub mod formatting;
pub mod lists;
pub mod net;
pub mod numbers;
pub mod quantity;
mod re2;
pub mod regex;
pub mod semver;
pub mod text;
pub mod time;
pub mod url;
mod zone;

use std::sync::Arc;

use crate::eval::Error;
use crate::map::Key;
use crate::value::Value;

type Evaluated = Result<Value, Error>;

/// Calls a function; a method's receiver is its first argument.
pub fn call(function: &str, arguments: &[Value]) -> Evaluated {
    let found = general(function, arguments)
        .or_else(|| numbers::call(function, arguments))
        .or_else(|| text::call(function, arguments))
        .or_else(|| lists::call(function, arguments))
        .or_else(|| quantity::call(function, arguments))
        .or_else(|| semver::call(function, arguments))
        .or_else(|| net::call(function, arguments))
        .or_else(|| url::call(function, arguments))
        .or_else(|| format::call(function, arguments))
        .or_else(|| time::call(function, arguments))
        .or_else(|| regex::call(function, arguments));
    found.unwrap_or_else(|| Err(Error::no_overload()))
}

fn general(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    Some(match (function, arguments) {
        ("_<_", [a, b]) => order(a, b, |o| o.is_lt()),
        ("_<=_", [a, b]) => order(a, b, |o| o.is_le()),
        ("_>_", [a, b]) => order(a, b, |o| o.is_gt()),
        ("_>=_", [a, b]) => order(a, b, |o| o.is_ge()),
        ("!_", [Value::Bool(value)]) => Ok(Value::Bool(!value)),
        ("@in", [value, Value::List(items)]) => {
            Ok(Value::Bool(items.iter().any(|item| value.equals(item))))
        }
        ("@in", [key, Value::Map(map)]) => Ok(Value::Bool(
            Key::of(key).is_some_and(|key| map.find(&key).is_some()),
        )),
        ("size", [Value::String(text)]) => Ok(text.chars().count().into()),
        ("size", [Value::Bytes(bytes)]) => Ok(bytes.len().into()),
        ("size", [Value::List(items)]) => Ok(items.len().into()),
        ("size", [Value::Map(map)]) => Ok(map.entries.len().into()),
        ("dyn", [value]) => Ok(value.clone()),
        ("type", [value]) => Ok(Value::Type(value.type_name().into())),
        ("optional.none", []) => Ok(Value::Optional(None)),
        ("optional.of", [value]) => Ok(Value::Optional(Some(Arc::new(value.clone())))),
        ("optional.ofNonZeroValue", [value]) => Ok(Value::Optional(
            (!is_zero(value)).then(|| Arc::new(value.clone())),
        )),
        ("optional.unwrap" | "unwrapOpt", [Value::List(items)]) => items
            .iter()
            .filter_map(|item| crate::eval::optional(item.clone()).transpose())
            .map(|inner| inner.map(|inner| (*inner).clone()))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::from),
        ("hasValue", [Value::Optional(inner)]) => Ok(Value::Bool(inner.is_some())),
        ("value", [Value::Optional(Some(inner))]) => Ok((**inner).clone()),
        ("value", [Value::Optional(None)]) => Err(Error::new("optional.none() dereference")),
        ("includes", [Value::List(items), wanted]) => {
            Ok(Value::Bool(items.iter().any(|item| item.equals(wanted))))
        }
        ("includes", [value, wanted]) => Ok(Value::Bool(value.equals(wanted))),
        _ => return None,
    })
}

fn order(a: &Value, b: &Value, good: fn(std::cmp::Ordering) -> bool) -> Evaluated {
    match a.compare(b) {
        Some(order) => Ok(Value::Bool(good(order))),
        None if matches!((a, b), (Value::Double(_), _) | (_, Value::Double(_))) => {
            Err(Error::new("NaN values cannot be ordered"))
        }
        None => Err(Error::no_overload()),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Int(0) | Value::Uint(0) => true,
        Value::Double(value) => *value == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(items) => items.is_empty(),
        // Those of the device are of a kind of their own, which cel-go does not ask.
        Value::Map(map) => map.entries.is_empty() && !map.lenient,
        Value::Duration(0) => true,
        Value::Timestamp(moment) => moment.nanos == time::EARLIEST,
        _ => false,
    }
}
