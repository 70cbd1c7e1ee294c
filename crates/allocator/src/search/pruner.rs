//! Why an attempt is skipped. There are three reasons, and each is a law of its own:
//!
//! 1. No goal can be reached from it: see [goals](super::goals) and [bounds](super::bounds).
//! 2. No goal was reached from a state with the same future: see [nogoods](super::nogoods).
//! 3. No goal was reached with an interchangeable device: see [symmetry](super::symmetry).
//!
//! Laws 1 and 3 need that a device taken never makes room for another: see [`Pruner::applies_to`].

use super::bounds::Bounds;
use super::domains::Domains;
use super::goals::{Goal, Goals};
use super::nogoods::{Key, Nogoods};
use super::state::{Position, State};
use super::symmetry::Classes;
use crate::ids::{DeviceIndex, Id as _, RequestIndex};
use crate::problem::Problem;

/// See the module.
pub(crate) struct Pruner<'p, 'a> {
    goals: Goals,
    bounds: Bounds<'p, 'a>,
    classes: Classes,
    nogoods: Nogoods,
}

impl<'p, 'a> Pruner<'p, 'a> {
    /// Whether a device that is taken never makes room for another. Only a device that consumes a
    /// negative amount of a counter does, which no driver publishes.
    pub fn applies_to(problem: &Problem<'_>) -> bool {
        !problem.available.counters.may_grow()
    }

    pub fn new(problem: &'p Problem<'a>) -> Self {
        let bounds = Bounds::new(problem, Domains::new(problem));
        let mut goals = Goals::of(problem);
        let state = State::new(problem);
        let first = problem.requests.first();
        let first = first.map(|request| request.subrequests);
        goals.drop_unreachable(|goal: &Goal| {
            let mut subrequests = first.iter().flat_map(|subrequests| subrequests.iter());
            first.is_none()
                || subrequests.any(|subrequest| {
                    let start = Position {
                        request: RequestIndex::new(0),
                        subrequest,
                        have: 0,
                        start: 0,
                    };
                    bounds.can_be_met(&state, start, goal.before)
                })
        });
        Pruner {
            goals,
            bounds,
            classes: Classes::of(problem),
            nogoods: Nogoods::new(problem),
        }
    }

    pub(super) fn goals(&self) -> &Goals {
        &self.goals
    }

    /// What tells the state at a position from others; `None`: nothing is remembered here.
    pub fn key(&self, state: &State<'_, '_>, at: Position) -> Option<Key> {
        let wanted = &state.problem.subrequests[at.subrequest];
        let key = || self.nogoods.key(&self.classes, state, at);
        wanted.all.is_none().then(key)
    }

    /// Whether an attempt at a position reaches no goal.
    pub fn is_in_vain(&self, state: &State<'_, '_>, at: Position, key: Option<&Key>) -> bool {
        if key.is_some_and(|key| self.nogoods.contains(key)) {
            return true;
        }
        if self.goals.are_raised_by(at.subrequest) {
            return false;
        }
        let goal = self.goals.after(state, at.request);
        !goal.is_some_and(|goal| self.bounds.can_be_met(state, at, goal.before))
    }

    /// Whether one of the devices that failed at this position is interchangeable with another.
    pub fn repeats(
        &self,
        state: &State<'_, '_>,
        at: Position,
        failed: &[DeviceIndex],
        device: DeviceIndex,
    ) -> bool {
        let mut failed = failed.iter();
        failed.any(|other| {
            let classes = &self.classes;
            classes.are_interchangeable(state, at.request, *other, device)
        })
    }

    /// No goal was reached from this state.
    pub fn remember(&mut self, key: Key) {
        self.nogoods.insert(key);
    }
}
