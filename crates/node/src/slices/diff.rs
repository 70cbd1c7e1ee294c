//! What is to be done so that the slices that are there become those that should be.
//!
//! Slices are named `<index>-<driver>-<node>-<random>`, the index in hexadecimal: it ties a slice to
//! its place in the pool, and the allocator tries a pool's slices in the order of their names.
//!
//! The generation follows upstream's rule, so that the scheduler never mixes two states of a pool:
//! as long as one update does it, it stays; otherwise it goes up by one and all slices are written.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::resource::v1::{Device, ResourcePool, ResourceSlice, ResourceSliceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::driver::Node;
use crate::slices::layout::Content;

/// What should be there.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired<'a> {
    /// Name of the driver.
    pub driver: &'a str,
    /// Owner of the slices.
    pub node: &'a Node,
    /// Contents of the slices, by pool.
    pub pools: BTreeMap<String, Vec<Content>>,
}

/// One call to the API server.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The slice as it is there.
    Delete(ResourceSlice),
    /// The slice as it should be, with the `resourceVersion` of the one there.
    Update(ResourceSlice),
    /// The slice as it should be.
    Create(ResourceSlice),
}

/// What the server made of what it was sent: it writes quantities in its own way and may drop
/// fields. A slice that is still as stored, and would be sent as before, needs no write.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled(BTreeMap<String, (ResourceSliceSpec, ResourceSliceSpec)>);

impl Settled {
    /// Remembers an answer. Returns whether the server stored what it was sent.
    pub fn note(&mut self, sent: &ResourceSlice, stored: &ResourceSlice) -> bool {
        let name = stored.metadata.name.clone().unwrap_or_default();
        let mut sent = sent.spec.clone();
        adopt_times(&mut sent, &stored.spec);
        let (sent, stored) = (plain(sent), plain(stored.spec.clone()));
        let equal = sent == stored;
        self.0.insert(name, (sent, stored));
        equal
    }

    /// Forgets slices that are no longer there.
    pub fn retain(&mut self, existing: &[ResourceSlice]) {
        let names: BTreeSet<_> = existing.iter().map(name_of).collect();
        self.0.retain(|name, _| names.contains(name.as_str()));
    }

    fn covers(&self, name: &str, wanted: &ResourceSliceSpec, found: &ResourceSliceSpec) -> bool {
        wanted == found
            || self
                .0
                .get(name)
                .is_some_and(|(sent, stored)| sent == wanted && stored == found)
    }
}

/// The calls to make, in order. Devices that are gone disappear first, even if what follows fails.
pub fn diff(desired: &Desired, existing: &[ResourceSlice], settled: &Settled) -> Vec<Action> {
    let mut by_pool: BTreeMap<&str, Vec<&ResourceSlice>> = BTreeMap::new();
    for slice in existing {
        let pool = by_pool.entry(&slice.spec.pool.name).or_default();
        pool.push(slice);
    }
    for name in desired.pools.keys() {
        by_pool.entry(name).or_default();
    }
    let mut actions = Vec::new();
    for (name, slices) in by_pool {
        match desired.pools.get(name) {
            Some(contents) => {
                actions.extend(diff_pool(desired, name, contents, slices, settled));
            }
            None => actions.extend(slices.into_iter().cloned().map(Action::Delete)),
        }
    }
    actions.sort_by_key(|action| match action {
        Action::Delete(_) => 0,
        Action::Update(_) => 1,
        Action::Create(_) => 2,
    });
    actions
}

