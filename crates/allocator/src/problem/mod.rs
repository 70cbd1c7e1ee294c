//! What is asked? A question made ready for the search: every device a number, every answer that
//! does not depend on other devices known.
//!
//! Example: the claim of `aligned-efa-neuron` on a trn2.48xlarge is one claim of two requests, each
//! with one subrequest (itself), for four of sixteen suitable devices each, and one constraint, whose
//! values are the four device groups.
//!
//! Refuses to know: the order in which devices are tried, and which of them are taken.

pub(crate) mod available;
pub(crate) mod capacity;
pub(crate) mod constraints;
pub(crate) mod counters;
pub(crate) mod subrequests;

use trainyard_model::claim::{DeviceRequest, ResourceClaim};
use trainyard_model::features::{Feature, Features};
use trainyard_model::selector::Engine;

use crate::ids::{
    ClaimIndex, ConstraintIndex, DeviceIndex, Id, RequestIndex, Span, SubrequestIndex,
};
use crate::inventory::Inventory;
use crate::inventory::pools::{Health, Pool};
use crate::set::Devices;
use crate::verdict::{Fatal, Question, claim_name};
use available::Available;
use constraints::Constraint;
use subrequests::Subrequest;

/// The largest number of devices in one claim's allocation.
pub(crate) const RESULTS: i64 = 32;

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    pub claim: ClaimIndex,
    pub subrequests: Span<SubrequestIndex>,
    /// Whether it is a prioritized list.
    pub listed: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Problem<'a> {
    pub available: Available<'a>,
    pub claims: &'a [&'a ResourceClaim],
    /// The requests of each claim.
    pub claim_requests: Vec<Span<RequestIndex>>,
    pub requests: Vec<Request>,
    pub subrequests: Vec<Subrequest<'a>>,
    pub constraints: Vec<Constraint>,
}

impl<'a> Problem<'a> {
    /// Prepares a question.
    pub fn of<E: Engine>(
        inventory: &mut Inventory<E>,
        question: &Question<'a>,
    ) -> Result<Self, Fatal> {
        let view = inventory.view(question)?;
        let requests = question.claims.iter().map(|claim| claim.requests.len());
        let requests = requests.sum();
        let mut problem = Problem {
            available: Available::of(inventory, question.node, question.features, view),
            claims: question.claims,
            claim_requests: Vec::with_capacity(question.claims.len()),
            requests: Vec::with_capacity(requests),
            subrequests: Vec::with_capacity(requests),
            constraints: Vec::with_capacity(2),
        };
        for (index, claim) in question.claims.iter().enumerate() {
            problem.add_claim(inventory, ClaimIndex::new(index), claim)?;
        }
        Ok(problem)
    }

    fn add_claim<E: Engine>(
        &mut self,
        inventory: &mut Inventory<E>,
        index: ClaimIndex,
        claim: &'a ResourceClaim,
    ) -> Result<(), Fatal> {
        let first_request = self.requests.len();
        let first_subrequest = self.subrequests.len();
        let mut at_least = 0i64;
        for request in &claim.requests {
            check_features(self.available.features, claim, request)?;
            let first = self.subrequests.len();
            let listed = !request.first_available.is_empty();
            let queries = if listed {
                request.first_available.as_slice()
            } else {
                request.exactly.as_slice()
            };
            for query in queries {
                let (claim, query) = ((index, claim), (request, query));
                let wanted = subrequests::check(inventory, &self.available, claim, query)?;
                self.subrequests.push(wanted);
            }
            let subrequests = Span::new(first, self.subrequests.len());
            let counts = subrequests.of(&self.subrequests).iter();
            let Some(count) = counts.map(|wanted| wanted.count).min() else {
                return Err(Fatal::EmptyRequest {
                    claim: claim_name(claim),
                    request: request.name.clone(),
                });
            };
            if count > RESULTS - at_least {
                return Err(Fatal::TooManyDevices {
                    claim: claim_name(claim),
                    request: request.name.clone(),
                    devices: count,
                    before: at_least,
                });
            }
            at_least += count;
            self.requests.push(Request {
                claim: index,
                subrequests,
                listed,
            });
        }
        let requests = Span::new(first_request, self.requests.len());
        self.claim_requests.push(requests);
        let subrequests = Span::new(first_subrequest, self.subrequests.len());
        for (at, constraint) in claim.constraints.iter().enumerate() {
            if constraint.match_attribute.is_none() && constraint.distinct_attribute.is_none() {
                return Err(Fatal::EmptyConstraint {
                    claim: claim_name(claim),
                    index: at,
                });
            }
            let number = ConstraintIndex::new(self.constraints.len());
            let constraint = Constraint::of(
                inventory,
                &self.available,
                (number, constraint),
                (index, subrequests),
                &mut self.subrequests,
            );
            self.constraints.push(constraint);
        }
        Ok(())
    }

    /// The first pool that is invalid.
    pub fn invalid_pool(&self) -> Option<&Pool> {
        let invalid = |pool: &&Pool| matches!(pool.health, Health::Invalid(_));
        self.available.view.pools.iter().find(invalid)
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.available.len()
    }

    /// About how many devices will be taken.
    pub fn depth(&self) -> usize {
        let first = |request: &Request| {
            let first = &self.subrequests[request.subrequests.first()];
            first.count.clamp(0, RESULTS)
        };
        let counts: i64 = self.requests.iter().map(first).sum();
        usize::try_from(counts).unwrap_or(0) + self.claims.len()
    }

    pub fn claim_indices(&self) -> Span<ClaimIndex> {
        Span::new(0, self.claims.len())
    }

    pub fn request_indices(&self) -> Span<RequestIndex> {
        Span::new(0, self.requests.len())
    }

    pub fn subrequest_indices(&self) -> Span<SubrequestIndex> {
        Span::new(0, self.subrequests.len())
    }

    pub fn constraint_indices(&self) -> Span<ConstraintIndex> {
        Span::new(0, self.constraints.len())
    }

    /// Devices that allow multiple allocations.
    pub fn multi(&self) -> &Devices {
        self.available.multi()
    }

    /// Whether a device shares its counters with shares of it that were in use before.
    pub fn was_shared(&self, device: DeviceIndex) -> bool {
        self.multi().has(device) && self.available.shared.has(device)
    }
}

fn check_features(
    features: Features,
    claim: &ResourceClaim,
    request: &DeviceRequest,
) -> Result<(), Fatal> {
    let listed = !request.first_available.is_empty();
    if listed && !features.has(Feature::PrioritizedList) {
        return Err(Fatal::PrioritizedListOff {
            claim: claim_name(claim),
            request: request.name.clone(),
        });
    }
    if features.has(Feature::ConsumableCapacity) {
        return Ok(());
    }
    let exactly = request.exactly.iter().map(|query| (&request.name, query));
    let subrequests = request.first_available.iter();
    let mut queries = exactly.chain(subrequests.map(|query| (&query.name, query)));
    match queries.find(|(_, query)| query.capacity.is_some()) {
        Some((name, _)) => Err(Fatal::CapacityOff {
            claim: claim_name(claim),
            request: name.clone(),
        }),
        None => Ok(()),
    }
}
