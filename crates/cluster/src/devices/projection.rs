//! Slices reduced to what the expressions and constraints of an input read of their devices.
//!
//! The nodes of a cluster publish devices that differ in serial numbers, network places and the like.
//! No selector of the running example reads those, so all nodes of a type have equal projections:
//! the allocator converts their devices once, and one verdict serves all nodes in the same state.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHasher};
use trainyard_model::device::Device;
use trainyard_model::selector::Reads;
use trainyard_model::slice::ResourceSlice;

/// Makes projections; equal ones share their list of devices.
pub(crate) struct Projections {
    reads: Reads,
    /// By the address of the original list, which slices of equal nodes share. The slice is kept so
    /// that the address stays taken.
    known: FxHashMap<usize, (Arc<ResourceSlice>, Arc<[Device]>)>,
    /// By a hash of driver and devices.
    lists: FxHashMap<u64, Vec<Arc<ResourceSlice>>>,
}

impl Projections {
    pub(crate) fn new(reads: Reads) -> Self {
        Projections {
            reads,
            known: FxHashMap::default(),
            lists: FxHashMap::default(),
        }
    }

    /// The slice with what is read.
    pub(crate) fn of(&mut self, slice: &Arc<ResourceSlice>) -> Arc<ResourceSlice> {
        let address = slice.devices.as_ptr() as usize;
        let known = self.known.get(&address);
        let known = known.filter(|(other, _)| other.driver == slice.driver);
        let devices = match known {
            Some((_, devices)) => devices.clone(),
            None => {
                let devices = self.project(slice);
                self.known.insert(address, (slice.clone(), devices.clone()));
                devices
            }
        };
        if Arc::ptr_eq(&devices, &slice.devices) {
            return slice.clone();
        }
        Arc::new(ResourceSlice {
            devices,
            ..(**slice).clone()
        })
    }

    /// The list of devices of an equal projection, if there is one, or a new list.
    fn project(&mut self, slice: &Arc<ResourceSlice>) -> Arc<[Device]> {
        let (reads, driver) = (&self.reads, &slice.driver);
        let projected = if slice.devices.iter().all(|d| reads.keeps(driver, d)) {
            slice.clone()
        } else {
            let devices = slice.devices.iter();
            let devices = devices.map(|device| reads.project(driver, device));
            Arc::new(ResourceSlice {
                devices: devices.collect(),
                ..(**slice).clone()
            })
        };
        let lists = self.lists.entry(hash(&projected)).or_default();
        match lists.iter().find(|list| list.has_same_devices(&projected)) {
            Some(list) => list.devices.clone(),
            None => {
                lists.push(projected.clone());
                projected.devices.clone()
            }
        }
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
