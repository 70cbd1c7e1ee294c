//! Cuts a pool into the contents of ResourceSlices, within the API's limits.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::{CounterSet, Device};

use crate::driver::Pool;

/// Devices in one slice.
const DEVICES: usize = 128;
/// Devices in one slice in which some device has taints, uses counters or has list attributes.
const DEVICES_WITH_MORE: usize = 64;
/// Counter sets in one slice.
const COUNTER_SETS: usize = 8;

/// What one slice holds: devices or counter sets, never both.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Content {
    /// `spec.devices`
    pub devices: Vec<Device>,
    /// `spec.sharedCounters`
    pub counters: Vec<CounterSet>,
}

/// The contents of a pool's slices, in order. A pool without devices has one empty slice, which
/// tells the scheduler that the pool is complete.
///
/// The limit depends on whether any device of the *pool* needs the smaller one, so that a taint
/// moves no device to another slice when the pool has others.
pub fn layout(pool: &Pool) -> Vec<Content> {
    let limit = match pool.devices.iter().any(needs_more) {
        true => DEVICES_WITH_MORE,
        false => DEVICES,
    };
    let devices = pool.devices.chunks(limit).map(|devices| Content {
        devices: devices.to_vec(),
        counters: Vec::new(),
    });
    let counters = pool.counters.chunks(COUNTER_SETS).map(|counters| Content {
        devices: Vec::new(),
        counters: counters.to_vec(),
    });
    let mut contents: Vec<Content> = devices.chain(counters).collect();
    if contents.is_empty() {
        contents.push(Content::default());
    }
    contents
}

fn needs_more(device: &Device) -> bool {
    let lists = device.attributes.iter().flatten().any(|(_, value)| {
        value.ints.is_some()
            || value.bools.is_some()
            || value.strings.is_some()
            || value.versions.is_some()
    });
    lists
        || device.taints.iter().flatten().next().is_some()
        || device.consumes_counters.iter().flatten().next().is_some()
}

/// Why a pool cannot be published as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The scheduler would take no device of such a pool.
    #[error("device {0} is there twice")]
    DuplicateDevice(String),
    /// Likewise.
    #[error("counter set {0} is there twice")]
    DuplicateCounterSet(String),
    /// A device uses what is not there.
    #[error("device {device} uses counter set {set}, which the pool does not have")]
    UnknownCounterSet {
        /// The device.
        device: String,
        /// What it uses.
        set: String,
    },
}

/// Whether the scheduler would accept the pool: what the API server cannot see slice by slice.
pub fn check(pool: &Pool) -> Result<(), Invalid> {
    let mut sets = BTreeSet::new();
    for set in &pool.counters {
        if !sets.insert(&set.name) {
            return Err(Invalid::DuplicateCounterSet(set.name.clone()));
        }
    }
    let mut names = BTreeSet::new();
    for device in &pool.devices {
        if !names.insert(&device.name) {
            return Err(Invalid::DuplicateDevice(device.name.clone()));
        }
        for used in device.consumes_counters.iter().flatten() {
            if !sets.contains(&used.counter_set) {
                return Err(Invalid::UnknownCounterSet {
                    device: device.name.clone(),
                    set: used.counter_set.clone(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::resource::v1::{DeviceCounterConsumption, DeviceTaint};

    fn pool(devices: usize) -> Pool {
        let device = |index| Device {
            name: format!("d{index}"),
            ..Default::default()
        };
        Pool {
            devices: (0..devices).map(device).collect(),
            counters: Vec::new(),
        }
    }

    fn sizes(pool: &Pool) -> Vec<usize> {
        layout(pool)
            .iter()
            .map(|slice| slice.devices.len())
            .collect()
    }

    #[test]
    fn a_pool_is_cut_at_the_limits() {
        assert_eq!(sizes(&pool(0)), [0]);
        assert_eq!(sizes(&pool(128)), [128]);
        assert_eq!(sizes(&pool(129)), [128, 1]);
        let mut tainted = pool(129);
        tainted.devices[128].taints = Some(vec![DeviceTaint::default()]);
        assert_eq!(sizes(&tainted), [64, 64, 1]);
        tainted.devices[128].taints = Some(Vec::new());
        assert_eq!(sizes(&tainted), [128, 1]);
    }

    #[test]
    fn counter_sets_have_slices_of_their_own() {
        let mut pool = pool(3);
        pool.counters = (0..9)
            .map(|index| CounterSet {
                name: format!("c{index}"),
                ..Default::default()
            })
            .collect();
        let contents = layout(&pool);
        let shape: Vec<_> = contents
            .iter()
            .map(|slice| (slice.devices.len(), slice.counters.len()))
            .collect();
        assert_eq!(shape, [(3, 0), (0, 8), (0, 1)]);
    }

    #[test]
    fn what_the_scheduler_would_refuse_is_named() {
        let mut twice = pool(2);
        twice.devices[1].name = "d0".into();
        assert_eq!(check(&twice), Err(Invalid::DuplicateDevice("d0".into())));
        let mut unknown = pool(1);
        unknown.devices[0].consumes_counters = Some(vec![DeviceCounterConsumption {
            counter_set: "c".into(),
            ..Default::default()
        }]);
        assert!(matches!(
            check(&unknown),
            Err(Invalid::UnknownCounterSet { .. })
        ));
        assert_eq!(check(&pool(2)), Ok(()));
    }
}
