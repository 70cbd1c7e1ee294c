//! Which devices suit one request or subrequest, as far as that depends on nothing but the device,
//! and which of them are an error.
//!
//! Source: `validateDeviceRequest`, `isSelectable`, `allocateDevice` of upstream's allocator.

use std::sync::Arc;

use smallvec::SmallVec;
use trainyard_model::Text;
use trainyard_model::claim::{AllocationMode, DeviceQuery, DeviceRequest, ResourceClaim};
use trainyard_model::class::DeviceClass;
use trainyard_model::device::Device;
use trainyard_model::features::Feature;
use trainyard_model::selector::Engine;
use trainyard_model::slice::ResourceSlice;
use trainyard_model::taint::{Effect, Taint, Toleration};

use super::available::Available;
use super::capacity;
use crate::ids::{ClaimIndex, ColumnIndex, ConstraintIndex, DeviceIndex};
use crate::inventory::Inventory;
use crate::inventory::allocated::Use;
use crate::inventory::nodes;
use crate::inventory::pools::{Health, is_experimental};
use crate::inventory::programs::Selectors;
use crate::inventory::view::Candidates;
use crate::set::Devices;
use crate::verdict::{Fatal, claim_name, device_name};

/// A constraint that applies to a subrequest, and the column in which its devices' values are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Applied {
    pub constraint: ConstraintIndex,
    pub column: ColumnIndex,
}

/// A way to meet a request: one of its subrequests, or the request itself where it has none.
#[derive(Debug)]
pub(crate) struct Subrequest<'a> {
    pub query: &'a DeviceQuery,
    pub request: &'a DeviceRequest,
    pub claim: ClaimIndex,
    pub class: Arc<DeviceClass>,
    /// How many devices.
    pub count: i64,
    pub admin: bool,
    /// Devices that suit it, as far as that depends on nothing but the device. Without admin access,
    /// devices in use are not among them.
    pub suitable: Devices,
    /// Devices that are an error when they are tried.
    pub broken: Devices,
    /// With `All`: the devices to take, in order.
    pub all: Option<Vec<DeviceIndex>>,
    pub constraints: SmallVec<[Applied; 2]>,
    /// What it takes of devices that allow multiple allocations.
    amounts: Vec<(DeviceIndex, Vec<i128>)>,
    pub selectors: Selectors,
    /// How many of them are the class's.
    pub class_selectors: usize,
}

impl Subrequest<'_> {
    /// `request` or `request/subrequest`.
    pub fn name(&self) -> String {
        if self.request.first_available.is_empty() {
            return self.request.name.to_string();
        }
        format!("{}/{}", self.request.name, self.query.name)
    }

    /// How upstream names it in errors: a subrequest without its request.
    pub fn short_name(&self) -> &Text {
        if self.request.first_available.is_empty() {
            return &self.request.name;
        }
        &self.query.name
    }

    /// Whether it takes part of devices that allow multiple allocations.
    pub fn shares(&self) -> bool {
        !self.amounts.is_empty()
    }

    /// What it takes of each capacity of a device that allows multiple allocations.
    pub fn amounts(&self, device: DeviceIndex) -> &[i128] {
        let found = self.amounts.binary_search_by_key(&device, |(at, _)| *at);
        found.map_or(&[], |index| &self.amounts[index].1)
    }

    /// The first device from a number on that is to be tried.
    pub fn next(&self, from: usize) -> Option<DeviceIndex> {
        match (self.suitable.next(from), self.broken.next(from)) {
            (Some(suitable), Some(broken)) => Some(suitable.min(broken)),
            (suitable, broken) => suitable.or(broken),
        }
    }

    /// The column of a constraint's values, if the constraint applies.
    pub fn column(&self, constraint: ConstraintIndex) -> Option<ColumnIndex> {
        let mut applied = self.constraints.iter();
        let found = applied.find(|applied| applied.constraint == constraint);
        found.map(|applied| applied.column)
    }

    /// A device that cannot hold what is asked for because of what is in use. With `All` that is
    /// found out where the room is checked, after the constraints.
    fn exceeds_room(&mut self, device: DeviceIndex) {
        match self.amounts.last_mut() {
            Some((at, _)) if *at == device => {}
            _ => self.amounts.push((device, vec![i128::MAX])),
        }
    }
}

