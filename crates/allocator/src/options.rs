//! Which devices suit one request or alternative, as far as that depends on nothing but the device,
//! and which of them end the attempt.
//!
//! Source: `validateDeviceRequest`, `isSelectable`, `allocateDevice` of upstream's allocator.

use smallvec::SmallVec;
use trainyard_model::Text;
use trainyard_model::claim::{AllocationMode, DeviceQuery, DeviceRequest, ResourceClaim};
use trainyard_model::device::Device;
use trainyard_model::features::{Feature, Features};
use trainyard_model::selector::Engine;
use trainyard_model::slice::{DeviceId, ResourceSlice};
use trainyard_model::taint::{Effect, Taint, Toleration};

use crate::allocated::Use;
use crate::bits::Bits;
use crate::capacity;
use crate::ground::Candidates;
use crate::inventory::{Inventory, Selectors};
use crate::nodes;
use crate::pools::Health;
use crate::problem::{Choice, Problem, device_at, wants_all};
use crate::verdict::{Fatal, claim_name, device_name};

/// Checks one request or alternative as upstream does before its search, and finds its devices.
pub(crate) fn check<'a, E: Engine>(
    inventory: &mut Inventory<E>,
    problem: &Problem<'a>,
    claim_index: usize,
    claim: &'a ResourceClaim,
    request: &'a DeviceRequest,
    query: &'a DeviceQuery,
) -> Result<Choice<'a>, Fatal> {
    let listed = !request.first_available.is_empty();
    let name = || {
        if listed {
            query.name.clone()
        } else {
            request.name.clone()
        }
    };
    let owner = || claim_name(claim);
    let features = problem.features;
    if !query.derived_attributes.is_empty() && !features.has(Feature::DerivedAttributes) {
        return Err(Fatal::DerivedAttributesOff {
            claim: owner(),
            request: name(),
        });
    }
    if let Some(index) = query.selectors.iter().position(Option::is_none) {
        return Err(Fatal::EmptySelector {
            claim: owner(),
            request: name(),
            index,
        });
    }
    if query.admin_access.is_some() && !features.has(Feature::AdminAccess) {
        return Err(Fatal::AdminAccessOff {
            claim: owner(),
            request: name(),
        });
    }
    if query.class.is_empty() {
        return Err(Fatal::NoClass {
            claim: owner(),
            request: name(),
        });
    }
    let Some(class) = inventory.classes.get(&query.class) else {
        return Err(Fatal::UnknownClass {
            claim: owner(),
            request: name(),
            class: query.class.clone(),
        });
    };
    let source = class.source.clone();
    let mut selectors = Selectors::new();
    for selector in &class.selectors {
        // One without CEL is looked at only when it is reached, and compiles as little as "".
        let nothing = || {
            inventory
                .programs
                .selector(&mut inventory.engine, &"".into())
        };
        selectors.push(selector.unwrap_or_else(nothing));
    }
    let class_selectors = selectors.len();
    for selector in query.selectors.iter().flatten() {
        selectors.push(inventory.programs.selector(&mut inventory.engine, selector));
    }
    let mut choice = Choice {
        query,
        request,
        claim: claim_index,
        class: source,
        need: query.count,
        admin: query.admin_access == Some(true),
        open: Bits::new(problem.len()),
        broken: Bits::new(problem.len()),
        all: None,
        constraints: SmallVec::new(),
        amounts: Vec::new(),
        selectors,
        class_selectors,
    };
    match &query.mode {
        AllocationMode::ExactCount => {
            find_devices(inventory, problem, &mut choice);
        }
        AllocationMode::All => {
            // Pools are looked at in their order, so the first that is not usable hides errors of
            // devices in pools after it.
            let unusable = problem
                .site
                .pools
                .iter()
                .position(|pool| pool.health != Health::Usable);
            find_devices(inventory, problem, &mut choice);
            let before = |place: &usize| {
                unusable.is_none_or(|pool| (problem.place(*place).pool as usize) < pool)
            };
            if let Some(place) = choice.broken.next(0).filter(before) {
                return Err(why_broken(inventory, problem, &choice, place));
            }
            if let Some(pool) = unusable.map(|pool| &problem.site.pools[pool]) {
                let slice = pool.slices.first().or(pool.counters.first());
                let slice = &inventory
                    .slice(*slice.expect("a pool is made of slices"))
                    .source;
                let (claim, request) = (owner(), name());
                let pool_name = format!("{}/{}", slice.driver, slice.pool.name).into();
                return Err(match pool.health {
                    Health::Incomplete => Fatal::AllOfIncomplete {
                        claim,
                        request,
                        pool: pool_name,
                    },
                    _ => Fatal::AllOfInvalid {
                        claim,
                        request,
                        pool: pool_name,
                    },
                });
            }
            choice.need = choice.all.as_ref().map_or(0, Vec::len) as i64;
        }
        AllocationMode::Other(mode) => {
            return Err(Fatal::UnsupportedMode {
                claim: owner(),
                request: name(),
                mode: mode.clone(),
            });
        }
    }
    Ok(choice)
}

