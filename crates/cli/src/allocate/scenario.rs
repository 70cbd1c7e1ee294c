//! A scenario as it is written down, the question that it holds, and the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use trainyard_allocator::{Answer, Inventory, Order, Question, Verdict};
use trainyard_model::Text;
use trainyard_model::claim::ResourceClaim;
use trainyard_model::features::{Feature, Features};
use trainyard_model::node::Node;
use trainyard_model::quantity::Quantity;
use trainyard_model::slice::DeviceId;
use trainyard_selector::Engine;
use trainyard_wire::convert;
use trainyard_wire::k8s::api::core::v1 as core;
use trainyard_wire::k8s::api::resource::v1 as api;
use trainyard_wire::k8s::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::proof::Proof;

/// A list that may be absent or null.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// One line of input.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    #[serde(default)]
    pub name: String,
    #[serde(default, deserialize_with = "list")]
    features: Vec<String>,
    node: core::Node,
    #[serde(default, deserialize_with = "list")]
    classes: Vec<api::DeviceClass>,
    #[serde(default, deserialize_with = "list")]
    slices: Vec<api::ResourceSlice>,
    #[serde(default, deserialize_with = "list")]
    claims: Vec<api::ResourceClaim>,
    allocated: Option<Allocated>,
}

/// What is in use.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allocated {
    #[serde(default, deserialize_with = "list")]
    devices: Vec<Device>,
    #[serde(default, deserialize_with = "list")]
    shared: Vec<Share>,
    #[serde(default, deserialize_with = "list")]
    capacity: Vec<Consumed>,
}

#[derive(Debug, Deserialize)]
struct Device {
    #[serde(default)]
    driver: String,
    #[serde(default)]
    pool: String,
    #[serde(default)]
    device: String,
}

#[derive(Debug, Deserialize)]
struct Share {
    #[serde(flatten)]
    device: Device,
    #[serde(default, rename = "shareID")]
    share_id: String,
}

#[derive(Debug, Deserialize)]
struct Consumed {
    #[serde(flatten)]
    device: Device,
    capacity: Option<BTreeMap<String, ApiQuantity>>,
}

impl Device {
    fn id(&self) -> DeviceId {
        DeviceId {
            driver: self.driver.as_str().into(),
            pool: self.pool.as_str().into(),
            device: self.device.as_str().into(),
        }
    }
}

/// One line of output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    name: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<api::AllocationResult>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Proof>,
    steps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_steps: Option<u64>,
}

/// What a watch would have told beforehand: slices, classes, the node, compiled expressions.
pub struct Loaded {
    pub inventory: Inventory<Engine>,
    pub node: Node,
    features: Features,
}

impl Scenario {
    /// What can be wrong with a scenario that can be read.
    pub fn check(&self) -> Result<(), String> {
        self.features()?;
        for (index, slice) in self.slices.iter().enumerate() {
            check_slice(&slice.spec).map_err(|error| format!("slices[{index}].spec.{error}"))?;
        }
        for (index, claim) in self.claims.iter().enumerate() {
            let devices = claim.spec.as_ref().and_then(|spec| spec.devices.as_ref());
            let requests = devices.and_then(|devices| devices.requests.as_ref());
            for (at, request) in requests.into_iter().flatten().enumerate() {
                let path = format!("claims[{index}].spec.devices.requests[{at}]");
                check_request(request).map_err(|error| format!("{path}.{error}"))?;
            }
        }
        let consumed = self.allocated.iter().flat_map(|all| &all.capacity);
        for (index, consumed) in consumed.enumerate() {
            for (name, amount) in consumed.capacity.iter().flatten() {
                let path = format!("allocated.capacity[{index}].capacity[{name}]");
                is_quantity(amount, &path)?;
            }
        }
        Ok(())
    }

    pub fn features(&self) -> Result<Features, String> {
        let named = |name: &String| {
            let mut all = Feature::ALL.into_iter();
            let found = all.find(|feature| feature.name() == name);
            found.ok_or_else(|| format!("unknown feature {name:?}"))
        };
        self.features.iter().map(named).collect()
    }

