//! What has been taken so far in a search, and whether one more device may be.
//!
//! Source: `allocateDevice` and `rollbackDevice` of upstream's allocator.

use smallvec::{SmallVec, smallvec};

use crate::ids::{ConstraintIndex, DeviceIndex, Id, RequestIndex, SubrequestIndex};
use crate::inventory::values::SetId;
use crate::problem::Problem;
use crate::problem::constraints::Kind;
use crate::problem::counters::Common;
use crate::problem::subrequests::Applied;
use crate::set::Devices;

/// Where a search is: the next device of a request is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub request: RequestIndex,
    pub subrequest: SubrequestIndex,
    /// How many devices the request has.
    pub have: i64,
    /// The number of the first device to try.
    pub start: usize,
}

/// One device taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick {
    pub subrequest: SubrequestIndex,
    pub device: DeviceIndex,
}

/// What became of an attempt to take a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    Taken,
    Refused,
    /// The constraint's derived attribute fails on the device.
    Fails(ConstraintIndex),
    /// A constraint refuses it.
    Constraint,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct State<'p, 'a> {
    pub problem: &'p Problem<'a>,
    /// All claims' picks, in the order in which they were taken.
    pub picks: Vec<Pick>,
    /// Where the picks of the present claim begin.
    pub claim_start: usize,
    /// How often each device is taken as a whole: more than once only with admin access.
    pub marks: Vec<u8>,
    /// Devices that are taken as a whole.
    pub marked: Devices,
    /// What is left of each counter.
    pub left: Vec<i128>,
    /// The compatibility groups that the devices on each counter set have in common.
    pub common: Vec<Common>,
    /// Overwritten entries of `common`.
    saved: Vec<Common>,
    /// By constraint, after each device: the elements that the devices so far have in common, or have
    /// at all where they must differ.
    values: SmallVec<[SmallVec<[u64; 8]>; 1]>,
    /// What is taken of each device that allows multiple allocations.
    pub taken: Vec<Vec<i128>>,
    /// How many shares of each such device were taken.
    pub shares: Vec<u32>,
}

impl<'p, 'a> State<'p, 'a> {
    pub fn new(problem: &'p Problem<'a>) -> Self {
        let devices = problem.len();
        let multi = match problem.multi().is_empty() {
            true => 0,
            false => devices,
        };
        let counters = &problem.available.counters;
        State {
            problem,
            picks: Vec::with_capacity(problem.depth()),
            claim_start: 0,
            marks: vec![0; devices],
            marked: Devices::new(devices),
            left: counters.available.clone(),
            common: counters.common.clone(),
            saved: Vec::new(),
            values: smallvec![SmallVec::new(); problem.constraints.len()],
            taken: vec![Vec::new(); multi],
            shares: vec![0; multi],
        }
    }

    /// How many devices the present claim has.
    pub fn claim_picks(&self) -> usize {
        self.picks.len() - self.claim_start
    }

    /// Whether a subrequest has to pass a device over because of what was taken.
    pub fn is_taken(&self, subrequest: SubrequestIndex, device: DeviceIndex) -> bool {
        if self.marks[device] == 0 {
            return false;
        }
        if !self.problem.subrequests[subrequest].admin {
            return true;
        }
        // Admin access is granted to devices of other claims, not to those of its own.
        let picks = &self.picks[self.claim_start..];
        picks.iter().any(|pick| pick.device == device)
    }

    /// Whether one more share of a device consumes no counters, since another share does.
    pub fn shares_counters(&self, device: DeviceIndex) -> bool {
        let problem = self.problem;
        problem.multi().has(device) && (problem.was_shared(device) || self.shares[device] > 0)
    }

    /// Takes a device if nothing that was taken stands against it.
    pub fn take(&mut self, subrequest: SubrequestIndex, device: DeviceIndex) -> Take {
        let problem = self.problem;
        let wanted = &problem.subrequests[subrequest];
        let all = wanted.all.is_some();
        if !wanted.suitable.has(device) || self.is_taken(subrequest, device) {
            return Take::Refused;
        }
        if !all && !self.has_room(subrequest, device) {
            return Take::Refused;
        }
        let consumption = problem.available.counters.consumption(device);
        let consumption = consumption.filter(|_| !self.shares_counters(device));
        if let Some(consumption) = consumption {
            if !consumption.is_admitted(&self.common) {
                return Take::Refused;
            }
            for (counter, amount) in &consumption.amounts {
                self.left[*counter as usize] -= amount;
            }
            let short = |(counter, _): &(u32, i128)| self.left[*counter as usize] < 0;
            if consumption.amounts.iter().any(short) {
                self.give_back(device);
                return Take::Refused;
            }
        }
        let mut refusal = self.try_constraints(subrequest, device);
        if refusal == Take::Taken && all && !self.has_room(subrequest, device) {
            refusal = Take::Refused;
        }
        if refusal != Take::Taken {
            if consumption.is_some() {
                self.give_back(device);
            }
            return refusal;
        }
        for (set, groups) in consumption.into_iter().flat_map(|taken| &taken.groups) {
            let common = &mut self.common[*set as usize];
            let narrowed = common.with(groups);
            self.saved.push(std::mem::replace(common, narrowed));
        }
        for applied in &wanted.constraints {
            self.add_value(*applied, device);
        }
        if problem.multi().has(device) {
            let amounts = wanted.amounts(device);
            let taken = &mut self.taken[device];
            taken.resize(amounts.len().max(taken.len()), 0);
            let sums = taken.iter_mut().zip(amounts);
            sums.for_each(|(sum, amount)| *sum += amount);
            self.shares[device] += 1;
        } else {
            self.marks[device] += 1;
            self.marked.insert(device);
        }
        self.picks.push(Pick { subrequest, device });
        Take::Taken
    }

