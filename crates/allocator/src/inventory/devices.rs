//! A device, converted once when its slice arrives: attributes as constraints compare them, and what
//! of it needs a closer look.

use std::sync::Arc;

use trainyard_model::device::{Attribute, Device};
use trainyard_model::selector::Engine;
use trainyard_model::slice::ResourceSlice;
use trainyard_model::taint::Effect;

use super::names::{Name, Names};

/// One element of an attribute's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Element {
    Int(i64),
    Bool(bool),
    String(Name),
    Version(Name),
}

/// An attribute's value as constraints compare it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    One(Element),
    /// Not empty.
    List(Arc<[Element]>),
    /// Of no type that constraints know.
    Unknown,
}

impl Value {
    pub fn of(attribute: &Attribute, names: &mut Names) -> Value {
        let one = Value::One;
        match attribute {
            Attribute::Int(value) => one(Element::Int(*value)),
            Attribute::Bool(value) => one(Element::Bool(*value)),
            Attribute::String(value) => one(Element::String(names.intern(value))),
            Attribute::Version(value) => one(Element::Version(names.intern(value))),
            Attribute::Ints(values) => list(values.iter().map(|v| Element::Int(*v))),
            Attribute::Bools(values) => list(values.iter().map(|v| Element::Bool(*v))),
            Attribute::Strings(values) => {
                list(values.iter().map(|v| Element::String(names.intern(v))))
            }
            Attribute::Versions(values) => {
                list(values.iter().map(|v| Element::Version(names.intern(v))))
            }
            Attribute::Unknown => Value::Unknown,
        }
    }
}

fn list(elements: impl Iterator<Item = Element>) -> Value {
    let elements: Arc<[Element]> = elements.collect();
    if elements.is_empty() {
        return Value::Unknown;
    }
    Value::List(elements)
}

/// A device, converted.
#[derive(Debug)]
pub(crate) struct LoadedDevice<D> {
    pub name: Name,
    pub traits: Traits,
    /// What the engine made of it.
    pub cel: D,
    pub attributes: Vec<(Name, Value)>,
}

impl<D> LoadedDevice<D> {
    pub fn of(
        engine: &mut impl Engine<Device = D>,
        names: &mut Names,
        slice: &ResourceSlice,
        device: &Device,
    ) -> Self {
        let attributes = device.attributes.iter();
        LoadedDevice {
            name: names.intern(&device.name),
            traits: Traits::of(device),
            cel: engine.convert(&slice.driver, device),
            attributes: attributes
                .map(|(name, value)| (names.intern(name), Value::of(value, names)))
                .collect(),
        }
    }
}

/// Rare properties of a device, as a set of flags: most devices have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traits(u8);

impl Traits {
    pub const NONE: Traits = Traits(0);
    /// Allows multiple allocations.
    pub const MULTI: Traits = Traits(1);
    /// Consumes counters.
    pub const CONSUMES: Traits = Traits(2);
    /// Is of a compatibility group.
    pub const GROUPED: Traits = Traits(4);
    /// Has a binding condition.
    pub const CONDITIONS: Traits = Traits(8);
    /// Has a list of binding conditions, which may be empty.
    pub const NAMES_CONDITIONS: Traits = Traits(16);
    /// Has a taint that keeps claims off it.
    pub const TAINTED: Traits = Traits(32);
    /// Has a capacity that may refuse a request which asks for none: one with a policy, or below zero.
    pub const CHOOSY: Traits = Traits(64);

    pub fn has(self, other: Traits) -> bool {
        self.0 & other.0 != 0
    }

    fn of(device: &Device) -> Traits {
        let bars = |effect: &Effect| matches!(effect, Effect::NoSchedule | Effect::NoExecute);
        let mut groups = device.consumes_counters.iter();
        let mut capacities = device.capacity.values();
        let conditions = device.binding_conditions.as_ref();
        let found = [
            (
                Traits::MULTI,
                device.allow_multiple_allocations == Some(true),
            ),
            (Traits::CONSUMES, !device.consumes_counters.is_empty()),
            (
                Traits::GROUPED,
                groups.any(|entry| !entry.compatibility_groups.is_empty()),
            ),
            (
                Traits::CONDITIONS,
                conditions.is_some_and(|list| !list.is_empty()),
            ),
            (Traits::NAMES_CONDITIONS, conditions.is_some()),
            (
                Traits::TAINTED,
                device.taints.iter().any(|taint| bars(&taint.effect)),
            ),
            (
                Traits::CHOOSY,
                capacities
                    .any(|capacity| capacity.request_policy.is_some() || capacity.value.sign() < 0),
            ),
        ];
        let found = found.into_iter().filter(|(_, found)| *found);
        Traits(found.fold(0, |sum, (one, _)| sum | one.0))
    }
}
