//! Goals: all that a search can end with, the solution and each error that may come before it.
//!
//! An attempt that reaches none of them is in vain. To reach a goal, every request before it has to
//! be met. So of two goals ahead the one behind fewer requests is easier to reach, and if the nearest
//! is out of reach, all are.
//!
//! Example: of two claims the second wants all EFAs of one `devicegroup8`, which is an error at the
//! first EFA of the other group. The goals are that error, which needs the first claim met and these
//! EFAs free, and the solution.

use super::state::State;
use crate::ids::{DeviceIndex, RequestIndex, Span, SubrequestIndex};
use crate::inventory::values::SetId;
use crate::problem::constraints::Kind;
use crate::problem::subrequests::{Applied, Subrequest};
use crate::problem::{Problem, RESULTS};

/// See the module.
pub(super) struct Goal {
    /// All requests before this one have to be met.
    pub before: RequestIndex,
    /// The subrequest that may raise an error; `None`: the goal is the solution.
    raised_by: Option<SubrequestIndex>,
    /// Devices that have to be free.
    free: Vec<DeviceIndex>,
}

impl Goal {
    /// Whether the goal can no longer be reached, because a device that it needs is taken.
    fn is_lost(&self, state: &State<'_, '_>) -> bool {
        self.free.iter().any(|device| state.marks[*device] > 0)
    }
}

/// The goals of a search, the nearest first.
pub(super) struct Goals(Vec<Goal>);

impl Goals {
    pub fn of(problem: &Problem<'_>) -> Goals {
        let mut goals = Vec::new();
        for claim in problem.claim_requests.iter() {
            let mut errors = Vec::new();
            for request in claim.iter() {
                for subrequest in problem.requests[request].subrequests.iter() {
                    let free = error(problem, *claim, request, subrequest);
                    errors.push((request, subrequest, free));
                }
            }
            // Too many devices end an attempt before other devices are tried. Where that may keep
            // the search from an error, every request of the claim is looked at as upstream does.
            let raises = errors.iter().any(|(_, _, free)| free.is_some());
            let all = raises && may_exceed(problem, *claim);
            goals.extend(errors.into_iter().filter_map(|(before, subrequest, free)| {
                let free = if all { Some(Vec::new()) } else { free };
                Some(Goal {
                    before,
                    raised_by: Some(subrequest),
                    free: free?,
                })
            }));
        }
        goals.push(Goal {
            before: problem.request_indices().end(),
            raised_by: None,
            free: Vec::new(),
        });
        Goals(goals)
    }

    /// Drops the goals that cannot be reached from the start, and so all behind the first of them.
    pub fn drop_unreachable(&mut self, mut is_reachable: impl FnMut(&Goal) -> bool) {
        let first = self.0.iter().position(|goal| !is_reachable(goal));
        self.0.truncate(first.unwrap_or(self.0.len()));
    }

    /// Whether nothing can be found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there may be a solution.
    pub fn has_solution(&self) -> bool {
        self.0.last().is_some_and(|goal| goal.raised_by.is_none())
    }

    /// Whether trying a subrequest may be an error.
    pub fn are_raised_by(&self, subrequest: SubrequestIndex) -> bool {
        let mut goals = self.0.iter();
        goals.any(|goal| goal.raised_by == Some(subrequest))
    }

    /// The nearest goal after a request.
    pub fn after(&self, state: &State<'_, '_>, request: RequestIndex) -> Option<&Goal> {
        let mut goals = self.0.iter();
        goals.find(|goal| goal.before > request && !goal.is_lost(state))
    }
}

/// Whether the claim's subrequests may be too many devices together.
fn may_exceed(problem: &Problem<'_>, requests: Span<RequestIndex>) -> bool {
    let most = requests.iter().map(|request| {
        let subrequests = problem.requests[request].subrequests;
        let counts = subrequests.of(&problem.subrequests).iter();
        counts
            .map(|wanted| wanted.count.clamp(0, RESULTS + 1))
            .max()
    });
    most.flatten().sum::<i64>() > RESULTS
}

/// Whether trying a subrequest may be an error, and the devices that have to be free for that.
fn error(
    problem: &Problem<'_>,
    claim: Span<RequestIndex>,
    request: RequestIndex,
    subrequest: SubrequestIndex,
) -> Option<Vec<DeviceIndex>> {
    let wanted = &problem.subrequests[subrequest];
    let Some(all) = &wanted.all else {
        let fails = |applied: &Applied| {
            let values = &problem.constraints[applied.constraint].values;
            let mut sets = wanted.suitable.iter();
            sets.any(|device| values.set(applied.column, device) == SetId::FAILS)
        };
        let raises = !wanted.broken.is_empty() || wanted.constraints.iter().any(fails);
        return raises.then(Vec::new);
    };
    // A device that cannot be had is found out before its constraints are looked at.
    let unsuitable = all.iter().position(|device| !wanted.suitable.has(*device));
    let all = &all[..unsuitable.unwrap_or(all.len())];
    let before: Vec<&Subrequest<'_>> = claim
        .iter()
        .take_while(|other| *other < request)
        .flat_map(|other| problem.requests[other].subrequests.iter())
        .map(|other| &problem.subrequests[other])
        .collect();
    let constraints = wanted.constraints.iter();
    let refused = constraints.filter_map(|applied| refused(problem, *applied, &before, all));
    // With admin access a device need not be free.
    let free = |at: usize| match wanted.admin {
        true => Vec::new(),
        false => all[..=at].to_vec(),
    };
    refused.min().map(free)
}

/// The first of all wanted devices that a constraint may refuse, whatever the claim's requests before
/// take.
fn refused(
    problem: &Problem<'_>,
    applied: Applied,
    before: &[&Subrequest<'_>],
    all: &[DeviceIndex],
) -> Option<usize> {
    let constraint = &problem.constraints[applied.constraint];
    let values = &constraint.values;
    // What all that may come before have in common, or have at all.
    let mut common: Option<Vec<u64>> = None;
    let mut add = |set: SetId| {
        let elements = values.bits_of(set);
        let Some(common) = &mut common else {
            common = Some(elements.to_vec());
            return true;
        };
        let meets = common.iter().zip(elements).any(|(a, b)| a & b != 0);
        let both = common.iter_mut().zip(elements);
        match constraint.kind {
            Kind::Match => both.for_each(|(a, b)| *a &= b),
            Kind::Distinct => both.for_each(|(a, b)| *a |= b),
        }
        !values.is_unknown(set) && meets == (constraint.kind == Kind::Match)
    };
    for other in before {
        if let Some(column) = other.column(applied.constraint) {
            let sets = other.suitable.iter();
            let sets = sets.map(|device| values.set(column, device));
            sets.filter(|set| set.is_known()).for_each(|set| {
                add(set);
            });
        }
    }
    let mut sets = all.iter().map(|device| values.set(applied.column, *device));
    sets.position(|set| !set.is_known() || !add(set))
}