    /// Undoes the last [`State::take`].
    pub fn untake(&mut self) {
        let Pick { subrequest, device } = self.picks.pop().expect("what is undone was taken");
        let problem = self.problem;
        let wanted = &problem.subrequests[subrequest];
        if problem.multi().has(device) {
            let sums = self.taken[device].iter_mut().zip(wanted.amounts(device));
            sums.for_each(|(sum, amount)| *sum -= amount);
            self.shares[device] -= 1;
        } else {
            self.marks[device] -= 1;
            if self.marks[device] == 0 {
                self.marked.remove(device);
            }
        }
        for Applied { constraint, .. } in &wanted.constraints {
            let values = &mut self.values[constraint.number()];
            let kept = values.len() - problem.constraints[*constraint].values.words;
            values.truncate(kept);
        }
        if !self.shares_counters(device)
            && let Some(consumption) = problem.available.counters.consumption(device)
        {
            for (set, _) in consumption.groups.iter().rev() {
                let saved = self.saved.pop().expect("every narrowing was saved");
                self.common[*set as usize] = saved;
            }
            self.give_back(device);
        }
    }

    fn give_back(&mut self, device: DeviceIndex) {
        if let Some(consumption) = self.problem.available.counters.consumption(device) {
            for (counter, amount) in &consumption.amounts {
                self.left[*counter as usize] += amount;
            }
        }
    }

    /// Whether what is left of a device that allows multiple allocations is enough.
    pub fn has_room(&self, subrequest: SubrequestIndex, device: DeviceIndex) -> bool {
        let amounts = self.problem.subrequests[subrequest].amounts(device);
        if amounts.is_empty() {
            return true;
        }
        let room = self.problem.available.room(device);
        let taken = self.taken.get(device.number());
        let taken = taken.map_or(&[][..], Vec::as_slice);
        amounts.iter().enumerate().all(|(index, amount)| {
            let taken = taken.get(index).copied().unwrap_or(0);
            room.get(index)
                .is_some_and(|room| taken.saturating_add(*amount) <= *room)
        })
    }

    /// The elements that the devices under a constraint have in common, or have at all where they
    /// must differ; `None`: it has no devices yet.
    pub fn values(&self, constraint: ConstraintIndex) -> Option<&[u64]> {
        let values = &self.values[constraint.number()];
        let words = self.problem.constraints[constraint].values.words;
        let top = values.len().checked_sub(words)?;
        Some(&values[top..])
    }

    fn try_constraints(&self, subrequest: SubrequestIndex, device: DeviceIndex) -> Take {
        let problem = self.problem;
        for applied in &problem.subrequests[subrequest].constraints {
            let constraint = &problem.constraints[applied.constraint];
            let set = constraint.values.set(applied.column, device);
            match set {
                SetId::MISSING => return Take::Constraint,
                SetId::FAILS => return Take::Fails(applied.constraint),
                _ => {}
            }
            let Some(values) = self.values(applied.constraint) else {
                continue;
            };
            let elements = constraint.values.bits_of(set);
            let meets = values.iter().zip(elements).any(|(a, b)| a & b != 0);
            // A value of no type that constraints know may only come first: otherwise a second share
            // of one device would be equal to the first.
            let known = !constraint.values.is_unknown(set);
            if !known || meets != (constraint.kind == Kind::Match) {
                return Take::Constraint;
            }
        }
        Take::Taken
    }

    fn add_value(&mut self, applied: Applied, device: DeviceIndex) {
        let constraint = &self.problem.constraints[applied.constraint];
        let set = constraint.values.set(applied.column, device);
        let elements = constraint.values.bits_of(set);
        let values = &mut self.values[applied.constraint.number()];
        match values.len().checked_sub(constraint.values.words) {
            None => values.extend_from_slice(elements),
            Some(top) => {
                for (offset, element) in elements.iter().enumerate() {
                    let before = values[top + offset];
                    values.push(match constraint.kind {
                        Kind::Match => before & element,
                        Kind::Distinct => before | element,
                    });
                }
            }
        }
    }
}
