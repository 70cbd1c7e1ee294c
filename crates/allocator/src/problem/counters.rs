//! Counters that the devices of a pool share (KEP-4815), and the compatibility groups of devices
//! that consume from one counter set (KEP-5963).
//!
//! Source: `checkAvailableCounters`, `compatibility_groups.go` of upstream's allocator.

use trainyard_model::Text;
use trainyard_model::device::CounterConsumption;
use trainyard_model::features::{Feature, Features};

use crate::ids::{DeviceIndex, Id};
use crate::inventory::allocated::Allocated;
use crate::inventory::pools::{Health, Pool};
use crate::inventory::slices::Slices;
use crate::inventory::view::View;

/// The groups that all devices on a counter set have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Common {
    /// No device yet.
    #[default]
    Anything,
    /// Devices without groups, which tolerate only devices without groups.
    None,
    Groups(Vec<Text>),
}

impl Common {
    pub fn admits(&self, groups: &[Text]) -> bool {
        match self {
            Common::Anything => true,
            Common::None => groups.is_empty(),
            Common::Groups(common) => common.iter().any(|group| groups.contains(group)),
        }
    }

    #[must_use]
    pub fn with(&self, groups: &[Text]) -> Common {
        match self {
            Common::Anything if groups.is_empty() => Common::None,
            Common::Anything => Common::Groups(groups.to_vec()),
            Common::None => Common::None,
            Common::Groups(common) if groups.is_empty() => Common::Groups(common.clone()),
            Common::Groups(common) => {
                let both = common.iter().filter(|group| groups.contains(group));
                Common::Groups(both.cloned().collect())
            }
        }
    }
}

/// What one device takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Consumption {
    /// Amount by counter, in billionths.
    pub amounts: Vec<(u32, i128)>,
    /// Groups by counter set.
    pub groups: Vec<(u32, Vec<Text>)>,
}

impl Consumption {
    /// Whether the device is compatible with those that already consume from its counter sets. Two entries for one
    /// set (which validation refuses) narrow it one after the other.
    pub fn is_admitted(&self, common: &[Common]) -> bool {
        self.groups.iter().enumerate().all(|(at, (set, groups))| {
            let common = &common[*set as usize];
            let earlier = self.groups[..at].iter().filter(|(other, _)| other == set);
            let narrowed = earlier.fold(None::<Common>, |narrowed, (_, groups)| {
                Some(narrowed.as_ref().unwrap_or(common).with(groups))
            });
            narrowed.as_ref().unwrap_or(common).admits(groups)
        })
    }
}

/// What a counter is called, for reasons.
#[derive(Debug, Clone)]
pub(crate) struct CounterName {
    /// Which pool of the view.
    pub pool: usize,
    pub set: Text,
    pub counter: Text,
}

/// The counters of all pools.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// What is left before the question, in billionths.
    pub available: Vec<i128>,
    pub names: Vec<CounterName>,
    /// The groups in common before the question, by counter set.
    pub common: Vec<Common>,
    /// By device; `None` for devices that consume nothing. Empty where no device consumes anything.
    consumption: Vec<Option<Box<Consumption>>>,
    /// Pools of which some counter is below zero and stays so.
    overdrawn: Vec<usize>,
}

impl Counters {
    pub fn of<D>(
        slices: &Slices<D>,
        allocated: &Allocated,
        view: &View,
        features: Features,
    ) -> Counters {
        let mut counters = Counters::default();
        for (at, pool) in view.pools.iter().enumerate() {
            if pool.health == Health::Usable && !pool.counters.is_empty() {
                let grouped = features.has(Feature::CompatibilityGroups);
                counters.add_pool(slices, allocated, (view, at, pool), grouped);
            }
        }
        counters
    }

