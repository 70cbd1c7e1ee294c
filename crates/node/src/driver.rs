//! The other half of a driver: what only its hardware's own code can say.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::resource::v1 as api;
use serde::{Deserialize, Serialize};

/// Which claim: all that the kubelet says of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClaimRef {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
}

impl fmt::Display for ClaimRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A device that was allocated to a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocated {
    /// `request` or `request/subrequest`
    pub request: String,
    /// The pool's name.
    pub pool: String,
    /// The device's name in its pool.
    pub device: String,
    /// Names the share of a device that several claims may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_id: Option<String>,
    /// Whether other claims may hold the device at the same time.
    #[serde(default)]
    pub access: Access,
}

/// Whether a device is the claim's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Access {
    /// No other claim may hold it.
    #[default]
    Exclusive,
    /// `adminAccess`: the claim may use the device although another claim holds it.
    Admin,
}

/// Where a configuration was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConfigSource {
    /// The DeviceClass.
    Class,
    /// The claim itself: it overrides its class.
    Claim,
}

/// Opaque configuration for this driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpaqueConfig {
    /// Where it was written.
    pub source: ConfigSource,
    /// `request` or `request/subrequest`; empty: all requests.
    pub requests: Vec<String>,
    /// The JSON object, as written.
    pub parameters: serde_json::Value,
    /// Its path in the claim, for messages: `status.allocation.devices.config[0]`.
    pub path: String,
}

impl OpaqueConfig {
    /// Whether it is meant for a request, named as in [`Allocated::request`].
    pub fn applies_to(&self, request: &str) -> bool {
        self.requests.is_empty()
            || self.requests.iter().any(|wanted| {
                wanted == request
                    || request
                        .split_once('/')
                        .is_some_and(|(main, _)| wanted == main)
            })
    }
}

/// A claim, as far as it concerns this driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Which one.
    pub claim: ClaimRef,
    /// The devices of this driver, in the order of the allocation; at least one.
    pub devices: Vec<Allocated>,
    /// The configurations for this driver: those of classes first, each as in the allocation.
    pub configs: Vec<OpaqueConfig>,
    /// The whole object as it was read, for a driver that needs more of it, such as tolerations.
    #[serde(skip)]
    pub object: Arc<api::ResourceClaim>,
}

/// A node that a container sees under `/dev`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// Its path in the container.
    pub path: String,
    /// Its path on the host.
    #[serde(rename = "hostPath")]
    pub host_path: String,
    /// Of `r`, `w`, `m`.
    pub permissions: String,
}

/// A file or folder of the host that a container sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Its path on the host.
    #[serde(rename = "hostPath")]
    pub host_path: String,
    /// Its path in the container.
    #[serde(rename = "containerPath")]
    pub container_path: String,
    /// Such as `ro`, `bind`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// What a device changes in each container that gets it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Edits {
    /// Environment. A container that gets several devices sees the union, so a variable must have
    /// one value in all devices of a claim.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Device nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_nodes: Vec<DeviceNode>,
    /// Bind mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
}

/// Devices with one name, published together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pool {
    /// In the order in which the allocator shall try them.
    pub devices: Vec<api::Device>,
    /// Counter sets which the devices share.
    pub counters: Vec<api::CounterSet>,
}

/// What a driver has found on the node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survey {
    /// What to publish, by pool name. A pool without devices is published as empty; a pool that is
    /// not here is withdrawn.
    pub pools: BTreeMap<String, Pool>,
    /// The health of all devices that a pod may hold, published or not.
    pub health: Vec<DeviceHealth>,
}

/// The health of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceHealth {
    /// The pool's name.
    pub pool: String,
    /// The device's name in its pool.
    pub device: String,
    /// Its health.
    pub health: Health,
    /// Shown in the pod's status.
    pub message: String,
}

/// Whether a device can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It cannot be determined.
    Unknown,
    /// Yes.
    Healthy,
    /// No.
    Unhealthy,
}

/// The Node, as far as drivers need it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// `status.allocatable`, as written.
    pub allocatable: BTreeMap<String, String>,
}

/// Why a claim is not prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// Trying again would not help. The text becomes the pod's event, so it says what is wrong and what
    /// to write instead.
    #[error("{0}")]
    Refused(String),
    /// It may be fine in a moment: tried again until the kubelet's patience ends.
    #[error("{0}")]
    Transient(String),
}

/// Why a survey or an undo failed; it is tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DriverError(pub String);

/// What only the hardware's own code can say. The calls are made on threads that may block, several at
/// once for different claims, never two for one.
pub trait Driver: Send + Sync + 'static {
    /// Looks at the hardware: called at the start, when the Node changes, when asked by
    /// [`crate::plugin::Plugin::refresh`] and every few seconds. After an error what was published
    /// stays.
    fn survey(&self, node: &Node) -> Result<Survey, DriverError>;

    /// Makes the devices of a claim ready, and says for each of [`Claim::devices`], in that order,
    /// what it changes in a container. All of it or nothing: after an error (or a crash)
    /// [`Driver::unprepare`] is called.
    ///
    /// The caller has checked that the claim exists, is allocated to this driver on this node and in
    /// use, and that no other claim holds one of its devices.
    fn prepare(&self, claim: &Claim) -> Result<Vec<Edits>, PrepareError>;

    /// Undoes [`Driver::prepare`], also one that never began, failed half-way or was undone before.
    fn unprepare(&self, claim: &ClaimRef, devices: &[Allocated]) -> Result<(), DriverError> {
        let _ = (claim, devices);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_reaches_a_subrequest_through_its_request() {
        let config = |requests: &[&str]| OpaqueConfig {
            source: ConfigSource::Claim,
            requests: requests.iter().map(|r| (*r).to_owned()).collect(),
            parameters: serde_json::Value::Null,
            path: String::new(),
        };
        assert!(config(&[]).applies_to("a/b"));
        assert!(config(&["a"]).applies_to("a/b"));
        assert!(config(&["a/b"]).applies_to("a/b"));
        assert!(config(&["a"]).applies_to("a"));
        assert!(!config(&["a/c"]).applies_to("a/b"));
        assert!(!config(&["a/b"]).applies_to("a"));
    }
}
