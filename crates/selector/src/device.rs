//! A device as expressions see it: names split into domain and id, versions parsed.

use std::collections::BTreeMap;
use std::sync::Arc;

use trainyard_model::Text;
use trainyard_model::device::{Attribute, Device};
use trainyard_model::version::Version;

use crate::map::{Key, Map};
use crate::value::Value;

/// A device, converted once.
#[derive(Debug, Clone)]
pub struct Subject {
    pub(crate) driver: Value,
    pub(crate) multiple: bool,
    pub(crate) attributes: Arc<Map>,
    pub(crate) capacity: Arc<Map>,
    /// Why no expression can be evaluated on it: an attribute that does not convert.
    pub(crate) broken: Option<Text>,
}

impl Subject {
    /// Converts a device of `driver`.
    pub fn new(driver: &str, device: &Device) -> Self {
        let driver: Arc<str> = driver.into();
        let mut broken = None;
        let mut attributes: BTreeMap<Key, Value> = BTreeMap::new();
        for (name, attribute) in &device.attributes {
            match convert(attribute) {
                Ok(value) => insert(&mut attributes, name, &driver, value),
                Err(error) => {
                    broken.get_or_insert_with(|| format!("attribute {name}: {error}").into());
                }
            }
        }
        let mut capacity = BTreeMap::new();
        for (name, value) in &device.capacity {
            insert(
                &mut capacity,
                name,
                &driver,
                Value::Quantity(Arc::new(value.value.into())),
            );
        }
        let lenient = |entries| {
            Arc::new(Map {
                entries,
                lenient: true,
                native: true,
            })
        };
        Subject {
            multiple: device.allow_multiple_allocations.unwrap_or_default(),
            attributes: lenient(attributes),
            capacity: lenient(capacity),
            driver: Value::String(driver),
            broken,
        }
    }

    pub(crate) fn attribute(&self, domain: &Arc<str>, id: &Arc<str>) -> Option<&Value> {
        inner(&self.attributes, domain)?.get(&Key::String(id.clone()))
    }
}

/// The entries of one domain.
pub(crate) fn inner<'a>(map: &'a Map, domain: &Arc<str>) -> Option<&'a BTreeMap<Key, Value>> {
    match map.entries.get(&Key::String(domain.clone())) {
        Some(Value::Map(inner)) => Some(&inner.entries),
        _ => None,
    }
}

/// An unqualified name belongs to the driver's domain. Where both forms are there, upstream lets
/// chance decide; here the qualified one wins.
fn insert(map: &mut BTreeMap<Key, Value>, name: &str, driver: &Arc<str>, value: Value) {
    let (domain, id): (Arc<str>, Arc<str>) = match name.split_once('/') {
        Some((domain, id)) => (domain.into(), id.into()),
        None => (driver.clone(), name.into()),
    };
    let entry = map.entry(Key::String(domain)).or_insert_with(|| {
        Value::Map(Arc::new(Map {
            native: true,
            ..Map::default()
        }))
    });
    if let Value::Map(inner) = entry {
        let inner = Arc::make_mut(inner);
        if name.contains('/') {
            inner.entries.insert(Key::String(id), value);
        } else {
            inner.entries.entry(Key::String(id)).or_insert(value);
        }
    }
}

fn version(text: &str) -> Result<Value, String> {
    match text.parse::<Version>() {
        Ok(version) => Ok(Value::Semver(Arc::new(version))),
        Err(error) => Err(format!("parse semantic version: {error}")),
    }
}

fn convert(attribute: &Attribute) -> Result<Value, String> {
    Ok(match attribute {
        Attribute::Int(value) => Value::Int(*value),
        Attribute::Bool(value) => Value::Bool(*value),
        Attribute::String(value) => Value::String(value.as_str().into()),
        Attribute::Version(value) => version(value)?,
        Attribute::Ints(values) => values
            .iter()
            .copied()
            .map(Value::Int)
            .collect::<Vec<_>>()
            .into(),
        Attribute::Bools(values) => values
            .iter()
            .copied()
            .map(Value::Bool)
            .collect::<Vec<_>>()
            .into(),
        Attribute::Strings(values) => values
            .iter()
            .map(|value| Value::String(value.as_str().into()))
            .collect::<Vec<_>>()
            .into(),
        Attribute::Versions(values) => values
            .iter()
            .map(|v| version(v))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        Attribute::Unknown => return Err("unsupported attribute value".to_owned()),
    })
}

/// The attribute that a value of a derived expression makes (KEP-6080).
pub(crate) fn to_attribute(value: &Value) -> Result<Attribute, String> {
    if let Some(attribute) = scalar(value) {
        return Ok(attribute);
    }
    let Value::List(items) = value else {
        return Err(format!("unsupported attribute type: {}", value.type_name()));
    };
    let mut items = items.iter().map(|item| {
        scalar(item).ok_or_else(|| format!("unsupported list element type: {}", item.type_name()))
    });
    let Some(first) = items.next().transpose()? else {
        return Ok(Attribute::Strings(Vec::new()));
    };
    let mut list = match first {
        Attribute::Bool(value) => Attribute::Bools(vec![value]),
        Attribute::Int(value) => Attribute::Ints(vec![value]),
        Attribute::String(value) => Attribute::Strings(vec![value]),
        Attribute::Version(value) => Attribute::Versions(vec![value]),
        other => other,
    };
    for item in items {
        match (&mut list, item?) {
            (Attribute::Bools(all), Attribute::Bool(value)) => all.push(value),
            (Attribute::Ints(all), Attribute::Int(value)) => all.push(value),
            (Attribute::Strings(all), Attribute::String(value)) => all.push(value),
            (Attribute::Versions(all), Attribute::Version(value)) => all.push(value),
            _ => return Err("list elements differ in type".to_owned()),
        }
    }
    Ok(list)
}

/// The attribute of a value that is no list. A type counts as its name, and an optional as what is in
/// it.
fn scalar(value: &Value) -> Option<Attribute> {
    Some(match value {
        Value::Bool(value) => Attribute::Bool(*value),
        Value::Int(value) => Attribute::Int(*value),
        Value::String(value) | Value::Type(value) => Attribute::String((&**value).into()),
        Value::Semver(value) => Attribute::Version(value.to_string().into()),
        Value::Optional(Some(inner)) => return scalar(inner),
        _ => return None,
    })
}
