//! Why claims do not fit, reduced to what the refusal rests on, and what would fit instead.
//!
//! A refusal is reduced by asking again without one claim, request or constraint after the other:
//! what is left is refused, and without any part of it the rest is not. What stands in the way is
//! read off the same problem with nothing in use and no taints.

use std::collections::BTreeMap;

use trainyard_model::Text;
use trainyard_model::claim::ResourceClaim;
use trainyard_model::features::Feature;
use trainyard_model::refusal::{
    Blocked, Cited, Reason, Refusal, Remedy, ShutOut, Value, Want, Why,
};
use trainyard_model::selector::Engine;
use trainyard_model::slice::DeviceId;
use trainyard_model::taint::Effect;

use crate::allocate::solve;
use crate::allocated::Use;
use crate::bits::Bits;
use crate::constraints::Kind;
use crate::inventory::{Element, Inventory, Outcome};
use crate::pools::Health;
use crate::problem::{Choice, Problem, device_at, outcomes, prepare, wants_all};
use crate::search::End;
use crate::verdict::{Question, claim_name};

/// Steps that one question of the many may take.
const STEPS: u64 = 20_000;

/// Values and devices that are worth telling.
const TOLD: usize = 8;

/// How a variation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Fits,
    Refused,
    /// An error, or no answer in time.
    Unknown,
}

impl<E: Engine> Inventory<E> {
    /// Why the question is refused; `None` if it is not.
    pub fn explain(&mut self, question: &Question<'_>) -> Option<Refusal> {
        if self.fit(question, question.claims) != Fit::Refused {
            return None;
        }
        let core = self.reduce(question);
        let claims: Vec<&ResourceClaim> = core.iter().map(|(_, part)| &part.claim).collect();
        let reduced = Question {
            claims: &claims,
            ..*question
        };
        let reason = self.reason(&reduced);
        let remedies = self.remedies(question, &core, &reason);
        Some(Refusal {
            cited: core.iter().map(|(index, part)| part.cite(*index)).collect(),
            reason,
            remedies,
        })
    }

    fn fit(&mut self, question: &Question<'_>, claims: &[&ResourceClaim]) -> Fit {
        let question = Question {
            claims,
            budget: STEPS,
            ..*question
        };
        let Ok(problem) = prepare(self, &question) else {
            return Fit::Unknown;
        };
        match solve(&problem, question.budget).0 {
            End::Found(..) => Fit::Fits,
            End::Nothing => Fit::Refused,
            End::Exceeded | End::Fatal(_) | End::OutOfSteps => Fit::Unknown,
        }
    }

