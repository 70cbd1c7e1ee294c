//! A question made ready for the search: every device a number, every answer that does not depend
//! on other devices known.
//!
//! A *place* is a device that may be taken, numbered in the order in which devices are tried. A
//! *slot* is a request; its *options* are its alternatives, or the request itself.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;
use trainyard_model::claim::{AllocationMode, DeviceQuery, DeviceRequest, ResourceClaim};
use trainyard_model::class::DeviceClass;
use trainyard_model::device::Device;
use trainyard_model::features::{Feature, Features};
use trainyard_model::node::Node;
use trainyard_model::selector::Engine;
use trainyard_model::slice::ResourceSlice;

use crate::allocated::DeviceKey;
use crate::bits::Bits;
use crate::constraints::Constraint;
use crate::counters::Counters;
use crate::ground::{Place, Site};
use crate::inventory::{Inventory, Selectors, SliceIndex};
use crate::pools::{Health, Pool};
use crate::verdict::{Fatal, Question, claim_name};

/// The largest number of devices in one claim's allocation.
pub(crate) const RESULTS: i64 = 32;

/// A request.
#[derive(Debug)]
pub(crate) struct Slot {
    pub claim: usize,
    pub options: Range<usize>,
    /// Whether it is a prioritized list.
    pub listed: bool,
}

/// A request or one of its alternatives.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub query: &'a DeviceQuery,
    pub request: &'a DeviceRequest,
    pub claim: usize,
    pub class: Arc<DeviceClass>,
    /// How many devices.
    pub need: i64,
    pub admin: bool,
    /// Places that may be taken, as far as that depends on nothing but the place. For requests
    /// without admin access, devices in use are not among them.
    pub open: Bits,
    /// Places that end the attempt when they are reached.
    pub broken: Bits,
    /// With `All`: the devices to take, in order.
    pub all: Option<Vec<usize>>,
    /// Constraints of the claim that apply, with the column of their values.
    pub constraints: SmallVec<[(usize, usize); 2]>,
    /// What it takes of devices that several may share: by place.
    pub amounts: Vec<(usize, Vec<i128>)>,
    pub selectors: Selectors,
    /// How many of them are the class's.
    pub class_selectors: usize,
}

impl Choice<'_> {
    /// `req` or `req/sub`.
    pub fn name(&self) -> String {
        if self.request.first_available.is_empty() {
            return self.request.name.to_string();
        }
        format!("{}/{}", self.request.name, self.query.name)
    }

    /// What upstream calls it in errors: the alternative alone.
    pub fn short_name(&self) -> &trainyard_model::Text {
        if self.request.first_available.is_empty() {
            return &self.request.name;
        }
        &self.query.name
    }

    pub fn amounts_at(&self, place: usize) -> &[i128] {
        let found = self.amounts.binary_search_by_key(&place, |(at, _)| *at);
        found.map_or(&[], |index| &self.amounts[index].1)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Problem<'a> {
    pub node: &'a Node,
    pub claims: &'a [&'a ResourceClaim],
    pub features: Features,
    pub site: Arc<Site>,
    pub slots: Vec<Slot>,
    /// The slots of each claim.
    pub claim_slots: Vec<Range<usize>>,
    pub options: Vec<Choice<'a>>,
    pub constraints: Vec<Constraint>,
    /// Devices held as a whole.
    pub held: Bits,
    /// Devices of which shares were in use before the call.
    pub shared: Bits,
    /// What is left of the capacities of devices that several may share, by place.
    pub room: Vec<(usize, Vec<i128>)>,
    pub counters: Counters,
}

impl Problem<'_> {
    pub fn room_at(&self, place: usize) -> &[i128] {
        let found = self.room.binary_search_by_key(&place, |(at, _)| *at);
        found.map_or(&[], |index| &self.room[index].1)
    }

    /// The first pool that is invalid.
    pub fn invalid_pool(&self) -> Option<&Pool> {
        let invalid = |pool: &&Pool| matches!(pool.health, Health::Invalid(_));
        self.site.pools.iter().find(invalid)
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.site.ground.places.len()
    }

    /// About how many devices will be taken.
    pub fn depth(&self) -> usize {
        let first = |slot: &Slot| self.options[slot.options.start].need.clamp(0, RESULTS);
        let needs: i64 = self.slots.iter().map(first).sum();
        usize::try_from(needs).unwrap_or(0) + self.claims.len()
    }

    pub fn place(&self, place: usize) -> Place {
        self.site.ground.places[place]
    }

    pub fn slice_at(&self, place: usize) -> SliceIndex {
        self.site.slices[self.place(place).slice as usize]
    }

    pub fn pool_at(&self, place: usize) -> &Pool {
        &self.site.pools[self.place(place).pool as usize]
    }

    pub fn key(&self, place: usize) -> DeviceKey {
        let pool = self.pool_at(place);
        (pool.id, self.site.ground.names[place])
    }

    /// Devices that several may share.
    pub fn multi(&self) -> &Bits {
        &self.site.ground.multi
    }
}

/// The device at a place, and its slice.
pub(crate) fn device_at<'i, E: Engine>(
    inventory: &'i Inventory<E>,
    problem: &Problem<'_>,
    place: usize,
) -> (&'i ResourceSlice, &'i Device) {
    device_of(inventory, &problem.site, place)
}

