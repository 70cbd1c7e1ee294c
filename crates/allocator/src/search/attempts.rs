//! The search itself: upstream's attempts, in upstream's order.
//!
//! Without a [`Pruner`] it takes exactly upstream's steps, and so also counts them. With one it skips
//! attempts that reach no goal, and ends with the same devices or the same error.
//!
//! Source: `allocateOne` of upstream's allocator.

use super::pruner::Pruner;
use super::state::{Pick, Position, State, Take};
use crate::ids::{ClaimIndex, ConstraintIndex, DeviceIndex, Id, RequestIndex, SubrequestIndex};
use crate::problem::{Problem, RESULTS};

/// How a search ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// With these devices, and these subrequests by request.
    Found(Vec<Pick>, Vec<SubrequestIndex>),
    /// There is no solution.
    Nothing,
    /// Too many devices whatever is tried.
    Exceeded,
    /// An error.
    Fatal(Stop),
    /// The budget is used up.
    OutOfSteps,
}

/// Where a search met an error, or the end of its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The device is one of the subrequest's `broken`.
    Broken {
        subrequest: SubrequestIndex,
        device: DeviceIndex,
    },
    /// A constraint's derived attribute fails.
    Derived {
        subrequest: SubrequestIndex,
        constraint: ConstraintIndex,
        device: DeviceIndex,
    },
    /// All devices are wanted and a constraint refuses one.
    Constraint {
        subrequest: SubrequestIndex,
        device: DeviceIndex,
    },
    /// The budget is used up.
    OutOfSteps,
}

/// Which devices a request may go on with, once it has some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Only those after its last one: kube-scheduler 1.36 and later.
    Combinations,
    /// All again: kube-scheduler 1.35 and earlier.
    Permutations,
}

/// How an attempt ended that met no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Found,
    Failed,
    /// The claim would have too many devices. Unlike [`Outcome::Failed`] it ends the attempts with
    /// other devices, but not those with other subrequests.
    Exceeded,
}

/// How deep attempts may be nested: each takes some of the thread's stack. A pod that gets so many
/// devices of one node does not exist.
const DEPTH: usize = 3_000;

/// A search in progress.
struct Search<'s, 'p, 'a> {
    problem: &'p Problem<'a>,
    state: State<'p, 'a>,
    pruner: Option<&'s mut Pruner<'p, 'a>>,
    order: Order,
    budget: u64,
    steps: u64,
    /// By request: the subrequest that is tried.
    selected: Vec<SubrequestIndex>,
}

/// Searches. Returns the end and the steps taken, at most `budget`.
pub(crate) fn run<'p, 'a>(
    problem: &'p Problem<'a>,
    pruner: Option<&mut Pruner<'p, 'a>>,
    order: Order,
    budget: u64,
) -> (End, u64) {
    let requests = problem.requests.iter();
    let mut search = Search {
        problem,
        state: State::new(problem),
        pruner,
        order,
        budget,
        steps: 0,
        selected: requests
            .map(|request| request.subrequests.first())
            .collect(),
    };
    let first = (ClaimIndex::new(0), RequestIndex::new(0));
    let end = match search.allocate_request(first.0, first.1) {
        Ok(Outcome::Found) => End::Found(search.state.picks, search.selected),
        Ok(Outcome::Failed) => End::Nothing,
        Ok(Outcome::Exceeded) => End::Exceeded,
        Err(Stop::OutOfSteps) => End::OutOfSteps,
        Err(stop) => End::Fatal(stop),
    };
    (end, search.steps)
}

