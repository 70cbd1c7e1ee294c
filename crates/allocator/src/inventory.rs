//! What there is to allocate: slices, classes and what is in use, kept up to date by events.
//!
//! Loading converts each device by itself. What ranges over several devices (which slices are
//! those of a node, which devices an expression selects) is learned by calls, kept between them,
//! and can be [forgotten](Inventory::forget).

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, DeviceResult};
use trainyard_model::class::DeviceClass;
use trainyard_model::device::{Attribute, Device};
use trainyard_model::quantity::Quantity;
use trainyard_model::selector::{CompileError, Engine};
use trainyard_model::slice::{DeviceId, ResourceSlice};
use trainyard_model::taint::Effect;

use crate::allocated::{Allocated, DeviceKey, Use};
use crate::ground::Grounds;
use crate::names::{Name, Names, PoolId};
use crate::outcomes::Outcomes;
use crate::shapes::{ShapeId, Shapes};

/// One element of an attribute's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Element {
    Int(i64),
    Bool(bool),
    String(Name),
    Version(Name),
}

/// An attribute's value as constraints compare it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    One(Element),
    /// Not empty.
    List(Arc<[Element]>),
    /// Of no type that constraints know.
    Unknown,
}

impl Value {
    pub fn of(attribute: &Attribute, names: &mut Names) -> Value {
        let one = Value::One;
        match attribute {
            Attribute::Int(value) => one(Element::Int(*value)),
            Attribute::Bool(value) => one(Element::Bool(*value)),
            Attribute::String(value) => one(Element::String(names.intern(value))),
            Attribute::Version(value) => one(Element::Version(names.intern(value))),
            Attribute::Ints(values) => list(values.iter().map(|v| Element::Int(*v))),
            Attribute::Bools(values) => list(values.iter().map(|v| Element::Bool(*v))),
            Attribute::Strings(values) => {
                list(values.iter().map(|v| Element::String(names.intern(v))))
            }
            Attribute::Versions(values) => {
                list(values.iter().map(|v| Element::Version(names.intern(v))))
            }
            Attribute::Unknown => Value::Unknown,
        }
    }
}

fn list(elements: impl Iterator<Item = Element>) -> Value {
    let elements: Arc<[Element]> = elements.collect();
    if elements.is_empty() {
        return Value::Unknown;
    }
    Value::List(elements)
}

/// A device, converted.
#[derive(Debug)]
pub(crate) struct LoadedDevice<D> {
    pub name: Name,
    pub traits: Traits,
    /// What the engine made of it.
    pub cel: D,
    pub attributes: Vec<(Name, Value)>,
}

/// What of a device matters only where it is there, which is seldom: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traits(u8);

impl Traits {
    pub const NONE: Traits = Traits(0);
    /// Several may share it.
    pub const MULTI: Traits = Traits(1);
    /// Takes from counters.
    pub const CONSUMES: Traits = Traits(2);
    /// Is of a compatibility group.
    pub const GROUPED: Traits = Traits(4);
    /// Has a binding condition.
    pub const CONDITIONS: Traits = Traits(8);
    /// Says which binding conditions it has, if only that there are none.
    pub const NAMES_CONDITIONS: Traits = Traits(16);
    /// Has a taint that keeps claims off it.
    pub const TAINTED: Traits = Traits(32);
    /// Has a capacity that may refuse a request which names none: one with a policy, or below zero.
    pub const CHOOSY: Traits = Traits(64);

    pub fn has(self, other: Traits) -> bool {
        self.0 & other.0 != 0
    }

