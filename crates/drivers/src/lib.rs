//! What do Neuron devices and EFAs need? Their two DRA drivers: the hardware's half, on
//! `trainyard-node`, which knows the kubelet, and `trainyard-inventory`, which knows the hardware.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn drive(api: Arc<dyn trainyard_node::ports::Api>) -> Result<(), trainyard_drivers::StartError> {
//! use trainyard_drivers::{Config, DriverConfig, start};
//! use trainyard_inventory::rules::Hardware;
//!
//! // `api` is the API server: `trainyard-live` on a real cluster.
//! let config = Config::new("node-0");
//! let neuron = start(&config, DriverConfig::new(Hardware::Neuron), api.clone()).await?;
//! let efa = start(&config, DriverConfig::new(Hardware::Efa), api).await?;
//! // Until the process is to end:
//! neuron.plugin.stop().await;
//! efa.plugin.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! The running example: chip 3 of a trn2.48xlarge leaves the bus. The next look at `/sys` finds that;
//! after ten seconds the device is published with the taint `neuron.aws.com/gone`, pods that hold it
//! show "the device is off the bus" in their status, and a claim that was allocated it is not prepared.
//! When somebody installs the Neuron device plugin beside the driver, all chips leave the slices and no
//! new claim is prepared, until the plugin has gone.
//!
//! One struct serves either kind of hardware, because they differ only in what `inventory` knows of
//! them. Refuses to know: what the hardware accepts and when it is sound (`trainyard-inventory`), the
//! kubelet and the journal (`trainyard-node`), and how numbers are shown.

mod config;
mod driver;
mod ecc_baseline;
mod facts;
mod guard;

pub use config::{Config, DriverConfig};
pub use driver::{DeviceState, Gauges, HardwareDriver, Running, StartError, start};
pub use guard::Sign;
