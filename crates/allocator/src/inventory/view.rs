//! What one node sees: its pools, and the devices that it can use, in the order in which they are
//! tried.
//!
//! What depends neither on the question nor on what is in use is a [`Layout`]: the order of the
//! devices, which of them a list of selectors lets pass, which values of an attribute they have. All
//! nodes whose slices have the same [shapes](super::shapes) share one.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};
use trainyard_model::Text;
use trainyard_model::device::Device;
use trainyard_model::features::{Feature, Features};
use trainyard_model::selector::Engine;
use trainyard_model::slice::{DeviceId, ResourceSlice};

use super::allocated::DeviceKey;
use super::devices::{LoadedDevice, Traits, Value};
use super::names::{Name, Names};
use super::pools::{self, Health, Pool, is_experimental};
use super::programs::{Outcomes, ProgramId, Programs, Selectors};
use super::shapes::ShapeId;
use super::slices::{Concerned, SliceIndex, Slices};
use super::values::{SetId, Table, Values};
use crate::ids::{DeviceIndex, Id};
use crate::set::Devices;
use crate::verdict::{Fatal, Question};

/// Where a device is published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    /// Which of [`View::slices`].
    slice: u32,
    device: u32,
    /// Which of [`View::pools`].
    pub pool: u32,
}

/// The pools of one node, in the order in which they are searched.
#[derive(Debug)]
pub(crate) struct View {
    pub pools: SmallVec<[Pool; 2]>,
    /// The slices of usable pools, in the order in which they are searched.
    pub slices: SmallVec<[SliceIndex; 4]>,
    pub layout: Arc<Layout>,
}

/// See the module. Devices are numbered in the order in which they are tried.
#[derive(Debug)]
pub(crate) struct Layout {
    id: usize,
    pub positions: Vec<Position>,
    names: Vec<Name>,
    /// Pool, name and number of every device in this order, once it is asked for.
    by_name: OnceLock<Vec<(u32, Name, DeviceIndex)>>,
    /// Devices that allow multiple allocations.
    pub multi: Devices,
    /// Devices that suit a request if its selectors let them pass, it asks for no capacity, and they
    /// are not in use: nothing else need be checked.
    pub plain: Devices,
}

impl Layout {
    /// Name and number of each device of a pool, in the order of the names' numbers.
    pub fn named(&self, pool: usize) -> &[(u32, Name, DeviceIndex)] {
        let by_name = self.by_name.get_or_init(|| {
            let numbered = self.positions.iter().zip(&self.names).enumerate();
            let mut by_name: Vec<_> = numbered
                .map(|(number, (position, name))| (position.pool, *name, DeviceIndex::new(number)))
                .collect();
            by_name.sort_unstable();
            by_name
        });
        let start = by_name.partition_point(|(other, ..)| (*other as usize) < pool);
        let end = by_name.partition_point(|(other, ..)| (*other as usize) <= pool);
        &by_name[start..end]
    }
}

impl View {
    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.layout.positions.len()
    }

    pub fn devices(&self) -> impl Iterator<Item = DeviceIndex> + use<> {
        (0..self.len()).map(DeviceIndex::new)
    }

    /// The slice of a device, and its number there.
    pub fn position(&self, device: DeviceIndex) -> (SliceIndex, usize) {
        let position = self.layout.positions[device];
        let slice = self.slices[position.slice as usize];
        (slice, position.device as usize)
    }

    /// A device as it was published, and its slice.
    pub fn source<'s, D>(
        &self,
        slices: &'s Slices<D>,
        device: DeviceIndex,
    ) -> (&'s ResourceSlice, &'s Device) {
        let (slice, at) = self.position(device);
        let slice = &slices.get(slice).source;
        (slice, &slice.devices[at])
    }

    /// A device as it was converted.
    pub fn loaded<'s, D>(&self, slices: &'s Slices<D>, device: DeviceIndex) -> &'s LoadedDevice<D> {
        let (slice, at) = self.position(device);
        &slices.get(slice).devices[at]
    }

    /// Driver, pool and name of a device.
    pub fn device_id<D>(&self, slices: &Slices<D>, device: DeviceIndex) -> DeviceId {
        let (slice, device) = self.source(slices, device);
        DeviceId {
            driver: slice.driver.clone(),
            pool: slice.pool.name.clone(),
            device: device.name.clone(),
        }
    }

    /// Under what the uses of a device are kept.
    pub fn key(&self, device: DeviceIndex) -> DeviceKey {
        let pool = self.layout.positions[device].pool;
        (self.pools[pool as usize].id, self.layout.names[device])
    }
}

/// Which devices a list of selectors lets pass, and on which it fails.
#[derive(Debug, Clone)]
pub(crate) struct Candidates {
    pub suited: Devices,
    pub broken: Devices,
}

