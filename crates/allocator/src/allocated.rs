//! Which devices are in use, by whom, and how much of those that are shared.
//!
//! Source: upstream's `schedulerapi.AllocatedState`.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use trainyard_model::Text;
use trainyard_model::quantity::Quantity;

use crate::names::Name;

/// Driver, pool and device, as numbers.
pub(crate) type DeviceKey = (Name, Name, Name);

/// The uses of one device.
#[derive(Debug, Clone, Default)]
pub(crate) struct Use {
    /// Holders of the whole device. More than one only through admin access in odd input.
    pub exclusive: Vec<Text>,
    /// Holder by share id.
    pub shares: BTreeMap<Text, Text>,
    /// All shares together, by capacity; `None` where no amount was ever recorded.
    pub capacity: Option<BTreeMap<Text, Quantity>>,
}

impl Use {
    /// Whether the device counts as allocated when its pool's counters are summed.
    pub fn any(&self) -> bool {
        !self.exclusive.is_empty() || self.shared()
    }

    /// Whether shares of it are in use.
    pub fn shared(&self) -> bool {
        !self.shares.is_empty() || self.capacity.is_some()
    }

    fn is_unused(&self) -> bool {
        !self.any()
    }
}

/// All devices in use.
#[derive(Debug, Default)]
pub(crate) struct Allocated {
    uses: FxHashMap<DeviceKey, Use>,
}

impl Allocated {
    pub fn get(&self, key: DeviceKey) -> Option<&Use> {
        self.uses.get(&key)
    }

    pub fn is_empty(&self) -> bool {
        self.uses.is_empty()
    }

    pub fn hold(&mut self, key: DeviceKey, holder: Text) {
        self.uses.entry(key).or_default().exclusive.push(holder);
    }

    pub fn share(&mut self, key: DeviceKey, share: Text, holder: Text) {
        self.uses
            .entry(key)
            .or_default()
            .shares
            .insert(share, holder);
    }

    pub fn consume(&mut self, key: DeviceKey, amounts: &BTreeMap<Text, Quantity>) {
        let used = self.uses.entry(key).or_default();
        let total = used.capacity.get_or_insert_default();
        for (name, amount) in amounts {
            total
                .entry(name.clone())
                .and_modify(|sum| *sum = sum.add(*amount))
                .or_insert(*amount);
        }
    }

    /// Takes back what one holder has of a device: the share, or the whole device.
    pub fn release(
        &mut self,
        key: DeviceKey,
        share: Option<&Text>,
        amounts: Option<&BTreeMap<Text, Quantity>>,
        holder: &Text,
    ) {
        let Some(used) = self.uses.get_mut(&key) else {
            return;
        };
        match share {
            Some(share) => {
                used.shares.remove(share);
            }
            None => {
                let held = used.exclusive.iter().position(|other| other == holder);
                if let Some(index) = held {
                    used.exclusive.remove(index);
                }
            }
        }
        if let (Some(total), Some(amounts)) = (&mut used.capacity, amounts) {
            for (name, amount) in amounts {
                if let Some(sum) = total.get_mut(name) {
                    *sum = sum.sub(*amount);
                }
            }
            if total.values().all(|sum| sum.is_zero()) {
                used.capacity = None;
            }
        }
        if used.is_unused() {
            self.uses.remove(&key);
        }
    }

    /// Takes out all uses of a device.
    pub fn take(&mut self, key: DeviceKey) -> Option<Use> {
        self.uses.remove(&key)
    }

    /// Sets all uses of a device.
    pub fn put(&mut self, key: DeviceKey, used: Use) {
        if used.any() {
            self.uses.insert(key, used);
        } else {
            self.uses.remove(&key);
        }
    }

    pub fn clear(&mut self) {
        self.uses.clear();
    }
}