    fn of(device: &Device) -> Traits {
        let bars = |effect: &Effect| matches!(effect, Effect::NoSchedule | Effect::NoExecute);
        let mut groups = device.consumes_counters.iter();
        let mut capacities = device.capacity.values();
        let conditions = device.binding_conditions.as_ref();
        let found = [
            (
                Traits::MULTI,
                device.allow_multiple_allocations == Some(true),
            ),
            (Traits::CONSUMES, !device.consumes_counters.is_empty()),
            (
                Traits::GROUPED,
                groups.any(|entry| !entry.compatibility_groups.is_empty()),
            ),
            (
                Traits::CONDITIONS,
                conditions.is_some_and(|list| !list.is_empty()),
            ),
            (Traits::NAMES_CONDITIONS, conditions.is_some()),
            (
                Traits::TAINTED,
                device.taints.iter().any(|taint| bars(&taint.effect)),
            ),
            (
                Traits::CHOOSY,
                capacities
                    .any(|capacity| capacity.request_policy.is_some() || capacity.value.sign() < 0),
            ),
        ];
        let found = found.into_iter().filter(|(_, found)| *found);
        Traits(found.fold(0, |sum, (one, _)| sum | one.0))
    }
}

/// A slice, converted device by device.
#[derive(Debug)]
pub(crate) struct LoadedSlice<D> {
    pub source: Arc<ResourceSlice>,
    /// The node that it names.
    pub node: Option<Name>,
    pub driver: Name,
    pub pool: PoolId,
    pub shape: ShapeId,
    pub devices: Arc<[LoadedDevice<D>]>,
}

/// A compiled expression or why it does not compile.
pub(crate) type Program<X> = Result<X, CompileError>;

/// The number of a compiled expression.
pub(crate) type ProgramId = u32;

/// The selectors of a request: its class's, then its own.
pub(crate) type Selectors = SmallVec<[ProgramId; 4]>;

/// A class, its selectors compiled.
#[derive(Debug)]
pub(crate) struct LoadedClass {
    pub source: Arc<DeviceClass>,
    /// `None`: a selector without CEL.
    pub selectors: Vec<Option<ProgramId>>,
}

/// Compiled expressions by source.
#[derive(Debug)]
pub(crate) struct Programs<X> {
    selector_ids: FxHashMap<Text, ProgramId>,
    derived_ids: FxHashMap<Text, ProgramId>,
    programs: Vec<Program<X>>,
}

impl<X> Programs<X> {
    fn new() -> Self {
        Programs {
            selector_ids: FxHashMap::default(),
            derived_ids: FxHashMap::default(),
            programs: Vec::new(),
        }
    }

    pub fn get(&self, id: ProgramId) -> &Program<X> {
        &self.programs[id as usize]
    }

    fn add(&mut self, program: Program<X>) -> ProgramId {
        let id =
            ProgramId::try_from(self.programs.len()).expect("fewer than four billion programs");
        self.programs.push(program);
        id
    }

    pub fn selector(
        &mut self,
        engine: &mut impl Engine<Expression = X>,
        source: &Text,
    ) -> ProgramId {
        if let Some(id) = self.selector_ids.get(source) {
            return *id;
        }
        let id = self.add(engine.compile(source));
        self.selector_ids.insert(source.clone(), id);
        id
    }

    pub fn derived(
        &mut self,
        engine: &mut impl Engine<Expression = X>,
        source: &Text,
    ) -> ProgramId {
        if let Some(id) = self.derived_ids.get(source) {
            return *id;
        }
        let id = self.add(engine.compile_derived(source));
        self.derived_ids.insert(source.clone(), id);
        id
    }
}

/// Where a slice is kept.
pub(crate) type SliceIndex = u32;

/// Which slices a node sees.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_node: FxHashMap<Name, Slices>,
    shared: Vec<SliceIndex>,
    /// How many of `shared` are for some nodes only.
    selecting: usize,
    /// Built when it is first asked for: most nodes have all slices of their pools.
    by_pool: OnceLock<FxHashMap<PoolId, Slices>>,
}

type Slices = SmallVec<[SliceIndex; 4]>;

/// What calls learned about slices and classes.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    index: Option<Index>,
    pub outcomes: FxHashMap<(ShapeId, ProgramId), Outcomes>,
    pub grounds: Grounds,
}

/// All slices, classes and allocations, with the engine that evaluates their expressions.
#[derive(Debug)]
pub struct Inventory<E: Engine> {
    pub(crate) engine: E,
    pub(crate) names: Names,
    pub(crate) programs: Programs<E::Expression>,
    pub(crate) slices: Vec<Option<LoadedSlice<E::Device>>>,
    slice_ids: FxHashMap<Text, SliceIndex>,
    free: Vec<SliceIndex>,
    shapes: Shapes<E::Device>,
    pub(crate) classes: FxHashMap<Text, LoadedClass>,
    pub(crate) allocated: Allocated,
    pub(crate) learned: Learned,
}

