//! Messages of protobuf, written as `google.protobuf.Int32Value{value: 1}`. All but one stand for a
//! plain value; what such a message is made of cannot be seen.
//!
//! Source: cel-go v0.29.2 (`common/types/provider.go` and the types' `ConvertToNative`).

use std::rc::Rc;
use std::sync::Arc;

use crate::eval::{Error, Evaluated};
use crate::library::text::show;
use crate::library::time::Moment;
use crate::map::{Key, Map};
use crate::typing::Type;
use crate::value::Value;

/// The names of messages that are those of types, too.
pub(crate) const TYPES: [&str; 4] = [
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    EMPTY,
    "google.protobuf.Struct.FieldsEntry",
];

/// The only message that is a value of its own.
pub(crate) const EMPTY: &str = "google.protobuf.Empty";

/// The only value of an enumeration.
pub(crate) const NULL_VALUE: &str = "google.protobuf.NullValue.NULL_VALUE";

/// What an expression that makes this message is of type; `None`: there is no such message.
pub(crate) fn message_type(name: &str) -> Option<Type> {
    let nullable = |plain: Type| Type::Nullable(Rc::new(plain));
    let json_map = Type::Map(Rc::new(Type::String), Rc::new(Type::Dyn));
    Some(match name.strip_prefix("google.protobuf.") {
        Some("BoolValue") => nullable(Type::Bool),
        Some("BytesValue") => nullable(Type::Bytes),
        Some("DoubleValue" | "FloatValue") => nullable(Type::Double),
        Some("Int32Value" | "Int64Value") => nullable(Type::Int),
        Some("StringValue") => nullable(Type::String),
        Some("UInt32Value" | "UInt64Value") => nullable(Type::Uint),
        Some("Timestamp") => Type::Timestamp,
        Some("Duration") => Type::Duration,
        Some("Struct") => json_map,
        Some("Value") => Type::Dyn,
        Some("ListValue") => Type::List(Rc::new(Type::Dyn)),
        Some("Any") => Type::Any,
        Some("Empty") => Type::Opaque(EMPTY),
        None if name == "kubernetes.DRADevice" => crate::check::DEVICE,
        _ => return None,
    })
}

/// The type of a field of a message that there is, but for those of a device.
pub(crate) fn field_type(message: &str, field: &str) -> Option<Type> {
    let json_map = Type::Map(Rc::new(Type::String), Rc::new(Type::Dyn));
    let json_list = Type::List(Rc::new(Type::Dyn));
    Some(match (message.strip_prefix("google.protobuf.")?, field) {
        ("Timestamp" | "Duration", "seconds" | "nanos") => Type::Int,
        ("Struct", "fields") | ("Value", "struct_value") => json_map,
        ("ListValue", "values") | ("Value", "list_value") => json_list,
        ("Value", "number_value") => Type::Double,
        ("Value", "string_value") | ("Any", "type_url") => Type::String,
        ("Value", "bool_value") => Type::Bool,
        ("Value", "null_value") => Type::Int,
        ("Any", "value") => Type::Bytes,
        (wrapper, "value") => match message_type(&format!("google.protobuf.{wrapper}"))? {
            Type::Nullable(plain) => (*plain).clone(),
            _ => return None,
        },
        _ => return None,
    })
}

fn unsupported(value: &Value) -> Error {
    let name = value.type_name();
    Error::new(format!("unsupported native conversion from '{name}'"))
}

/// What is in an optional goes into a field.
fn inside(value: &Value) -> &Value {
    match value {
        Value::Optional(Some(inner)) => inside(inner),
        plain => plain,
    }
}

/// A text, or what is one natively.
fn text(value: &Value) -> Evaluated {
    match value {
        Value::String(_) => Ok(value.clone()),
        Value::Quantity(_)
        | Value::Computed(_)
        | Value::Semver(_)
        | Value::Ip(_)
        | Value::Cidr(_)
        | Value::Url(_) => Ok(show(value).into()),
        other => Err(unsupported(other)),
    }
}