fn find_devices<E: Engine>(
    inventory: &mut Inventory<E>,
    problem: &Problem<'_>,
    choice: &mut Choice<'_>,
) {
    let Candidates { mut suited, broken } =
        inventory.candidates(problem.features, &problem.site, &choice.selectors);
    let all = wants_all(choice.query);
    choice.broken = broken;
    // A device in use is passed over before anything is evaluated, but not where all are collected.
    if !choice.admin && !all {
        choice.broken.drop(&problem.held);
        suited.drop(&problem.held);
    }
    let mut plain = problem.site.ground.plain.clone();
    plain.drop(&problem.shared);
    if choice.query.capacity.is_some() {
        plain.clear();
    }
    if all {
        let mut wanted = Vec::new();
        for place in suited.iter() {
            if !plain.has(place) {
                look(inventory, problem, choice, place, true, &mut wanted);
                continue;
            }
            wanted.push(place);
            if choice.admin || !problem.held.has(place) {
                choice.open.insert(place);
            }
        }
        choice.all = Some(wanted);
        return;
    }
    choice.open.add(&suited);
    choice.open.keep(&plain);
    suited.drop(&plain);
    for place in suited.iter() {
        look(inventory, problem, choice, place, false, &mut Vec::new());
    }
}

/// Looks closer at a device that the selectors let pass.
fn look<E: Engine>(
    inventory: &Inventory<E>,
    problem: &Problem<'_>,
    choice: &mut Choice<'_>,
    place: usize,
    all: bool,
    wanted: &mut Vec<usize>,
) {
    let (slice, device) = device_at(inventory, problem, place);
    if slice.per_device_node_selection == Some(true) {
        match here(problem, device) {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => return choice.broken.insert(place),
        }
    }
    let mut fits_now = true;
    let nothing_to_take = device.capacity.is_empty()
        && choice.query.capacity.is_none()
        && !problem.multi().has(place);
    if problem.features.has(Feature::ConsumableCapacity) && !nothing_to_take {
        let fractional = problem.features.has(Feature::FractionalCapacityRange);
        let requests = choice.query.capacity.as_ref();
        let amounts = match capacity::consumed(requests, device, fractional) {
            Ok(Some(amounts)) => amounts,
            Ok(None) => return,
            Err(_) => return choice.broken.insert(place),
        };
        let within = |amount: &trainyard_model::quantity::Quantity, name: &Text| {
            device
                .capacity
                .get(name)
                .is_some_and(|capacity| *amount <= capacity.value)
        };
        let names = device.capacity.keys();
        if !capacity::allowed(&amounts, device, fractional)
            || !amounts
                .iter()
                .zip(names)
                .all(|(amount, name)| within(amount, name))
        {
            return;
        }
        let used = inventory.allocated.get(problem.key(place));
        if let Some(taken) = used.and_then(Use::capacity) {
            let names = device.capacity.keys();
            fits_now = amounts.iter().zip(names).all(|(amount, name)| {
                let taken = taken.get(name).copied();
                within(&taken.map_or(*amount, |taken| taken.add(*amount)), name)
            });
        }
        if problem.multi().has(place) {
            let amounts = amounts.iter().map(|amount| amount.nanos()).collect();
            choice.amounts.push((place, amounts));
        }
    }
    if all {
        wanted.push(place);
        // The capacity in use is looked at last, after the constraints.
        if !fits_now {
            choice.broken_room(place);
        }
    } else if !fits_now {
        return;
    }
    let held = !choice.admin && problem.held.has(place);
    if !held
        && may_be_taken(
            problem,
            slice,
            device,
            choice.query.tolerations.as_deref(),
            place,
        )
    {
        choice.open.insert(place);
    }
}