    /// Converts and compiles all that does not depend on the question.
    pub fn load(&self) -> Loaded {
        let mut inventory = Inventory::new(Engine::new());
        let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
        for slice in &self.slices {
            let mut slice_model = convert::slice(slice);
            // Upstream takes slices as a list, an inventory by name: a name that comes again is
            // marked so that it still sorts behind the first and before any other.
            let copy = copies
                .entry(slice.metadata.name.as_deref().unwrap_or_default())
                .or_default();
            if *copy > 0 {
                slice_model.name = format!("{}\0{copy:06}", slice_model.name).into();
            }
            *copy += 1;
            inventory.apply_slice(&Arc::new(slice_model));
        }
        // The first class of a name counts.
        for class in self.classes.iter().rev() {
            inventory.apply_class(&Arc::new(convert::class(class)));
        }
        for claim in self.claims() {
            for request in &claim.requests {
                for query in request.exactly.iter().chain(&request.first_available) {
                    for source in query.selectors.iter().flatten() {
                        inventory.compile(source);
                    }
                    for derived in &query.derived_attributes {
                        inventory.compile_derived(&derived.expression);
                    }
                }
            }
        }
        Loaded {
            inventory,
            node: convert::node(&self.node),
            features: self.features().unwrap_or_default(),
        }
    }

    fn claims(&self) -> Vec<ResourceClaim> {
        self.claims.iter().map(convert::claim).collect()
    }

    /// Takes over what is in use.
    pub fn hold(&self, inventory: &mut Inventory<Engine>) {
        inventory.release_all();
        let Some(allocated) = &self.allocated else {
            return;
        };
        let holder = Text::from("");
        for device in &allocated.devices {
            inventory.hold(&device.id(), &holder);
        }
        for share in &allocated.shared {
            let name = share.share_id.as_str().into();
            inventory.share(&share.device.id(), &name, &holder);
        }
        for consumed in &allocated.capacity {
            let amounts = consumed.capacity.iter().flatten();
            let amounts = amounts.map(|(name, amount)| (name.as_str().into(), quantity(amount)));
            inventory.consume(&consumed.device.id(), &amounts.collect());
        }
    }

    /// Asks with a function of the inventory.
    pub fn ask<T>(
        &self,
        loaded: &mut Loaded,
        budget: u64,
        ask: impl FnOnce(&mut Inventory<Engine>, &Question<'_>) -> T,
    ) -> T {
        let claims = self.claims();
        let claims: Vec<_> = claims.iter().collect();
        let question = Question {
            node: &loaded.node,
            claims: &claims,
            features: loaded.features,
            budget,
        };
        ask(&mut loaded.inventory, &question)
    }

    /// The whole answer.
    pub fn answer(&self, budget: u64, upstream_cap: Option<u64>) -> Reply {
        let mut loaded = self.load();
        self.hold(&mut loaded.inventory);
        self.ask(&mut loaded, budget, |inventory, question| {
            let answer = inventory.allocate(question);
            let mut reply = Reply::new(&self.name, &answer);
            if let Verdict::Refused(refused) = answer.verdict {
                let reason = inventory.explain(question, refused);
                reply.reasons = vec![Proof::from(&reason)];
            }
            reply.upstream_steps = upstream_cap
                .map(|cap| inventory.upstream_steps(question, Order::Combinations, cap));
            reply
        })
    }
}

impl Reply {
    /// The answer as API objects.
    pub fn new(name: &str, answer: &Answer) -> Self {
        let mut reply = Reply {
            name: name.to_owned(),
            outcome: outcome(&answer.verdict),
            results: None,
            error: None,
            reasons: Vec::new(),
            steps: answer.steps,
            upstream_steps: None,
        };
        match &answer.verdict {
            Verdict::Fits(results) => {
                let results = results.iter().map(convert::to_api::allocation);
                reply.results = Some(results.collect());
            }
            Verdict::NodeError(error) => reply.error = Some(error.to_string()),
            Verdict::Fatal(error) => reply.error = Some(error.to_string()),
            Verdict::Refused(_) | Verdict::GaveUp => {}
        }
        reply
    }
}

/// What an outcome is called.
pub fn outcome(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Fits(_) => "allocated",
        Verdict::Refused(_) => "refused",
        Verdict::NodeError(_) => "node-error",
        Verdict::Fatal(_) => "fatal",
        Verdict::GaveUp => "gave-up",
    }
}

