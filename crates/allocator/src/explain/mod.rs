//! Why claims do not fit, reduced to what the refusal rests on, and what would fit instead.
//!
//! A refusal is reduced by asking again without one claim, request or constraint after the other:
//! what is left is refused, and without any part of it the rest is not. What stands in the way is
//! read off the same problem with nothing in use and no taints.
//!
//! A question that takes too long to be asked again in parts is cited whole.

mod scene;

use trainyard_model::Text;
use trainyard_model::claim::{AllocationMode, DeviceQuery, ResourceClaim};
use trainyard_model::features::Feature;
use trainyard_model::refusal::{Cited, Reason, Refusal, Remedy, Why};
use trainyard_model::selector::Engine;
use trainyard_model::slice::DeviceId;

use crate::inventory::Inventory;
use crate::problem::Problem;
use crate::search::attempts::End;
use crate::search::strategy::Strategy;
use crate::verdict::{Question, Refused, claim_name};
use scene::{Scene, incomplete};

/// Steps that a variation of the question may take.
const STEPS: u64 = 20_000;

/// How many values and holders a reason names at most.
const NAMED: usize = 8;

/// How a variation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Fits,
    Refused,
    /// An error, or no answer in time.
    Unknown,
}

impl<E: Engine> Inventory<E> {
    /// Why a question is refused that was just asked.
    pub fn explain(&mut self, question: &Question<'_>, _: Refused) -> Refusal {
        let core = self.reduce(question);
        let claims: Vec<&ResourceClaim> = core.iter().map(|(_, part)| &part.claim).collect();
        let reduced = Question {
            claims: &claims,
            ..*question
        };
        let reason = self.reason(&reduced);
        let remedies = self.remedies(question, &core, &reason);
        Refusal {
            cited: core.iter().map(|(index, part)| part.cite(*index)).collect(),
            reason,
            remedies,
        }
    }

    fn fit(&mut self, question: &Question<'_>, claims: &[&ResourceClaim]) -> Fit {
        let question = Question {
            claims,
            budget: STEPS,
            ..*question
        };
        let Ok(problem) = Problem::of(self, &question) else {
            return Fit::Unknown;
        };
        match Strategy::default().solve(&problem, question.budget).0 {
            End::Found(..) => Fit::Fits,
            End::Nothing => Fit::Refused,
            End::Exceeded | End::Fatal(_) | End::OutOfSteps => Fit::Unknown,
        }
    }

    /// The claims without what the refusal does not rest on.
    fn reduce(&mut self, question: &Question<'_>) -> Vec<(usize, Part)> {
        let claims = question.claims.iter().enumerate();
        let mut core = claims
            .map(|(index, claim)| (index, Part::of(claim)))
            .collect();
        // What cannot be left out at first may be once others are: one without it may end in an
        // error as long as those are there.
        let size =
            |core: &Vec<(usize, Part)>| core.iter().map(|(_, part)| part.size()).sum::<usize>();
        loop {
            let before = size(&core);
            core = self.reduce_once(question, core);
            if size(&core) == before {
                return core;
            }
        }
    }

    fn reduce_once(
        &mut self,
        question: &Question<'_>,
        mut core: Vec<(usize, Part)>,
    ) -> Vec<(usize, Part)> {
        let refused = |inventory: &mut Self, core: &[(usize, Part)]| {
            let claims: Vec<&ResourceClaim> = core.iter().map(|(_, part)| &part.claim).collect();
            inventory.fit(question, &claims) == Fit::Refused
        };
        let mut at = core.len();
        while at > 0 && core.len() > 1 {
            at -= 1;
            let mut without = core.clone();
            without.remove(at);
            if refused(self, &without) {
                core = without;
            }
        }
        for at in 0..core.len() {
            let mut constraint = core[at].1.claim.constraints.len();
            while constraint > 0 {
                constraint -= 1;
                let mut without = core.clone();
                without[at].1.drop_constraint(constraint);
                if refused(self, &without) {
                    core = without;
                }
            }
            let mut request = core[at].1.claim.requests.len();
            while request > 0 && core[at].1.claim.requests.len() > 1 {
                request -= 1;
                let mut without = core.clone();
                without[at].1.drop_request(request);
                if refused(self, &without) {
                    core = without;
                }
            }
        }
        core
    }

