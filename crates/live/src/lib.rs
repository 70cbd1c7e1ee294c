//! What does a real cluster say? The ports of `trainyard-node` on the API server of a cluster:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn drive(driver: Arc<impl trainyard_node::driver::Driver>) {
//! use trainyard_live::{Cluster, Credentials};
//! use trainyard_node::plugin::{Config, Plugin};
//!
//! let cluster = Cluster::connect(&Credentials::InCluster, "n1").await.unwrap();
//! let config = Config::new("lamps.example", "n1");
//! let plugin = Plugin::start(config, driver, Arc::new(cluster)).await.unwrap();
//! # plugin.stop().await;
//! # }
//! ```
//!
//! What it asks the API server for is limited to one node and one driver where the API allows it:
//! ResourceSlices by the field selectors `spec.nodeName` and `spec.driver`, the Node by its name,
//! ResourceClaims one by one. It needs these verbs: `get` of `resourceclaims`; `list`, `watch`,
//! `create`, `update` and `delete` of `resourceslices`; `list` and `watch` of `nodes`; `create` and
//! `patch` of `events` in `events.k8s.io`.
//!
//! Refuses to know: what is in a slice, and any hardware.

mod answer;
mod cluster;
mod connect;
mod events;
mod watching;

pub use cluster::Cluster;
pub use connect::{Credentials, Error};