    /// The claims without what the refusal does not rest on.
    fn reduce(&mut self, question: &Question<'_>) -> Vec<(usize, Part)> {
        let mut core: Vec<(usize, Part)> = question
            .claims
            .iter()
            .enumerate()
            .map(|(index, claim)| (index, Part::of(claim)))
            .collect();
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
        let problem = match prepare(self, question) {
            Ok(problem) => problem,
            Err(_) => return Reason::NoDevices,
        };
        // The same with nothing in use and no taints: what matches at all.
        let bare = Question {
            features: question.features.without(Feature::DeviceTaints),
            ..*question
        };
        let allocated = std::mem::take(&mut self.allocated);
        let bare = prepare(self, &bare);
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

/// Who stands in the way, with what.
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
    holders.truncate(TOLD);
    holders
}

fn incomplete<E: Engine>(inventory: &Inventory<E>, problem: &Problem<'_>) -> Vec<Text> {
    let pools = problem
        .site
        .pools
        .iter()
        .filter(|pool| pool.health == Health::Incomplete);
    pools
        .map(|pool| {
            let name = |name| inventory.names.text(name);
            format!("{}/{}", name(pool.driver), name(pool.name)).into()
        })
        .collect()
}

/// A reduced problem, and the same with nothing in use.
struct Scene<'s, 'p, E: Engine> {
    inventory: &'s mut Inventory<E>,
    problem: &'s Problem<'p>,
    bare: &'s Problem<'p>,
}

impl<E: Engine> Scene<'_, '_, E> {
    fn reason(mut self) -> Reason {
        let problem = self.problem;
        match problem
            .constraints
            .first()
            .map(|constraint| constraint.kind)
        {
            Some(Kind::Match) => return self.no_common_value(0),
            Some(Kind::Distinct) => return self.too_few_values(0),
            None => {}
        }
        let options: Vec<usize> = (0..problem.options.len()).collect();
        let wants: Vec<Want> = options.iter().map(|option| self.want(*option)).collect();
        if let [slot] = problem.slots.as_slice() {
            let starved = |want: &Want| want.free < want.wanted || want.wanted == 0;
            if slot.listed && wants.iter().all(starved) {
                return Reason::NoAlternative {
                    request: problem.options[0].request.name.clone(),
                    blocked: self.blocked(&options),
                    wants,
                };
            }
            if let ([want], true) = (wants.as_slice(), wants.iter().all(starved)) {
                return self.too_few(want.clone());
            }
        }
        if let Some(reason) = self.short_of_counters(&wants) {
            return reason;
        }
        let blocked = self.blocked(&options);
        let shared = options
            .iter()
            .any(|option| !problem.options[*option].amounts.is_empty());
        if shared {
            return Reason::CapacityExhausted { wants, blocked };
        }
        let mut free = Bits::new(problem.len());
        options
            .iter()
            .for_each(|option| free.add(&problem.options[*option].open));
        Reason::Competing {
            wants,
            free: free.len(),
            blocked,
        }
    }

    fn want(&self, option: usize) -> Want {
        let (choice, bare) = (&self.problem.options[option], &self.bare.options[option]);
        want(choice, bare.open.len(), choice.open.len())
    }

    fn too_few(&mut self, want: Want) -> Reason {
        if want.matching == 0 {
            let pools = incomplete(self.inventory, self.problem);
            if !pools.is_empty() {
                return Reason::PoolIncomplete { pools };
            }
            return Reason::NoMatch {
                devices: self.problem.len(),
                shut_out: self.shut_out(),
                want,
            };
        }
        let blocked = self.blocked(&[0]);
        let is_short = |blocked: &Blocked| matches!(blocked.why, Why::Capacity(_));
        if blocked.iter().any(is_short) {
            return Reason::CapacityExhausted {
                wants: vec![want],
                blocked,
            };
        }
        Reason::TooFewDevices { blocked, want }
    }

    /// How many devices each selector of the only request shuts out, and what else does.
    fn shut_out(&mut self) -> Vec<ShutOut> {
        let choice = &self.problem.options[0];
        let expressions = choice.class.selectors.iter().chain(&choice.query.selectors);
        let mut left = Bits::new(self.problem.len());
        (0..self.problem.len()).for_each(|place| left.insert(place));
        let mut result = Vec::new();
        for (index, (program, expression)) in choice.selectors.iter().zip(expressions).enumerate() {
            let before = left.len();
            for at in 0..self.problem.len() {
                let slice = self.problem.slice_at(at);
                let outcomes = outcomes(self.inventory, *program, slice);
                let place = self.problem.place(at);
                if outcomes[place.device as usize] != Outcome::Yes {
                    left.remove(at);
                }
            }
            let devices = before - left.len();
            if devices > 0 {
                result.push(ShutOut {
                    by: if index < choice.class_selectors {
                        format!("class {}", choice.class.name).into()
                    } else {
                        "selector".into()
                    },
                    expression: expression.clone().unwrap_or_default(),
                    devices,
                });
            }
        }
        if !left.is_empty() {
            let asked = choice.query.capacity.iter().flatten();
            let asked: Vec<_> = asked
                .map(|(name, amount)| format!("{name} {amount}"))
                .collect();
            let by = match asked.as_slice() {
                [] => "node".into(),
                _ => ShutOut::CAPACITY.into(),
            };
            result.push(ShutOut {
                by,
                expression: asked.join(", ").into(),
                devices: left.len(),
            });
        }
        result
    }

