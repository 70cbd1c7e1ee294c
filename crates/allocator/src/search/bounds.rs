//! Bounds: whether the requests before a goal can all be met, as far as their domains tell.
//!
//! A bound may be wrong in one direction only: it may take for possible what is not. Each is a law:
//!
//! - *Matching*: requests that exclude each other need different devices. Nine devices of eight, or
//!   two requests for the same five of eight, cannot be had.
//! - *Common value*: under `matchAttribute` there is an element with enough devices for all requests.
//!   If each half of a trn2.48xlarge lacks an EFA, eight of each kind in one half cannot be had.
//! - *Distinct values*: under `distinctAttribute` requests need different elements.
//! - *Counters*: any n devices consume at least as much as the n that consume least.

use smallvec::SmallVec;

use super::domains::{Common, Domains};
use super::matching::{Demand, can_all_be_met};
use super::state::{Position, State};
use crate::ids::{
    ClaimIndex, ConstraintIndex, DeviceIndex, ElementIndex, Id, RequestIndex, SubrequestIndex,
};
use crate::problem::Problem;
use crate::problem::constraints::Kind;
use crate::problem::subrequests::Applied;
use crate::set::{Devices, Set};

/// What a request needs at least.
struct Need {
    claim: ClaimIndex,
    admin: bool,
    devices: Demand<DeviceIndex>,
}

/// Counters that are summed up, and what each device consumes of them.
struct Tally {
    counters: Vec<u32>,
    /// The cheapest first.
    by_amount: Vec<(i128, DeviceIndex)>,
}

/// See the module.
pub(super) struct Bounds<'p, 'a> {
    problem: &'p Problem<'a>,
    domains: Domains<'p, 'a>,
    any_admin: bool,
    tallies: Vec<Tally>,
}

impl<'p, 'a> Bounds<'p, 'a> {
    pub fn new(problem: &'p Problem<'a>, domains: Domains<'p, 'a>) -> Self {
        Bounds {
            problem,
            domains,
            any_admin: problem.subrequests.iter().any(|wanted| wanted.admin),
            tallies: tallies(problem),
        }
    }

    /// Whether the requests from a position on can all be met up to one that comes later.
    pub fn can_be_met(&self, state: &State<'_, '_>, at: Position, before: RequestIndex) -> bool {
        self.can_have(state, at, before, &[])
            && self.have_distinct_values(state, at, before)
            && self.problem.claim_indices().iter().all(|claim| {
                let constraints = self.matching(claim, at, before);
                self.have_common_values(state, at, before, &constraints, &mut SmallVec::new())
            })
    }

    /// The subrequests by which a request ahead may still be met, and how many devices each lacks.
    fn ways(
        &self,
        at: Position,
        request: RequestIndex,
    ) -> impl Iterator<Item = (SubrequestIndex, usize)> + use<'p, 'a> {
        let problem = self.problem;
        let all = problem.requests[request].subrequests.iter();
        let ways = all.filter(move |way| request != at.request || *way == at.subrequest);
        ways.map(move |way| {
            let have = if request == at.request { at.have } else { 0 };
            let lacking = problem.subrequests[way].count - have;
            (way, usize::try_from(lacking).unwrap_or(0))
        })
    }

    /// The laws of matching and of counters.
    fn can_have(
        &self,
        state: &State<'_, '_>,
        at: Position,
        before: RequestIndex,
        common: &[Common],
    ) -> bool {
        let mut needs = Vec::new();
        for request in (at.request.number()..before.number()).map(RequestIndex::new) {
            match self.need(state, at, request, common) {
                Some(need) if need.devices.count > 0 => needs.push(need),
                Some(_) => {}
                None => return false,
            }
        }
        let groups = self.exclusive(&needs);
        let things = self.problem.len();
        groups.iter().all(|group| can_all_be_met(group, things)) && self.can_consume(state, &needs)
    }