fn diff_pool(
    desired: &Desired,
    pool: &str,
    contents: &[Content],
    mut existing: Vec<&ResourceSlice>,
    settled: &Settled,
) -> Vec<Action> {
    existing.sort_by_key(|slice| name_of(slice));
    let newest = existing
        .iter()
        .map(|slice| slice.spec.pool.generation)
        .max();
    let generation = newest.unwrap_or(0);
    let width = index_width(contents.len());
    let mut matched: BTreeMap<usize, &ResourceSlice> = BTreeMap::new();
    let mut actions = Vec::new();
    for slice in existing {
        let index = index_of(name_of(slice), width)
            .filter(|index| *index < contents.len() && !matched.contains_key(index));
        match index {
            Some(index) if slice.spec.pool.generation == generation => {
                matched.insert(index, slice);
            }
            _ => actions.push(Action::Delete(slice.clone())),
        }
    }

    let spec_at = |index: usize, generation: i64| ResourceSliceSpec {
        driver: desired.driver.to_owned(),
        node_name: Some(desired.node.name.clone()),
        pool: ResourcePool {
            name: pool.to_owned(),
            generation,
            resource_slice_count: i64::try_from(contents.len()).expect("few slices"),
        },
        devices: Some(contents[index].devices.clone()),
        shared_counters: match contents[index].counters.is_empty() {
            true => None,
            false => Some(contents[index].counters.clone()),
        },
        ..Default::default()
    };
    let owner = owner(desired.node);
    let changed: BTreeSet<usize> = matched
        .iter()
        .filter(|(index, slice)| {
            let mut wanted = spec_at(**index, generation);
            adopt_times(&mut wanted, &slice.spec);
            let found = plain(slice.spec.clone());
            slice.metadata.owner_references.as_deref() != Some(std::slice::from_ref(&owner))
                || !settled.covers(name_of(slice), &plain(wanted), &found)
        })
        .map(|(index, _)| *index)
        .collect();
    let one_write_does = matched.len() == contents.len() && changed.len() <= 1;
    let generation = match one_write_does {
        true => generation,
        false => generation + 1,
    };

    for (index, slice) in &matched {
        if one_write_does && !changed.contains(index) {
            continue;
        }
        let mut wanted = (*slice).clone();
        wanted.spec = spec_at(*index, generation);
        adopt_times(&mut wanted.spec, &slice.spec);
        wanted.metadata.owner_references = Some(vec![owner.clone()]);
        actions.push(Action::Update(wanted));
    }
    for index in (0..contents.len()).filter(|index| !matched.contains_key(index)) {
        let (driver, node) = (desired.driver, &desired.node.name);
        actions.push(Action::Create(ResourceSlice {
            metadata: ObjectMeta {
                generate_name: Some(format!("{index:0width$x}-{driver}-{node}-")),
                owner_references: Some(vec![owner.clone()]),
                ..Default::default()
            },
            spec: spec_at(index, generation),
        }));
    }
    actions
}

/// Hexadecimal digits of an index: five, or more for a pool of more than 16^5 slices.
fn index_width(slices: usize) -> usize {
    format!("{:x}", slices.saturating_sub(1)).len().max(5)
}

fn index_of(name: &str, width: usize) -> Option<usize> {
    let (index, _) = name.split_once('-')?;
    if index.len() != width || index.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    usize::from_str_radix(index, 16).ok()
}

fn name_of(slice: &ResourceSlice) -> &str {
    slice.metadata.name.as_deref().unwrap_or_default()
}

fn owner(node: &Node) -> OwnerReference {
    OwnerReference {
        api_version: "v1".into(),
        kind: "Node".into(),
        name: node.name.clone(),
        uid: node.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

/// The server stamps taints with the time; where the driver gives none, the server's stamp is kept.
fn adopt_times(wanted: &mut ResourceSliceSpec, found: &ResourceSliceSpec) {
    let found: BTreeMap<&str, &Device> = found
        .devices
        .iter()
        .flatten()
        .map(|device| (device.name.as_str(), device))
        .collect();
    for device in wanted.devices.iter_mut().flatten() {
        let Some(there) = found.get(device.name.as_str()) else {
            continue;
        };
        for taint in device.taints.iter_mut().flatten() {
            if taint.time_added.is_none() {
                taint.time_added = there
                    .taints
                    .iter()
                    .flatten()
                    .find(|other| {
                        other.key == taint.key
                            && other.effect == taint.effect
                            && other.value.as_deref().unwrap_or_default()
                                == taint.value.as_deref().unwrap_or_default()
                    })
                    .and_then(|other| other.time_added.clone());
            }
        }
    }
}

/// The same with absent for empty, because the server stores no difference between the two.
fn plain(mut spec: ResourceSliceSpec) -> ResourceSliceSpec {
    fn some<T>(list: Option<Vec<T>>) -> Option<Vec<T>> {
        list.filter(|list| !list.is_empty())
    }
    spec.devices = some(spec.devices);
    spec.shared_counters = some(spec.shared_counters);
    for device in spec.devices.iter_mut().flatten() {
        device.attributes = device.attributes.take().filter(|map| !map.is_empty());
        device.capacity = device.capacity.take().filter(|map| !map.is_empty());
        device.taints = some(device.taints.take());
        device.consumes_counters = some(device.consumes_counters.take());
    }
    spec
}

#[cfg(test)]
#[path = "../../tests/inside/diff.rs"]
mod tests;
