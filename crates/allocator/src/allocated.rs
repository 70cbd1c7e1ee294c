//! Which devices are in use, by whom, and how much of those that are shared.
//!
//! Source: upstream's `schedulerapi.AllocatedState`.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use trainyard_model::Text;
use trainyard_model::quantity::Quantity;

use crate::names::Name;

/// Driver, pool and device, as numbers.
pub(crate) type DeviceKey = (Name, Name, Name);

/// The uses of one device.
#[derive(Debug, Clone, Default)]
pub(crate) struct Use {
    /// Holders of the whole device. More than one only through admin access in odd input.
    pub exclusive: SmallVec<[Text; 1]>,
    /// Most devices have none.
    pub shares: Option<Box<Shares>>,
}

/// The shares of one device.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shares {
    /// Holder by share id.
    pub holders: BTreeMap<Text, Text>,
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
        let shares = self.shares.as_ref();
        shares.is_some_and(|shares| !shares.holders.is_empty() || shares.capacity.is_some())
    }

    /// What all shares together take.
    pub fn capacity(&self) -> Option<&BTreeMap<Text, Quantity>> {
        self.shares.as_ref()?.capacity.as_ref()
    }

    fn is_unused(&self) -> bool {
        !self.any()
    }
}

/// All devices in use.
#[derive(Debug, Default)]
pub(crate) struct Allocated {
    pools: FxHashMap<(Name, Name), BTreeMap<Name, Use>>,
}

impl Allocated {
    pub fn get(&self, (driver, pool, device): DeviceKey) -> Option<&Use> {
        self.pools.get(&(driver, pool))?.get(&device)
    }

    /// The devices of a pool that are in use.
    pub fn of_pool(&self, driver: Name, pool: Name) -> impl Iterator<Item = (&Name, &Use)> {
        self.pools.get(&(driver, pool)).into_iter().flatten()
    }

    fn entry(&mut self, (driver, pool, device): DeviceKey) -> &mut Use {
        let pool = self.pools.entry((driver, pool)).or_default();
        pool.entry(device).or_default()
    }

    pub fn hold(&mut self, key: DeviceKey, holder: Text) {
        self.entry(key).exclusive.push(holder);
    }

    pub fn share(&mut self, key: DeviceKey, share: Text, holder: Text) {
        let shares = self.entry(key).shares.get_or_insert_default();
        shares.holders.insert(share, holder);
    }

    pub fn consume(&mut self, key: DeviceKey, amounts: &BTreeMap<Text, Quantity>) {
        let shares = self.entry(key).shares.get_or_insert_default();
        let total = shares.capacity.get_or_insert_default();
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
        let pool = self.pools.get_mut(&(key.0, key.1));
        let Some(used) = pool.and_then(|pool| pool.get_mut(&key.2)) else {
            return;
        };
        match share {
            Some(share) => {
                if let Some(shares) = &mut used.shares {
                    shares.holders.remove(share);
                }
            }
            None => {
                let held = used.exclusive.iter().position(|other| other == holder);
                if let Some(index) = held {
                    used.exclusive.remove(index);
                }
            }
        }
        let recorded = used.shares.as_mut().map(|shares| &mut shares.capacity);
        if let (Some(capacity), Some(amounts)) = (recorded, amounts)
            && let Some(total) = capacity
        {
            for (name, amount) in amounts {
                if let Some(sum) = total.get_mut(name) {
                    *sum = sum.sub(*amount);
                }
            }
            if total.values().all(|sum| sum.is_zero()) {
                *capacity = None;
            }
        }
        if used.is_unused() {
            self.take(key);
        }
    }

    /// Takes out all uses of a device.
    pub fn take(&mut self, key: DeviceKey) -> Option<Use> {
        self.pools.get_mut(&(key.0, key.1))?.remove(&key.2)
    }

    /// Sets all uses of a device.
    pub fn put(&mut self, key: DeviceKey, used: Use) {
        if used.any() {
            *self.entry(key) = used;
        } else {
            self.take(key);
        }
    }

    pub fn clear(&mut self) {
        self.pools.clear();
    }
}
