//! What expressions compute with.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use crate::library::quantity::Amount;
use crate::library::time::Moment;
use crate::map::Map;
use trainyard_model::version::Version;

/// A value.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is the CEL type of its name")]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    List(Arc<[Value]>),
    Map(Arc<Map>),
    /// Nanoseconds.
    Duration(i64),
    Timestamp(Moment),
    Quantity(Arc<Amount>),
    /// A quantity that `add` or `sub` made. Upstream it is of another type inside, and on the right
    /// of `==` it is refused.
    Computed(Arc<Amount>),
    Semver(Arc<Version>),
    Ip(IpAddr),
    Cidr(Cidr),
    Url(Arc<crate::library::url::Url>),
    /// A named format: `format.dns1123Label()`.
    Format(&'static str),
    Optional(Option<Arc<Value>>),
    /// The name of a type.
    Type(Arc<str>),
    /// `google.protobuf.Empty{}`
    Empty,
    /// `device`
    Device,
}

/// An address with the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// As written, not masked.
    pub address: IpAddr,
    /// Bits.
    pub prefix: u8,
}

impl Value {
    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::Quantity(_) | Value::Computed(_) => "kubernetes.Quantity",
            Value::Semver(_) => "kubernetes.Semver",
            Value::Ip(_) => "net.IP",
            Value::Cidr(_) => "net.CIDR",
            Value::Url(_) => "kubernetes.URL",
            Value::Format(_) => "kubernetes.NamedFormat",
            Value::Optional(_) => "optional_type",
            Value::Type(_) => "type",
            Value::Empty => "google.protobuf.Empty",
            Value::Device => "map",
        }
    }

    /// Whether it is of a type that Kubernetes adds to CEL.
    pub fn is_kubernetes(&self) -> bool {
        matches!(
            self,
            Value::Quantity(_)
                | Value::Computed(_)
                | Value::Semver(_)
                | Value::Ip(_)
                | Value::Cidr(_)
                | Value::Url(_)
                | Value::Format(_)
        )
    }

    /// Whether comparing these two for equality is an error: Kubernetes' own types compare only with
    /// themselves and with `null`.
    pub fn refuses_equality(&self, other: &Value) -> bool {
        let differs = self.type_name() != other.type_name();
        self.is_kubernetes()
            && *other != Value::Null
            && (differs || matches!(other, Value::Computed(_)))
    }

    /// CEL's equality: false for values of different types, but numbers compare by value.
    pub fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| inner_equals(a, b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.entries.len() == b.entries.len()
                    && a.entries
                        .iter()
                        .all(|(key, value)| b.find(key).is_some_and(|b| inner_equals(value, b)))
            }
            (Value::Optional(Some(a)), Value::Optional(Some(b))) => a.equals(b),
            (Value::Cidr(a), Value::Cidr(b)) => a == b,
            (Value::Computed(a), Value::Quantity(b)) => a == b,
            _ => match (self.as_number(), other.as_number()) {
                (Some(a), Some(b)) => compare_numbers(a, b) == Some(Ordering::Equal),
                (None, None) => self == other,
                _ => false,
            },
        }
    }

    fn as_number(&self) -> Option<Number> {
        match self {
            Value::Int(value) => Some(Number::Whole((*value).into())),
            Value::Uint(value) => Some(Number::Whole((*value).into())),
            Value::Double(value) => Some(Number::Double(*value)),
            _ => None,
        }
    }

    /// The order of two values of types that have one; `None`: they have none, or one is not a
    /// number.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
            (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
            (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.nanos.cmp(&b.nanos)),
            _ => compare_numbers(self.as_number()?, other.as_number()?),
        }
    }
}

/// Inside of lists and maps an error counts as equal, as in cel-go.
fn inner_equals(a: &Value, b: &Value) -> bool {
    a.refuses_equality(b) || a.equals(b)
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Double(f64),
}

fn compare_numbers(a: Number, b: Number) -> Option<Ordering> {
    match (a, b) {
        (Number::Whole(a), Number::Whole(b)) => Some(a.cmp(&b)),
        (Number::Double(a), Number::Double(b)) => a.partial_cmp(&b),
        (Number::Whole(a), Number::Double(b)) => whole_and_double(a, b),
        (Number::Double(a), Number::Whole(b)) => whole_and_double(b, a).map(Ordering::reverse),
    }
}

/// Beyond the whole numbers' range the sign decides; within, the double's fraction counts.
fn whole_and_double(a: i128, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    if b.abs() > 1e30 {
        return Some(if b > 0.0 {
            Ordering::Less
        } else {
            Ordering::Greater
        });
    }
    (a as f64).partial_cmp(&b)
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::String(value.into())
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Self {
        Value::List(values.into())
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn a_value_stays_small() {
        // It is moved for each part of an expression; what is larger goes behind an `Arc`.
        assert!(size_of::<Value>() <= 48, "{}", size_of::<Value>());
    }
}
