//! Which of the devices taken before it stand in the way of an attempt.
//!
//! A *conflict* is a set of picks, by their number: whatever else is taken, an attempt at the same
//! spot holds neither a solution nor an error as long as these are. Where the pick of a spot is in
//! no conflict of what came after it, another pick there cannot help, and the search goes back past
//! it (conflict-directed backjumping, Prosser 1993).
//!
//! That holds because more picks only leave less: a device, a value in common, an amount that is
//! left. Where they could leave more (see [`is_monotone`]), every pick is in the conflict.

use crate::bits::Bits;
use crate::constraints::{Kind, MISSING};
use crate::problem::{Problem, RESULTS};
use crate::search::Spot;
use crate::state::{Pick, State, Take};

use super::{Pruner, column};

/// No pick.
pub(super) fn none(problem: &Problem<'_>) -> Bits {
    Bits::new(RESULTS as usize * problem.claims.len() + 1)
}

/// Whether a device takes less than nothing of a counter, and so makes room for any other.
pub(super) fn gives(problem: &Problem<'_>) -> bool {
    (0..problem.len()).any(|place| {
        let consumption = problem.counters.consumption(place);
        let mut amounts = consumption.into_iter().flat_map(|taken| &taken.amounts);
        amounts.any(|(_, amount)| *amount < 0)
    })
}

/// Whether a device that is taken never makes room for another. It does where it [`gives`], and
/// where a second share rides along on what the first takes of counters.
pub(super) fn is_monotone(problem: &Problem<'_>) -> bool {
    let mut multi = problem.multi().iter();
    !gives(problem) && multi.all(|place| problem.counters.consumption(place).is_none())
}

impl Pruner<'_, '_> {
    /// All picks so far.
    pub(super) fn everything(&self, state: &State<'_, '_>) -> Bits {
        let mut all = none(self.problem);
        (0..state.picks.len()).for_each(|pick| all.insert(pick));
        all
    }

    /// All picks that could matter to `spot` and what follows.
    pub(super) fn whatever_matters(&self, state: &State<'_, '_>, spot: Spot) -> Bits {
        let problem = self.problem;
        let classes = self.classes.at(spot.slot);
        let claim = problem.slots[spot.slot].claim;
        let slots = spot.slot..problem.claim_slots[claim].end;
        let own = problem.claim_slots[claim].clone();
        let listed = problem.slots[own].iter().any(|slot| slot.listed);
        let mut conflict = none(problem);
        for (number, pick) in state.picks.iter().enumerate() {
            let choice = &problem.options[pick.option];
            let constrained = || {
                let mut options = slots
                    .clone()
                    .flat_map(|slot| problem.slots[slot].options.clone());
                options.any(|option| {
                    let mut constraints = choice.constraints.iter();
                    constraints.any(|(index, _)| column(problem, option, *index).is_some())
                })
            };
            if classes[pick.place] != super::IRRELEVANT
                || problem.counters.consumption(pick.place).is_some()
                || (choice.claim == claim && (listed || constrained()))
            {
                conflict.insert(number);
            }
        }
        conflict
    }

