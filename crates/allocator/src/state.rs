//! What has been taken so far in a search, and whether one more device may be.
//!
//! Source: `allocateDevice` and `rollbackDevice` of upstream's allocator.

use smallvec::{SmallVec, smallvec};

use crate::bits::Bits;
use crate::constraints::{FAILS, Kind, MISSING};
use crate::counters::Common;
use crate::problem::Problem;

/// One device taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick {
    pub option: usize,
    pub place: usize,
}

/// What became of an attempt to take a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    Taken,
    Refused,
    /// The constraint's derived attribute fails on the device.
    Fails(usize),
    /// A constraint refuses it.
    Constraint,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct State<'p, 'a> {
    pub problem: &'p Problem<'a>,
    /// All claims', in the order in which they were taken.
    pub picks: Vec<Pick>,
    /// Where the picks of the present claim begin.
    pub claim_start: usize,
    /// How often each device is marked as taken. More than once only with admin access.
    pub marks: Vec<u8>,
    /// Devices that are marked.
    pub marked: Bits,
    /// What is left of each counter.
    pub left: Vec<i128>,
    /// What devices on each counter set have in common.
    pub common: Vec<Common>,
    /// Overwritten entries of `common`.
    saved: Vec<Common>,
    /// Elements that the devices under each constraint have in common (or have at all, where they
    /// must differ), after each device.
    pub values: SmallVec<[SmallVec<[u64; 8]>; 1]>,
    /// What is taken of devices that several may share.
    pub taken: Vec<Vec<i128>>,
    /// How many shares of each device were taken.
    pub shares: Vec<u32>,
}

impl<'p, 'a> State<'p, 'a> {
    pub fn new(problem: &'p Problem<'a>) -> Self {
        let places = problem.len();
        let shared = if problem.multi().is_empty() {
            0
        } else {
            places
        };
        State {
            problem,
            picks: Vec::with_capacity(problem.depth()),
            claim_start: 0,
            marks: vec![0; places],
            marked: Bits::new(places),
            left: problem.counters.available.clone(),
            common: problem.counters.common.clone(),
            saved: Vec::new(),
            values: smallvec![SmallVec::new(); problem.constraints.len()],
            taken: vec![Vec::new(); shared],
            shares: vec![0; shared],
        }
    }

    /// How many devices the present claim has.
    pub fn claim_picks(&self) -> usize {
        self.picks.len() - self.claim_start
    }

    /// Whether the option has to pass the device over because of what was taken.
    pub fn is_taken(&self, option: usize, place: usize) -> bool {
        if self.marks[place] == 0 {
            return false;
        }
        if !self.problem.options[option].admin {
            return true;
        }
        // With admin access only the same claim is in the way.
        let picks = &self.picks[self.claim_start..];
        picks.iter().any(|pick| pick.place == place)
    }

    /// Whether a device shares its counters with earlier shares of itself.
    pub fn rides_along(&self, place: usize) -> bool {
        let problem = self.problem;
        problem.multi().has(place) && (problem.shared.has(place) || self.shares[place] > 0)
    }

    /// Takes a device of `open` (or of `all`) if nothing that was taken stands against it.
    pub fn take(&mut self, option: usize, place: usize) -> Take {
        let problem = self.problem;
        let choice = &problem.options[option];
        let is_multi = problem.multi().has(place);
        let all = choice.all.is_some();
        if !choice.open.has(place) || self.is_taken(option, place) {
            return Take::Refused;
        }
        if !all && !self.has_room(option, place) {
            return Take::Refused;
        }
        let consumption = problem.counters.consumption(place);
        let consumption = consumption.filter(|_| !self.rides_along(place));
        if let Some(consumption) = consumption {
            if !consumption.is_admitted(&self.common) {
                return Take::Refused;
            }
            for (counter, amount) in &consumption.amounts {
                self.left[*counter as usize] -= amount;
            }
            let short = |(counter, _): &(u32, i128)| self.left[*counter as usize] < 0;
            if consumption.amounts.iter().any(short) {
                self.give_back(place);
                return Take::Refused;
            }
        }
        let mut refusal = self.try_constraints(option, place);
        if refusal == Take::Taken && all && !self.has_room(option, place) {
            refusal = Take::Refused;
        }
        if refusal != Take::Taken {
            if consumption.is_some() {
                self.give_back(place);
            }
            return refusal;
        }
        if let Some(consumption) = consumption {
            for (set, groups) in &consumption.groups {
                let common = &mut self.common[*set as usize];
                let narrowed = common.with(groups);
                self.saved.push(std::mem::replace(common, narrowed));
            }
        }
        for (constraint, column) in &choice.constraints {
            self.add_value(*constraint, *column, place);
        }
        if is_multi {
            let amounts = choice.amounts_at(place);
            let taken = &mut self.taken[place];
            taken.resize(amounts.len().max(taken.len()), 0);
            taken
                .iter_mut()
                .zip(amounts)
                .for_each(|(sum, amount)| *sum += amount);
            self.shares[place] += 1;
        } else {
            self.marks[place] += 1;
            self.marked.insert(place);
        }
        self.picks.push(Pick { option, place });
        Take::Taken
    }

