//! What a pod asks for, and what it was given.

use std::collections::BTreeMap;

use crate::Text;
use crate::node::NodeSelector;
use crate::quantity::Quantity;
use crate::slice::DeviceId;
use crate::taint::Toleration;

/// `resource.k8s.io/v1.ResourceClaim`, its `spec.devices` in particular.
#[derive(Debug, Clone, Default)]
pub struct ResourceClaim {
    /// `metadata.namespace`
    pub namespace: Text,
    /// `metadata.name`
    pub name: Text,
    /// `metadata.uid`; empty for a claim that does not exist yet.
    pub uid: Text,
    /// `spec.devices.requests`
    pub requests: Vec<DeviceRequest>,
    /// `spec.devices.constraints`
    pub constraints: Vec<Constraint>,
    /// `spec.devices.config`
    pub config: Vec<ClaimConfig>,
}

/// `ResourceClaim.spec.devices.requests[]`
#[derive(Debug, Clone, Default)]
pub struct DeviceRequest {
    /// Unique in the claim.
    pub name: Text,
    /// `exactly`; its `name` is empty.
    pub exactly: Option<DeviceQuery>,
    /// `firstAvailable`: alternatives, the most wanted first (KEP-4816).
    pub first_available: Vec<DeviceQuery>,
}

/// The content of `exactly`, or of one alternative in `firstAvailable`.
#[derive(Debug, Clone, Default)]
pub struct DeviceQuery {
    /// The alternative's name, unique in its request; empty in `exactly`.
    pub name: Text,
    /// `deviceClassName`
    pub class: Text,
    /// `selectors[].cel.expression`; `None`: a selector without `cel`.
    pub selectors: Vec<Option<Text>>,
    /// `allocationMode`
    pub mode: AllocationMode,
    /// `count`; meaningful with `ExactCount`.
    pub count: i64,
    /// `adminAccess`; always `None` in an alternative.
    pub admin_access: Option<bool>,
    /// `tolerations`. `None` and an empty list differ in results.
    pub tolerations: Option<Vec<Toleration>>,
    /// `capacity.requests` by name as written; `None`: no `capacity`.
    pub capacity: Option<BTreeMap<Text, Quantity>>,
    /// `derivedAttributes` (KEP-6080)
    pub derived_attributes: Vec<DerivedAttribute>,
}

/// `allocationMode`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AllocationMode {
    /// `ExactCount`
    #[default]
    ExactCount,
    /// `All`
    All,
    /// Anything else, the empty text included: a fatal error of the allocator.
    Other(Text),
}

/// `derivedAttributes[]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DerivedAttribute {
    /// What constraints call it.
    pub name: Text,
    /// CEL over `device`.
    pub expression: Text,
}

/// `ResourceClaim.spec.devices.constraints[]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Constraint {
    /// `req` or `req/sub`; empty: all requests.
    pub requests: Vec<Text>,
    /// All devices agree in this attribute.
    pub match_attribute: Option<Text>,
    /// All devices differ in this attribute. Looked at only where `match_attribute` is unset.
    pub distinct_attribute: Option<Text>,
}

/// `ResourceClaim.spec.devices.config[]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimConfig {
    /// `req` or `req/sub`; empty: all requests.
    pub requests: Vec<Text>,
    /// `opaque`
    pub opaque: Option<Opaque>,
}

/// Configuration that only a driver understands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opaque {
    /// Which driver.
    pub driver: Text,
    /// A JSON value as compact text, never looked at by the allocator.
    pub parameters: Text,
}

/// `ResourceClaim.status.allocation`
#[derive(Debug, Clone, Default)]
pub struct AllocationResult {
    /// `devices.results`
    pub results: Vec<DeviceResult>,
    /// `devices.config`
    pub config: Vec<AllocationConfig>,
    /// Where the claim can be used; `None`: anywhere.
    pub node_selector: Option<NodeSelector>,
}

impl AllocationResult {
    /// The results whose devices are taken from others: all but those with admin access.
    pub fn exclusive(&self) -> impl Iterator<Item = &DeviceResult> {
        let results = self.results.iter();
        results.filter(|result| !result.admin_access)
    }
}

/// `ResourceClaim.status.allocation.devices.results[]`
#[derive(Debug, Clone, Default)]
pub struct DeviceResult {
    /// `req` or `req/sub`
    pub request: Text,
    /// Driver name.
    pub driver: Text,
    /// Pool name.
    pub pool: Text,
    /// Device name.
    pub device: Text,
    /// Set only where it is true.
    pub admin_access: bool,
    /// Those of the request.
    pub tolerations: Option<Vec<Toleration>>,
    /// Those of the device.
    pub binding_conditions: Option<Vec<Text>>,
    /// Those of the device.
    pub binding_failure_conditions: Option<Vec<Text>>,
    /// Tells the shares of one device apart. The pure ring has no randomness: the allocator sets
    /// the nil UUID, and whoever writes the claim puts a real one in its place.
    pub share_id: Option<Text>,
    /// What this share takes, by capacity.
    pub consumed_capacity: Option<BTreeMap<Text, Quantity>>,
    /// Those of the device's slice.
    pub skip_node_operations: Vec<Text>,
}

impl DeviceResult {
    /// The device.
    pub fn id(&self) -> DeviceId {
        DeviceId {
            driver: self.driver.clone(),
            pool: self.pool.clone(),
            device: self.device.clone(),
        }
    }
}

/// `ResourceClaim.status.allocation.devices.config[]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationConfig {
    /// Who brought it.
    pub source: ConfigSource,
    /// `req` or `req/sub`; empty: all requests.
    pub requests: Vec<Text>,
    /// `opaque`
    pub opaque: Option<Opaque>,
}

/// `ResourceClaim.status.allocation.devices.config[].source`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// `FromClass`
    Class,
    /// `FromClaim`
    Claim,
}