/// Two nodes with the same key have the same layout. It holds the features and, for each pool, the
/// driver, a number that is one more than the pool's count of slices (0 marks a pool that cannot be
/// used), and the shapes of these slices.
type Key = (Features, SmallVec<[u32; 12]>);

/// What questions learned about nodes.
#[derive(Debug, Default)]
pub(crate) struct Views {
    by_node: FxHashMap<Name, SmallVec<[(Features, Arc<View>); 1]>>,
    ids: FxHashMap<Key, usize>,
    layouts: Vec<Learned>,
    outcomes: FxHashMap<(ShapeId, ProgramId), Outcomes>,
}

#[derive(Debug)]
struct Learned {
    layout: Arc<Layout>,
    candidates: FxHashMap<Selectors, Candidates>,
    values: FxHashMap<Text, Arc<Values>>,
}

impl Views {
    /// Slices have changed: these nodes may see other pools.
    pub fn forget(&mut self, concerned: Concerned) {
        match concerned {
            Concerned::Nobody => {}
            Concerned::Node(node) => drop(self.by_node.remove(&node)),
            Concerned::Everybody => self.by_node.clear(),
        }
    }

    /// No slice has this shape any more.
    pub fn forget_shape(&mut self, shape: ShapeId) {
        self.outcomes.retain(|(other, _), _| *other != shape);
        self.by_node.clear();
        self.ids.clear();
        self.layouts.clear();
    }

    /// The pools that a node can take devices from.
    pub fn of_node<D>(
        &mut self,
        slices: &Slices<D>,
        names: &Names,
        question: &Question<'_>,
    ) -> Result<Arc<View>, Fatal> {
        let name = names.find(&question.node.name);
        // Where slices select nodes, the node's labels count, which may change.
        let node = name.filter(|_| !slices.select_nodes());
        let known = node.and_then(|node| self.by_node.get(&node));
        let mut known = known.into_iter().flatten();
        if let Some((_, view)) = known.find(|(features, _)| *features == question.features) {
            return Ok(view.clone());
        }
        let pools = pools::gather(slices, names, question, name)?;
        let usable = |pool: &&Pool| pool.health == Health::Usable;
        let usable = pools.iter().filter(usable);
        let view = Arc::new(View {
            layout: self.layout(slices, question.features, &pools),
            slices: usable.flat_map(|pool| &pool.slices).copied().collect(),
            pools,
        });
        if let Some(node) = node {
            let known = self.by_node.entry(node).or_default();
            known.push((question.features, view.clone()));
        }
        Ok(view)
    }

    fn layout<D>(&mut self, slices: &Slices<D>, features: Features, pools: &[Pool]) -> Arc<Layout> {
        let mut described: SmallVec<[u32; 12]> = SmallVec::new();
        for pool in pools {
            described.push(pool.driver);
            if pool.health != Health::Usable {
                described.push(0);
                continue;
            }
            described.push(pool.slices.len() as u32 + 1);
            described.extend(pool.slices.iter().map(|slice| slices.get(*slice).shape));
        }
        let key = (features, described);
        if let Some(id) = self.ids.get(&key) {
            return self.layouts[*id].layout.clone();
        }
        let id = self.layouts.len();
        let layout = Arc::new(Layout::of(id, slices, features, pools));
        self.ids.insert(key, id);
        self.layouts.push(Learned {
            layout: layout.clone(),
            candidates: FxHashMap::default(),
            values: FxHashMap::default(),
        });
        layout
    }

    /// What the selectors say of a single slice's devices.
    pub fn outcomes<E: Engine>(
        &mut self,
        engine: &E,
        programs: &Programs<E::Expression>,
        slices: &Slices<E::Device>,
        (program, slice): (ProgramId, SliceIndex),
    ) -> &Outcomes {
        let slice = slices.get(slice);
        let known = self.outcomes.entry((slice.shape, program));
        known.or_insert_with(|| Outcomes::of(engine, programs.get(program), &slice.devices))
    }

    /// What the selectors say of the devices of a view.
    pub fn candidates<E: Engine>(
        &mut self,
        engine: &E,
        programs: &Programs<E::Expression>,
        slices: &Slices<E::Device>,
        (features, view): (Features, &View),
        selectors: &Selectors,
    ) -> Candidates {
        let id = view.layout.id;
        if let Some(known) = self.layouts[id].candidates.get(selectors) {
            return known.clone();
        }
        let binding = features.has(Feature::DeviceBindingAndStatus);
        let mut candidates = Candidates {
            suited: Devices::new(view.len()),
            broken: Devices::new(view.len()),
        };
        let mut first = 0;
        for slice in &view.slices {
            let devices = &slices.get(*slice).devices;
            let mut left = Devices::all(devices.len());
            if !binding {
                left.retain(|device| !devices[device].traits.has(Traits::CONDITIONS));
            }
            for program in selectors {
                if left.is_empty() {
                    break;
                }
                let outcomes = self.outcomes(engine, programs, slices, (*program, *slice));
                if !outcomes.error.is_empty() {
                    let mut error = left.clone();
                    error.keep(&outcomes.error);
                    candidates.broken.add_from(&error, first);
                }
                left.keep(&outcomes.yes);
            }
            candidates.suited.add_from(&left, first);
            first += devices.len();
        }
        let known = &mut self.layouts[id].candidates;
        known.insert(selectors.clone(), candidates.clone());
        candidates
    }

