//! Lists and sets.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::eval::Error;
use crate::value::Value;

use super::Evaluated;

/// cel-go's own limit on `lists.range`.
const LONGEST_RANGE: i64 = 1_000_000;

fn contains(items: &[Value], wanted: &Value) -> bool {
    items.iter().any(|item| wanted.equals(item))
}

/// Whether values of this type have an order.
fn is_ordered(value: &Value) -> bool {
    use Value as V;
    matches!(
        value,
        V::Bool(_)
            | V::Int(_)
            | V::Uint(_)
            | V::Double(_)
            | V::String(_)
            | V::Bytes(_)
            | V::Duration(_)
            | V::Timestamp(_)
    )
}

/// What gathers a list whose elements are declared to be of this type. cel-go asks the first one
/// alone whether it is.
pub(crate) fn gather(function: &str, element: &str, items: &[Value]) -> Evaluated {
    match items.first() {
        Some(first) if first.type_name() != element => Err(Error::no_overload()),
        None if function == "sum" => Ok(match element {
            "uint" => Value::Uint(0),
            "double" => Value::Double(0.0),
            "google.protobuf.Duration" => Value::Duration(0),
            _ => Value::Int(0),
        }),
        _ => super::call(function, &[items.to_vec().into()]),
    }
}

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::{Int, List};
    let optional = |value: Option<&Value>| Ok(Value::Optional(value.cloned().map(Arc::new)));
    Some(match (function, arguments) {
        ("_+_", [List(a), List(b)]) => {
            Ok(a.iter().chain(b.iter()).cloned().collect::<Vec<_>>().into())
        }
        ("sets.contains", [List(a), List(b)]) => Ok(Value::Bool(b.iter().all(|v| contains(a, v)))),
        ("sets.equivalent", [List(a), List(b)]) => Ok(Value::Bool(
            a.iter().all(|v| contains(b, v)) && b.iter().all(|v| contains(a, v)),
        )),
        ("sets.intersects", [List(a), List(b)]) => {
            Ok(Value::Bool(a.iter().any(|v| contains(b, v))))
        }
        ("isSorted", [List(items)]) => is_sorted(items).map(Value::Bool),
        ("sum", [List(items)]) => sum(items),
        ("min", [List(items)]) => extreme(items, Ordering::Less),
        ("max", [List(items)]) => extreme(items, Ordering::Greater),
        ("indexOf", [List(items), wanted]) => Ok(Int(items
            .iter()
            .position(|item| item.equals(wanted))
            .map_or(-1, |at| at as i64))),
        ("lastIndexOf", [List(items), wanted]) => Ok(Int(items
            .iter()
            .rposition(|item| item.equals(wanted))
            .map_or(-1, |at| at as i64))),
        ("slice", [List(items), Int(start), Int(end)]) => slice(items, *start, *end),
        ("flatten", [List(items)]) => Ok(flatten(items, 1).into()),
        ("flatten", [List(items), Int(depth)]) => match usize::try_from(*depth) {
            Ok(depth) => Ok(flatten(items, depth).into()),
            Err(_) => Err(Error::new("level must be non-negative")),
        },
        ("distinct", [List(items)]) => {
            let mut kept: Vec<Value> = Vec::new();
            for item in items.iter() {
                if !contains(&kept, item) {
                    kept.push(item.clone());
                }
            }
            Ok(kept.into())
        }
        ("reverse", [List(items)]) => Ok(items.iter().rev().cloned().collect::<Vec<_>>().into()),
        ("sort", [List(items)]) => sort_by(items, items),
        ("first", [List(items)]) => optional(items.first()),
        ("last", [List(items)]) => optional(items.last()),
        ("lists.range", [Int(count)]) => {
            if *count < 0 {
                Err(Error::new(format!(
                    "lists.range: size must be non-negative, got {count}"
                )))
            } else if *count > LONGEST_RANGE {
                Err(Error::new(format!(
                    "lists.range: size {count} exceeds maximum allowed ({LONGEST_RANGE})"
                )))
            } else {
                Ok((0..*count).map(Int).collect::<Vec<_>>().into())
            }
        }
        _ => return None,
    })
}

/// The items in the order of their keys, which are all of one type.
pub(crate) fn sort_by(items: &[Value], keys: &[Value]) -> Evaluated {
    if let Some(first) = keys.first() {
        if !is_ordered(first) {
            return Err(Error::new("list elements must be comparable"));
        }
        let name = first.type_name();
        if keys.iter().any(|key| key.type_name() != name) {
            return Err(Error::new("list elements must have the same type"));
        }
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|a, b| keys[*a].compare(&keys[*b]).unwrap_or(Ordering::Equal));
    Ok(order
        .into_iter()
        .map(|at| items[at].clone())
        .collect::<Vec<_>>()
        .into())
}

/// What cannot be compared with what stands before it does not spoil the order.
fn is_sorted(items: &[Value]) -> Result<bool, Error> {
    for (at, item) in items.iter().enumerate() {
        if !is_ordered(item) {
            return Err(Error::no_overload());
        }
        if at > 0 && items[at - 1].compare(item) == Some(Ordering::Greater) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn sum(items: &[Value]) -> Evaluated {
    use Value::{Double, Duration, Int, Uint};
    let Some((first, rest)) = items.split_first() else {
        return Ok(Int(0));
    };
    let first = match first {
        // Nothing, and this: a zero loses its sign.
        Double(value) => Double(value + 0.0),
        Int(_) | Uint(_) | Duration(_) => first.clone(),
        _ => return Err(Error::no_overload()),
    };
    rest.iter()
        .try_fold(first, |sum, next| super::call("_+_", &[sum, next.clone()]))
}

fn extreme(items: &[Value], wanted: Ordering) -> Evaluated {
    let Some((first, rest)) = items.split_first() else {
        let name = if wanted == Ordering::Less {
            "min"
        } else {
            "max"
        };
        return Err(Error::new(format!("{name} called on empty list")));
    };
    if !items.iter().all(is_ordered) {
        return Err(Error::no_overload());
    }
    let better = |best: &Value, next: &Value| best.compare(next) == Some(wanted.reverse());
    let best = rest.iter().fold(
        first,
        |best, next| if better(best, next) { next } else { best },
    );
    Ok(best.clone())
}

fn slice(items: &[Value], start: i64, end: i64) -> Evaluated {
    if start < 0 || end < 0 {
        return Err(Error::new(format!(
            "cannot slice({start}, {end}), negative indexes not supported"
        )));
    }
    if start > end {
        return Err(Error::new(format!(
            "cannot slice({start}, {end}), start index must be less than or equal to end index"
        )));
    }
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    range
        .and_then(|(start, end)| items.get(start..end))
        .map(|part| part.to_vec().into())
        .ok_or_else(|| {
            Error::new(format!(
                "cannot slice({start}, {end}), list is length {}",
                items.len()
            ))
        })
}

fn flatten(items: &[Value], depth: usize) -> Vec<Value> {
    let mut flat = Vec::new();
    for item in items {
        match item {
            Value::List(inner) if depth > 0 => flat.extend(flatten(inner, depth - 1)),
            other => flat.push(other.clone()),
        }
    }
    flat
}
