//! One device of a pool, as its driver publishes it.

use std::collections::BTreeMap;

use crate::Text;
use crate::node::NodeSelector;
use crate::quantity::Quantity;
use crate::taint::Taint;
use crate::version::Version;

/// `ResourceSlice.spec.devices[]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Device {
    /// Unique in the pool, such as `neuron-device-0`.
    pub name: Text,
    /// By name as written: `domain/id`, or `id` for the driver's own domain. `x` and `DRIVER/x` are
    /// two different keys here.
    pub attributes: BTreeMap<Text, Attribute>,
    /// By name as written, like attributes.
    pub capacity: BTreeMap<Text, Capacity>,
    /// What the device takes from its pool's counter sets while it is in use (KEP-4815).
    pub consumes_counters: Vec<CounterConsumption>,
    /// Where the device is usable, in slices with `perDeviceNodeSelection`.
    pub node_name: Option<Text>,
    /// Likewise.
    pub node_selector: Option<NodeSelector>,
    /// Likewise.
    pub all_nodes: Option<bool>,
    /// Taints of the slice itself; taint rules are applied before the allocator sees it.
    pub taints: Vec<Taint>,
    /// An allocation of this device pins its claim to the node.
    pub binds_to_node: Option<bool>,
    /// Conditions to wait for before a pod is bound (KEP-5007). `None` and an empty list differ:
    /// a list, even an empty one, puts the pool behind the others.
    pub binding_conditions: Option<Vec<Text>>,
    /// Conditions that end the wait in failure.
    pub binding_failure_conditions: Option<Vec<Text>>,
    /// The device may be shared by several claims (KEP-5075).
    pub allow_multiple_allocations: Option<bool>,
}

impl Device {
    /// Whether both are equal, and quantities are also written alike.
    pub fn is_identical(&self, other: &Device) -> bool {
        self == other
            && (self.capacity.is_empty() || same_notation(&self.capacity, &other.capacity))
            && (self.consumes_counters.is_empty()
                || same_notation(&self.consumes_counters, &other.consumes_counters))
    }
}

/// Whether the quantities in two equal values are also written alike: `1Gi` and `1073741824` are equal
/// amounts, but allocations print them differently. The debug form shows the notation.
fn same_notation<T: std::fmt::Debug>(one: &T, other: &T) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

/// `ResourceSlice.spec.devices[].attributes[]`: what is set of the union, in the order in which
/// upstream looks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// `int`
    Int(i64),
    /// `bool`
    Bool(bool),
    /// `string`
    String(Text),
    /// `version`, as written: it need not be a semantic version (CEL then fails on the device).
    Version(Text),
    /// `ints` (KEP-5491)
    Ints(Vec<i64>),
    /// `bools`
    Bools(Vec<bool>),
    /// `strings`
    Strings(Vec<Text>),
    /// `versions`
    Versions(Vec<Text>),
    /// Nothing that this version knows is set.
    Unknown,
}

impl Attribute {
    /// Whether CEL can represent the value: its type is known, and each version in it is a semantic
    /// version. On a device with an attribute that does not convert every expression fails.
    pub fn converts(&self) -> bool {
        let is_version = |text: &Text| text.parse::<Version>().is_ok();
        match self {
            Attribute::Unknown => false,
            Attribute::Version(text) => is_version(text),
            Attribute::Versions(texts) => texts.iter().all(is_version),
            _ => true,
        }
    }
}

/// `ResourceSlice.spec.devices[].capacity[]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// All of it.
    pub value: Quantity,
    /// How much of it one request may take.
    pub request_policy: Option<RequestPolicy>,
}

/// `ResourceSlice.spec.devices[].capacity[].requestPolicy`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestPolicy {
    /// Taken by a request that names no amount.
    pub default: Option<Quantity>,
    /// The only amounts allowed, ascending.
    pub valid_values: Vec<Quantity>,
    /// The amounts allowed, as a range.
    pub valid_range: Option<ValidRange>,
}

/// `ResourceSlice.spec.devices[].capacity[].requestPolicy.validRange`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ValidRange {
    /// Smallest amount; a smaller request is rounded up to it.
    pub min: Option<Quantity>,
    /// Largest amount.
    pub max: Option<Quantity>,
    /// Amounts are `min` plus a multiple of this.
    pub step: Option<Quantity>,
}

/// `ResourceSlice.spec.devices[].consumesCounters[]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CounterConsumption {
    /// Name of the pool's counter set.
    pub counter_set: Text,
    /// Amount by counter.
    pub counters: BTreeMap<Text, Quantity>,
    /// Devices that use one counter set must have a group in common (KEP-5963).
    pub compatibility_groups: Vec<Text>,
}
