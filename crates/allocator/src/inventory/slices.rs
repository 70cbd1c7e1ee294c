//! The slices that are published, and which of them a node or a pool has.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use trainyard_model::Text;
use trainyard_model::selector::Engine;
use trainyard_model::slice::ResourceSlice;

use super::devices::LoadedDevice;
use super::names::{Name, Names, PoolId};
use super::shapes::{ShapeId, Shapes};

/// Where a slice is kept.
pub(crate) type SliceIndex = u32;

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

/// See the module.
#[derive(Debug)]
pub(crate) struct Slices<D> {
    all: Vec<Option<LoadedSlice<D>>>,
    by_name: FxHashMap<Text, SliceIndex>,
    free: Vec<SliceIndex>,
    shapes: Shapes<D>,
    /// Built by the first question.
    index: Option<Index>,
}

/// Which nodes a change of slices concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concerned {
    Nobody,
    Node(Name),
    Everybody,
}

type List = SmallVec<[SliceIndex; 4]>;

/// Which slices nodes and pools have.
#[derive(Debug, Default)]
struct Index {
    by_node: FxHashMap<Name, List>,
    /// Slices that name no node.
    shared: Vec<SliceIndex>,
    /// How many of `shared` select nodes by their labels.
    selecting: usize,
    /// Built when it is first asked for: most nodes have all slices of their pools.
    by_pool: OnceLock<FxHashMap<PoolId, List>>,
}

impl<D> Slices<D> {
    pub fn new() -> Self {
        Slices {
            all: Vec::new(),
            by_name: FxHashMap::default(),
            free: Vec::new(),
            shapes: Shapes::new(),
            index: None,
        }
    }

    pub fn get(&self, index: SliceIndex) -> &LoadedSlice<D> {
        let slice = self.all[index as usize].as_ref();
        slice.expect("the index names slices that are there")
    }

    /// Adds a slice under a name that is not taken.
    pub fn insert(
        &mut self,
        engine: &mut impl Engine<Device = D>,
        names: &mut Names,
        slice: &Arc<ResourceSlice>,
    ) -> Concerned {
        let shaped = self.shapes.add(slice, || {
            let devices = slice.devices.iter();
            devices
                .map(|device| LoadedDevice::of(engine, names, slice, device))
                .collect()
        });
        let node = slice.node_name.as_ref().filter(|name| !name.is_empty());
        let loaded = LoadedSlice {
            source: shaped.slice,
            node: node.map(|name| names.intern(name)),
            driver: names.intern(&slice.driver),
            pool: names.intern_pool(&slice.driver, &slice.pool.name),
            shape: shaped.id,
            devices: shaped.devices,
        };
        let at = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            SliceIndex::try_from(self.all.len() - 1).expect("fewer than four billion slices")
        });
        let (node, pool) = (loaded.node, loaded.pool);
        if let Some(index) = &mut self.index {
            index.add(at, &loaded);
        }
        self.all[at as usize] = Some(loaded);
        self.by_name.insert(slice.name.clone(), at);
        self.concerned(node, pool)
    }

    /// Removes a slice by name, if it is there; also its shape if no other slice has it.
    pub fn remove(&mut self, name: &str) -> Option<(Concerned, Option<ShapeId>)> {
        let at = self.by_name.remove(name)?;
        let slice = self.all[at as usize].take()?;
        self.free.push(at);
        let concerned = self.concerned(slice.node, slice.pool);
        if let Some(index) = &mut self.index {
            index.remove(at, &slice);
        }
        let last = self.shapes.remove(slice.shape);
        Some((concerned, last.then_some(slice.shape)))
    }

    /// Which nodes may see other pools after a slice of a pool has changed.
    fn concerned(&self, node: Option<Name>, pool: PoolId) -> Concerned {
        if self.index.is_none() {
            return Concerned::Nobody;
        }
        let of_node = |index: &SliceIndex| {
            let slice = self.all[*index as usize].as_ref();
            slice.is_none_or(|slice| slice.node == node)
        };
        match node {
            Some(node) if self.of_pool(pool).iter().all(of_node) => Concerned::Node(node),
            _ => Concerned::Everybody,
        }
    }

    /// Forgets which slices nodes have.
    pub fn forget(&mut self) {
        self.index = None;
    }

    /// Finds out which slices nodes have, if that is not known.
    pub fn index(&mut self) {
        if self.index.is_some() {
            return;
        }
        let mut index = Index::default();
        for (at, slice) in numbered(&self.all) {
            index.add(at, slice);
        }
        self.index = Some(index);
    }

    /// Whether which slices a node sees depends on more than its name.
    pub fn select_nodes(&self) -> bool {
        let index = self.index.as_ref();
        index.is_some_and(|index| index.selecting > 0)
    }

    /// The slices that name `node`, then those that name none.
    pub fn of_node(&self, node: Option<Name>) -> impl Iterator<Item = SliceIndex> + '_ {
        let index = self.index.as_ref();
        let own = index.and_then(|index| index.by_node.get(&node?));
        let shared = index.map(|index| index.shared.as_slice());
        let shared = shared.unwrap_or_default();
        own.into_iter().flatten().chain(shared).copied()
    }

    /// All slices of a pool, on whatever node.
    pub fn of_pool(&self, pool: PoolId) -> &[SliceIndex] {
        let Some(index) = &self.index else {
            return &[];
        };
        let by_pool = index.by_pool.get_or_init(|| {
            let mut by_pool: FxHashMap<_, List> = FxHashMap::default();
            for (at, slice) in numbered(&self.all) {
                by_pool.entry(slice.pool).or_default().push(at);
            }
            by_pool
        });
        let slices = by_pool.get(&pool);
        slices.map(SmallVec::as_slice).unwrap_or_default()
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
            by_pool.entry(slice.pool).or_default().push(index);
        }
    }

    fn remove<D>(&mut self, index: SliceIndex, slice: &LoadedSlice<D>) {
        self.selecting -= usize::from(selects(&slice.source));
        let drop = |list: &mut List| list.retain(|other| *other != index);
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

/// Whether a slice is for nodes with certain labels, not for one by name or for all.
fn selects(slice: &ResourceSlice) -> bool {
    let name = slice.node_name.as_deref();
    name.is_none_or(str::is_empty) && slice.all_nodes != Some(true)
}