/// Checks one request or subrequest as upstream does before its search, and finds its devices.
pub(crate) fn check<'a, E: Engine>(
    inventory: &mut Inventory<E>,
    available: &Available<'a>,
    (claim_index, claim): (ClaimIndex, &'a ResourceClaim),
    (request, query): (&'a DeviceRequest, &'a DeviceQuery),
) -> Result<Subrequest<'a>, Fatal> {
    let listed = !request.first_available.is_empty();
    let name = || {
        if listed {
            query.name.clone()
        } else {
            request.name.clone()
        }
    };
    let owner = || claim_name(claim);
    let features = available.features;
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
        // One without CEL is an error when it is reached, as "" is, which does not compile.
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
    let mut wanted = Subrequest {
        query,
        request,
        claim: claim_index,
        class: source,
        count: query.count,
        admin: query.admin_access == Some(true),
        suitable: Devices::new(available.len()),
        broken: Devices::new(available.len()),
        all: None,
        constraints: SmallVec::new(),
        amounts: Vec::new(),
        selectors,
        class_selectors,
    };
    match &query.mode {
        AllocationMode::ExactCount => {
            find_devices(inventory, available, &mut wanted);
        }
        AllocationMode::All => {
            // Pools are looked at in their order, so the first that is not usable hides errors of
            // devices in pools after it.
            let pools = &available.view.pools;
            let mut unusable = pools.iter().zip(0u32..);
            let unusable = unusable.find(|(pool, _)| pool.health != Health::Usable);
            find_devices(inventory, available, &mut wanted);
            let positions = &available.view.layout.positions;
            let before = |device: &DeviceIndex| {
                unusable.is_none_or(|(_, pool)| positions[*device].pool < pool)
            };
            if let Some(device) = wanted.broken.next(0).filter(before) {
                return Err(why_broken(inventory, available, claim, &wanted, device));
            }
            if let Some((pool, _)) = unusable {
                let slice = pool.slices.first().or(pool.counters.first());
                let slice = slice.expect("a pool is made of slices");
                let slice = &inventory.slices.get(*slice).source;
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
            wanted.count = wanted.all.as_ref().map_or(0, Vec::len) as i64;
        }
        AllocationMode::Other(mode) => {
            return Err(Fatal::UnsupportedMode {
                claim: owner(),
                request: name(),
                mode: mode.clone(),
            });
        }
    }
    Ok(wanted)
}

fn find_devices<E: Engine>(
    inventory: &mut Inventory<E>,
    available: &Available<'_>,
    wanted: &mut Subrequest<'_>,
) {
    let Inventory {
        engine,
        programs,
        slices,
        views,
        ..
    } = inventory;
    let seen = (available.features, &*available.view);
    let Candidates { mut suited, broken } =
        views.candidates(engine, programs, slices, seen, &wanted.selectors);
    let all = wanted.query.mode == AllocationMode::All;
    wanted.broken = broken;
    // A device in use is passed over before anything is evaluated, but not where all are collected.
    if !wanted.admin && !all {
        wanted.broken.drop(&available.held);
        suited.drop(&available.held);
    }
    let mut plain = available.view.layout.plain.clone();
    plain.drop(&available.shared);
    if wanted.query.capacity.is_some() {
        plain.clear();
    }
    if all {
        let mut list = Vec::new();
        for device in suited.iter() {
            if !plain.has(device) {
                look(inventory, available, wanted, device, Some(&mut list));
                continue;
            }
            list.push(device);
            if wanted.admin || !available.held.has(device) {
                wanted.suitable.insert(device);
            }
        }
        wanted.all = Some(list);
        return;
    }
    wanted.suitable.add(&suited);
    wanted.suitable.keep(&plain);
    suited.drop(&plain);
    for device in suited.iter() {
        look(inventory, available, wanted, device, None);
    }
}

