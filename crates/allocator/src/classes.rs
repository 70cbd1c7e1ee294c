//! Which devices are alike to a request and all that follow it.
//!
//! A request need not try a device if one that is alike was tried there in vain, and two states of
//! the search that differ only in which of several like devices are taken have the same future.

use rustc_hash::FxHashMap;

use crate::problem::Problem;

/// Devices of this class matter to no request that follows.
pub(crate) const IRRELEVANT: u32 = 0;

/// The class of each place, by slot.
pub(crate) struct Classes {
    by_slot: Vec<Vec<u32>>,
}

impl Classes {
    pub fn of(problem: &Problem<'_>) -> Classes {
        let places = problem.len();
        let mut after = base(problem);
        let mut by_slot = vec![Vec::new(); problem.slots.len()];
        let mut key: Vec<u64> = Vec::new();
        for (slot, of_slot) in problem.slots.iter().enumerate().rev() {
            let mut numbers: FxHashMap<Vec<u64>, u32> = FxHashMap::default();
            let mut classes = Vec::with_capacity(places);
            for (place, class) in after.iter().enumerate() {
                key.clear();
                key.push((*class).into());
                for option in of_slot.options.clone() {
                    extend(problem, option, place, &mut key);
                }
                let next = numbers.len() as u32 + 1;
                let relevant = key[1..].iter().any(|part| *part != 0);
                if *class == IRRELEVANT && !relevant {
                    classes.push(IRRELEVANT);
                } else {
                    classes.push(*numbers.entry(key.clone()).or_insert(next));
                }
            }
            by_slot[slot].clone_from(&classes);
            after = classes;
        }
        Classes { by_slot }
    }

    /// The class of each place, as seen by `slot`.
    pub fn at(&self, slot: usize) -> &[u32] {
        &self.by_slot[slot]
    }
}

/// Classes by what a device takes whoever wants it.
fn base(problem: &Problem<'_>) -> Vec<u32> {
    let mut numbers: FxHashMap<(_, &[i128], bool, bool), u32> = FxHashMap::default();
    (0..problem.len())
        .map(|place| {
            let consumption = problem.counters.consumption(place);
            let multi = problem.multi().has(place);
            if consumption.is_none() && !multi {
                return IRRELEVANT;
            }
            let key = (
                consumption,
                problem.room_at(place),
                problem.shared.has(place),
                multi,
            );
            let next = numbers.len() as u32 + 1;
            *numbers.entry(key).or_insert(next)
        })
        .collect()
}

/// What tells a device apart from others to one option. All zero: nothing to do with it.
fn extend(problem: &Problem<'_>, option: usize, place: usize, key: &mut Vec<u64>) {
    let choice = &problem.options[option];
    let open = choice.open.has(place);
    let listed = choice
        .all
        .as_ref()
        .and_then(|all| all.iter().position(|at| *at == place));
    key.push(u64::from(open) | u64::from(choice.broken.has(place)) << 1);
    // Where a constraint ends the attempt, it matters which device is looked at first.
    let position = listed.map_or(0, |at| {
        if choice.constraints.is_empty() {
            1
        } else {
            at as u64 + 1
        }
    });
    key.push(position);
    for (constraint, column) in &choice.constraints {
        let set = problem.constraints[*constraint].values.columns[*column].get(place);
        key.push(if open {
            set.map_or(0, |set| u64::from(*set) + 1)
        } else {
            0
        });
    }
    key.push(choice.amounts_at(place).len() as u64);
    for amount in choice.amounts_at(place) {
        key.push(*amount as u64);
        key.push((*amount >> 64) as u64);
    }
}
