//! What is known of a node's devices whatever is asked and whatever is in use: their order, which
//! of them class and selectors let pass, which values of an attribute they have. Nodes whose slices
//! have the same [shapes](crate::shapes) share it.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;
use trainyard_model::Text;
use trainyard_model::device::Device;
use trainyard_model::features::{Feature, Features};
use trainyard_model::selector::Engine;
use trainyard_model::slice::ResourceSlice;
use trainyard_model::taint::Effect;

use crate::bits::Bits;
use crate::constraints::Values;
use crate::inventory::{Inventory, Outcome, ProgramId, SliceIndex};
use crate::names::Name;
use crate::options::is_experimental;
use crate::pools::{self, Health, Pool};
use crate::problem::outcomes;
use crate::shapes::ShapeId;
use crate::verdict::{Fatal, Question};

/// Where a device is published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Index of the slice in [`Site::slices`].
    pub slice: u32,
    pub device: u32,
    /// Index of the pool in [`Site::pools`].
    pub pool: u32,
}

/// The pools of one node, in the order in which they are searched.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub pools: Arc<[Pool]>,
    /// Slices with devices that may be taken, in the order in which they are searched.
    pub slices: Arc<[SliceIndex]>,
    pub ground: Arc<Ground>,
}

/// See the module. Devices are numbered as [`Place`]s, in the order in which they are tried.
#[derive(Debug)]
pub(crate) struct Ground {
    id: usize,
    pub places: Vec<Place>,
    /// The names of the devices, by place.
    pub names: Vec<Name>,
    /// Places by pool and name, once they are asked for.
    by_name: OnceLock<Vec<(u32, Name, u32)>>,
    /// Devices that several may share.
    pub multi: Bits,
    /// Devices that may be taken if the selectors let them pass, no capacity is asked for, and they
    /// are not in use: nothing else need be looked at.
    pub plain: Bits,
}

impl Ground {
    /// The place of a device.
    pub fn find(&self, pool: usize, device: Name) -> Option<usize> {
        let by_name = self.by_name.get_or_init(|| {
            let numbered = self.places.iter().zip(&self.names).zip(0u32..);
            let mut by_name: Vec<_> = numbered
                .map(|((place, name), number)| (place.pool, *name, number))
                .collect();
            by_name.sort_unstable();
            by_name
        });
        let key = (pool as u32, device);
        let found = by_name.binary_search_by_key(&key, |(pool, name, _)| (*pool, *name));
        found.ok().map(|at| by_name[at].2 as usize)
    }
}

/// Which devices a list of selectors lets pass, and on which it fails.
#[derive(Debug)]
pub(crate) struct Candidates {
    pub suited: Bits,
    pub broken: Bits,
}

/// What makes the grounds of two nodes one.
type Key = (Features, Vec<(Name, bool, Vec<ShapeId>)>);

/// What calls learned about nodes.
#[derive(Debug, Default)]
pub(crate) struct Grounds {
    by_node: FxHashMap<Name, Vec<(Features, Site)>>,
    ids: FxHashMap<Key, usize>,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    ground: Arc<Ground>,
    candidates: FxHashMap<Vec<ProgramId>, Arc<Candidates>>,
    values: FxHashMap<Text, Arc<Values>>,
}

impl Grounds {
    /// The slices of a node, or of every node, have changed.
    pub fn forget(&mut self, node: Option<Name>) {
        match node {
            Some(node) => drop(self.by_node.remove(&node)),
            None => self.by_node.clear(),
        }
    }
}

impl<E: Engine> Inventory<E> {
    /// The pools that a node can take devices from.
    pub(crate) fn site(&mut self, question: &Question<'_>) -> Result<Site, Fatal> {
        self.index();
        let node = self.names.find(&question.node.name);
        // Selectors of slices look at the node's labels, which may change.
        let node = node.filter(|_| !self.has_selecting_slices());
        let known = node.and_then(|node| self.learned.grounds.by_node.get(&node));
        let mut known = known.into_iter().flatten();
        if let Some((_, site)) = known.find(|(features, _)| *features == question.features) {
            return Ok(site.clone());
        }
        let pools = pools::gather(self, question)?;
        let usable = |pool: &&Pool| pool.health == Health::Usable;
        let slices = pools.iter().filter(usable).flat_map(|pool| &pool.slices);
        let slices: Arc<[SliceIndex]> = slices.copied().collect();
        let site = Site {
            ground: self.ground(question.features, &pools),
            pools: pools.into(),
            slices,
        };
        if let Some(node) = node {
            let known = self.learned.grounds.by_node.entry(node).or_default();
            known.push((question.features, site.clone()));
        }
        Ok(site)
    }

    fn ground(&mut self, features: Features, pools: &[Pool]) -> Arc<Ground> {
        let described = pools.iter().map(|pool| {
            let usable = pool.health == Health::Usable;
            let slices = if usable { &pool.slices[..] } else { &[] };
            let shapes = slices.iter().map(|slice| self.slice(*slice).shape);
            (pool.driver, usable, shapes.collect())
        });
        let key = (features, described.collect());
        if let Some(id) = self.learned.grounds.ids.get(&key) {
            return self.learned.grounds.known[*id].ground.clone();
        }
        let id = self.learned.grounds.known.len();
        let ground = Arc::new(self.survey(id, features, pools));
        self.learned.grounds.ids.insert(key, id);
        self.learned.grounds.known.push(Known {
            ground: ground.clone(),
            candidates: FxHashMap::default(),
            values: FxHashMap::default(),
        });
        ground
    }