    /// Devices that match one of the options but cannot be had by it.
    fn blocked(&self, options: &[usize]) -> Vec<Blocked> {
        let mut seen = Bits::new(self.problem.len());
        let mut blocked = Vec::new();
        for option in options {
            let (choice, bare) = (&self.problem.options[*option], &self.bare.options[*option]);
            for place in bare.open.iter() {
                if !choice.open.has(place) && !seen.has(place) {
                    seen.insert(place);
                    blocked.push(self.block(choice, place));
                }
            }
        }
        blocked
    }

    fn block(&self, choice: &Choice<'_>, place: usize) -> Blocked {
        let used = self.inventory.allocated.get(self.problem.key(place));
        let (_, device) = device_at(self.inventory, self.problem, place);
        let why = if self.problem.held.has(place) && !choice.admin {
            Why::Held(used.map(|used| used.holders()).unwrap_or_default())
        } else if let Some(used) = used.filter(|used| used.shared()) {
            Why::Capacity(used.holders())
        } else {
            let tolerations = choice.query.tolerations.as_deref().unwrap_or_default();
            let taint = device.taints.iter().find(|taint| {
                matches!(taint.effect, Effect::NoSchedule | Effect::NoExecute)
                    && !tolerations
                        .iter()
                        .any(|toleration| toleration.tolerates(taint))
            });
            match taint {
                Some(taint) => {
                    let effect = match taint.effect {
                        Effect::NoExecute => "NoExecute",
                        _ => "NoSchedule",
                    };
                    Why::Tainted(format!("{}={}:{effect}", taint.key, taint.value).into())
                }
                None => Why::Unusable,
            }
        };
        Blocked {
            device: self.inventory.device_id(self.problem, place),
            why,
        }
    }

    fn no_common_value(&self, index: usize) -> Reason {
        let (constraint, bare) = (
            &self.problem.constraints[index],
            &self.bare.constraints[index],
        );
        let options: Vec<usize> = (0..self.problem.options.len())
            .filter(|option| self.column(*option, index).is_some())
            .collect();
        let mut values: Vec<Value> = Vec::new();
        for (number, element) in bare.values.elements.iter().enumerate() {
            let mut value = Value {
                value: self.value_text(element.as_ref()),
                wants: Vec::new(),
                blocked: Vec::new(),
            };
            for option in &options {
                let column = self.column(*option, index).unwrap_or_default();
                let choice = &self.problem.options[*option];
                let with = |place: &usize| {
                    let set = bare.values.columns[column][*place] as usize;
                    bare.values
                        .sets
                        .get(set)
                        .is_some_and(|set| set.contains(&(number as u32)))
                };
                let matching: Vec<usize> = self.bare.options[*option]
                    .open
                    .iter()
                    .filter(with)
                    .collect();
                let (free, taken): (Vec<usize>, Vec<usize>) =
                    matching.iter().partition(|place| choice.open.has(**place));
                value.wants.push(want(choice, matching.len(), free.len()));
                for place in taken {
                    let blocked = self.block(choice, place);
                    if !value.blocked.contains(&blocked) {
                        value.blocked.push(blocked);
                    }
                }
            }
            values.push(value);
        }
        values.sort_by_key(Value::missing);
        // Values that do not have enough even when nothing is in use tell nothing beside those
        // that do.
        let could = |value: &Value| value.wants.iter().all(|want| want.matching >= want.wanted);
        if values.iter().any(could) {
            values.retain(could);
        }
        values.truncate(TOLD);
        Reason::NoCommonValue {
            attribute: constraint.attribute.clone(),
            wants: options.iter().map(|option| self.want(*option)).collect(),
            values,
        }
    }