impl<E: Engine> Inventory<E> {
    /// Nothing there yet.
    pub fn new(engine: E) -> Self {
        Inventory {
            engine,
            names: Names::default(),
            programs: Programs::new(),
            slices: Vec::new(),
            slice_ids: FxHashMap::default(),
            free: Vec::new(),
            shapes: Shapes::new(),
            classes: FxHashMap::default(),
            allocated: Allocated::default(),
            learned: Learned::default(),
        }
    }

    /// Adds a slice or replaces the one of the same name. Taint rules must have been applied.
    pub fn apply_slice(&mut self, slice: &Arc<ResourceSlice>) {
        self.delete_slice(&slice.name);
        let loaded = self.load(slice);
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slices.push(None);
                SliceIndex::try_from(self.slices.len() - 1).expect("fewer than four billion slices")
            }
        };
        let (node, pool) = (loaded.node, loaded.pool);
        if let Some(known) = &mut self.learned.index {
            known.add(index, &loaded);
        }
        self.slices[index as usize] = Some(loaded);
        if self.learned.index.is_some() {
            self.forget_sites(node, pool);
        }
        self.slice_ids.insert(slice.name.clone(), index);
    }

    /// Removes a slice by name, if it is there.
    pub fn delete_slice(&mut self, name: &str) {
        let Some(index) = self.slice_ids.remove(name) else {
            return;
        };
        let Some(slice) = self.slices[index as usize].take() else {
            return;
        };
        self.free.push(index);
        if self.learned.index.is_some() {
            self.forget_sites(slice.node, slice.pool);
            if let Some(known) = &mut self.learned.index {
                known.remove(index, &slice);
            }
        }
        if self.shapes.remove(slice.shape) {
            let outcomes = &mut self.learned.outcomes;
            outcomes.retain(|(shape, _), _| *shape != slice.shape);
            self.learned.grounds = Grounds::default();
        }
    }

    /// Adds a class or replaces the one of the same name.
    pub fn apply_class(&mut self, class: &Arc<DeviceClass>) {
        let selectors = class.selectors.iter().map(|source| {
            let source = source.as_ref()?;
            Some(self.programs.selector(&mut self.engine, source))
        });
        let loaded = LoadedClass {
            selectors: selectors.collect(),
            source: class.clone(),
        };
        self.classes.insert(class.name.clone(), loaded);
    }

    /// Removes a class by name, if it is there.
    pub fn delete_class(&mut self, name: &str) {
        self.classes.remove(name);
    }

    /// Compiles an expression beforehand, so that no question has to wait for it.
    pub fn compile(&mut self, source: &Text) {
        self.programs.selector(&mut self.engine, source);
    }

    /// Compiles the expression of a derived attribute beforehand.
    pub fn compile_derived(&mut self, source: &Text) {
        self.programs.derived(&mut self.engine, source);
    }

    /// `holder` has the whole device. What it is called is up to the caller.
    pub fn hold(&mut self, device: &DeviceId, holder: &Text) {
        let key = self.key(device);
        self.allocated.hold(key, holder.clone());
    }

    /// `holder` has a share of the device, told apart by `share`.
    pub fn share(&mut self, device: &DeviceId, share: &Text, holder: &Text) {
        let key = self.key(device);
        self.allocated.share(key, share.clone(), holder.clone());
    }

    /// The shares of the device together take this much more of its capacity.
    pub fn consume(&mut self, device: &DeviceId, amounts: &BTreeMap<Text, Quantity>) {
        let key = self.key(device);
        self.allocated.consume(key, amounts);
    }

    /// `holder` no longer has the whole device.
    pub fn release(&mut self, device: &DeviceId, holder: &Text) {
        let key = self.key(device);
        self.allocated.release(key, None, None, holder);
    }

    /// `holder` has all that `result` lists: whole devices, and shares with what they take. Devices
    /// with admin access stay free. A nil share id is told apart by the holder.
    pub fn hold_result(&mut self, result: &AllocationResult, holder: &Text) {
        self.each_device(result, |allocated, key, device| {
            let Some(share) = &device.share_id else {
                return allocated.hold(key, holder.clone());
            };
            let share = share_name(share, holder);
            allocated.share(key, share, holder.clone());
            if let Some(amounts) = &device.consumed_capacity {
                allocated.consume(key, amounts);
            }
        });
    }

    /// Takes back what [`Inventory::hold_result`] did.
    pub fn release_result(&mut self, result: &AllocationResult, holder: &Text) {
        self.each_device(result, |allocated, key, device| {
            let share = device.share_id.as_ref();
            let share = share.map(|share| share_name(share, holder));
            let amounts = device.consumed_capacity.as_ref();
            allocated.release(key, share.as_ref(), amounts, holder);
        });
    }

    fn each_device(
        &mut self,
        result: &AllocationResult,
        mut change: impl FnMut(&mut Allocated, DeviceKey, &DeviceResult),
    ) {
        let mut last: Option<(&DeviceResult, PoolId)> = None;
        for device in result.results.iter().filter(|device| !device.admin_access) {
            let pool = match last {
                Some((last, pool)) if last.pool == device.pool && last.driver == device.driver => {
                    pool
                }
                _ => self.names.intern_pool(&device.driver, &device.pool),
            };
            last = Some((device, pool));
            let key = (pool, self.names.intern(&device.device));
            change(&mut self.allocated, key, device);
        }
    }

    /// Nothing is in use any more.
    pub fn release_all(&mut self) {
        self.allocated.clear();
    }

    /// Forgets what earlier calls learned: results of selectors, and which slices a node sees.
    pub fn forget(&mut self) {
        self.learned = Learned::default();
    }

    /// Who has (part of) a device: holders in the order in which they came.
    pub fn holders(&self, device: &DeviceId) -> Vec<Text> {
        let pool = self.names.find_pool(&device.driver, &device.pool);
        let (Some(pool), Some(name)) = (pool, self.names.find(&device.device)) else {
            return Vec::new();
        };
        let used = self.allocated.get((pool, name));
        used.map(Use::holders).unwrap_or_default()
    }

    pub(crate) fn key(&mut self, device: &DeviceId) -> DeviceKey {
        let pool = self.names.intern_pool(&device.driver, &device.pool);
        (pool, self.names.intern(&device.device))
    }

    fn load(&mut self, slice: &Arc<ResourceSlice>) -> LoadedSlice<E::Device> {
        let (engine, names) = (&mut self.engine, &mut self.names);
        let shaped = self.shapes.add(slice, || {
            let devices = slice.devices.iter();
            devices
                .map(|device| load_device(engine, names, slice, device))
                .collect()
        });
        let node = slice.node_name.as_ref().filter(|name| !name.is_empty());
        LoadedSlice {
            source: shaped.slice,
            node: node.map(|name| self.names.intern(name)),
            driver: self.names.intern(&slice.driver),
            pool: self.names.intern_pool(&slice.driver, &slice.pool.name),
            shape: shaped.id,
            devices: shaped.devices,
        }
    }

    /// Slices of a node, or of a pool, change: which pools a node sees must be found out anew.
    fn forget_sites(&mut self, node: Option<Name>, pool: PoolId) {
        let of_node = |index: &SliceIndex| {
            let slice = self.slices[*index as usize].as_ref();
            slice.is_none_or(|slice| slice.node == node)
        };
        let alone = node.is_some() && self.slices_of_pool(pool).iter().all(of_node);
        self.learned.grounds.forget(node.filter(|_| alone));
    }

    /// Whether which slices a node sees depends on more than its name.
    pub(crate) fn has_selecting_slices(&self) -> bool {
        let index = self.learned.index.as_ref();
        index.is_some_and(|index| index.selecting > 0)
    }

    /// Builds the index of slices if need be.
    pub(crate) fn index(&mut self) {
        if self.learned.index.is_some() {
            return;
        }
        let mut index = Index::default();
        for (at, slice) in numbered(&self.slices) {
            index.add(at, slice);
        }
        self.learned.index = Some(index);
    }

    /// The slices that name `node`, then those that name none.
    pub(crate) fn slices_for(&self, node: Option<Name>) -> impl Iterator<Item = SliceIndex> + '_ {
        let index = self.learned.index.as_ref();
        let own = index.and_then(|index| index.by_node.get(&node?));
        let shared = index
            .map(|index| index.shared.as_slice())
            .unwrap_or_default();
        own.into_iter().flatten().chain(shared).copied()
    }

    /// All slices of a pool, on whatever node.
    pub(crate) fn slices_of_pool(&self, pool: PoolId) -> &[SliceIndex] {
        let Some(index) = &self.learned.index else {
            return &[];
        };
        let by_pool = index.by_pool.get_or_init(|| {
            let mut by_pool: FxHashMap<_, Slices> = FxHashMap::default();
            for (at, slice) in numbered(&self.slices) {
                let slices = by_pool.entry(slice.pool).or_default();
                slices.push(at);
            }
            by_pool
        });
        let slices = by_pool.get(&pool);
        slices.map(SmallVec::as_slice).unwrap_or_default()
    }

    pub(crate) fn slice(&self, index: SliceIndex) -> &LoadedSlice<E::Device> {
        self.slices[index as usize]
            .as_ref()
            .expect("the index names slices that are there")
    }
}

