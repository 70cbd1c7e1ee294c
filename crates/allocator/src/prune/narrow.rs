//! Which devices can be part of a solution, as far as is known before the search.

use crate::bits::Bits;
use crate::constraints::{FAILS, Kind, MISSING};
use crate::problem::Problem;

use super::column;
use super::conflict::is_monotone;

/// By constraint, column and element: the places that have it.
pub(super) type Masks = Vec<Vec<Vec<Bits>>>;

/// See the module.
#[derive(Clone)]
pub(super) struct Narrowing<'p, 'a> {
    problem: &'p Problem<'a>,
    masks: &'p Masks,
    /// Places of each option that can be part of a solution.
    pub live: Vec<Bits>,
    /// By constraint that wants a match: the elements that can be in common.
    pub viable: Vec<Vec<usize>>,
}

impl<'p, 'a> Narrowing<'p, 'a> {
    /// Nothing is narrowed yet but by the devices themselves.
    pub fn new(problem: &'p Problem<'a>, masks: &'p Masks) -> Self {
        let live = problem.options.iter().map(|choice| {
            let mut live = choice.open.clone();
            // Where all are wanted, a device that lacks an attribute is an error.
            if choice.all.is_none() {
                for (constraint, column) in &choice.constraints {
                    let column = &problem.constraints[*constraint].values.columns[*column];
                    let lacks = |place: &usize| matches!(column[*place], MISSING | FAILS);
                    let lack = choice.open.iter().filter(lacks);
                    lack.for_each(|place| live.remove(place));
                }
            }
            live
        });
        let constraints = &problem.constraints;
        let viable = constraints.iter().map(|constraint| match constraint.kind {
            Kind::Match => (0..constraint.values.elements.len()).collect(),
            Kind::Distinct => Vec::new(),
        });
        Narrowing {
            problem,
            masks,
            live: live.collect(),
            viable: viable.collect(),
        }
    }

    /// Drops all places of these options, by slot and option.
    pub fn leave_out(&mut self, is_out: impl Fn(usize, usize) -> bool) {
        for (slot, of) in self.problem.slots.iter().enumerate() {
            for option in of.options.clone().filter(|option| is_out(slot, *option)) {
                self.live[option].clear();
            }
        }
    }

    /// Drops values that cannot be in common for the slots before `end`, and devices that have none
    /// but those, until nothing more can be dropped.
    pub fn narrow(&mut self, end: usize) {
        while self.narrow_once(end) {}
    }

    /// Whether enough devices are left for an option, and enough values where they have to differ.
    pub fn can_meet(&self, option: usize) -> bool {
        let choice = &self.problem.options[option];
        let need = usize::try_from(choice.need).unwrap_or(0);
        let live = &self.live[option];
        let has_all = |all: &Vec<usize>| {
            !all.is_empty() && obtainable(self.problem, option, all) == all.len()
        };
        choice.all.as_ref().is_none_or(has_all)
            && live.len() >= need
            && has_values(self.problem, self.masks, option, live, need)
    }

    fn narrow_once(&mut self, end: usize) -> bool {
        let problem = self.problem;
        let mut narrowed = false;
        for (index, constraint) in problem.constraints.iter().enumerate() {
            if constraint.kind != Kind::Match {
                continue;
            }
            let slots = problem.claim_slots[constraint.claim].clone();
            let slots = slots.start..slots.end.min(end);
            let viable = std::mem::take(&mut self.viable[index]);
            let before = viable.len();
            let viable: Vec<usize> = viable
                .into_iter()
                .filter(|element| {
                    slots.clone().all(|slot| {
                        let mut options = problem.slots[slot].options.clone();
                        options.any(|option| self.has_enough(option, index, *element))
                    })
                })
                .collect();
            narrowed |= viable.len() < before;
            for option in slots.flat_map(|slot| problem.slots[slot].options.clone()) {
                let Some(column) = column(problem, option, index) else {
                    continue;
                };
                let mut allowed = Bits::new(problem.len());
                for element in &viable {
                    allowed.add(&self.masks[index][column][*element]);
                }
                let before = self.live[option].len();
                self.live[option].keep(&allowed);
                narrowed |= self.live[option].len() < before;
            }
            self.viable[index] = viable;
        }
        narrowed
    }

    fn has_enough(&self, option: usize, constraint: usize, element: usize) -> bool {
        let need = usize::try_from(self.problem.options[option].need).unwrap_or(0);
        let Some(column) = column(self.problem, option, constraint) else {
            return self.live[option].len() >= need;
        };
        need == 0 || self.live[option].common(&self.masks[constraint][column][element]) >= need
    }
}

/// Whether so many of these devices may have different values, where a constraint wants that of an
/// option.
pub(super) fn has_values(
    problem: &Problem<'_>,
    masks: &Masks,
    option: usize,
    suits: &Bits,
    need: usize,
) -> bool {
    let mut constraints = problem.options[option].constraints.iter();
    constraints.all(|(constraint, column)| {
        let values = masks[*constraint][*column].iter();
        problem.constraints[*constraint].kind != Kind::Distinct
            || values.filter(|with| with.common(suits) > 0).count() >= need
    })
}

/// How many of all devices, from the first on, an option can have, constraints aside.
pub(super) fn obtainable(problem: &Problem<'_>, option: usize, all: &[usize]) -> usize {
    let mut left = problem.counters.available.clone();
    let counts = is_monotone(problem);
    let refused = all.iter().position(|place| {
        let taken = problem.counters.consumption(*place).filter(|_| counts);
        let mut amounts = taken.into_iter().flat_map(|taken| &taken.amounts);
        !problem.options[option].open.has(*place)
            || amounts.any(|(counter, amount)| {
                left[*counter as usize] -= amount;
                left[*counter as usize] < 0
            })
    });
    refused.unwrap_or(all.len())
}

/// Finds them.
pub(super) fn masks(problem: &Problem<'_>) -> Masks {
    let places = problem.len();
    let constraints = problem.constraints.iter().map(|constraint| {
        let used = constraint.values.elements.len();
        let columns = constraint.values.columns.iter().map(|column| {
            let mut masks = vec![Bits::new(places); used];
            for (place, set) in column.iter().enumerate() {
                let set = constraint.values.sets.get(*set as usize);
                for element in set.into_iter().flatten() {
                    masks[*element as usize].insert(place);
                }
            }
            masks
        });
        columns.collect()
    });
    constraints.collect()
}
