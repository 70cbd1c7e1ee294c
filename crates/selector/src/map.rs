//! Maps and their keys, compared as cel-go's are: by type and value, except that a whole number that
//! is not found is looked for as one of the other types.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::library::text::show;
use crate::value::Value;

/// A map, in the order of its keys.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map {
    /// The entries.
    pub entries: BTreeMap<Key, Value>,
    /// Whether a missing key reads as an empty map: `device.attributes` and `device.capacity`.
    pub lenient: bool,
    /// Whether its keys are texts to begin with: of what is no text, cel-go finds nothing there, but
    /// panics elsewhere if it cannot be hashed.
    pub native: bool,
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the CEL type of its name")]
pub enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// By its bits, zero without its sign.
    Double(u64),
    String(Arc<str>),
    /// Anything else.
    Other(Other),
}

/// A value that hardly anybody has for a key.
#[derive(Debug, Clone)]
pub struct Other {
    /// What tells it from other keys.
    name: Arc<str>,
    value: Arc<Value>,
}

impl PartialEq for Other {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Other {}

impl PartialOrd for Other {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Other {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

/// A value over which cel-go panics where it is to be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unhashable;

impl Map {
    /// What stands under a key.
    pub fn find(&self, key: &Key) -> Option<&Value> {
        if matches!(key, Key::Other(other) if other.name.starts_with('#')) {
            return None;
        }
        let exact = self.entries.get(key);
        if exact.is_some() {
            return exact;
        }
        let whole = |value: i128| {
            let int = i64::try_from(value).ok().map(Key::Int);
            let uint = u64::try_from(value).ok().map(Key::Uint);
            let same = int.as_ref().and_then(|key| self.entries.get(key));
            same.or_else(|| self.entries.get(uint.as_ref()?))
        };
        match key {
            Key::Int(value) => whole((*value).into()),
            Key::Uint(value) => whole((*value).into()),
            Key::Double(bits) => {
                let value = f64::from_bits(*bits);
                (value.fract() == 0.0 && value.abs() < 1e30)
                    .then(|| whole(value as i128))
                    .flatten()
            }
            _ => None,
        }
    }

    /// Puts a value under a key, in place of what stood there. Lists, maps and the like are equal to
    /// no other key.
    pub fn put(&mut self, key: &Value, value: Value) -> Result<(), Unhashable> {
        let key = match key {
            key if is_unhashable(key) => return Err(Unhashable),
            key => Key::of(key).unwrap_or_else(|| {
                Key::Other(Other {
                    name: format!("#{:09}", self.entries.len()).into(),
                    value: Arc::new(key.clone()),
                })
            }),
        };
        self.entries.insert(key, value);
        Ok(())
    }

    /// Takes what stands under a key away.
    pub fn take(&mut self, key: &Value) -> Result<(), Unhashable> {
        if is_unhashable(key) {
            return Err(Unhashable);
        }
        if let Some(key) = Key::of(key) {
            self.entries.remove(&key);
        }
        Ok(())
    }
}

/// Whether cel-go panics where this is to be a key, or is looked up.
pub(crate) fn is_unhashable(value: &Value) -> bool {
    matches!(value, Value::Bytes(_) | Value::Semver(_))
}

impl Key {
    /// The key that a value is looked up by; `None`: there can be no such key.
    pub fn of(value: &Value) -> Option<Key> {
        Some(match value {
            Value::Bool(value) => Key::Bool(*value),
            Value::Int(value) => Key::Int(*value),
            Value::Uint(value) => Key::Uint(*value),
            Value::Double(value) if value.is_nan() => return None,
            Value::Double(value) => Key::Double((value + 0.0).to_bits()),
            Value::String(value) => Key::String(value.clone()),
            Value::Null
            | Value::Optional(None)
            | Value::Duration(_)
            | Value::Timestamp(_)
            | Value::Type(_)
            | Value::Ip(_)
            | Value::Cidr(_) => Key::Other(Other {
                name: format!("{} {}", value.type_name(), show(value)).into(),
                value: Arc::new(value.clone()),
            }),
            _ => return None,
        })
    }

    /// The value that this key was made of.
    pub fn value(&self) -> Value {
        match self {
            Key::Bool(value) => Value::Bool(*value),
            Key::Int(value) => Value::Int(*value),
            Key::Uint(value) => Value::Uint(*value),
            Key::Double(bits) => Value::Double(f64::from_bits(*bits)),
            Key::String(value) => Value::String(value.clone()),
            Key::Other(other) => (*other.value).clone(),
        }
    }
}