impl Use {
    /// Holders of the whole device, then of shares.
    pub(crate) fn holders(&self) -> Vec<Text> {
        let whole = self.exclusive.iter();
        let shares = self
            .shares
            .iter()
            .flat_map(|shares| shares.holders.values());
        whole.chain(shares).cloned().collect()
    }
}

impl Index {
    fn add<D>(&mut self, index: SliceIndex, slice: &LoadedSlice<D>) {
        self.selecting += usize::from(selects(&slice.source));
        match slice.node {
            Some(node) => self.by_node.entry(node).or_default().push(index),
            None => self.shared.push(index),
        }
        if let Some(by_pool) = self.by_pool.get_mut() {
            let slices = by_pool.entry(slice.pool).or_default();
            slices.push(index);
        }
    }

    fn remove<D>(&mut self, index: SliceIndex, slice: &LoadedSlice<D>) {
        self.selecting -= usize::from(selects(&slice.source));
        let drop = |list: &mut Slices| list.retain(|other| *other != index);
        match slice.node {
            Some(node) => drop(self.by_node.entry(node).or_default()),
            None => self.shared.retain(|other| *other != index),
        }
        if let Some(by_pool) = self.by_pool.get_mut() {
            drop(by_pool.entry(slice.pool).or_default());
        }
    }
}

