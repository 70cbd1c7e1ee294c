//! Interchangeable devices: a request and all that follow it cannot tell them apart.
//!
//! Law: if an attempt with one device reaches no goal, the same attempt with an interchangeable one
//! reaches none either; and two states that differ only in which of several interchangeable devices
//! are taken have the same future. Example: of eight Neuron devices in one `devicegroup8`, a request
//! whose only constraint is on that attribute tries one.

use rustc_hash::FxHashMap;

use super::state::State;
use crate::ids::{DeviceIndex, Id, RequestIndex, SubrequestIndex};
use crate::problem::Problem;

/// The number of a class of interchangeable devices.
pub(crate) type ClassId = u32;

/// Devices of this class matter to no request that follows.
pub(crate) const IRRELEVANT: ClassId = 0;

/// The class of each device, by request.
pub(crate) struct Classes {
    by_request: Vec<Vec<ClassId>>,
}

impl Classes {
    /// Finds the classes, from the last request to the first: what each can tell apart, the ones
    /// before it can, too.
    pub fn of(problem: &Problem<'_>) -> Classes {
        let mut after = base(problem);
        let mut by_request = vec![Vec::new(); problem.requests.len()];
        let mut key: Vec<u64> = Vec::new();
        for request in problem.request_indices().iter().rev() {
            let mut numbers: FxHashMap<Vec<u64>, ClassId> = FxHashMap::default();
            let mut classes = Vec::with_capacity(problem.len());
            for (device, class) in after.iter().enumerate() {
                key.clear();
                key.push((*class).into());
                for subrequest in problem.requests[request].subrequests.iter() {
                    describe(problem, subrequest, DeviceIndex::new(device), &mut key);
                }
                let next = numbers.len() as ClassId + 1;
                let relevant = key[1..].iter().any(|part| *part != 0);
                if *class == IRRELEVANT && !relevant {
                    classes.push(IRRELEVANT);
                } else {
                    classes.push(*numbers.entry(key.clone()).or_insert(next));
                }
            }
            by_request[request].clone_from(&classes);
            after = classes;
        }
        Classes { by_request }
    }

    /// The class of each device, as a request and those that follow it see it.
    pub fn at(&self, request: RequestIndex) -> &[ClassId] {
        &self.by_request[request]
    }

    /// Whether two devices are interchangeable for a request and all that follow it, as far as they
    /// are taken.
    pub fn are_interchangeable(
        &self,
        state: &State<'_, '_>,
        request: RequestIndex,
        one: DeviceIndex,
        other: DeviceIndex,
    ) -> bool {
        let classes = self.at(request);
        // Admin access is granted to a device that others have, which then costs them nothing.
        classes[one] == classes[other]
            && (state.marks[one] == 0) == (state.marks[other] == 0)
            && (!state.problem.multi().has(one)
                || (state.shares[one], &state.taken[one])
                    == (state.shares[other], &state.taken[other])
                || state.shares[one] == 0 && state.shares[other] == 0)
    }
}

/// Classes by what a device takes whatever it is taken for.
fn base(problem: &Problem<'_>) -> Vec<ClassId> {
    let available = &problem.available;
    let mut numbers: FxHashMap<(_, &[i128], bool, bool), ClassId> = FxHashMap::default();
    let class = |device: DeviceIndex| {
        let consumption = available.counters.consumption(device);
        let multi = problem.multi().has(device);
        if consumption.is_none() && !multi {
            return IRRELEVANT;
        }
        let shared = available.shared.has(device);
        let key = (consumption, available.room(device), shared, multi);
        let next = numbers.len() as ClassId + 1;
        *numbers.entry(key).or_insert(next)
    };
    available.view.devices().map(class).collect()
}

/// Adds what a subrequest sees of a device. All zero: the device has nothing to do with it.
fn describe(
    problem: &Problem<'_>,
    subrequest: SubrequestIndex,
    device: DeviceIndex,
    key: &mut Vec<u64>,
) {
    let wanted = &problem.subrequests[subrequest];
    let suitable = wanted.suitable.has(device);
    key.push(u64::from(suitable) | u64::from(wanted.broken.has(device)) << 1);
    let all = wanted.all.as_ref();
    let position = all.and_then(|all| all.iter().position(|other| *other == device));
    // Of all devices the first that a constraint refuses is the error, so their order counts.
    key.push(
        position.map_or(0, |at| match wanted.constraints.is_empty() {
            true => 1,
            false => at as u64 + 1,
        }),
    );
    for applied in &wanted.constraints {
        let values = &problem.constraints[applied.constraint].values;
        let set = values.set(applied.column, device);
        key.push(match suitable {
            true => u64::from(set.number()) + 1,
            false => 0,
        });
    }
    let amounts = wanted.amounts(device);
    key.push(amounts.len() as u64);
    for amount in amounts {
        key.push(*amount as u64);
        key.push((*amount >> 64) as u64);
    }
}
