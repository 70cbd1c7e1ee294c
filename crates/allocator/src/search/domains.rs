//! Domains: the devices that a subrequest could still take, given those that were taken.
//!
//! Law: more devices taken leave a smaller domain (see [`super::pruner`]). Example: once four Neuron
//! devices of `group4-1` are taken, the domain of the EFAs under the same constraint is the four EFAs
//! of that group, less those in use.

use super::state::State;
use crate::ids::{ClaimIndex, ConstraintIndex, DeviceIndex, ElementIndex, Id, SubrequestIndex};
use crate::problem::Problem;
use crate::problem::constraints::Kind;
use crate::problem::subrequests::{Applied, Subrequest};
use crate::set::Devices;

/// An element that the devices of a constraint are supposed to have in common.
pub(super) type Common = (ConstraintIndex, ElementIndex);

/// See the module.
pub(super) struct Domains<'p, 'a> {
    problem: &'p Problem<'a>,
    /// By subrequest: its domain while nothing is taken.
    whole: Vec<Devices>,
    /// By constraint, column and element: the devices that have it.
    having: Vec<Vec<Vec<Devices>>>,
}

impl<'p, 'a> Domains<'p, 'a> {
    pub fn new(problem: &'p Problem<'a>) -> Self {
        let whole = problem.subrequests.iter();
        let having = problem.constraint_indices().iter();
        Domains {
            problem,
            whole: whole.map(|wanted| whole_domain(problem, wanted)).collect(),
            having: having
                .map(|constraint| having_elements(problem, constraint))
                .collect(),
        }
    }

    /// The devices that have an element.
    pub fn having(&self, applied: Applied, element: ElementIndex) -> &Devices {
        let columns = &self.having[applied.constraint];
        &columns[applied.column][element]
    }

    /// The devices that a subrequest could still take while the search is in `claim`.
    pub fn now(
        &self,
        state: &State<'_, '_>,
        claim: ClaimIndex,
        subrequest: SubrequestIndex,
        common: &[Common],
    ) -> Devices {
        let problem = self.problem;
        let wanted = &problem.subrequests[subrequest];
        let mut domain = self.whole[subrequest].clone();
        if !wanted.admin {
            domain.drop(&state.marked);
        } else if wanted.claim == claim {
            let own = state.picks[state.claim_start..].iter();
            let taken = own.filter(|pick| state.is_taken(subrequest, pick.device));
            taken.for_each(|pick| domain.remove(pick.device));
        }
        if wanted.shares() {
            domain.retain(|device| state.has_room(subrequest, device));
        }
        if problem.available.counters.matter() {
            domain.retain(|device| has_counters(state, device));
        }
        for applied in &wanted.constraints {
            let constraint = &problem.constraints[applied.constraint];
            let mut common = common.iter();
            if let Some((_, element)) = common.find(|(of, _)| *of == applied.constraint) {
                domain.keep(self.having(*applied, *element));
            }
            let Some(values) = state
                .values(applied.constraint)
                .filter(|_| wanted.claim == claim)
            else {
                continue;
            };
            let mut with = Devices::new(problem.len());
            for (element, having) in self.having[applied.constraint][applied.column]
                .iter()
                .enumerate()
            {
                if values[element / 64] & (1 << (element % 64)) != 0 {
                    with.add(having);
                }
            }
            match constraint.kind {
                Kind::Match => domain.keep(&with),
                Kind::Distinct => domain.drop(&with),
            }
        }
        domain
    }
}

fn whole_domain(problem: &Problem<'_>, wanted: &Subrequest<'_>) -> Devices {
    let mut domain = wanted.suitable.clone();
    // Where all are wanted, a device that lacks an attribute is an error.
    if wanted.all.is_none() {
        for applied in &wanted.constraints {
            let values = &problem.constraints[applied.constraint].values;
            domain.retain(|device| values.set(applied.column, device).is_known());
        }
    }
    domain
}

fn having_elements(problem: &Problem<'_>, constraint: ConstraintIndex) -> Vec<Vec<Devices>> {
    let values = &problem.constraints[constraint].values;
    let columns = values.columns().map(|column| {
        let mut having = vec![Devices::new(problem.len()); values.len()];
        for (device, set) in column.iter().enumerate() {
            for element in values.elements_of(*set) {
                having[*element].insert(DeviceIndex::new(device));
            }
        }
        having
    });
    columns.collect()
}

/// Whether a device's counter sets have enough left for it, and devices that are compatible with it.
fn has_counters(state: &State<'_, '_>, device: DeviceIndex) -> bool {
    let taken = state.problem.available.counters.consumption(device);
    taken.is_none_or(|taken| {
        let short = |(counter, amount): &(u32, i128)| state.left[*counter as usize] < *amount;
        state.shares_counters(device)
            || (taken.is_admitted(&state.common) && !taken.amounts.iter().any(short))
    })
}
