//! Kubernetes' quantities.

use trainyard_model::quantity::{Format, Quantity};

use crate::eval::Error;
use crate::value::Value;

use super::Evaluated;

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::Quantity as Q;
    let whole = |value: i64| Quantity::from_int(value, Format::DecimalSi);
    Some(match (function, arguments) {
        ("quantity", [Value::String(text)]) => text
            .parse()
            .map(Q)
            .map_err(|error: trainyard_model::quantity::ParseError| Error::new(error.to_string())),
        ("isQuantity", [Value::String(text)]) => Ok(Value::Bool(text.parse::<Quantity>().is_ok())),
        ("sign", [Q(q)]) => Ok(Value::Int(q.sign().into())),
        ("isInteger", [Q(q)]) => Ok(Value::Bool(q.as_int().is_some())),
        ("asInteger", [Q(q)]) => q
            .as_int()
            .map(Value::Int)
            .ok_or_else(|| Error::new("cannot convert value to integer")),
        ("asApproximateFloat", [Q(q)]) => Ok(Value::Double(q.approximate())),
        ("add", [Q(a), Q(b)]) => Ok(Q(a.add(*b))),
        ("add", [Q(a), Value::Int(b)]) => Ok(Q(a.add(whole(*b)))),
        ("sub", [Q(a), Q(b)]) => Ok(Q(a.sub(*b))),
        ("sub", [Q(a), Value::Int(b)]) => Ok(Q(a.sub(whole(*b)))),
        ("isLessThan", [Q(a), Q(b)]) => Ok(Value::Bool(a < b)),
        ("isGreaterThan", [Q(a), Q(b)]) => Ok(Value::Bool(a > b)),
        ("compareTo", [Q(a), Q(b)]) => Ok(Value::Int(a.cmp(b) as i64)),
        _ => return None,
    })
}
