//! The pools that a node can take devices from.
//!
//! Source: upstream's `pools_experimental.go` (`pools_incubating.go` is the same).

use rustc_hash::FxHashSet;
use smallvec::{SmallVec, smallvec};
use trainyard_model::features::{Feature, Features};

use super::devices::Traits;
use super::names::{Name, Names, PoolId};
use super::nodes;
use super::slices::{LoadedSlice, SliceIndex, Slices};
use crate::verdict::{Fatal, PoolFault, Question};

/// Whether devices may be taken from a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    Usable,
    /// Slices are missing.
    Incomplete,
    Invalid(PoolFault),
}

/// A pool as a node sees it.
#[derive(Debug)]
pub(crate) struct Pool {
    pub id: PoolId,
    pub driver: Name,
    pub health: Health,
    /// Slices with devices for the node, in the order in which they are searched.
    pub slices: SmallVec<[SliceIndex; 2]>,
    /// Slices with devices for other nodes: devices in use there consume counters, too.
    pub elsewhere: Vec<SliceIndex>,
    /// Slices with counter sets.
    pub counters: Vec<SliceIndex>,
    /// Whether a device has a list of binding conditions: such pools are searched last.
    binding: bool,
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

/// Collects the pools of a node, in the order in which they are searched.
pub(crate) fn gather<D>(
    slices: &Slices<D>,
    names: &Names,
    question: &Question<'_>,
    node: Option<Name>,
) -> Result<SmallVec<[Pool; 2]>, Fatal> {
    let mut pools: SmallVec<[Pool; 2]> = SmallVec::new();
    for index in slices.of_node(node) {
        let loaded = slices.get(index);
        let slice = &*loaded.source;
        if !is_relevant(loaded, question)? {
            continue;
        }
        let Some(pool) = pools.iter_mut().find(|pool| pool.id == loaded.pool) else {
            pools.push(Pool {
                id: loaded.pool,
                driver: loaded.driver,
                health: Health::Usable,
                slices: smallvec![index],
                elsewhere: Vec::new(),
                counters: Vec::new(),
                binding: false,
            });
            continue;
        };
        let current = slices.get(pool.slices[0]).source.pool.generation;
        if slice.pool.generation > current {
            pool.slices.clear();
        }
        if slice.pool.generation >= current {
            pool.slices.push(index);
        }
    }
    pools.retain(|pool| complete(slices, names, question, pool));
    let key = |pool: &Pool| (pool.binding, names.pool(pool.id));
    pools.sort_by(|a, b| key(a).cmp(&key(b)));
    Ok(pools)
}

/// Whether a slice has devices or counters for the node.
fn is_relevant<D>(loaded: &LoadedSlice<D>, question: &Question<'_>) -> Result<bool, Fatal> {
    let slice = &*loaded.source;
    let partitionable = question.features.has(Feature::PartitionableDevices);
    if !partitionable
        && (slice.per_device_node_selection.is_some() || !slice.shared_counters.is_empty())
    {
        return Ok(false);
    }
    if is_hidden(loaded, question) {
        return Ok(false);
    }
    let failed = |error: nodes::SelectorError| Fatal::SliceSelector {
        slice: slice.name.clone(),
        message: error.to_string(),
    };
    let node = question.node;
    let name = slice.node_name.as_deref().filter(|name| !name.is_empty());
    if name.is_some() || slice.all_nodes == Some(true) || slice.node_selector.is_some() {
        let selector = slice.node_selector.as_ref();
        return nodes::matches(node, name, slice.all_nodes, selector).map_err(failed);
    }
    if slice.per_device_node_selection == Some(true) {
        for device in slice.devices.iter() {
            let (name, selector) = (device.node_name.as_deref(), device.node_selector.as_ref());
            if nodes::matches(node, name, device.all_nodes, selector).map_err(failed)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Without the feature, a slice that declares compatibility groups is as if it were not there.
fn is_hidden<D>(slice: &LoadedSlice<D>, question: &Question<'_>) -> bool {
    !question.features.has(Feature::CompatibilityGroups)
        && slice
            .devices
            .iter()
            .any(|device| device.traits.has(Traits::GROUPED))
}

/// Finds the rest of a pool and whether it can be used; `false`: it is obsolete.
fn complete<D>(
    slices: &Slices<D>,
    names: &Names,
    question: &Question<'_>,
    pool: &mut Pool,
) -> bool {
    let first = &slices.get(pool.slices[0]).source.pool;
    let (generation, wanted) = (first.generation, first.resource_slice_count);
    let source = |index: &SliceIndex| &*slices.get(*index).source;
    let mut others: Vec<SliceIndex> = Vec::new();
    if pool.slices.len() as i64 != wanted {
        let all = slices.of_pool(pool.id);
        if all
            .iter()
            .any(|index| source(index).pool.generation > generation)
        {
            return false;
        }
        let visible = |index: &&SliceIndex| {
            source(index).pool.generation == generation && !is_hidden(slices.get(**index), question)
        };
        others.extend(all.iter().filter(visible));
        if others.len() as i64 != wanted {
            pool.health = Health::Incomplete;
            return true;
        }
        others.retain(|index| !pool.slices.contains(index));
    }
    pool.slices
        .sort_by(|a, b| source(a).name.cmp(&source(b).name));
    if question.features.has(Feature::PartitionableDevices) {
        let has_counters = |index: &SliceIndex| !source(index).shared_counters.is_empty();
        let own = pool
            .slices
            .iter()
            .chain(&others)
            .filter(|index| has_counters(index));
        pool.counters.extend(own);
        if !pool.counters.is_empty() {
            pool.slices.retain(|index| !has_counters(index));
            others.retain(|index| !has_counters(index));
        }
    }
    pool.elsewhere = others;
    if let Some(fault) = fault(slices, names, question, pool) {
        pool.health = Health::Invalid(fault);
    }
    // An invalid pool has no devices upstream, so it is never put behind the others.
    pool.binding = pool.health == Health::Usable
        && pool.slices.iter().any(|index| {
            let mut devices = slices.get(*index).devices.iter();
            devices.any(|device| device.traits.has(Traits::NAMES_CONDITIONS))
        });
    true
}

fn fault<D>(
    slices: &Slices<D>,
    names: &Names,
    question: &Question<'_>,
    pool: &Pool,
) -> Option<PoolFault> {
    // Validation refuses two devices of one name inside a slice, but it need not have run.
    let devices = || {
        let slices = pool.slices.iter().map(|index| slices.get(*index));
        slices.flat_map(|slice| slice.devices.iter().map(|device| device.name))
    };
    // The names of a slice are mostly interned one after the other, so their numbers ascend.
    if !devices().is_sorted_by(|a, b| a < b) {
        let mut seen: FxHashSet<Name> = FxHashSet::default();
        if let Some(duplicate) = devices().find(|name| !seen.insert(*name)) {
            let name = names.text(duplicate).clone();
            return Some(PoolFault::DuplicateDevice(name));
        }
    }
    if !question.features.has(Feature::PartitionableDevices) {
        return None;
    }
    let sets = || {
        let slices = pool.counters.iter().map(|index| slices.get(*index));
        slices.flat_map(|slice| &slice.source.shared_counters)
    };
    for (index, set) in sets().enumerate() {
        if sets().take(index).any(|other| other.name == set.name) {
            return Some(PoolFault::DuplicateCounterSet(set.name.clone()));
        }
    }
    for index in pool.slices.iter().chain(&pool.elsewhere) {
        let slice = slices.get(*index);
        if !slice
            .devices
            .iter()
            .any(|device| device.traits.has(Traits::CONSUMES))
        {
            continue;
        }
        let devices = slice.source.devices.iter();
        for entry in devices.flat_map(|device| &device.consumes_counters) {
            let Some(set) = sets().find(|set| set.name == entry.counter_set) else {
                return Some(PoolFault::MissingCounterSet(entry.counter_set.clone()));
            };
            let missing = |name: &&_| !set.counters.contains_key(*name);
            if let Some(counter) = entry.counters.keys().find(missing) {
                return Some(PoolFault::MissingCounter {
                    counter: counter.clone(),
                    set: set.name.clone(),
                });
            }
        }
    }
    None
}
