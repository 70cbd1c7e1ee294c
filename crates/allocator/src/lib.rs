//! Does it fit, and if not, why? The structured allocator of Dynamic Resource Allocation.
//!
//! [`Inventory`] holds the devices that drivers publish and what is in use; [`Inventory::allocate`]
//! answers a [`Question`] with the devices that upstream's allocator would take, in the same order, or
//! with the same kind of error. A question that is refused has a reason: [`Inventory::explain`].
//!
//! The answer is upstream's, its running time is not: `search/` says which attempts are skipped, and
//! why that changes no answer.
//!
//! Refuses to know: how a selector is written or evaluated (it asks a
//! [`trainyard_model::selector::Engine`]), what a pod is, which node is best, what the hardware
//! accepts.
//!
//! # Example
//!
//! A node with two Neuron devices and two EFAs, and a claim for one pair of the same device group.
//! `DriverName` stands in for `trainyard-selector`: its expressions are names of drivers.
//!
//! ```
//! use std::sync::Arc;
//!
//! use trainyard_allocator::{Inventory, Question, Verdict};
//! use trainyard_model::Text;
//! use trainyard_model::claim::{Constraint, DeviceQuery, DeviceRequest, ResourceClaim};
//! use trainyard_model::class::DeviceClass;
//! use trainyard_model::device::{Attribute, Device};
//! use trainyard_model::features::Features;
//! use trainyard_model::node::Node;
//! use trainyard_model::selector::{CompileError, Engine, EvalError, Judgement};
//! use trainyard_model::slice::{DeviceId, Pool, ResourceSlice};
//!
//! struct DriverName;
//!
//! impl Engine for DriverName {
//!     type Expression = String;
//!     type Device = String;
//!     fn convert(&mut self, driver: &str, _: &Device) -> String {
//!         driver.to_owned()
//!     }
//!     fn compile(&mut self, source: &str) -> Result<String, CompileError> {
//!         Ok(source.to_owned())
//!     }
//!     fn compile_derived(&mut self, source: &str) -> Result<String, CompileError> {
//!         Ok(source.to_owned())
//!     }
//!     fn is_alike(&self, _: &String, one: &String, other: &String) -> bool {
//!         one == other
//!     }
//!     fn converts(&self, _: &String) -> bool {
//!         true
//!     }
//!     fn judge(&self, expression: &String, driver: &String) -> Judgement {
//!         Judgement { fits: Ok(expression == driver), by_driver: true }
//!     }
//!     fn derive(&self, _: &String, _: &String) -> Result<Attribute, EvalError> {
//!         Err(EvalError { message: "no derived attributes here".into() })
//!     }
//! }
//!
//! let group = "resource.aws.com/devicegroup1_id";
//! let slice = |driver: &str, kind: &str| {
//!     let device = |index: u32| Device {
//!         name: format!("{kind}-{index}").into(),
//!         attributes: [(group.into(), Attribute::String(format!("group-{index}").into()))].into(),
//!         ..Device::default()
//!     };
//!     Arc::new(ResourceSlice {
//!         name: kind.into(),
//!         driver: driver.into(),
//!         pool: Pool { name: "node".into(), generation: 1, resource_slice_count: 1 },
//!         node_name: Some("node".into()),
//!         devices: (0..2).map(device).collect(),
//!         ..ResourceSlice::default()
//!     })
//! };
//! let class = |name: &str, driver: &str| {
//!     Arc::new(DeviceClass {
//!         name: name.into(),
//!         selectors: vec![Some(driver.into())],
//!         config: Vec::new(),
//!         extended_resource_name: None,
//!     })
//! };
//! let mut inventory = Inventory::new(DriverName);
//! inventory.apply_slice(&slice("neuron.aws.com", "neuron"));
//! inventory.apply_slice(&slice("dra.net", "efa"));
//! inventory.apply_class(&class("neuron.aws.com", "neuron.aws.com"));
//! inventory.apply_class(&class("efa.networking.k8s.aws", "dra.net"));
//!
//! let request = |name: &str, class: &str| DeviceRequest {
//!     name: name.into(),
//!     exactly: Some(DeviceQuery { class: class.into(), count: 1, ..DeviceQuery::default() }),
//!     first_available: Vec::new(),
//! };
//! let claim = ResourceClaim {
//!     namespace: "default".into(),
//!     name: "pair".into(),
//!     requests: vec![request("neuron", "neuron.aws.com"), request("efa", "efa.networking.k8s.aws")],
//!     constraints: vec![Constraint { match_attribute: Some(group.into()), ..Constraint::default() }],
//!     ..ResourceClaim::default()
//! };
//! let node = Node { name: "node".into(), ..Node::default() };
//! let question = Question {
//!     node: &node,
//!     claims: &[&claim],
//!     features: Features::default(),
//!     budget: 10_000_000,
//! };
//!
//! // It fits, on the first pair.
//! let Verdict::Fits(results) = inventory.allocate(&question).verdict else { panic!() };
//! let devices: Vec<&str> = results[0].results.iter().map(|result| &*result.device).collect();
//! assert_eq!(devices, ["neuron-0", "efa-0"]);
//!
//! // The second time on the second pair; then the pairs are in use, and it is refused.
//! let holder: Text = "pod default/first".into();
//! inventory.hold_result(&results[0], &holder);
//! let efa = DeviceId { driver: "dra.net".into(), pool: "node".into(), device: "efa-1".into() };
//! inventory.hold(&efa, &"pod default/second".into());
//! let Verdict::Refused(refused) = inventory.allocate(&question).verdict else { panic!() };
//! let reason = inventory.explain(&question, refused).to_string();
//! assert!(reason.starts_with("claim default/pair: "), "{reason}");
//! assert!(reason.contains("efa-1 is held by pod default/second"), "{reason}");
//! ```

mod allocate;
mod explain;
mod ids;
mod inventory;
mod problem;
mod results;
mod search;
mod set;
mod verdict;

pub use inventory::{Inventory, NIL_SHARE};
pub use search::attempts::Order;
pub use search::strategy::SCHEDULER_STEPS;
pub use verdict::{Answer, Fatal, NodeError, PoolFault, Question, Refused, Verdict};
