//! How is a DRA driver tested? With everything around it by hand: an API server in memory, a kubelet on
//! real sockets, and a container runtime that reads CDI files.
//!
//! ```
//! use std::sync::Arc;
//! use trainyard_node::driver::*;
//! use trainyard_node::k8s::Device;
//! use trainyard_node::plugin::{Config, Plugin};
//! use trainyard_node_testing::{api::FakeApi, kubelet::{FakeKubelet, Speaks}, runtime::Container};
//!
//! /// The driver to be tested: one lamp.
//! struct Lamp;
//!
//! impl Driver for Lamp {
//!     fn survey(&self, node: &Node) -> Result<Survey, DriverError> {
//!         let lamp = Device { name: "lamp-0".into(), ..Default::default() };
//!         let pool = Pool { devices: vec![lamp], counters: vec![] };
//!         Ok(Survey { pools: [(node.name.clone(), pool)].into(), health: vec![] })
//!     }
//!
//!     fn prepare(&self, claim: &Claim) -> Result<Vec<Edits>, PrepareError> {
//!         let edits = Edits { env: [("LAMP".into(), "on".into())].into(), ..Default::default() };
//!         Ok(vec![edits; claim.devices.len()])
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let kubelet = FakeKubelet::start(folder.path(), Speaks::V1);
//! let api = Arc::new(FakeApi::new("n1"));
//! let mut config = Config::new("lamps.example", "n1");
//! config.kubelet = folder.path().into();
//! config.cdi = folder.path().join("cdi");
//! config.state = folder.path().join("state");
//! let plugin = Plugin::start(config, Arc::new(Lamp), api.clone()).await?;
//! kubelet.wait_for("lamps.example", 1).await;
//! api.until_devices(&["lamp-0"]).await;
//!
//! // What the scheduler does, then the kubelet, then the container runtime.
//! let claim = ClaimRef { namespace: "ns".into(), name: "c".into(), uid: "u1".into() };
//! api.allocate(&claim, &[("lamps.example", "n1", "lamp-0")]);
//! let devices = kubelet.prepare("lamps.example", &claim).await?;
//! let ids = devices.iter().flat_map(|device| &device.cdi_device_ids);
//! let container = Container::with_devices(&folder.path().join("cdi"), ids)?;
//! assert_eq!(container.env["LAMP"], "on");
//! plugin.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! The kubelet and the runtime are written from the specifications, not from the code of
//! `trainyard-node`, so that a misunderstanding there does not repeat here. The fakes panic when a driver
//! breaks a rule that Kubernetes relies on, or when what a test waits for does not happen within a
//! minute.
//!
//! Refuses to know: any hardware, and how devices are chosen beyond their number.

pub mod api;
pub mod kubelet;
pub mod proto;
pub mod runtime;