impl Search<'_, '_, '_> {
    /// Finds devices for a request that has none yet, and for all that follow it.
    fn allocate_request(
        &mut self,
        claim: ClaimIndex,
        request: RequestIndex,
    ) -> Result<Outcome, Stop> {
        let Some(requests) = self.problem.claim_requests.get(claim.number()) else {
            self.step()?;
            return Ok(Outcome::Found);
        };
        if request >= requests.end() {
            self.step()?;
            return self.allocate_claim(ClaimIndex::new(claim.number() + 1), request);
        }
        let subrequests = self.problem.requests[request].subrequests;
        let position = |subrequest| Position {
            request,
            subrequest,
            have: 0,
            start: 0,
        };
        if !self.problem.requests[request].listed {
            return self.allocate_one(position(subrequests.first()));
        }
        self.step()?;
        let mut all_exceeded = true;
        for subrequest in subrequests.iter() {
            self.selected[request] = subrequest;
            let outcome = self.allocate_one(position(subrequest))?;
            if outcome == Outcome::Found {
                return Ok(outcome);
            }
            all_exceeded &= outcome == Outcome::Exceeded;
        }
        Ok(match all_exceeded {
            true => Outcome::Exceeded,
            false => Outcome::Failed,
        })
    }

    /// Finds devices for a claim and all that follow it.
    fn allocate_claim(&mut self, claim: ClaimIndex, first: RequestIndex) -> Result<Outcome, Stop> {
        let before = self.state.claim_start;
        self.state.claim_start = self.state.picks.len();
        let outcome = self.allocate_request(claim, first)?;
        self.state.claim_start = before;
        // Too many devices for one claim are an ordinary failure to the claims before it.
        Ok(match outcome {
            Outcome::Found => Outcome::Found,
            Outcome::Failed | Outcome::Exceeded => Outcome::Failed,
        })
    }

    /// Finds one more device for a request, and what is wanted after that.
    fn allocate_one(&mut self, at: Position) -> Result<Outcome, Stop> {
        let Position { subrequest, .. } = at;
        let wanted = &self.problem.subrequests[subrequest];
        let done = at.have >= wanted.count && !wanted.all.as_ref().is_some_and(Vec::is_empty);
        let left = RESULTS - self.state.claim_picks() as i64;
        let exceeds = !done && wanted.count - at.have > left;
        let mut key = None;
        if let Some(pruner) = self.pruner.as_mut().filter(|_| !done && !exceeds) {
            key = pruner.key(&self.state, at);
            if pruner.is_in_vain(&self.state, at, key.as_ref()) {
                return Ok(Outcome::Failed);
            }
        }
        self.step()?;
        if done {
            let next = RequestIndex::new(at.request.number() + 1);
            return self.allocate_request(wanted.claim, next);
        }
        if exceeds {
            return Ok(Outcome::Exceeded);
        }
        if let Some(all) = &wanted.all {
            return match all.get(at.have as usize) {
                Some(device) => self.allocate_next_of_all(at, *device),
                None => Ok(Outcome::Failed),
            };
        }
        let mut failed: Vec<DeviceIndex> = Vec::new();
        let mut from = at.start;
        while let Some(device) = wanted.next(from) {
            from = device.number() + 1;
            if wanted.broken.has(device) {
                if !self.state.is_taken(subrequest, device) {
                    return Err(Stop::Broken { subrequest, device });
                }
                continue;
            }
            let pruner = self.pruner.as_ref();
            if pruner.is_some_and(|pruner| pruner.repeats(&self.state, at, &failed, device)) {
                continue;
            }
            match self.state.take(subrequest, device) {
                Take::Taken => {}
                Take::Refused | Take::Constraint => continue,
                Take::Fails(constraint) => {
                    return Err(Stop::Derived {
                        subrequest,
                        constraint,
                        device,
                    });
                }
            }
            let outcome = self.allocate_one(Position {
                have: at.have + 1,
                start: match self.order {
                    Order::Combinations => from,
                    Order::Permutations => 0,
                },
                ..at
            })?;
            if outcome == Outcome::Found {
                return Ok(outcome);
            }
            self.state.untake();
            if outcome == Outcome::Exceeded {
                return Ok(outcome);
            }
            failed.push(device);
        }
        if let (Some(pruner), Some(key)) = (&mut self.pruner, key) {
            pruner.remember(key);
        }
        Ok(Outcome::Failed)
    }

    /// Takes the next of all devices that a request wants, and what is wanted after that.
    fn allocate_next_of_all(&mut self, at: Position, device: DeviceIndex) -> Result<Outcome, Stop> {
        let Position { subrequest, .. } = at;
        match self.state.take(subrequest, device) {
            Take::Taken => {}
            Take::Refused => return Ok(Outcome::Failed),
            Take::Constraint => return Err(Stop::Constraint { subrequest, device }),
            Take::Fails(constraint) => {
                return Err(Stop::Derived {
                    subrequest,
                    constraint,
                    device,
                });
            }
        }
        let have = at.have + 1;
        let outcome = self.allocate_one(Position { have, ..at })?;
        if outcome != Outcome::Found {
            self.state.untake();
        }
        Ok(outcome)
    }

    fn step(&mut self) -> Result<(), Stop> {
        if self.steps == self.budget || self.state.picks.len() > DEPTH {
            return Err(Stop::OutOfSteps);
        }
        self.steps += 1;
        Ok(())
    }
}
