//! What does the kubelet ask? A DRA driver's half that knows no hardware: registration, DRA v1 and
//! v1beta1, health, CDI files, the journal, and the node's ResourceSlices. The other half is one
//! trait, [`driver::Driver`]. A complete driver:
//!
//! ```
//! use std::sync::Arc;
//! use trainyard_node::driver::*;
//! use trainyard_node::k8s::Device;
//! use trainyard_node::plugin::{Config, Plugin};
//!
//! /// Two lamps under `/dev`.
//! struct Lamps;
//!
//! impl Driver for Lamps {
//!     fn survey(&self, node: &Node) -> Result<Survey, DriverError> {
//!         let lamp = |n| Device { name: format!("lamp-{n}"), ..Default::default() };
//!         let pool = Pool { devices: (0..2).map(lamp).collect(), counters: vec![] };
//!         Ok(Survey { pools: [(node.name.clone(), pool)].into(), health: vec![] })
//!     }
//!
//!     fn prepare(&self, claim: &Claim) -> Result<Vec<Edits>, PrepareError> {
//!         let edits = claim.devices.iter().map(|lamp| {
//!             let path = format!("/dev/{}", lamp.device);
//!             let node = DeviceNode { host_path: path.clone(), path, permissions: "rw".into() };
//!             Edits { device_nodes: vec![node], ..Default::default() }
//!         });
//!         Ok(edits.collect())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # use trainyard_testkit::node::{api::FakeApi, kubelet::{FakeKubelet, Speaks}};
//! # let folder = tempfile::tempdir().unwrap();
//! # let kubelet = FakeKubelet::start(folder.path(), Speaks::V1);
//! # let api = Arc::new(FakeApi::new("n1")); // `trainyard-live` on a cluster
//! let mut config = Config::new("lamps.example", "n1");
//! # config.kubelet = folder.path().into();
//! # config.cdi = folder.path().join("cdi");
//! # config.state = folder.path().join("state");
//! let plugin = Plugin::start(config, Arc::new(Lamps), api.clone()).await.unwrap();
//! # kubelet.wait_for("lamps.example", 1).await;
//! # let claim = ClaimRef { namespace: "ns".into(), name: "c".into(), uid: "u1".into() };
//! # api.allocate(&claim, &[("lamps.example", "n1", "lamp-1")]);
//! # let devices = kubelet.prepare("lamps.example", &claim).await.unwrap();
//! # assert_eq!(devices[0].cdi_device_ids, ["lamps.example/claim=u1-0"]);
//! # kubelet.unprepare("lamps.example", &claim).await.unwrap();
//! plugin.stop().await;
//! # }
//! ```
//!
//! Refuses to know: any hardware, any opaque configuration, and how the API server is reached
//! ([`ports`] says what is needed of it).

pub mod cdi;
pub mod claim;
mod claims;
pub mod disk;
pub mod driver;
pub mod hardware;
mod health;
pub mod journal;
pub mod metrics;
pub mod plugin;
pub mod ports;
pub mod prepare;
pub mod proto;
mod service;
pub mod slices;
mod sockets;

/// The Kubernetes types of this crate's interface.
pub mod k8s {
    pub use k8s_openapi::api::resource::v1::{
        Counter, CounterSet, Device, DeviceAttribute, DeviceCapacity, DeviceTaint, ResourceClaim,
        ResourceSlice,
    };
}
