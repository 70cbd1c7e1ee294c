//! How much of a device a request takes (KEP-5075).
//!
//! Source: upstream's `consumable_capacity.go`.

use std::collections::BTreeMap;

use trainyard_model::Text;
use trainyard_model::device::{Capacity, Device, RequestPolicy, ValidRange};
use trainyard_model::quantity::{Format, Quantity};

/// A request that ends the whole attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "capacity {name:?}: capacity request cannot be represented in the device's range arithmetic"
    )]
    NotRepresentable { name: Text },
    #[error("capacity {name:?}: capacity value is negative")]
    Negative { name: Text },
}

/// What is asked of a device's capacities.
pub(crate) type Requests = BTreeMap<Text, Quantity>;

/// What a request takes of each capacity of `device`, in the order of their names; `None`: the
/// device lacks a capacity that is asked for.
pub(crate) fn consumed(
    requests: Option<&Requests>,
    device: &Device,
    fractional: bool,
) -> Result<Option<Vec<Quantity>>, Error> {
    let missing = |name: &Text| !device.capacity.contains_key(name);
    if requests.is_some_and(|requests| requests.keys().any(missing)) {
        return Ok(None);
    }
    let mut amounts = Vec::with_capacity(device.capacity.len());
    for (name, capacity) in &device.capacity {
        let requested = requests.and_then(|requests| requests.get(name));
        let amount = match requested {
            None => unasked(capacity),
            Some(requested) => rounded(*requested, capacity, fractional)
                .ok_or_else(|| Error::NotRepresentable { name: name.clone() })?,
        };
        if amount.sign() < 0 {
            return Err(Error::Negative { name: name.clone() });
        }
        amounts.push(amount);
    }
    Ok(Some(amounts))
}

/// Whether the device's policies allow to take `amounts`.
pub(crate) fn allowed(amounts: &[Quantity], device: &Device, fractional: bool) -> bool {
    amounts
        .iter()
        .zip(device.capacity.values())
        .all(|(amount, capacity)| {
            let policy = capacity.request_policy.as_ref();
            policy.is_none_or(|policy| allowed_by(*amount, policy, fractional))
        })
}

fn unasked(capacity: &Capacity) -> Quantity {
    let policy = capacity.request_policy.as_ref();
    policy
        .and_then(|policy| policy.default)
        .unwrap_or(capacity.value)
}

/// `None`: not representable.
fn rounded(requested: Quantity, capacity: &Capacity, fractional: bool) -> Option<Quantity> {
    let Some(policy) = &capacity.request_policy else {
        return Some(requested);
    };
    if let Some(range) = &policy.valid_range
        && let Some(min) = range.min
    {
        return round_to_range(requested, range, min, fractional);
    }
    let valid = policy
        .valid_values
        .iter()
        .find(|valid| requested <= **valid);
    Some(valid.copied().unwrap_or(requested))
}

fn round_to_range(
    requested: Quantity,
    range: &ValidRange,
    min: Quantity,
    fractional: bool,
) -> Option<Quantity> {
    if requested < min {
        return Some(min);
    }
    let Some(step) = range.step else {
        return Some(requested);
    };
    let format = step.format();
    if uses_milli(range, fractional) {
        let value = round_up(
            exact_milli(requested)?,
            min.milli_value(),
            step.milli_value(),
            true,
        )?;
        return Some(Quantity::new(value.into(), -3, format));
    }
    if requested > Quantity::from_int(i64::MAX, Format::DecimalSi) {
        return None;
    }
    let value = round_up(
        requested.value(),
        min.value(),
        step.value(),
        min.value() >= 0,
    )?;
    Some(Quantity::from_int(value, format))
}

/// The smallest `min + n * step` that is no less than `requested`, in Go's arithmetic, which wraps;
/// `None` where upstream says that it would pass the range.
fn round_up(requested: i64, min: i64, step: i64, guarded: bool) -> Option<i64> {
    if step == 0 {
        return None;
    }
    let added = requested.wrapping_sub(min);
    let times = added.wrapping_div(step) + i64::from(added.wrapping_rem(step) != 0);
    if guarded && times > i64::MAX.wrapping_sub(min).wrapping_div(step) {
        return None;
    }
    Some(min.wrapping_add(step.wrapping_mul(times)))
}

fn allowed_by(amount: Quantity, policy: &RequestPolicy, fractional: bool) -> bool {
    let is_default = |default: &Quantity| *default == amount && default.format() == amount.format();
    if policy.default.as_ref().is_some_and(is_default) {
        return true;
    }
    match &policy.valid_range {
        Some(range) => in_range(amount, range, fractional),
        None => policy.valid_values.is_empty() || policy.valid_values.contains(&amount),
    }
}

fn in_range(amount: Quantity, range: &ValidRange, fractional: bool) -> bool {
    if range.max.is_some_and(|max| amount > max) {
        return false;
    }
    let (Some(step), Some(min)) = (range.step, range.min) else {
        return true;
    };
    let on_step = |amount: i64, min: i64, step: i64| {
        step != 0 && amount.wrapping_sub(min).wrapping_rem(step) == 0
    };
    if uses_milli(range, fractional) {
        let amount = exact_milli(amount);
        return amount.is_some_and(|amount| on_step(amount, min.milli_value(), step.milli_value()));
    }
    on_step(amount.value(), min.value(), step.value())
}

fn uses_milli(range: &ValidRange, fractional: bool) -> bool {
    let exact = |bound: &Option<Quantity>| bound.is_none_or(|bound| exact_milli(bound).is_some());
    fractional
        && exact(&range.min)
        && exact(&range.max)
        && exact(&range.step)
        && range.step.is_none_or(|step| step.milli_value() >= 1)
}

/// The amount in thousandths, if that loses nothing.
fn exact_milli(amount: Quantity) -> Option<i64> {
    let milli = amount.milli_value();
    (Quantity::new(milli.into(), -3, Format::DecimalSi) == amount).then_some(milli)
}
