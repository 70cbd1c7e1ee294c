//! Kubernetes' quantities.

use trainyard_model::quantity::{Format, Quantity};

use crate::eval::Error;
use crate::value::Value;

use super::Evaluated;

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::{Computed, Quantity as Q};
    let whole = |value: i64| Quantity::from_int(value, Format::DecimalSi);
    let quantity = |index: usize| match arguments.get(index) {
        Some(Q(quantity) | Computed(quantity)) => Some(*quantity),
        _ => None,
    };
    match (function, arguments) {
        ("quantity", [Value::String(text)]) => return Some(parse(text).map(Q)),
        ("isQuantity", [Value::String(text)]) => return Some(Ok(parse(text).is_ok().into())),
        _ => {}
    }
    let q = quantity(0)?;
    Some(Ok(match (function, quantity(1), arguments) {
        ("sign", _, [_]) => Value::Int(q.sign().into()),
        ("isInteger", _, [_]) => Value::Bool(q.as_int().is_some()),
        ("asInteger", _, [_]) => match q.as_int() {
            Some(whole) => Value::Int(whole),
            None => return Some(Err(Error::new("cannot convert value to integer"))),
        },
        ("asApproximateFloat", _, [_]) => Value::Double(q.approximate()),
        ("add", Some(other), _) => Computed(q.add(other)),
        ("add", _, [_, Value::Int(other)]) => Computed(q.add(whole(*other))),
        ("sub", Some(other), _) => Computed(q.sub(other)),
        ("sub", _, [_, Value::Int(other)]) => Computed(q.sub(whole(*other))),
        ("isLessThan", Some(other), _) => Value::Bool(q < other),
        ("isGreaterThan", Some(other), _) => Value::Bool(q > other),
        ("compareTo", Some(other), _) => Value::Int(q.cmp(&other) as i64),
        _ => return None,
    }))
}

fn parse(text: &str) -> Result<Quantity, Error> {
    text.parse()
        .map_err(|error: trainyard_model::quantity::ParseError| Error::new(error.to_string()))
}
