//! The pools that a node can take devices from.
//!
//! Source: upstream's `pools_experimental.go` (`pools_incubating.go` is the same).

use rustc_hash::FxHashSet;
use smallvec::{SmallVec, smallvec};
use trainyard_model::features::Feature;
use trainyard_model::selector::Engine;

use crate::inventory::{Inventory, LoadedSlice, SliceIndex, Traits};
use crate::names::{Name, PoolId};
use crate::nodes;
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
    /// Slices with devices for other nodes: those in use take from the counters, too.
    pub elsewhere: Vec<SliceIndex>,
    /// Slices with counter sets.
    pub counters: Vec<SliceIndex>,
    binding: bool,
}

/// Collects the pools of a node, in the order in which they are searched.
pub(crate) fn gather<E: Engine>(
    inventory: &Inventory<E>,
    question: &Question<'_>,
    node: Option<Name>,
) -> Result<SmallVec<[Pool; 2]>, Fatal> {
    let mut pools: SmallVec<[Pool; 2]> = SmallVec::new();
    for index in inventory.slices_for(node) {
        let loaded = inventory.slice(index);
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
        let current = inventory.slice(pool.slices[0]).source.pool.generation;
        if slice.pool.generation > current {
            pool.slices.clear();
        }
        if slice.pool.generation >= current {
            pool.slices.push(index);
        }
    }
    pools.retain(|pool| complete(inventory, question, pool));
    let key = |pool: &Pool| (pool.binding, inventory.names.pool(pool.id));
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

/// Completes a pool and judges it; `false`: it is obsolete.
fn complete<E: Engine>(inventory: &Inventory<E>, question: &Question<'_>, pool: &mut Pool) -> bool {
    let first = &inventory.slice(pool.slices[0]).source.pool;
    let (generation, wanted) = (first.generation, first.resource_slice_count);
    let source = |index: &SliceIndex| &*inventory.slice(*index).source;
    let mut others: Vec<SliceIndex> = Vec::new();
    if pool.slices.len() as i64 != wanted {
        let all = inventory.slices_of_pool(pool.id);
        if all
            .iter()
            .any(|index| source(index).pool.generation > generation)
        {
            return false;
        }
        let visible = |index: &&SliceIndex| {
            source(index).pool.generation == generation
                && !is_hidden(inventory.slice(**index), question)
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
    if let Some(fault) = fault(inventory, question, pool) {
        pool.health = Health::Invalid(fault);
    }
    // An invalid pool has no devices upstream, so it is never put behind the others.
    pool.binding = pool.health == Health::Usable
        && pool.slices.iter().any(|index| {
            let mut devices = inventory.slice(*index).devices.iter();
            devices.any(|device| device.traits.has(Traits::NAMES_CONDITIONS))
        });
    true
}

fn fault<E: Engine>(
    inventory: &Inventory<E>,
    question: &Question<'_>,
    pool: &Pool,
) -> Option<PoolFault> {
    // Validation keeps names apart inside a slice, but it need not have run.
    let names = || {
        let slices = pool.slices.iter().map(|index| inventory.slice(*index));
        slices.flat_map(|slice| slice.devices.iter().map(|device| device.name))
    };
    // The names of a slice are mostly numbered one after the other.
    if !names().is_sorted_by(|a, b| a < b) {
        let mut seen: FxHashSet<Name> = FxHashSet::default();
        if let Some(twice) = names().find(|name| !seen.insert(*name)) {
            let name = inventory.names.text(twice).clone();
            return Some(PoolFault::DuplicateDevice(name));
        }
    }
    if !question.features.has(Feature::PartitionableDevices) {
        return None;
    }
    let sets = || {
        let slices = pool.counters.iter().map(|index| inventory.slice(*index));
        slices.flat_map(|slice| &slice.source.shared_counters)
    };
    for (index, set) in sets().enumerate() {
        if sets().take(index).any(|other| other.name == set.name) {
            return Some(PoolFault::DuplicateCounterSet(set.name.clone()));
        }
    }
    for index in pool.slices.iter().chain(&pool.elsewhere) {
        let slice = inventory.slice(*index);
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