fn check_slice(spec: &api::ResourceSliceSpec) -> Result<(), String> {
    for (at, device) in spec.devices.iter().flatten().enumerate() {
        for (name, capacity) in device.capacity.iter().flatten() {
            let path = format!("devices[{at}].capacity[{name}]");
            is_quantity(&capacity.value, &format!("{path}.value"))?;
            let Some(policy) = &capacity.request_policy else {
                continue;
            };
            let path = format!("{path}.requestPolicy");
            let range = policy.valid_range.as_ref();
            let single = [
                ("default", policy.default.as_ref()),
                ("validRange.min", range.map(|range| &range.min)),
                ("validRange.max", range.and_then(|range| range.max.as_ref())),
                (
                    "validRange.step",
                    range.and_then(|range| range.step.as_ref()),
                ),
            ];
            for (name, value) in single {
                if let Some(value) = value {
                    is_quantity(value, &format!("{path}.{name}"))?;
                }
            }
            for (at, value) in policy.valid_values.iter().flatten().enumerate() {
                is_quantity(value, &format!("{path}.validValues[{at}]"))?;
            }
        }
        for (entry, consumed) in device.consumes_counters.iter().flatten().enumerate() {
            for (name, counter) in &consumed.counters {
                let path = format!("devices[{at}].consumesCounters[{entry}].counters[{name}]");
                is_quantity(&counter.value, &format!("{path}.value"))?;
            }
        }
    }
    for (at, set) in spec.shared_counters.iter().flatten().enumerate() {
        for (name, counter) in &set.counters {
            let path = format!("sharedCounters[{at}].counters[{name}].value");
            is_quantity(&counter.value, &path)?;
        }
    }
    Ok(())
}

fn check_request(request: &api::DeviceRequest) -> Result<(), String> {
    let exactly = request.exactly.iter();
    let exactly = exactly.map(|query| ("exactly".to_owned(), query.capacity.as_ref()));
    let alternatives = request.first_available.iter().flatten().enumerate();
    let alternatives =
        alternatives.map(|(at, query)| (format!("firstAvailable[{at}]"), query.capacity.as_ref()));
    for (path, capacity) in exactly.chain(alternatives) {
        let requests = capacity.and_then(|capacity| capacity.requests.as_ref());
        for (name, amount) in requests.into_iter().flatten() {
            is_quantity(amount, &format!("{path}.capacity.requests[{name}]"))?;
        }
    }
    Ok(())
}

/// An empty text stands for a field that is absent, which upstream takes for zero.
fn is_quantity(value: &ApiQuantity, path: &str) -> Result<(), String> {
    let text = &value.0;
    let parsed: Result<Quantity, _> = text.parse();
    match parsed {
        Err(error) if !text.is_empty() => Err(format!("{path}: {text:?}: {error}")),
        _ => Ok(()),
    }
}

fn quantity(value: &ApiQuantity) -> Quantity {
    value.0.parse().unwrap_or_default()
}

/// Devices of the slices, in their order.
pub fn devices(scenario: &Scenario) -> Vec<DeviceId> {
    let of_slice = |slice: &api::ResourceSlice| {
        let (driver, pool) = (slice.spec.driver.clone(), slice.spec.pool.name.clone());
        let devices = slice.spec.devices.clone().unwrap_or_default();
        devices.into_iter().map(move |device| DeviceId {
            driver: driver.as_str().into(),
            pool: pool.as_str().into(),
            device: device.name.as_str().into(),
        })
    };
    scenario.slices.iter().flat_map(of_slice).collect()
}
