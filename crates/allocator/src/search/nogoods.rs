//! Nogoods: states of the search from which no goal was reached.
//!
//! Law: what can follow depends on where the search is, on the elements that the devices of each
//! constraint have in common, and on how many devices of each [class](super::symmetry) are taken. Two
//! states that agree in all of that have the same future, so the second need not be tried. Example:
//! twelve claims of one device each leave the same devices to the last, whichever took which.
//!
//! A state is described by a list of words, which is kept only if nothing followed from it.

use rustc_hash::FxHashSet;

use super::state::{Position, State};
use super::symmetry::{ClassId, Classes, IRRELEVANT};
use crate::ids::{DeviceIndex, Id, SubrequestIndex};
use crate::problem::Problem;

/// How many states are kept at most.
const MOST: usize = 1 << 18;

/// All that the future from a position on depends on.
pub(super) type Key = Box<[u64]>;

/// See the module.
pub(super) struct Nogoods {
    any_admin: bool,
    states: FxHashSet<Key>,
}

/// How devices of one class are taken.
#[derive(Default)]
struct Taken {
    marked: u32,
    picked: u32,
    picked_by_claim: u32,
    /// Devices that the request can still take.
    ahead: u32,
}

impl Nogoods {
    pub fn new(problem: &Problem<'_>) -> Self {
        Nogoods {
            any_admin: problem.subrequests.iter().any(|wanted| wanted.admin),
            states: FxHashSet::default(),
        }
    }

    pub fn contains(&self, key: &Key) -> bool {
        self.states.contains(key)
    }

    /// Nothing followed from this state.
    pub fn insert(&mut self, key: Key) {
        if self.states.len() < MOST {
            self.states.insert(key);
        }
    }

    /// Describes the state at a position.
    pub fn key(&self, classes: &Classes, state: &State<'_, '_>, at: Position) -> Key {
        let problem = state.problem;
        let (request, subrequest) = (at.request.number(), at.subrequest.number());
        let mut key = vec![request as u64, subrequest as u64, at.have as u64];
        key.push(state.claim_picks() as u64);
        let claim = problem.requests[at.request].claim;
        let ahead = problem.claim_requests[claim].iter();
        let ahead = ahead.filter(|request| *request >= at.request);
        let ahead = ahead.flat_map(|request| problem.requests[request].subrequests.iter());
        for constraint in problem.constraint_indices().iter() {
            let applies = |subrequest: SubrequestIndex| {
                problem.subrequests[subrequest].column(constraint).is_some()
            };
            if !ahead.clone().any(applies) {
                continue;
            }
            match state.values(constraint) {
                None => key.push(0),
                Some(values) => {
                    key.push(1);
                    key.extend(values);
                }
            }
        }
        self.describe_devices(classes, state, at, &mut key);
        describe_shares(classes, state, at, &mut key);
        key.into()
    }

    fn describe_devices(
        &self,
        classes: &Classes,
        state: &State<'_, '_>,
        at: Position,
        key: &mut Vec<u64>,
    ) {
        let classes = classes.at(at.request);
        let mut counts: Vec<(ClassId, Taken)> = Vec::new();
        let mut count = |class: ClassId, add: fn(&mut Taken)| {
            let found = counts.binary_search_by_key(&class, |(class, _)| *class);
            let index = found.unwrap_or_else(|index| {
                counts.insert(index, (class, Taken::default()));
                index
            });
            add(&mut counts[index].1);
        };
        let relevant = |device: &DeviceIndex| classes[*device] != IRRELEVANT;
        for device in state.marked.iter().filter(relevant) {
            count(classes[device], |taken| taken.marked += 1);
        }
        // With admin access a device that is taken again consumes its counters again.
        let picks = state.picks.iter().enumerate().filter(|_| self.any_admin);
        for (number, pick) in picks.filter(|(_, pick)| relevant(&pick.device)) {
            count(classes[pick.device], |taken| taken.picked += 1);
            if number >= state.claim_start {
                count(classes[pick.device], |taken| taken.picked_by_claim += 1);
            }
        }
        if at.start > 0 {
            let suitable = &state.problem.subrequests[at.subrequest].suitable;
            for device in suitable.iter_from(at.start) {
                if !state.is_taken(at.subrequest, device) {
                    let marked = u32::from(state.marks[device] > 0) << 31;
                    count(classes[device] | marked, |taken| taken.ahead += 1);
                }
            }
        }
        for (class, taken) in counts {
            let counts = [
                taken.marked,
                taken.picked,
                taken.picked_by_claim,
                taken.ahead,
            ];
            key.push(class.into());
            key.extend(counts.map(u64::from));
        }
    }
}

fn describe_shares(classes: &Classes, state: &State<'_, '_>, at: Position, key: &mut Vec<u64>) {
    let classes = classes.at(at.request);
    let shared = state.shares.iter().enumerate();
    let shared = shared.filter(|(_, number)| **number > 0);
    let describe = |(device, number): (usize, &u32)| {
        let device = DeviceIndex::new(device);
        // A request takes a device once, so it matters which ones are still ahead.
        let ahead = at.start > 0 && device.number() >= at.start;
        let mut share = vec![classes[device].into(), u64::from(*number), ahead.into()];
        for taken in &state.taken[device] {
            share.extend([*taken as u64, (*taken >> 64) as u64]);
        }
        share
    };
    let mut shares: Vec<Vec<u64>> = shared.map(describe).collect();
    shares.sort_unstable();
    for share in shares {
        key.push(u64::MAX);
        key.extend(share);
    }
}