/// Makes a message.
pub(crate) fn make(name: &str, fields: &[(Arc<str>, Value)]) -> Evaluated {
    let field = |name: &str| {
        let mut fields = fields.iter().rev();
        let field = fields.find(|(field, _)| &**field == name);
        field.map(|(_, value)| inside(value))
    };
    match name.strip_prefix("google.protobuf.") {
        Some("Timestamp") => {
            let (seconds, nanos) = seconds_and_nanos(field("seconds"), field("nanos"))?;
            Ok(Value::Timestamp(Moment::from_unix(seconds, nanos)))
        }
        Some("Duration") => {
            let (seconds, nanos) = seconds_and_nanos(field("seconds"), field("nanos"))?;
            let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
            let total = total.clamp(i64::MIN.into(), i64::MAX.into());
            Ok(Value::Duration(total as i64))
        }
        Some("Struct") => match field("fields") {
            None => Ok(Value::Map(Arc::default())),
            Some(map @ Value::Map(_)) => json(map),
            Some(other) => Err(unsupported(other)),
        },
        Some("ListValue") => match field("values") {
            None => Ok(Vec::new().into()),
            Some(list @ Value::List(_)) => json(list),
            Some(other) => Err(unsupported(other)),
        },
        // Of two kinds the last one counts; upstream lets chance decide.
        Some("Value") => match fields.last() {
            None => Ok(Value::Null),
            Some((kind, value)) => match (&**kind, inside(value)) {
                ("number_value", value @ Value::Double(_))
                | ("bool_value", value @ Value::Bool(_)) => Ok(value.clone()),
                ("string_value", value) => text(value),
                ("null_value", Value::Int(value)) if i32::try_from(*value).is_ok() => {
                    Ok(Value::Null)
                }
                ("struct_value", value @ Value::Map(_))
                | ("list_value", value @ Value::List(_)) => json(value),
                (_, value) => Err(unsupported(value)),
            },
        },
        Some("Empty") => Ok(Value::Empty),
        Some("Any") => Err(Error::new(
            "conversion error: the type of an Any is unknown",
        )),
        Some(wrapper) => wrap(wrapper, field("value")),
        None => Err(Error::new(format!("unknown type '{name}'"))),
    }
}

fn seconds_and_nanos(seconds: Option<&Value>, nanos: Option<&Value>) -> Result<(i64, i32), Error> {
    let whole = |value: Option<&Value>| match value {
        None => Ok(0),
        Some(Value::Int(value)) => Ok(*value),
        Some(other) => Err(unsupported(other)),
    };
    let nanos = i32::try_from(whole(nanos)?).map_err(|_| range())?;
    Ok((whole(seconds)?, nanos))
}

fn range() -> Error {
    Error::new("unsupported type conversion: range error")
}

fn wrap(wrapper: &str, value: Option<&Value>) -> Evaluated {
    Ok(match (wrapper, value) {
        ("BoolValue", None) => Value::Bool(false),
        ("BytesValue", None) => Value::Bytes(Arc::default()),
        ("DoubleValue" | "FloatValue", None) => Value::Double(0.0),
        ("Int32Value" | "Int64Value", None) => Value::Int(0),
        ("StringValue", None) => Value::from(""),
        ("UInt32Value" | "UInt64Value", None) => Value::Uint(0),
        ("Int32Value", Some(Value::Int(value))) => {
            Value::Int(i32::try_from(*value).map_err(|_| range())?.into())
        }
        ("UInt32Value", Some(Value::Uint(value))) => {
            Value::Uint(u32::try_from(*value).map_err(|_| range())?.into())
        }
        ("FloatValue", Some(Value::Double(value))) => Value::Double((*value as f32).into()),
        ("BoolValue", Some(value @ Value::Bool(_)))
        | ("BytesValue", Some(value @ Value::Bytes(_)))
        | ("DoubleValue", Some(value @ Value::Double(_)))
        | ("Int64Value", Some(value @ Value::Int(_)))
        | ("UInt64Value", Some(value @ Value::Uint(_))) => value.clone(),
        ("StringValue", Some(value)) => return text(value),
        (_, Some(other)) => return Err(unsupported(other)),
        (_, None) => return Err(Error::no_overload()),
    })
}

/// The largest whole number up to which JSON's doubles are exact.
const LARGEST: u64 = (1 << 53) - 1;

/// A value as JSON has it.
fn json(value: &Value) -> Evaluated {
    Ok(match value {
        Value::Null | Value::Bool(_) | Value::Double(_) | Value::String(_) => value.clone(),
        Value::Int(value) if value.unsigned_abs() <= LARGEST => Value::Double(*value as f64),
        Value::Uint(value) if *value <= LARGEST => Value::Double(*value as f64),
        Value::Int(_) | Value::Uint(_) | Value::Timestamp(_) | Value::Duration(_) => {
            show(value).into()
        }
        Value::Bytes(bytes) => base64(bytes).into(),
        Value::Optional(Some(inner)) => json(inner)?,
        Value::List(items) => items
            .iter()
            .map(json)
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        Value::Map(map) => {
            let mut entries = Map {
                native: true,
                ..Map::default()
            };
            for (key, value) in &map.entries {
                let Key::String(_) = key else {
                    return Err(unsupported(&key.value()));
                };
                entries.entries.insert(key.clone(), json(value)?);
            }
            Value::Map(Arc::new(entries))
        }
        other => return Err(unsupported(other)),
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= group.len() {
                digit as char
            } else {
                '='
            });
        }
    }
    text
}