    /// What is the matter with claims that are reduced.
    fn reason(&mut self, question: &Question<'_>) -> Reason {
        let problem = match Problem::of(self, question) {
            Ok(problem) => problem,
            Err(_) => return Reason::NoDevices,
        };
        // The same with nothing in use and no taints: what matches at all.
        let bare = Question {
            features: question.features.without(Feature::DeviceTaints),
            ..*question
        };
        let allocated = std::mem::take(&mut self.allocated);
        let bare = Problem::of(self, &bare);
        self.allocated = allocated;
        let Ok(bare) = bare else {
            return Reason::NoDevices;
        };
        if problem.len() == 0 {
            let pools = incomplete(self, &problem);
            return if pools.is_empty() {
                Reason::NoDevices
            } else {
                Reason::PoolIncomplete { pools }
            };
        }
        let scene = Scene {
            inventory: self,
            problem: &problem,
            bare: &bare,
        };
        scene.reason()
    }

    fn remedies(
        &mut self,
        question: &Question<'_>,
        core: &[(usize, Part)],
        reason: &Reason,
    ) -> Vec<Remedy> {
        let mut remedies = Vec::new();
        let claims: Vec<ResourceClaim> = question
            .claims
            .iter()
            .map(|claim| (*claim).clone())
            .collect();
        remedies.extend(self.smaller_counts(question, core, &claims));
        for (index, part) in core {
            for constraint in &part.constraints {
                let mut claims = claims.clone();
                let dropped = claims[*index].constraints.remove(*constraint);
                if self.fits(question, &claims) {
                    let attribute = dropped.match_attribute.or(dropped.distinct_attribute);
                    remedies.push(Remedy::DropConstraint {
                        claim: claim_name(&claims[*index]),
                        attribute: attribute.unwrap_or_default(),
                    });
                }
            }
        }
        for (holder, devices) in holders(reason) {
            let taken: Vec<_> = devices
                .into_iter()
                .filter_map(|device| {
                    let key = self.key(device);
                    let used = self.allocated.take(key)?;
                    self.allocated.put(key, used.without(&holder));
                    Some((key, used))
                })
                .collect();
            let fits = self.fits(question, &claims);
            for (key, used) in taken {
                self.allocated.put(key, used);
            }
            if fits {
                remedies.push(Remedy::Release(holder));
            }
        }
        let tolerant = Question {
            features: question.features.without(Feature::DeviceTaints),
            ..*question
        };
        if question.features.has(Feature::DeviceTaints) && self.fits(&tolerant, &claims) {
            remedies.push(Remedy::Tolerate);
        }
        remedies
    }

    fn fits(&mut self, question: &Question<'_>, claims: &[ResourceClaim]) -> bool {
        let claims: Vec<&ResourceClaim> = claims.iter().collect();
        self.fit(question, &claims) == Fit::Fits
    }

    /// The largest counts that fit if the cited requests, and those that a constraint ties to them,
    /// are held to one limit; before them, where powers of two were asked for, the largest such.
    fn smaller_counts(
        &mut self,
        question: &Question<'_>,
        core: &[(usize, Part)],
        claims: &[ResourceClaim],
    ) -> Vec<Remedy> {
        let scaled = |index: usize, name: &Text| {
            let mut parts = core.iter().filter(|(claim, _)| *claim == index);
            parts.any(|(_, part)| part.concerns(&claims[index], name))
        };
        let mut counts = Vec::new();
        for (index, claim) in claims.iter().enumerate() {
            for request in claim
                .requests
                .iter()
                .filter(|request| scaled(index, &request.name))
            {
                let query = request.exactly.as_ref();
                counts.extend(
                    query
                        .filter(|query| !wants_all(query))
                        .map(|query| query.count),
                );
            }
        }
        let Some(most) = counts.iter().copied().max() else {
            return Vec::new();
        };
        let mut remedies = Vec::new();
        for limit in (1..most.min(33)).rev() {
            let power = limit.count_ones() == 1;
            if !remedies.is_empty() && !power {
                continue;
            }
            let mut claims = claims.to_vec();
            let mut counts = Vec::new();
            for (index, claim) in claims.iter_mut().enumerate() {
                for request in &mut claim.requests {
                    let is_scaled = scaled(index, &request.name);
                    let query = request.exactly.as_mut();
                    if let Some(query) = query.filter(|query| is_scaled && !wants_all(query)) {
                        query.count = query.count.min(limit);
                        counts.push((request.name.clone(), query.count));
                    }
                }
            }
            if !self.fits(question, &claims) {
                continue;
            }
            remedies.insert(0, Remedy::Counts(counts));
            if power {
                break;
            }
        }
        if counts.iter().any(|count| count.count_ones() != 1) {
            remedies.reverse();
            remedies.truncate(1);
        }
        remedies
    }
}