/// Looks closer at a device that the selectors let pass; `all`: the list of all that are wanted.
fn look<E: Engine>(
    inventory: &Inventory<E>,
    available: &Available<'_>,
    wanted: &mut Subrequest<'_>,
    device: DeviceIndex,
    all: Option<&mut Vec<DeviceIndex>>,
) {
    let (slice, source) = available.view.source(&inventory.slices, device);
    if slice.per_device_node_selection == Some(true) {
        match is_for_node(available, source) {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => return wanted.broken.insert(device),
        }
    }
    let mut fits_now = true;
    let multi = available.multi().has(device);
    let nothing_to_take = source.capacity.is_empty() && wanted.query.capacity.is_none() && !multi;
    if available.features.has(Feature::ConsumableCapacity) && !nothing_to_take {
        let fractional = available.features.has(Feature::FractionalCapacityRange);
        let requests = wanted.query.capacity.as_ref();
        let amounts = match capacity::consumed(requests, source, fractional) {
            Ok(Some(amounts)) => amounts,
            Ok(None) => return,
            Err(_) => return wanted.broken.insert(device),
        };
        let within = |amount: &trainyard_model::quantity::Quantity, name: &Text| {
            let capacity = source.capacity.get(name);
            capacity.is_some_and(|capacity| *amount <= capacity.value)
        };
        let names = source.capacity.keys();
        let mut named = amounts.iter().zip(names.clone());
        if !capacity::allowed(&amounts, source, fractional)
            || !named.all(|(amount, name)| within(amount, name))
        {
            return;
        }
        let used = inventory.allocated.get(available.view.key(device));
        if let Some(taken) = used.and_then(Use::capacity) {
            fits_now = amounts.iter().zip(names).all(|(amount, name)| {
                let taken = taken.get(name).copied();
                within(&taken.map_or(*amount, |taken| taken.add(*amount)), name)
            });
        }
        if multi {
            let amounts = amounts.iter().map(|amount| amount.nanos()).collect();
            wanted.amounts.push((device, amounts));
        }
    }
    match all {
        Some(all) => {
            all.push(device);
            if !fits_now {
                wanted.exceeds_room(device);
            }
        }
        None if !fits_now => return,
        None => {}
    }
    let held = !wanted.admin && available.held.has(device);
    if !held && may_be_taken(available, (slice, source), wanted, device) {
        wanted.suitable.insert(device);
    }
}

fn is_for_node(available: &Available<'_>, device: &Device) -> Result<bool, nodes::SelectorError> {
    let (name, selector) = (device.node_name.as_deref(), device.node_selector.as_ref());
    nodes::matches(available.node, name, device.all_nodes, selector)
}

/// Checks that pass a device over, whatever else is taken.
fn may_be_taken(
    available: &Available<'_>,
    (slice, source): (&ResourceSlice, &Device),
    wanted: &Subrequest<'_>,
    device: DeviceIndex,
) -> bool {
    let features = available.features;
    if !slice.skip_node_operations.is_empty() && is_experimental(features) {
        let mut declared = available.node.declared_features.iter();
        if !features.has(Feature::OptionalNodeOperations)
            || !declared.any(|name| &**name == "DRAOptionalNodeOperations")
        {
            return false;
        }
    }
    if !source.consumes_counters.is_empty() {
        if !features.has(Feature::PartitionableDevices) {
            return false;
        }
        // One more share of a device that is shared already consumes nothing.
        let pool = available.view.layout.positions[device].pool;
        let more = available.multi().has(device) && available.shared.has(device);
        if !more && available.counters.bar(pool) {
            return false;
        }
    }
    let tolerations = wanted.query.tolerations.as_deref().unwrap_or_default();
    !features.has(Feature::DeviceTaints) || !source.taints.iter().any(|t| repels(t, tolerations))
}

/// Whether a taint keeps a request without a fitting toleration off the device.
pub(crate) fn repels(taint: &Taint, tolerations: &[Toleration]) -> bool {
    let mut tolerations = tolerations.iter();
    matches!(taint.effect, Effect::NoSchedule | Effect::NoExecute)
        && !tolerations.any(|toleration| toleration.tolerates(taint))
}

/// The error that a device in `broken` is, found by going through the checks again.
pub(crate) fn why_broken<E: Engine>(
    inventory: &Inventory<E>,
    available: &Available<'_>,
    claim: &ResourceClaim,
    wanted: &Subrequest<'_>,
    device: DeviceIndex,
) -> Fatal {
    let (slice, source) = available.view.source(&inventory.slices, device);
    let id = device_name(&available.view.device_id(&inventory.slices, device));
    let loaded = available.view.loaded(&inventory.slices, device);
    for (index, program) in wanted.selectors.iter().enumerate() {
        let (owner, index) = match index.checked_sub(wanted.class_selectors) {
            None => (format!("class {}", wanted.class.name), index),
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
                        device: id,
                        message: error.message,
                    };
                }
            }
        }
    }
    if slice.per_device_node_selection == Some(true)
        && let Err(error) = is_for_node(available, source)
    {
        return Fatal::DeviceSelector {
            device: id,
            message: error.to_string(),
        };
    }
    let fractional = available.features.has(Feature::FractionalCapacityRange);
    let amounts = capacity::consumed(wanted.query.capacity.as_ref(), source, fractional);
    let error =
        amounts.expect_err("a device is broken by a selector, a node selector or an amount");
    Fatal::Capacity {
        claim: claim_name(claim),
        request: wanted.short_name().clone(),
        device: id,
        message: error.to_string(),
    }
}