    /// What a request needs whichever way it is met; `None`: it cannot be met.
    fn need(
        &self,
        state: &State<'_, '_>,
        at: Position,
        request: RequestIndex,
        common: &[Common],
    ) -> Option<Need> {
        let problem = self.problem;
        let claim = problem.requests[at.request].claim;
        let mut least: Option<Demand<DeviceIndex>> = None;
        let mut admin = false;
        for (way, lacking) in self.ways(at, request) {
            let wanted = &problem.subrequests[way];
            let mut domain = self.domains.now(state, claim, way, common);
            if request == at.request {
                domain.drop_below(at.start);
            }
            let nothing = wanted.all.as_ref().is_some_and(Vec::is_empty);
            if nothing || domain.len() < lacking {
                continue;
            }
            admin |= wanted.admin;
            // A device that allows multiple allocations excludes nobody.
            let shared = domain.common(problem.multi()).min(lacking);
            domain.drop(problem.multi());
            let count = lacking - shared;
            match &mut least {
                None => least = Some(Demand { count, domain }),
                Some(least) => {
                    least.count = least.count.min(count);
                    least.domain.add(&domain);
                }
            }
        }
        Some(Need {
            claim: problem.requests[request].claim,
            admin,
            devices: least?,
        })
    }

    /// Needs of which no two are met by one device: all without admin access, and those of each
    /// claim. Admin access is granted to devices of other claims, but not to those of its own.
    fn exclusive<'n>(&self, needs: &'n [Need]) -> Vec<Vec<&'n Demand<DeviceIndex>>> {
        let ordinary = needs.iter().filter(|need| !need.admin);
        let mut groups = vec![ordinary.map(|need| &need.devices).collect()];
        if self.any_admin {
            groups.extend(by_claim(needs));
        }
        groups
    }

    /// The law of counters. What several claims with admin access have may be the same devices, which
    /// then consume once more for each.
    fn can_consume(&self, state: &State<'_, '_>, needs: &[Need]) -> bool {
        let consumers = match self.any_admin {
            true => by_claim(needs),
            false => vec![needs.iter().map(|need| &need.devices).collect()],
        };
        self.tallies.iter().all(|tally| {
            let left = tally
                .counters
                .iter()
                .map(|counter| state.left[*counter as usize]);
            // A counter that is overdrawn bars only devices that consume from its pool.
            let left: i128 = left.map(|left| left.max(0)).sum();
            let least = consumers
                .iter()
                .map(|demands| tally.least(self.problem.len(), demands));
            least.sum::<i128>() <= left
        })
    }

    /// The constraints of a claim that want a common value of some request ahead whichever way it is
    /// met.
    fn matching(
        &self,
        claim: ClaimIndex,
        at: Position,
        before: RequestIndex,
    ) -> SmallVec<[ConstraintIndex; 2]> {
        let problem = self.problem;
        let ahead = |request: &RequestIndex| *request >= at.request && *request < before;
        let requests = problem.claim_requests[claim].iter().filter(ahead);
        let concerned = |constraint: &ConstraintIndex| {
            let of = &problem.constraints[*constraint];
            let applies =
                |way: SubrequestIndex| problem.subrequests[way].column(*constraint).is_some();
            of.claim == claim
                && of.kind == Kind::Match
                && requests.clone().any(|request| {
                    let mut ways = self.ways(at, request);
                    ways.all(|(way, _)| applies(way))
                })
        };
        problem
            .constraint_indices()
            .iter()
            .filter(concerned)
            .collect()
    }

    /// The law of common values: one element for each constraint, such that all requests have enough.
    fn have_common_values(
        &self,
        state: &State<'_, '_>,
        at: Position,
        before: RequestIndex,
        constraints: &[ConstraintIndex],
        common: &mut SmallVec<[Common; 2]>,
    ) -> bool {
        let Some((constraint, others)) = constraints.split_first() else {
            return true;
        };
        let of = &self.problem.constraints[*constraint];
        let present = of.claim == self.problem.requests[at.request].claim;
        let values = state.values(*constraint).filter(|_| present);
        (0..of.values.len()).any(|element| {
            if values.is_some_and(|words| words[element / 64] & (1 << (element % 64)) == 0) {
                return false;
            }
            common.push((*constraint, ElementIndex::new(element)));
            let can_have = self.can_have(state, at, before, common)
                && self.have_common_values(state, at, before, others, common);
            common.pop();
            can_have
        })
    }

    /// The law of distinct values.
    fn have_distinct_values(
        &self,
        state: &State<'_, '_>,
        at: Position,
        before: RequestIndex,
    ) -> bool {
        let problem = self.problem;
        let claim = problem.requests[at.request].claim;
        problem.constraint_indices().iter().all(|constraint| {
            let of = &problem.constraints[constraint];
            if of.kind != Kind::Distinct || of.claim < claim {
                return true;
            }
            let ahead = |request: &RequestIndex| *request >= at.request && *request < before;
            let requests = problem.claim_requests[of.claim].iter().filter(ahead);
            let demands = requests.map(|request| {
                let mut least = usize::MAX;
                let mut values = Set::new(of.values.len());
                for (way, lacking) in self.ways(at, request) {
                    let Some(column) = problem.subrequests[way].column(constraint) else {
                        least = 0;
                        continue;
                    };
                    least = least.min(lacking);
                    let domain = self.domains.now(state, claim, way, &[]);
                    let applied = Applied { constraint, column };
                    for element in (0..of.values.len()).map(ElementIndex::new) {
                        if self.domains.having(applied, element).common(&domain) > 0 {
                            values.insert(element);
                        }
                    }
                }
                Demand {
                    count: least,
                    domain: values,
                }
            });
            let demands: Vec<Demand<ElementIndex>> = demands.collect();
            can_all_be_met(&demands.iter().collect::<Vec<_>>(), of.values.len())
        })
    }
}