impl Choice<'_> {
    /// An amount that no room can hold: with `All`, a device whose capacity is in use is refused
    /// where the room is looked at.
    fn broken_room(&mut self, place: usize) {
        match self.amounts.last_mut() {
            Some((at, _)) if *at == place => {}
            _ => self.amounts.push((place, vec![i128::MAX])),
        }
    }
}

fn here(problem: &Problem<'_>, device: &Device) -> Result<bool, nodes::SelectorError> {
    let (name, selector) = (device.node_name.as_deref(), device.node_selector.as_ref());
    nodes::matches(problem.node, name, device.all_nodes, selector)
}

/// Checks that refuse a device without a word, whatever else is taken.
fn may_be_taken(
    problem: &Problem<'_>,
    slice: &ResourceSlice,
    device: &Device,
    tolerations: Option<&[Toleration]>,
    place: usize,
) -> bool {
    let features = problem.features;
    if !slice.skip_node_operations.is_empty() && is_experimental(features) {
        let declared = &problem.node.declared_features;
        if !features.has(Feature::OptionalNodeOperations)
            || !declared
                .iter()
                .any(|name| &**name == "DRAOptionalNodeOperations")
        {
            return false;
        }
    }
    if !device.consumes_counters.is_empty()
        && (!features.has(Feature::PartitionableDevices) || problem.counters.bars(problem, place))
    {
        return false;
    }
    let bars = |taint: &Taint| {
        matches!(taint.effect, Effect::NoSchedule | Effect::NoExecute)
            && !tolerations
                .unwrap_or_default()
                .iter()
                .any(|toleration| toleration.tolerates(taint))
    };
    !features.has(Feature::DeviceTaints) || !device.taints.iter().any(bars)
}

/// Whether upstream would ask its experimental allocator rather than the incubating one.
pub(crate) fn is_experimental(features: Features) -> bool {
    [
        Feature::ListTypeAttributes,
        Feature::OptionalNodeOperations,
        Feature::DerivedAttributes,
        Feature::CompatibilityGroups,
    ]
    .into_iter()
    .any(|feature| features.has(feature))
}

/// The error that a device in `broken` raises, found by going through the checks again.
pub(crate) fn why_broken<E: Engine>(
    inventory: &Inventory<E>,
    problem: &Problem<'_>,
    choice: &Choice<'_>,
    place: usize,
) -> Fatal {
    let (slice, device) = device_at(inventory, problem, place);
    let id = DeviceId {
        driver: slice.driver.clone(),
        pool: slice.pool.name.clone(),
        device: device.name.clone(),
    };
    let claim = problem.claims[choice.claim];
    let at = problem.place(place).device as usize;
    let loaded = &inventory.slice(problem.slice_at(place)).devices[at];
    for (index, program) in choice.selectors.iter().enumerate() {
        let (owner, index) = match index.checked_sub(choice.class_selectors) {
            None => (format!("class {}", choice.class.name), index),
            Some(index) => (format!("claim {}", claim_name(claim)), index),
        };
        match inventory.programs.get(*program) {
            Err(error) => {
                return Fatal::Compile {
                    owner,
                    index,
                    message: error.message.clone(),
                };
            }
            Ok(expression) => {
                if let Err(error) = inventory.engine.matches(expression, &loaded.cel) {
                    return Fatal::Runtime {
                        owner,
                        index,
                        device: device_name(&id),
                        message: error.message,
                    };
                }
            }
        }
    }
    if slice.per_device_node_selection == Some(true)
        && let Err(error) = here(problem, device)
    {
        return Fatal::DeviceSelector {
            device: device_name(&id),
            message: error.to_string(),
        };
    }
    let fractional = problem.features.has(Feature::FractionalCapacityRange);
    let amounts = capacity::consumed(choice.query.capacity.as_ref(), device, fractional);
    let error =
        amounts.expect_err("a device is broken by a selector, a node selector or an amount");
    Fatal::Capacity {
        claim: claim_name(claim),
        request: choice.short_name().clone(),
        device: device_name(&id),
        message: error.to_string(),
    }
}