fn numbered<D>(
    slices: &[Option<LoadedSlice<D>>],
) -> impl Iterator<Item = (SliceIndex, &LoadedSlice<D>)> {
    let numbered = (0..).zip(slices);
    numbered.filter_map(|(at, slice)| Some((at, slice.as_ref()?)))
}

/// Whether a slice is for nodes of some kind, not for one by name or for all.
fn selects(slice: &ResourceSlice) -> bool {
    let named = slice
        .node_name
        .as_deref()
        .is_some_and(|name| !name.is_empty());
    !named && slice.all_nodes != Some(true)
}

/// The nil UUID stands for "not yet known", so it cannot tell shares apart.
fn share_name(share: &Text, holder: &Text) -> Text {
    if &**share == crate::NIL_SHARE {
        return holder.clone();
    }
    share.clone()
}

fn load_device<E: Engine>(
    engine: &mut E,
    names: &mut Names,
    slice: &ResourceSlice,
    device: &Device,
) -> LoadedDevice<E::Device> {
    let attributes = device.attributes.iter();
    LoadedDevice {
        name: names.intern(&device.name),
        traits: Traits::of(device),
        cel: engine.convert(&slice.driver, device),
        attributes: attributes
            .map(|(name, value)| (names.intern(name), Value::of(value, names)))
            .collect(),
    }
}