    /// Undoes the last [`State::take`].
    pub fn untake(&mut self) -> Pick {
        let pick = self.picks.pop().expect("what is undone was taken");
        let problem = self.problem;
        let choice = &problem.options[pick.option];
        if problem.multi().has(pick.place) {
            let amounts = choice.amounts_at(pick.place);
            let taken = self.taken[pick.place].iter_mut();
            taken.zip(amounts).for_each(|(sum, amount)| *sum -= amount);
            self.shares[pick.place] -= 1;
        } else {
            self.marks[pick.place] -= 1;
            if self.marks[pick.place] == 0 {
                self.marked.remove(pick.place);
            }
        }
        for (constraint, _) in &choice.constraints {
            let values = &mut self.values[*constraint];
            let kept = values.len() - problem.constraints[*constraint].values.words;
            values.truncate(kept);
        }
        if !self.rides_along(pick.place)
            && let Some(consumption) = problem.counters.consumption(pick.place)
        {
            for (set, _) in consumption.groups.iter().rev() {
                let saved = self.saved.pop().expect("every narrowing was saved");
                self.common[*set as usize] = saved;
            }
            self.give_back(pick.place);
        }
        pick
    }

    fn give_back(&mut self, place: usize) {
        if let Some(consumption) = self.problem.counters.consumption(place) {
            for (counter, amount) in &consumption.amounts {
                self.left[*counter as usize] += amount;
            }
        }
    }

    /// Whether what is left of a shared device is enough.
    pub fn has_room(&self, option: usize, place: usize) -> bool {
        let problem = self.problem;
        let amounts = problem.options[option].amounts_at(place);
        if amounts.is_empty() {
            return true;
        }
        let room = problem.room_at(place);
        let taken = self.taken.get(place).map_or(&[][..], Vec::as_slice);
        amounts.iter().enumerate().all(|(index, amount)| {
            let taken = taken.get(index).copied().unwrap_or(0);
            room.get(index)
                .is_some_and(|room| taken.saturating_add(*amount) <= *room)
        })
    }

    /// What a constraint says of a device.
    pub fn constraint_allows(&self, constraint: usize, set: u32) -> Take {
        let constraint_of = &self.problem.constraints[constraint];
        match set {
            MISSING => return Take::Constraint,
            FAILS => return Take::Fails(constraint),
            _ => {}
        }
        let words = constraint_of.values.words;
        let values = &self.values[constraint];
        let Some(top) = values.len().checked_sub(words) else {
            return Take::Taken;
        };
        let elements = constraint_of.values.elements_of(set);
        let meets = values[top..].iter().zip(elements).any(|(a, b)| a & b != 0);
        // A value of no known type may only come first: a device that several share would otherwise
        // meet itself.
        let known = !constraint_of.values.unknown.has(set as usize);
        if known && meets == (constraint_of.kind == Kind::Match) {
            Take::Taken
        } else {
            Take::Constraint
        }
    }

    fn try_constraints(&self, option: usize, place: usize) -> Take {
        let problem = self.problem;
        for (constraint, column) in &problem.options[option].constraints {
            let set = problem.constraints[*constraint].values.columns[*column][place];
            let said = self.constraint_allows(*constraint, set);
            if said != Take::Taken {
                return said;
            }
        }
        Take::Taken
    }

    fn add_value(&mut self, constraint: usize, column: usize, place: usize) {
        let constraint_of = &self.problem.constraints[constraint];
        let set = constraint_of.values.columns[column][place];
        let elements = constraint_of.values.elements_of(set);
        let values = &mut self.values[constraint];
        match values.len().checked_sub(constraint_of.values.words) {
            None => values.extend_from_slice(elements),
            Some(top) => {
                for (offset, element) in elements.iter().enumerate() {
                    let before = values[top + offset];
                    values.push(match constraint_of.kind {
                        Kind::Match => before & element,
                        Kind::Distinct => before | element,
                    });
                }
            }
        }
    }
}
