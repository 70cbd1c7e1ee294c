//! Which devices are in use, by whom, and how much of those that are shared.
//!
//! Source: upstream's `schedulerapi.AllocatedState`.

use std::collections::BTreeMap;

use smallvec::SmallVec;
use trainyard_model::Text;
use trainyard_model::quantity::Quantity;

use super::names::{Name, PoolId};

/// Pool and device, as numbers.
pub(crate) type DeviceKey = (PoolId, Name);

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

    /// Holders of the whole device, then of shares.
    pub fn holders(&self) -> Vec<Text> {
        let shares = self.shares.iter();
        let shares = shares.flat_map(|shares| shares.holders.values());
        self.exclusive.iter().chain(shares).cloned().collect()
    }

    /// The use of all but one holder. How much that one's share took is not recorded, so it counts
    /// as given back only with the last share.
    #[must_use]
    pub fn without(&self, holder: &Text) -> Use {
        let mut rest = self.clone();
        rest.exclusive.retain(|other| *other != *holder);
        if let Some(shares) = &mut rest.shares {
            shares.holders.retain(|_, other| other != holder);
            if shares.holders.is_empty() {
                rest.shares = None;
            }
        }
        rest
    }
}

/// All devices in use.
#[derive(Debug, Default)]
pub(crate) struct Allocated {
    /// By pool: those in use of each, in the order of their names' numbers.
    pools: Vec<Vec<(Name, Use)>>,
}

impl Allocated {
    pub fn get(&self, (pool, device): DeviceKey) -> Option<&Use> {
        let pool = self.of_pool(pool);
        let at = position(pool, device).ok()?;
        Some(&pool[at].1)
    }

    /// The devices of a pool that are in use, in the order of their names' numbers.
    pub fn of_pool(&self, pool: PoolId) -> &[(Name, Use)] {
        let pool = self.pools.get(pool as usize);
        pool.map(Vec::as_slice).unwrap_or_default()
    }

    fn entry(&mut self, (pool, device): DeviceKey) -> &mut Use {
        let pool = pool as usize;
        if self.pools.len() <= pool {
            self.pools.resize_with(pool + 1, Vec::new);
        }
        let pool = &mut self.pools[pool];
        let at = match position(pool, device) {
            Ok(at) => at,
            Err(at) => {
                pool.insert(at, (device, Use::default()));
                at
            }
        };
        &mut pool[at].1
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
        let Some((_, used)) = self.find(key) else {
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
        if !used.any() {
            self.take(key);
        }
    }

    /// Takes out all uses of a device.
    pub fn take(&mut self, (pool, device): DeviceKey) -> Option<Use> {
        let pool = self.pools.get_mut(pool as usize)?;
        let at = position(pool, device).ok()?;
        Some(pool.remove(at).1)
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
        self.pools.iter_mut().for_each(Vec::clear);
    }

    fn find(&mut self, (pool, device): DeviceKey) -> Option<&mut (Name, Use)> {
        let pool = self.pools.get_mut(pool as usize)?;
        let at = position(pool, device).ok()?;
        pool.get_mut(at)
    }
}

/// Where a device is among those in use of its pool, or would be.
fn position(pool: &[(Name, Use)], device: Name) -> Result<usize, usize> {
    pool.binary_search_by_key(&device, |(name, _)| *name)
}
