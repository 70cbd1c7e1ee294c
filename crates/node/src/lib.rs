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
//! # use trainyard_node_testing::{api::FakeApi, kubelet::{FakeKubelet, Speaks}};
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
//! # How a driver is composed
//!
//! A program that runs drivers brings three things together:
//!
//! - **The hardware**: something that implements [`driver::Driver`]. `survey` says what there is
//!   (pools to publish, and the health of every device), `prepare` what a claim's devices change in a
//!   container, `unprepare` undoes it. To withdraw devices, leave their pool out of a survey; to keep
//!   pods off a device, taint it there; to refuse claims, return [`driver::PrepareError::Refused`].
//!   Code that watches something else (a socket, a file) calls [`plugin::Plugin::refresh`] instead
//!   of waiting for the next survey. The Node arrives with every survey, so labels are followed.
//! - **The API server**: something that implements [`ports::Api`], shared by all drivers of the
//!   process. It needs no cache: claims are read when the kubelet asks, slices are listed when
//!   something changed. A driver that publishes events of its own is given the same
//!   [`ports::Events`].
//! - **Names and folders**: a [`plugin::Config`] for each driver. Two drivers may share `kubelet` and `cdi`;
//!   `state` is each one's own, and all instances of one driver share it. An
//!   [`plugin::Instance::Rolling`] with the pod's UID lets two instances run during a rolling update.
//!
//! It is ready when [`plugin::Plugin::registration`] says so and [`plugin::Plugin::publishing`] says
//! that its slices are as they should be, or that another instance looks after them;
//! [`plugin::Plugin::calls`] has what the kubelet asked for so far. [`plugin::Plugin::stop`] finishes
//! the calls under way, for which the kubelet may wait 45 seconds: a pod's grace period should allow
//! for them. A process that is killed instead loses nothing.
//!
//! # Limits
//!
//! - Linux, and a kubelet from 1.32 on; two instances at a time need 1.33.
//! - Pools of one node each, without partitionable devices that span nodes. A pool is published in as
//!   many slices as the API's limits demand; a single device that exceeds them is an error.
//! - One set of CDI edits for each allocated device: environment, device nodes and mounts. No hooks.
//! - A claim is prepared as a whole, before its pod's first container. Containers cannot be told apart
//!   beyond what they ask for by request.
//! - Nothing is written to the claim: no device status, no binding conditions.
//!
//! Refuses to know: any hardware, any opaque configuration, and how the API server is reached
//! ([`ports`] has what is needed of it).

mod authority;
mod cdi;
pub mod claim;
mod claims;
mod disk;
pub mod driver;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod health;
mod journal;
pub mod metrics;
pub mod plugin;
pub mod ports;
mod prepare;
mod proto;
mod service;
mod slices;
mod sockets;

/// The Kubernetes types of this crate's interface.
pub mod k8s {
    pub use k8s_openapi::api::resource::v1::{
        Counter, CounterSet, Device, DeviceAttribute, DeviceCapacity, DeviceTaint, ResourceClaim,
        ResourceSlice,
    };
}