fn device_of<'i, E: Engine>(
    inventory: &'i Inventory<E>,
    site: &Site,
    place: usize,
) -> (&'i ResourceSlice, &'i Device) {
    let Place { slice, device, .. } = site.ground.places[place];
    let slice = &inventory.slice(site.slices[slice as usize]).source;
    (slice, &slice.devices[device as usize])
}

/// Prepares a question.
pub(crate) fn prepare<'a, E: Engine>(
    inventory: &mut Inventory<E>,
    question: &Question<'a>,
) -> Result<Problem<'a>, Fatal> {
    let site = inventory.site(question)?;
    let places = site.ground.places.len();
    let requests = question
        .claims
        .iter()
        .map(|claim| claim.requests.len())
        .sum();
    let mut problem = Problem {
        node: question.node,
        claims: question.claims,
        features: question.features,
        held: Bits::new(places),
        shared: Bits::new(places),
        room: Vec::new(),
        counters: Counters::default(),
        site,
        slots: Vec::with_capacity(requests),
        claim_slots: Vec::with_capacity(question.claims.len()),
        options: Vec::with_capacity(requests),
        constraints: Vec::with_capacity(2),
    };
    describe_places(inventory, &mut problem);
    if question.features.has(Feature::PartitionableDevices) {
        problem.counters = Counters::of(inventory, &problem);
    }
    for (index, claim) in question.claims.iter().enumerate() {
        add_claim(inventory, question, &mut problem, index, claim)?;
    }
    Ok(problem)
}

/// Who is in use, and what is left of those that may be shared.
fn describe_places<E: Engine>(inventory: &Inventory<E>, problem: &mut Problem<'_>) {
    let Problem {
        site,
        held,
        shared,
        room,
        ..
    } = problem;
    let multi = &site.ground.multi;
    for place in multi.iter() {
        let (_, device) = device_of(inventory, site, place);
        let capacities = device.capacity.values();
        let capacities = capacities.map(|capacity| capacity.value.nanos());
        room.push((place, capacities.collect()));
    }
    for (index, pool) in site.pools.iter().enumerate() {
        let in_use = inventory.allocated.of_pool(pool.id);
        if in_use.is_empty() {
            continue;
        }
        // Both are in the order of the names' numbers.
        let mut named = site.ground.named(index);
        for (device, used) in in_use {
            named = &named[named.partition_point(|(_, name, _)| name < device)..];
            let Some((_, _, place)) = named.first().filter(|(_, name, _)| name == device) else {
                continue;
            };
            let place = *place as usize;
            if !used.exclusive.is_empty() {
                held.insert(place);
            }
            if used.shared() {
                shared.insert(place);
            }
            let Some(taken) = used.capacity().filter(|_| multi.has(place)) else {
                continue;
            };
            let (_, device) = device_of(inventory, site, place);
            let left = device.capacity.iter().map(|(name, capacity)| {
                let taken = taken.get(name);
                let left = taken.map_or(capacity.value, |taken| capacity.value.sub(*taken));
                left.nanos()
            });
            let found = room.binary_search_by_key(&place, |(at, _)| *at);
            room[found.expect("every shared device has room")].1 = left.collect();
        }
    }
}

fn add_claim<'a, E: Engine>(
    inventory: &mut Inventory<E>,
    question: &Question<'a>,
    problem: &mut Problem<'a>,
    index: usize,
    claim: &'a ResourceClaim,
) -> Result<(), Fatal> {
    let first_slot = problem.slots.len();
    let mut at_least = 0i64;
    for request in &claim.requests {
        check_features(question.features, claim, request)?;
        let first = problem.options.len();
        let listed = !request.first_available.is_empty();
        let queries = if listed {
            request.first_available.as_slice()
        } else {
            request.exactly.as_slice()
        };
        if queries.is_empty() {
            return Err(Fatal::EmptyRequest {
                claim: claim_name(claim),
                request: request.name.clone(),
            });
        }
        for query in queries {
            let option = crate::options::check(inventory, problem, index, claim, request, query)?;
            problem.options.push(option);
        }
        let options = first..problem.options.len();
        let needs = problem.options[options.clone()]
            .iter()
            .map(|option| option.need);
        let need = needs.min().expect("a request has an option");
        if need > RESULTS - at_least {
            return Err(Fatal::TooManyDevices {
                claim: claim_name(claim),
                request: request.name.clone(),
                devices: need,
                before: at_least,
            });
        }
        at_least += need;
        problem.slots.push(Slot {
            claim: index,
            options,
            listed,
        });
    }
    problem.claim_slots.push(first_slot..problem.slots.len());
    for (at, constraint) in claim.constraints.iter().enumerate() {
        if constraint.match_attribute.is_none() && constraint.distinct_attribute.is_none() {
            return Err(Fatal::EmptyConstraint {
                claim: claim_name(claim),
                index: at,
            });
        }
        Constraint::add(inventory, problem, index, constraint);
    }
    Ok(())
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
    let off = |name: &trainyard_model::Text| Fatal::CapacityOff {
        claim: claim_name(claim),
        request: name.clone(),
    };
    if request
        .exactly
        .as_ref()
        .is_some_and(|query| query.capacity.is_some())
    {
        return Err(off(&request.name));
    }
    match request
        .first_available
        .iter()
        .find(|query| query.capacity.is_some())
    {
        Some(query) => Err(off(&query.name)),
        None => Ok(()),
    }
}

/// Whether all matching devices are asked for.
pub(crate) fn wants_all(query: &DeviceQuery) -> bool {
    query.mode == AllocationMode::All
}
