//! Counters that the devices of a pool share (KEP-4815), and the compatibility groups of devices
//! that take from one counter set (KEP-5963).
//!
//! Source: `checkAvailableCounters`, `compatibility_groups.go` of upstream's allocator.

use trainyard_model::Text;
use trainyard_model::device::CounterConsumption;
use trainyard_model::features::Feature;
use trainyard_model::selector::Engine;

use crate::inventory::Inventory;
use crate::pools::{Health, Pool};
use crate::problem::Problem;

/// The groups that all devices on a counter set have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Common {
    /// No device yet.
    #[default]
    Anything,
    /// Devices without groups, which tolerate only their like.
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
    /// Whether all counter sets take the device besides those that are on them. Two entries for one
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

/// A counter, for the reader.
#[derive(Debug, Clone)]
pub(crate) struct CounterName {
    pub pool: u32,
    pub set: Text,
    pub counter: Text,
}

/// The counters of all pools.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// What is left before the call, in billionths.
    pub available: Vec<i128>,
    pub names: Vec<CounterName>,
    /// The groups in common before the call, by counter set.
    pub common: Vec<Common>,
    /// By place; `None` for devices that take nothing. Empty where no device takes anything.
    consumption: Vec<Option<Box<Consumption>>>,
    /// Pools of which some counter is below zero and stays so.
    overdrawn: Vec<u32>,
}

impl Counters {
    pub fn of<E: Engine>(inventory: &Inventory<E>, problem: &Problem<'_>) -> Counters {
        let mut counters = Counters::default();
        for (at, pool) in problem.site.pools.iter().enumerate() {
            if pool.health == Health::Usable && !pool.counters.is_empty() {
                counters.add_pool(inventory, problem, at, pool);
            }
        }
        counters
    }

    fn add_pool<E: Engine>(
        &mut self,
        inventory: &Inventory<E>,
        problem: &Problem<'_>,
        at: usize,
        pool: &Pool,
    ) {
        let first = self.available.len();
        // First counter and number of each set.
        let mut sets = Vec::new();
        for slice in &pool.counters {
            for set in &inventory.slice(*slice).source.shared_counters {
                let number = self.common.len() as u32;
                sets.push((set, self.available.len() as u32, number));
                self.common.push(Common::Anything);
                for (counter, amount) in &set.counters {
                    self.available.push(amount.nanos());
                    self.names.push(CounterName {
                        pool: at as u32,
                        set: set.name.clone(),
                        counter: counter.clone(),
                    });
                }
            }
        }
        let grouped = problem.features.has(Feature::CompatibilityGroups);
        let consumption = |consumed: &[CounterConsumption]| {
            let mut result = Consumption::default();
            for entry in consumed {
                let found = sets
                    .iter()
                    .find(|(set, _, _)| set.name == entry.counter_set);
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
            let slice = inventory.slice(*index);
            for (device, source) in slice.devices.iter().zip(slice.source.devices.iter()) {
                let key = (slice.pool, device.name);
                if source.consumes_counters.is_empty()
                    || !inventory.allocated.get(key).is_some_and(|used| used.any())
                {
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
        for (index, place) in problem.site.ground.places.iter().enumerate() {
            let slice = &inventory.slice(problem.slice_at(index)).source;
            let consumed = &slice.devices[place.device as usize].consumes_counters;
            if place.pool as usize != at || consumed.is_empty() {
                continue;
            }
            self.consumption.resize_with(problem.len(), || None);
            self.consumption[index] = Some(Box::new(consumption(consumed)));
        }
        let counters = first as u32..self.available.len() as u32;
        let overdrawn = counters.filter(|counter| self.available[*counter as usize] < 0);
        let overdrawn: Vec<u32> = overdrawn.collect();
        if !overdrawn.is_empty() {
            self.overdraw(problem, at as u32, &overdrawn);
        }
    }

    /// Upstream compares every counter of a pool, so one that is overdrawn bars all devices of it,
    /// until a device that takes less than nothing makes up for that.
    fn overdraw(&mut self, problem: &Problem<'_>, pool: u32, overdrawn: &[u32]) {
        let of_pool = self.consumption.iter_mut().enumerate();
        let of_pool = of_pool.filter(|(place, _)| problem.place(*place).pool == pool);
        let mut of_pool: Vec<_> = of_pool.flat_map(|(_, taken)| taken).collect();
        let mut amounts = of_pool.iter().flat_map(|taken| &taken.amounts);
        if !amounts.any(|(_, amount)| *amount < 0) {
            self.overdrawn.push(pool);
            return;
        }
        // Whoever takes nothing of it is still refused while there is less than nothing.
        for taken in &mut of_pool {
            let counters = overdrawn.iter().map(|counter| (*counter, 0));
            taken.amounts.extend(counters);
        }
    }

    /// Whether any device takes anything.
    pub fn matter(&self) -> bool {
        !self.consumption.is_empty()
    }

    /// What the device at a place takes.
    pub fn consumption(&self, place: usize) -> Option<&Consumption> {
        self.consumption.get(place)?.as_deref()
    }

    /// Whether the counters keep a device off whatever else is taken: see `overdraw`. A share of a
    /// device of which others are in use takes nothing and is let through.
    pub fn bars(&self, problem: &Problem<'_>, place: usize) -> bool {
        let pool = problem.place(place).pool;
        let free = problem.multi().has(place) && problem.shared.has(place);
        !free && self.overdrawn.contains(&pool)
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
