//! Slices that publish the same devices: nodes of one type differ in names only, so their devices
//! are converted, and learned about, once.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHasher};
use trainyard_model::slice::ResourceSlice;

use crate::inventory::LoadedDevice;

/// Tells devices of slices apart. Never used again once nothing has it any more.
pub(crate) type ShapeId = u32;

/// A slice with its shape. Its devices are those of the first slice of that shape, so that many
/// equal ones take the room of one.
#[derive(Debug)]
pub(crate) struct Shaped<D> {
    pub id: ShapeId,
    pub slice: Arc<ResourceSlice>,
    pub devices: Arc<[LoadedDevice<D>]>,
}

/// What slices have in common that are alike but for their names, their pools and their nodes.
#[derive(Debug)]
struct Shape<D> {
    /// The first of them.
    slice: Arc<ResourceSlice>,
    hash: u64,
    devices: Arc<[LoadedDevice<D>]>,
    slices: usize,
}

/// All shapes there are.
#[derive(Debug)]
pub(crate) struct Shapes<D> {
    known: FxHashMap<ShapeId, Shape<D>>,
    by_hash: FxHashMap<u64, Vec<ShapeId>>,
    next: ShapeId,
}

impl<D> Shapes<D> {
    pub fn new() -> Self {
        Shapes {
            known: FxHashMap::default(),
            by_hash: FxHashMap::default(),
            next: 0,
        }
    }

    /// The shape of one more slice; `load` converts its devices if they are new.
    pub fn add(
        &mut self,
        slice: &Arc<ResourceSlice>,
        load: impl FnOnce() -> Arc<[LoadedDevice<D>]>,
    ) -> Shaped<D> {
        let hash = hash(slice);
        for id in self.by_hash.get(&hash).into_iter().flatten() {
            if let Some(shape) = self.known.get_mut(id)
                && shape.slice.has_same_devices(slice)
            {
                shape.slices += 1;
                let mut slice = slice.clone();
                if !Arc::ptr_eq(&slice.devices, &shape.slice.devices) {
                    Arc::make_mut(&mut slice).devices = shape.slice.devices.clone();
                }
                return Shaped {
                    id: *id,
                    slice,
                    devices: shape.devices.clone(),
                };
            }
        }
        let id = self.next;
        self.next = id.wrapping_add(1);
        let devices = load();
        self.by_hash.entry(hash).or_default().push(id);
        let shape = Shape {
            slice: slice.clone(),
            hash,
            devices: devices.clone(),
            slices: 1,
        };
        self.known.insert(id, shape);
        Shaped {
            id,
            slice: slice.clone(),
            devices,
        }
    }

    /// A slice of the shape is gone. Whether it was the last.
    pub fn remove(&mut self, id: ShapeId) -> bool {
        let Some(shape) = self.known.get_mut(&id) else {
            return false;
        };
        shape.slices -= 1;
        if shape.slices > 0 {
            return false;
        }
        if let Some(list) = self.by_hash.get_mut(&shape.hash) {
            list.retain(|other| *other != id);
        }
        self.known.remove(&id);
        true
    }
}

fn hash(slice: &ResourceSlice) -> u64 {
    let mut hasher = FxHasher::default();
    slice.driver.hash(&mut hasher);
    for device in slice.devices.iter() {
        (&device.name, &device.attributes).hash(&mut hasher);
    }
    hasher.finish()
}