    fn add_pool<D>(
        &mut self,
        slices: &Slices<D>,
        allocated: &Allocated,
        (view, at, pool): (&View, usize, &Pool),
        grouped: bool,
    ) {
        let first = self.available.len();
        // First counter and number of each set.
        let mut sets = Vec::new();
        for slice in &pool.counters {
            for set in &slices.get(*slice).source.shared_counters {
                let number = self.common.len() as u32;
                sets.push((set, self.available.len() as u32, number));
                self.common.push(Common::Anything);
                for (counter, amount) in &set.counters {
                    self.available.push(amount.nanos());
                    self.names.push(CounterName {
                        pool: at,
                        set: set.name.clone(),
                        counter: counter.clone(),
                    });
                }
            }
        }
        let consumption = |consumed: &[CounterConsumption]| {
            let mut result = Consumption::default();
            for entry in consumed {
                let mut sets = sets.iter();
                let found = sets.find(|(set, _, _)| set.name == entry.counter_set);
                let (set, base, number) = found.expect("a usable pool has the sets it names");
                for (name, amount) in &entry.counters {
                    let offset = set.counters.keys().position(|counter| counter == name);
                    let offset = offset.expect("a usable pool has the counters it names");
                    let counter = base + offset as u32;
                    result.amounts.push((counter, amount.nanos()));
                }
                if grouped {
                    let groups = entry.compatibility_groups.clone();
                    result.groups.push((*number, groups));
                }
            }
            result
        };
        for index in pool.slices.iter().chain(&pool.elsewhere) {
            let slice = slices.get(*index);
            for (device, source) in slice.devices.iter().zip(slice.source.devices.iter()) {
                let used = allocated.get((slice.pool, device.name));
                if source.consumes_counters.is_empty() || !used.is_some_and(|used| used.any()) {
                    continue;
                }
                let taken = consumption(&source.consumes_counters);
                for (counter, amount) in taken.amounts {
                    self.available[counter as usize] -= amount;
                }
                for (set, groups) in taken.groups {
                    let common = &mut self.common[set as usize];
                    *common = common.with(&groups);
                }
            }
        }
        for device in view.devices() {
            let consumed = &view.source(slices, device).1.consumes_counters;
            if view.layout.positions[device].pool as usize != at || consumed.is_empty() {
                continue;
            }
            self.consumption.resize_with(view.len(), || None);
            self.consumption[device] = Some(Box::new(consumption(consumed)));
        }
        let counters = first as u32..self.available.len() as u32;
        let overdrawn = counters.filter(|counter| self.available[*counter as usize] < 0);
        let overdrawn: Vec<u32> = overdrawn.collect();
        if !overdrawn.is_empty() {
            self.overdraw(view, at, &overdrawn);
        }
    }

    /// Upstream compares every counter of a pool, so one that is overdrawn bars all devices of it,
    /// until a device with a negative amount makes up for that.
    fn overdraw(&mut self, view: &View, pool: usize, overdrawn: &[u32]) {
        let of_pool = self.consumption.iter_mut().enumerate();
        let of_pool = of_pool.filter(|(device, _)| {
            let position = view.layout.positions[DeviceIndex::new(*device)];
            position.pool as usize == pool
        });
        let mut of_pool: Vec<_> = of_pool.flat_map(|(_, taken)| taken).collect();
        let mut amounts = of_pool.iter().flat_map(|taken| &taken.amounts);
        if !amounts.any(|(_, amount)| *amount < 0) {
            self.overdrawn.push(pool);
            return;
        }
        // A device that consumes nothing of an overdrawn counter is refused as well.
        for taken in &mut of_pool {
            let counters = overdrawn.iter().map(|counter| (*counter, 0));
            taken.amounts.extend(counters);
        }
    }

    /// Whether any device consumes anything.
    pub fn matter(&self) -> bool {
        !self.consumption.is_empty()
    }

    /// What a device consumes.
    pub fn consumption(&self, device: DeviceIndex) -> Option<&Consumption> {
        self.consumption.get(device.number())?.as_deref()
    }

    /// Whether some device has a negative amount, so that taking it makes room for others.
    pub fn may_grow(&self) -> bool {
        let consumption = self.consumption.iter().flatten();
        let mut amounts = consumption.flat_map(|taken| &taken.amounts);
        amounts.any(|(_, amount)| *amount < 0)
    }

    /// Whether an overdrawn counter keeps all devices of a pool from requests.
    pub fn bar(&self, pool: u32) -> bool {
        self.overdrawn.contains(&(pool as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::{Common, Consumption};

    #[test]
    fn entries_for_one_set_narrow_it_one_after_the_other() {
        let both = |first: &[&str], second: &[&str]| {
            let texts = |groups: &[&str]| groups.iter().map(|group| (*group).into()).collect();
            Consumption {
                amounts: Vec::new(),
                groups: vec![(0, texts(first)), (0, texts(second))],
            }
            .is_admitted(&[Common::Anything])
        };
        assert!(both(&["a", "b"], &["b"]));
        assert!(both(&[], &[]));
        assert!(!both(&["a"], &["b"]));
        assert!(!both(&["a"], &[]));
        assert!(!both(&[], &["a"]));
    }
}