    /// The values of a published attribute.
    pub fn values<D>(
        &mut self,
        slices: &Slices<D>,
        names: &Names,
        (features, view): (Features, &View),
        attribute: &Text,
    ) -> Arc<Values> {
        let id = view.layout.id;
        if let Some(known) = self.layouts[id].values.get(attribute) {
            return known.clone();
        }
        let mut table = Table::new(features.has(Feature::ListTypeAttributes), view.len());
        let column = published(slices, names, view, attribute, &mut table);
        let values = Arc::new(Values::new(smallvec![column], table));
        let known = &mut self.layouts[id].values;
        known.insert(attribute.clone(), values.clone());
        values
    }
}

impl Layout {
    fn of<D>(id: usize, slices: &Slices<D>, features: Features, pools: &[Pool]) -> Layout {
        let usable = pools.iter().zip(0u32..);
        let usable = usable.filter(|(pool, _)| pool.health == Health::Usable);
        let all = usable.flat_map(|(pool, at)| pool.slices.iter().map(move |slice| (at, *slice)));
        let count = all
            .clone()
            .map(|(_, slice)| slices.get(slice).devices.len());
        let count = count.sum();
        let mut layout = Layout {
            id,
            positions: Vec::with_capacity(count),
            names: Vec::with_capacity(count),
            by_name: OnceLock::new(),
            multi: Devices::new(count),
            plain: Devices::all(count),
        };
        let sharing = features.has(Feature::ConsumableCapacity);
        for ((pool, slice), at) in all.zip(0u32..) {
            let loaded = slices.get(slice);
            let source = &loaded.source;
            let ordinary = source.per_device_node_selection != Some(true)
                && (source.skip_node_operations.is_empty() || !is_experimental(features));
            let first = layout.positions.len();
            for (number, device) in (first..).zip(loaded.devices.iter()) {
                if device.traits == Traits::NONE && ordinary {
                    continue;
                }
                let number = DeviceIndex::new(number);
                if sharing && device.traits.has(Traits::MULTI) {
                    layout.multi.insert(number);
                } else if ordinary && is_plain(features, device.traits) {
                    continue;
                }
                layout.plain.remove(number);
            }
            let devices = 0..loaded.devices.len() as u32;
            layout.positions.extend(devices.map(|device| Position {
                slice: at,
                device,
                pool,
            }));
            let names = loaded.devices.iter().map(|device| device.name);
            layout.names.extend(names);
        }
        layout
    }
}

/// Whether a request that asks for no capacity need not look closer at a device.
fn is_plain(features: Features, traits: Traits) -> bool {
    let may_refuse = traits.has(Traits::CONSUMES)
        || traits.has(Traits::CHOOSY) && features.has(Feature::ConsumableCapacity)
        || traits.has(Traits::TAINTED) && features.has(Feature::DeviceTaints);
    !may_refuse
}

/// The values of a published attribute, by device: under its full name, or in devices of the driver
/// that is its domain without that.
pub(crate) fn published<D>(
    slices: &Slices<D>,
    names: &Names,
    view: &View,
    attribute: &str,
    table: &mut Table,
) -> Vec<SetId> {
    let full = names.find(attribute);
    let split = attribute.split_once('/');
    let domain = split.and_then(|(domain, _)| names.find(domain));
    let bare = split.and_then(|(_, id)| names.find(id));
    let mut column = Vec::with_capacity(view.len());
    for index in &view.slices {
        let slice = slices.get(*index);
        let own = Some(slice.driver) == domain;
        // Most devices of a slice have the same attributes, in the same order.
        let mut last = 0;
        for device in slice.devices.iter() {
            let mut find = |name: Option<Name>| {
                let attributes = &device.attributes;
                let is_it = |(other, _): &(Name, Value)| Some(*other) == name;
                if !attributes.get(last).is_some_and(is_it) {
                    last = attributes.iter().position(is_it)?;
                }
                attributes.get(last).map(|(_, value)| value)
            };
            let value = match find(full) {
                None if own => find(bare),
                value => value,
            };
            column.push(value.map_or(SetId::MISSING, |value| table.set(value)));
        }
    }
    column
}