fn by_claim(needs: &[Need]) -> Vec<Vec<&Demand<DeviceIndex>>> {
    let claims = needs.chunk_by(|one, other| one.claim == other.claim);
    claims
        .map(|needs| needs.iter().map(|need| &need.devices).collect())
        .collect()
}

impl Tally {
    /// What as many different devices consume at least as all demands together count.
    fn least(&self, devices: usize, demands: &[&Demand<DeviceIndex>]) -> i128 {
        let mut domain = Devices::new(devices);
        demands.iter().for_each(|demand| domain.add(&demand.domain));
        let count = demands.iter().map(|demand| demand.count).sum();
        let cheapest = self
            .by_amount
            .iter()
            .filter(|(_, device)| domain.has(*device));
        cheapest.take(count).map(|(amount, _)| amount).sum()
    }
}

/// Each counter alone, and all counters of one name in the sets of a pool together: seven devices that
/// each consume from one of two sets with three slices are seen by the sum alone.
fn tallies(problem: &Problem<'_>) -> Vec<Tally> {
    let counters = &problem.available.counters;
    if !counters.matter() {
        return Vec::new();
    }
    let tally = |tallied: Vec<u32>| {
        let amount = |device: DeviceIndex| {
            let taken = counters.consumption(device);
            let taken = taken.into_iter().flat_map(|taken| &taken.amounts);
            let own = taken.filter(|(counter, _)| tallied.contains(counter));
            own.map(|(_, amount)| *amount).sum::<i128>()
        };
        let devices = problem.available.view.devices();
        let mut by_amount: Vec<_> = devices.map(|device| (amount(device), device)).collect();
        by_amount.sort_unstable();
        Tally {
            counters: tallied,
            by_amount,
        }
    };
    let numbers = 0..counters.names.len() as u32;
    let same = |one: u32, other: u32| {
        let (one, other) = (
            &counters.names[one as usize],
            &counters.names[other as usize],
        );
        one.pool == other.pool && one.counter == other.counter
    };
    let sums = numbers.clone().map(|number| {
        let same = numbers.clone().filter(|other| same(number, *other));
        same.collect::<Vec<u32>>()
    });
    let sums: Vec<Vec<u32>> = sums.collect();
    let sums = sums.into_iter().zip(0..);
    let sums = sums.filter(|(sum, number)| sum.len() > 1 && sum[0] == *number);
    let single = numbers.map(|number| vec![number]);
    single.chain(sums.map(|(sum, _)| sum)).map(tally).collect()
}