    fn survey(&self, id: usize, features: Features, pools: &[Pool]) -> Ground {
        let usable = |pool: &&Pool| pool.health == Health::Usable;
        let slices = pools.iter().filter(usable).flat_map(|pool| &pool.slices);
        let devices = slices.map(|slice| self.slice(*slice).devices.len()).sum();
        let mut places = Vec::with_capacity(devices);
        let mut names = Vec::with_capacity(devices);
        let mut multi = Bits::new(devices);
        let mut plain = Bits::new(devices);
        let sharing = features.has(Feature::ConsumableCapacity);
        let mut count = 0;
        for (pool_index, pool) in pools.iter().enumerate() {
            if pool.health != Health::Usable {
                continue;
            }
            for slice in &pool.slices {
                let loaded = self.slice(*slice);
                let devices = loaded.devices.iter().zip(loaded.source.devices.iter());
                for (index, (device, source)) in devices.enumerate() {
                    if sharing && source.allow_multiple_allocations == Some(true) {
                        multi.insert(places.len());
                    } else if is_plain(features, &loaded.source, source) {
                        plain.insert(places.len());
                    }
                    places.push(Place {
                        slice: count,
                        device: index as u32,
                        pool: pool_index as u32,
                    });
                    names.push(device.name);
                }
                count += 1;
            }
        }
        Ground {
            id,
            places,
            names,
            by_name: OnceLock::new(),
            multi,
            plain,
        }
    }

    /// What the selectors say of the devices of a site.
    pub(crate) fn candidates(
        &mut self,
        features: Features,
        site: &Site,
        programs: &[ProgramId],
    ) -> Arc<Candidates> {
        let id = site.ground.id;
        if let Some(known) = self.learned.grounds.known[id].candidates.get(programs) {
            return known.clone();
        }
        let candidates = Arc::new(self.ask_selectors(features, site, programs));
        let known = &mut self.learned.grounds.known[id].candidates;
        known.insert(programs.to_vec(), candidates.clone());
        candidates
    }

    fn ask_selectors(
        &mut self,
        features: Features,
        site: &Site,
        programs: &[ProgramId],
    ) -> Candidates {
        let binding = features.has(Feature::DeviceBindingAndStatus);
        let places = &site.ground.places;
        let mut suited = Bits::new(places.len());
        let mut broken = Bits::new(places.len());
        let mut fates: Vec<Outcome> = Vec::new();
        let mut at = 0;
        for slice in site.slices.iter() {
            let devices = &self.slice(*slice).source.devices;
            fates.clear();
            fates.extend(devices.iter().map(|device| {
                let conditions = device.binding_conditions.as_ref();
                match conditions.is_some_and(|list| !list.is_empty()) {
                    true if !binding => Outcome::No,
                    _ => Outcome::Yes,
                }
            }));
            for program in programs {
                if fates.iter().all(|fate| *fate != Outcome::Yes) {
                    break;
                }
                let outcomes = outcomes(self, *program, *slice);
                for (fate, outcome) in fates.iter_mut().zip(&*outcomes) {
                    if *fate == Outcome::Yes {
                        *fate = *outcome;
                    }
                }
            }
            for fate in &fates {
                match fate {
                    Outcome::Yes => suited.insert(at),
                    Outcome::Error => broken.insert(at),
                    Outcome::No => {}
                }
                at += 1;
            }
        }
        Candidates { suited, broken }
    }

    /// The values of a published attribute, as `find` finds them if they are not known yet.
    pub(crate) fn values(
        &mut self,
        site: &Site,
        attribute: &Text,
        find: impl FnOnce(&mut Self) -> Values,
    ) -> Arc<Values> {
        let id = site.ground.id;
        if let Some(known) = self.learned.grounds.known[id].values.get(attribute) {
            return known.clone();
        }
        let values = Arc::new(find(self));
        let known = &mut self.learned.grounds.known[id].values;
        known.insert(attribute.clone(), values.clone());
        values
    }
}

/// Whether a request that names no capacity takes the device as it is. One that several may share
/// is never plain.
fn is_plain(features: Features, slice: &ResourceSlice, device: &Device) -> bool {
    let capacities = || {
        let mut capacities = device.capacity.values();
        capacities.all(|capacity| capacity.request_policy.is_none() && capacity.value.sign() >= 0)
    };
    let bars = |effect: &Effect| matches!(effect, Effect::NoSchedule | Effect::NoExecute);
    slice.per_device_node_selection != Some(true)
        && device.consumes_counters.is_empty()
        && (slice.skip_node_operations.is_empty() || !is_experimental(features))
        && (!features.has(Feature::ConsumableCapacity) || capacities())
        && (!features.has(Feature::DeviceTaints)
            || !device.taints.iter().any(|taint| bars(&taint.effect)))
}
