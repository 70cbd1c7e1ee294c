//! What a node has for a question: its devices, which of them are in use, and what is left of those
//! that can be shared.

use std::sync::Arc;

use trainyard_model::features::{Feature, Features};
use trainyard_model::node::Node;
use trainyard_model::selector::Engine;

use super::counters::Counters;
use crate::ids::DeviceIndex;
use crate::inventory::Inventory;
use crate::inventory::view::View;
use crate::set::Devices;

/// See the module.
#[derive(Debug)]
pub(crate) struct Available<'a> {
    pub node: &'a Node,
    pub features: Features,
    pub view: Arc<View>,
    /// Devices that are in use as a whole.
    pub held: Devices,
    /// Devices of which shares are in use.
    pub shared: Devices,
    /// What is left of the capacities of devices that allow multiple allocations.
    room: Vec<(DeviceIndex, Vec<i128>)>,
    pub counters: Counters,
}

impl<'a> Available<'a> {
    pub fn of<E: Engine>(
        inventory: &Inventory<E>,
        node: &'a Node,
        features: Features,
        view: Arc<View>,
    ) -> Self {
        let Inventory {
            slices, allocated, ..
        } = inventory;
        let counters = match features.has(Feature::PartitionableDevices) {
            true => Counters::of(slices, allocated, &view, features),
            false => Counters::default(),
        };
        let mut available = Available {
            node,
            features,
            held: Devices::new(view.len()),
            shared: Devices::new(view.len()),
            room: Vec::new(),
            counters,
            view,
        };
        available.subtract_uses(inventory);
        available
    }

    fn subtract_uses<E: Engine>(&mut self, inventory: &Inventory<E>) {
        let Available {
            view,
            held,
            shared,
            room,
            ..
        } = self;
        let multi = &view.layout.multi;
        for device in multi.iter() {
            let (_, source) = view.source(&inventory.slices, device);
            let capacities = source.capacity.values();
            let capacities = capacities.map(|capacity| capacity.value.nanos());
            room.push((device, capacities.collect()));
        }
        for (index, pool) in view.pools.iter().enumerate() {
            let in_use = inventory.allocated.of_pool(pool.id);
            if in_use.is_empty() {
                continue;
            }
            // Both lists are in the order of the names' numbers.
            let mut named = view.layout.named(index);
            for (name, used) in in_use {
                named = &named[named.partition_point(|(_, other, _)| other < name)..];
                let Some((_, _, device)) = named.first().filter(|(_, other, _)| other == name)
                else {
                    continue;
                };
                let device = *device;
                if !used.exclusive.is_empty() {
                    held.insert(device);
                }
                if used.shared() {
                    shared.insert(device);
                }
                let Some(taken) = used.capacity().filter(|_| multi.has(device)) else {
                    continue;
                };
                let (_, source) = view.source(&inventory.slices, device);
                let left = source.capacity.iter().map(|(name, capacity)| {
                    let taken = taken.get(name);
                    let left = taken.map_or(capacity.value, |taken| capacity.value.sub(*taken));
                    left.nanos()
                });
                let found = room.binary_search_by_key(&device, |(at, _)| *at);
                room[found.expect("every device that can be shared has room")].1 = left.collect();
            }
        }
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.view.len()
    }

    /// Devices that allow multiple allocations.
    pub fn multi(&self) -> &Devices {
        &self.view.layout.multi
    }

    /// What is left of each capacity of a device that allows multiple allocations.
    pub fn room(&self, device: DeviceIndex) -> &[i128] {
        let found = self.room.binary_search_by_key(&device, |(at, _)| *at);
        found.map_or(&[], |index| &self.room[index].1)
    }
}
