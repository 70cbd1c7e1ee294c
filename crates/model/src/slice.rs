//! The slice of a pool that a driver publishes in one object.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Text;
use crate::device::Device;
use crate::node::NodeSelector;
use crate::quantity::Quantity;

/// `resource.k8s.io/v1.ResourceSlice`
#[derive(Debug, Clone, Default)]
pub struct ResourceSlice {
    /// `metadata.name`: slices of a pool are searched in the byte order of their names.
    pub name: Text,
    /// `spec.driver`
    pub driver: Text,
    /// `spec.pool`
    pub pool: Pool,
    /// `spec.nodeName`
    pub node_name: Option<Text>,
    /// `spec.nodeSelector`
    pub node_selector: Option<NodeSelector>,
    /// `spec.allNodes`
    pub all_nodes: Option<bool>,
    /// `spec.perDeviceNodeSelection`
    pub per_device_node_selection: Option<bool>,
    /// `spec.devices`, in the order in which they are tried. Shared by the slices of nodes that have
    /// the same devices.
    pub devices: Arc<[Device]>,
    /// `spec.sharedCounters`
    pub shared_counters: Vec<CounterSet>,
    /// `spec.skipNodeOperations` (KEP-5945), as written.
    pub skip_node_operations: Vec<Text>,
}

impl ResourceSlice {
    /// Whether both slices publish the same devices in the same order. The slices, pools and nodes may
    /// have different names.
    pub fn has_same_devices(&self, other: &ResourceSlice) -> bool {
        let identical = |(one, other): (&Device, &Device)| one.is_identical(other);
        self.driver == other.driver
            && self.per_device_node_selection == other.per_device_node_selection
            && self.skip_node_operations == other.skip_node_operations
            && (Arc::ptr_eq(&self.devices, &other.devices)
                || self.devices.len() == other.devices.len()
                    && self.devices.iter().zip(other.devices.iter()).all(identical))
    }
}

/// `ResourceSlice.spec.pool`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pool {
    /// Unique for the driver; usually the node's name.
    pub name: Text,
    /// Slices of an older generation are ignored.
    pub generation: i64,
    /// How many slices of this generation make the pool complete.
    pub resource_slice_count: i64,
}

/// `ResourceSlice.spec.sharedCounters[]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CounterSet {
    /// Unique in the pool.
    pub name: Text,
    /// Amount by counter.
    pub counters: BTreeMap<Text, Quantity>,
}

/// A device's identity: driver, pool, device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId {
    /// Driver name.
    pub driver: Text,
    /// Pool name.
    pub pool: Text,
    /// Device name.
    pub device: Text,
}