/// What is left of a claim.
#[derive(Debug, Clone)]
struct Part {
    claim: ResourceClaim,
    /// The places that its constraints have in the whole claim.
    constraints: Vec<usize>,
}

impl Part {
    fn of(claim: &ResourceClaim) -> Part {
        Part {
            claim: claim.clone(),
            constraints: (0..claim.constraints.len()).collect(),
        }
    }

    /// How many requests and constraints there are.
    fn size(&self) -> usize {
        self.claim.requests.len() + self.constraints.len()
    }

    /// Whether a request of the whole claim is cited, or tied to one that is.
    fn concerns(&self, whole: &ResourceClaim, name: &Text) -> bool {
        let cites = |name: &str| {
            self.claim
                .requests
                .iter()
                .any(|request| &*request.name == name)
        };
        let parent = |name: &Text| name.split('/').next().unwrap_or_default().to_owned();
        cites(name)
            || self.constraints.iter().any(|at| {
                let requests = &whole.constraints[*at].requests;
                requests.is_empty() || requests.iter().any(|request| parent(request) == **name)
            })
    }

    fn drop_constraint(&mut self, at: usize) {
        self.claim.constraints.remove(at);
        self.constraints.remove(at);
    }

    fn drop_request(&mut self, at: usize) {
        let name = self.claim.requests.remove(at).name;
        let mut at = 0;
        while at < self.claim.constraints.len() {
            let requests = &mut self.claim.constraints[at].requests;
            let was_for_all = requests.is_empty();
            requests.retain(|request| {
                request
                    .split_once('/')
                    .map_or(&**request, |(parent, _)| parent)
                    != &*name
            });
            // An empty list would mean all requests.
            if requests.is_empty() && !was_for_all {
                self.drop_constraint(at);
            } else {
                at += 1;
            }
        }
    }

    fn cite(&self, claim: usize) -> Cited {
        let requests = self.claim.requests.iter();
        Cited {
            claim,
            name: claim_name(&self.claim),
            requests: requests.map(|request| request.name.clone()).collect(),
            constraints: self.constraints.clone(),
        }
    }
}

/// The holders of devices that stand in the way, each with these devices.
fn holders(reason: &Reason) -> Vec<(Text, Vec<&DeviceId>)> {
    let values = match reason {
        Reason::NoCommonValue { values, .. } => values.as_slice(),
        _ => &[],
    };
    let blocked = values
        .iter()
        .flat_map(|value| &value.blocked)
        .chain(reason.blocked());
    let mut holders: Vec<(Text, Vec<&DeviceId>)> = Vec::new();
    for blocked in blocked {
        let (Why::Held(names) | Why::Capacity(names)) = &blocked.why else {
            continue;
        };
        for name in names {
            match holders.iter_mut().find(|(holder, _)| holder == name) {
                Some((_, devices)) => devices.push(&blocked.device),
                None => holders.push((name.clone(), vec![&blocked.device])),
            }
        }
    }
    holders.truncate(NAMED);
    holders
}

fn wants_all(query: &DeviceQuery) -> bool {
    query.mode == AllocationMode::All
}
