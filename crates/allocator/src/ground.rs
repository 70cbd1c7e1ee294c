//! What is known of a node's devices whatever is asked and whatever is in use: their order, which
//! of them class and selectors let pass, which values of an attribute they have. Nodes whose slices
//! have the same [shapes](crate::shapes) share it.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use trainyard_model::Text;
use trainyard_model::features::{Feature, Features};
use trainyard_model::selector::Engine;

use crate::bits::Bits;
use crate::constraints::Values;
use crate::inventory::{Inventory, ProgramId, Selectors, SliceIndex, Traits};
use crate::names::Name;
use crate::options::is_experimental;
use crate::outcomes::outcomes;
use crate::pools::{self, Health, Pool};
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
#[derive(Debug)]
pub(crate) struct Site {
    pub pools: SmallVec<[Pool; 2]>,
    /// Slices with devices that may be taken, in the order in which they are searched.
    pub slices: SmallVec<[SliceIndex; 4]>,
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
    /// The devices of a pool by the numbers of their names: where each is.
    pub fn named(&self, pool: usize) -> &[(u32, Name, u32)] {
        let by_name = self.by_name.get_or_init(|| {
            let numbered = self.places.iter().zip(&self.names).zip(0u32..);
            let mut by_name: Vec<_> = numbered
                .map(|((place, name), number)| (place.pool, *name, number))
                .collect();
            by_name.sort_unstable();
            by_name
        });
        let start = by_name.partition_point(|(other, ..)| (*other as usize) < pool);
        let end = by_name.partition_point(|(other, ..)| (*other as usize) <= pool);
        &by_name[start..end]
    }
}

/// Which devices a list of selectors lets pass, and on which it fails.
#[derive(Debug, Clone)]
pub(crate) struct Candidates {
    pub suited: Bits,
    pub broken: Bits,
}

/// What makes the grounds of two nodes one: the features, and for each pool its driver, how many
/// slices of it may be used (plus one; nil: none may), and their shapes.
type Key = (Features, SmallVec<[u32; 12]>);

/// What calls learned about nodes.
#[derive(Debug, Default)]
pub(crate) struct Grounds {
    by_node: FxHashMap<Name, SmallVec<[(Features, Arc<Site>); 1]>>,
    ids: FxHashMap<Key, usize>,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    ground: Arc<Ground>,
    candidates: FxHashMap<Selectors, Candidates>,
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
    pub(crate) fn site(&mut self, question: &Question<'_>) -> Result<Arc<Site>, Fatal> {
        self.index();
        let named = self.names.find(&question.node.name);
        // Selectors of slices look at the node's labels, which may change.
        let node = named.filter(|_| !self.has_selecting_slices());
        let known = node.and_then(|node| self.learned.grounds.by_node.get(&node));
        let mut known = known.into_iter().flatten();
        if let Some((_, site)) = known.find(|(features, _)| *features == question.features) {
            return Ok(site.clone());
        }
        let pools = pools::gather(self, question, named)?;
        let usable = |pool: &&Pool| pool.health == Health::Usable;
        let slices = pools.iter().filter(usable).flat_map(|pool| &pool.slices);
        let slices = slices.copied().collect();
        let site = Arc::new(Site {
            ground: self.ground(question.features, &pools),
            pools,
            slices,
        });
        if let Some(node) = node {
            let known = self.learned.grounds.by_node.entry(node).or_default();
            known.push((question.features, site.clone()));
        }
        Ok(site)
    }

    fn ground(&mut self, features: Features, pools: &[Pool]) -> Arc<Ground> {
        let mut described: SmallVec<[u32; 12]> = SmallVec::new();
        for pool in pools {
            described.push(pool.driver);
            if pool.health != Health::Usable {
                described.push(0);
                continue;
            }
            described.push(pool.slices.len() as u32 + 1);
            described.extend(pool.slices.iter().map(|slice| self.slice(*slice).shape));
        }
        let key = (features, described);
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
        let mut plain = Bits::all(devices);
        let sharing = features.has(Feature::ConsumableCapacity);
        let mut count = 0;
        for (pool_index, pool) in pools.iter().enumerate() {
            if pool.health != Health::Usable {
                continue;
            }
            for slice in &pool.slices {
                let loaded = self.slice(*slice);
                let source = &loaded.source;
                let ordinary = source.per_device_node_selection != Some(true)
                    && (source.skip_node_operations.is_empty() || !is_experimental(features));
                let first = places.len();
                let devices = &loaded.devices[..];
                for (place, device) in (first..).zip(devices) {
                    if device.traits == Traits::NONE && ordinary {
                        continue;
                    }
                    if sharing && device.traits.has(Traits::MULTI) {
                        multi.insert(place);
                    } else if ordinary && is_plain(features, device.traits) {
                        continue;
                    }
                    plain.remove(place);
                }
                places.extend((0..devices.len()).map(|device| Place {
                    slice: count,
                    device: device as u32,
                    pool: pool_index as u32,
                }));
                names.extend(devices.iter().map(|device| device.name));
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
    ) -> Candidates {
        let id = site.ground.id;
        if let Some(known) = self.learned.grounds.known[id].candidates.get(programs) {
            return known.clone();
        }
        let candidates = self.ask_selectors(features, site, programs);
        let known = &mut self.learned.grounds.known[id].candidates;
        known.insert(programs.into(), candidates.clone());
        candidates
    }

    fn ask_selectors(
        &mut self,
        features: Features,
        site: &Site,
        programs: &[ProgramId],
    ) -> Candidates {
        let binding = features.has(Feature::DeviceBindingAndStatus);
        let places = site.ground.places.len();
        let mut suited = Bits::new(places);
        let mut broken = Bits::new(places);
        let mut first = 0;
        for slice in site.slices.iter() {
            let devices = &self.slice(*slice).devices;
            let count = devices.len();
            let mut left = Bits::all(count);
            if !binding {
                let numbered = devices.iter().enumerate();
                let barred = numbered.filter(|(_, device)| device.traits.has(Traits::CONDITIONS));
                barred.for_each(|(index, _)| left.remove(index));
            }
            for program in programs {
                if left.is_empty() {
                    break;
                }
                let outcomes = outcomes(self, *program, *slice);
                if !outcomes.error.is_empty() {
                    let mut error = left.clone();
                    error.keep(&outcomes.error);
                    broken.add_from(&error, first);
                }
                left.keep(&outcomes.yes);
            }
            suited.add_from(&left, first);
            first += count;
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

/// Whether a request that names no capacity takes a device as it is.
fn is_plain(features: Features, traits: Traits) -> bool {
    let may_refuse = traits.has(Traits::CONSUMES)
        || traits.has(Traits::CHOOSY) && features.has(Feature::ConsumableCapacity)
        || traits.has(Traits::TAINTED) && features.has(Feature::DeviceTaints);
    !may_refuse
}