    fn too_few_values(&self, index: usize) -> Reason {
        let constraint = &self.problem.constraints[index];
        let options: Vec<usize> = (0..self.problem.options.len())
            .filter(|option| self.column(*option, index).is_some())
            .collect();
        let mut values: BTreeMap<u32, ()> = BTreeMap::new();
        for option in &options {
            let column = self.column(*option, index).unwrap_or_default();
            for place in self.problem.options[*option].open.iter() {
                let set = constraint.values.columns[column][place] as usize;
                let elements = constraint.values.sets.get(set).into_iter().flatten();
                values.extend(elements.map(|element| (*element, ())));
            }
        }
        Reason::TooFewValues {
            attribute: constraint.attribute.clone(),
            wants: options.iter().map(|option| self.want(*option)).collect(),
            values: values.len(),
            blocked: self.blocked(&options),
        }
    }

    /// Whether the counters are to blame: the first of which there would have to be more.
    fn short_of_counters(&self, wants: &[Want]) -> Option<Reason> {
        let counters = &self.problem.counters;
        let mut least: Vec<i128> = vec![0; counters.available.len()];
        let touch = |place: usize| self.problem.counters.consumption(place);
        for choice in &self.problem.options {
            let need = usize::try_from(choice.need).unwrap_or(0);
            for (counter, sum) in least.iter_mut().enumerate() {
                let mut amounts: Vec<i128> = choice
                    .open
                    .iter()
                    .map(|place| {
                        let taken = touch(place).into_iter().flat_map(|taken| &taken.amounts);
                        let own = taken.filter(|(other, _)| *other as usize == counter);
                        own.map(|(_, amount)| *amount).sum()
                    })
                    .collect();
                amounts.sort_unstable();
                *sum += amounts.iter().take(need).sum::<i128>();
            }
        }
        let short = least
            .iter()
            .zip(&counters.available)
            .position(|(least, left)| least > left)?;
        let (name, left) = (&counters.names[short], counters.available[short]);
        let pool = &self.problem.site.pools[name.pool as usize];
        let text = |name| self.inventory.names.text(name);
        let left = trainyard_model::quantity::Quantity::new(left, -9, Default::default());
        Some(Reason::CounterExhausted {
            wants: wants.to_vec(),
            pool: format!("{}/{}", text(pool.driver), text(pool.name)).into(),
            set: name.set.clone(),
            counter: name.counter.clone(),
            left: left.to_string().into(),
        })
    }

    fn column(&self, option: usize, constraint: usize) -> Option<usize> {
        let constraints = &self.problem.options[option].constraints;
        let found = constraints.iter().find(|(index, _)| *index == constraint);
        found.map(|(_, column)| *column)
    }

    fn value_text(&self, element: Option<&Element>) -> Text {
        match element {
            Some(Element::Int(value)) => value.to_string().into(),
            Some(Element::Bool(value)) => value.to_string().into(),
            Some(Element::String(name) | Element::Version(name)) => {
                self.inventory.names.text(*name).clone()
            }
            None => "(a value of unknown type)".into(),
        }
    }
}

fn want(choice: &Choice<'_>, matching: usize, free: usize) -> Want {
    Want {
        request: choice.name().into(),
        class: choice.class.name.clone(),
        wanted: usize::try_from(choice.need).unwrap_or(0),
        matching,
        free,
    }
}

impl Use {
    /// The use of all but one holder. What that one's share took is not known apart from the
    /// others', so it counts as given back only with the last share.
    fn without(&self, holder: &Text) -> Use {
        let mut rest = self.clone();
        rest.exclusive.retain(|other| *other != *holder);
        if let Some(shares) = &mut rest.shares {
            shares.holders.retain(|_, other| other != holder);
            if shares.holders.is_empty() {
                rest.shares = None;
            }
        }
        rest
    }
}