    /// Adds why `option` cannot take the device at `place`, of what was taken.
    pub(super) fn add_reason(
        &self,
        state: &State<'_, '_>,
        option: usize,
        place: usize,
        conflict: &mut Bits,
    ) {
        let problem = self.problem;
        let choice = &problem.options[option];
        let set = |(constraint, column): &(usize, usize)| {
            problem.constraints[*constraint].values.columns[*column][place]
        };
        // Where all are wanted, a constraint that refuses one is an error, never the reason.
        let constraints = match choice.all {
            Some(_) => &[][..],
            None => &choice.constraints,
        };
        // Only what comes before its constraints keeps it from being an error.
        if self.failing[option].has(place) {
            return match self.taken_by(state, option, place) {
                Some(taker) => conflict.insert(taker),
                None => conflict.add(&self.everything(state)),
            };
        }
        // What does not depend on other devices.
        if !choice.open.has(place) || constraints.iter().any(|of| set(of) == MISSING) {
            return;
        }
        let taken_by = self.taken_by(state, option, place);
        for of in constraints {
            let (constraint, _) = *of;
            if state.constraint_allows(constraint, set(of)) == Take::Taken {
                continue;
            }
            match self.at_odds(state, constraint, set(of)) {
                Some(pick) => conflict.insert(taken_by.map_or(pick, |taker| taker.min(pick))),
                None if taken_by.is_some() => break,
                None => self.add_constrained(state, constraint, conflict),
            }
            return;
        }
        if let Some(taker) = taken_by {
            conflict.insert(taker);
            return;
        }
        let picks = || state.picks.iter().enumerate();
        if !state.has_room(option, place) {
            let here = picks().filter(|(_, pick)| pick.place == place);
            here.for_each(|(number, _)| conflict.insert(number));
            // Of all devices, room is looked for last: were a constraint to refuse it, an error.
            if choice.all.is_some() {
                self.add_concerned(state, option, conflict);
            }
            return;
        }
        let Some(wanted) = problem.counters.consumption(place) else {
            return conflict.add(&self.everything(state));
        };
        let taken = |pick: usize| problem.counters.consumption(state.picks[pick].place);
        let sets = || wanted.groups.iter().map(|(set, _)| *set);
        let admitted = wanted.is_admitted(&state.common);
        let short = wanted.amounts.iter().find(|(counter, _)| {
            let same = wanted.amounts.iter().filter(|(other, _)| other == counter);
            let amount: i128 = same.map(|(_, amount)| *amount).sum();
            state.left[*counter as usize] < amount
        });
        for (number, _) in picks() {
            let Some(taken) = taken(number) else { continue };
            let crowds = if admitted {
                let mut amounts = taken.amounts.iter();
                short.is_none_or(|(short, _)| amounts.any(|(counter, _)| counter == short))
            } else {
                let mut groups = taken.groups.iter();
                groups.any(|(set, _)| sets().any(|wanted| wanted == *set))
            };
            if crowds {
                conflict.insert(number);
            }
        }
    }

    /// The first pick because of which the option has to pass the device over.
    pub(super) fn taken_by(
        &self,
        state: &State<'_, '_>,
        option: usize,
        place: usize,
    ) -> Option<usize> {
        if !state.is_taken(option, place) {
            return None;
        }
        let first = if self.problem.options[option].admin {
            state.claim_start
        } else {
            0
        };
        let mut picks = state.picks[first..].iter();
        picks
            .position(|pick| pick.place == place)
            .map(|at| first + at)
    }

    /// The first pick that alone is at odds with a device, by a constraint.
    fn at_odds(&self, state: &State<'_, '_>, constraint: usize, set: u32) -> Option<usize> {
        let problem = self.problem;
        let of = &problem.constraints[constraint];
        let known = !of.values.unknown.has(set as usize);
        let elements = of.values.elements_of(set);
        let picks = state.picks.iter().enumerate().skip(state.claim_start);
        let mut constrained = picks.filter_map(|(number, pick)| {
            Some((number, pick, column(problem, pick.option, constraint)?))
        });
        let found = constrained.find(|(_, pick, column)| {
            let other = of.values.columns[*column][pick.place];
            let mut both = elements.iter().zip(of.values.elements_of(other));
            !known || both.any(|(a, b)| a & b != 0) != (of.kind == Kind::Match)
        });
        found.map(|(number, _, _)| number)
    }

    /// Adds the picks of the present claim that a constraint ranges over.
    pub(super) fn add_constrained(
        &self,
        state: &State<'_, '_>,
        constraint: usize,
        conflict: &mut Bits,
    ) {
        let picks = state.picks.iter().enumerate().skip(state.claim_start);
        for (number, pick) in picks {
            if column(self.problem, pick.option, constraint).is_some() {
                conflict.insert(number);
            }
        }
    }

    /// Adds the picks of the present claim without which a constraint could refuse one of all devices
    /// that an option wants: those that it ranges over, and those of requests with an alternative that
    /// it would range over.
    pub(super) fn add_concerned(&self, state: &State<'_, '_>, option: usize, conflict: &mut Bits) {
        let problem = self.problem;
        let own = &problem.options[option].constraints;
        let mut from = state.claim_start;
        for slot in &problem.slots[problem.claim_slots[problem.options[option].claim].clone()] {
            let is_own = |pick: &Pick| slot.options.contains(&pick.option);
            let picks = state.picks[from..].iter().take_while(|pick| is_own(pick));
            let end = from + picks.count();
            let mut options = slot.options.clone();
            let concerned = options.any(|option| {
                let mut constraints = own.iter();
                constraints.any(|(constraint, _)| column(problem, option, *constraint).is_some())
            });
            (from..end)
                .filter(|_| concerned)
                .for_each(|pick| conflict.insert(pick));
            from = end;
        }
    }
}
