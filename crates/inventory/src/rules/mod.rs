//! What does the hardware accept? From an allocated claim to the devices and the environment of its
//! containers, or to the reason why preparing it is refused.
//!
//! The running example: the claim of `aligned-efa-neuron` got chips 4 to 7 of a trn2.48xlarge and
//! the EFAs beside them. [`check`] for the Neuron driver gives each chip its `/dev/neuronN`, and with
//! a `NeuronConfig` the size of a logical NeuronCore; for the EFA driver each EFA its
//! `/dev/infiniband/uverbsN`. Three chips of a trn1.32xlarge are refused: the Neuron runtime would
//! not start on them.
//!
//! Edits are told device by device, so that a container which names one request of a claim gets no
//! more than that request's devices.
//!
//! The drivers ask when the kubelet prepares a claim, and `plan` asks beforehand: one answer for
//! both. Refuses to know: files, clocks, and who holds which claim.

mod config;
mod efa;
mod found;
mod neuron;
mod published;
mod set;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, DeviceResult, ResourceClaim};
use trainyard_model::taint::Taint;

use crate::catalogue::InstanceType;

pub use config::{API_VERSION, Config};
pub use found::taints;

/// Codes of refusals and warnings; each has a row in `docs/codes/README.md`.
pub mod code {
    /// A config has a field that its kind does not have.
    pub const CONFIG_UNKNOWN_FIELD: &str = "config/unknown-field";
    /// A config of a kind or version that does not exist.
    pub const CONFIG_UNKNOWN_KIND: &str = "config/unknown-kind";
    /// A config lacks a value, or has one that is never allowed.
    pub const CONFIG_INVALID: &str = "config/invalid";
    /// Two configs of one claim disagree.
    pub const CONFIG_CONFLICT: &str = "config/conflict";
    /// A config that these devices do not take.
    pub const CONFIG_NOT_ALLOWED: &str = "config/not-allowed";
    /// The Neuron runtime refuses the set of chips (or, as a warning, may refuse it).
    pub const RUNTIME_CHIPS: &str = "runtime/chips";
    /// An allocated device is not on the node.
    pub const DEVICE_GONE: &str = "device/gone";
    /// An allocated device is being reset: a moment later it is there.
    pub const DEVICE_RESET: &str = "device/reset";
    /// An allocated device has a fault that the claim does not tolerate.
    pub const DEVICE_UNHEALTHY: &str = "device/unhealthy";
    /// The nodes of the UltraServer are still finding each other.
    pub const DEVICE_ELECTION: &str = "device/election";
}

/// Which of the two drivers is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardware {
    /// Chips, or a whole node of an UltraServer.
    Neuron,
    /// Elastic Fabric Adapters.
    Efa,
}

/// What a node has, as far as preparing claims goes.
#[derive(Debug, Clone, Default)]
pub struct Present {
    /// The node's type; `None`: not in the catalogue, so that rules by type are left out.
    pub instance_type: Option<&'static InstanceType>,
    /// Devices of one driver by their names in slices.
    pub devices: BTreeMap<Text, Part>,
    /// Whether the host has `/dev/infiniband/rdma_cm`.
    pub rdma_cm: bool,
    /// The node's place in its UltraServer; `None`: unknown.
    pub ultraserver: Option<Group>,
}

/// One device of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub what: What,
    /// Whether it can be used.
    pub condition: Condition,
    /// Its taints.
    pub taints: Vec<Taint>,
}

/// What a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A chip with its id.
    Chip(u32),
    /// A whole node, with the ids of its chips.
    Node(Vec<u32>),
    /// An EFA, with the number of its uverbs device; `None`: unknown.
    Efa(Option<u32>),
    /// Something that only its driver knows.
    Unknown,
}

/// Whether a device can be used now, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Condition {
    /// Yes.
    #[default]
    Ready,
    /// In reset: soon.
    Resetting,
    /// No longer on the node, or in a state from which only a reset helps.
    Gone,
}

impl From<What> for Part {
    /// A device in good order.
    fn from(what: What) -> Part {
        Part {
            what,
            condition: Condition::Ready,
            taints: Vec::new(),
        }
    }
}

/// A node's place in its UltraServer, as the kernel driver tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// The nodes are still finding each other.
    Electing,
    /// Found.
    Elected(Place),
}

impl Default for Group {
    /// In no group at all.
    fn default() -> Self {
        Group::Elected(Place::default())
    }
}

/// The node's place in groups of two and four nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Supported modes: 1 four nodes, 2 two side by side, 3 two above each other, 4 one alone.
    pub modes: Vec<u32>,
    /// By number of nodes: the group's id and the node's index in it.
    pub groups: BTreeMap<u32, (String, i64)>,
}

/// A claim to prepare.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Which driver is asked.
    pub hardware: Hardware,
    /// Its name in claims.
    pub driver: &'a str,
    /// The claim's spec.
    pub claim: &'a ResourceClaim,
    /// What it was given.
    pub allocation: &'a AllocationResult,
    /// What the node has.
    pub present: &'a Present,
}

impl<'a> Question<'a> {
    /// The driver's own results, with their places in the allocation.
    fn results(&self) -> impl Iterator<Item = (usize, &'a DeviceResult)> + use<'a> {
        let driver = self.driver;
        let results = self.allocation.results.iter().enumerate();
        results.filter(move |(_, result)| &*result.driver == driver)
    }
}

/// What containers get.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// One for each of the driver's results, in their order.
    pub devices: Vec<DeviceEdits>,
    /// What may yet go wrong.
    pub warnings: Vec<Warning>,
}

/// What a container gets with one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEdits {
    /// `req` or `req/sub`
    pub request: Text,
    /// Pool name.
    pub pool: Text,
    /// Device name.
    pub device: Text,
    /// Environment, the same for all devices of a claim that have the variable.
    pub env: BTreeMap<&'static str, String>,
    /// Character devices, under their host names.
    pub nodes: Vec<DeviceNode>,
}

/// A file below `/dev`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceNode(String);

impl DeviceNode {
    /// Of a chip.
    pub fn neuron(id: u32) -> DeviceNode {
        DeviceNode(format!("neuron{id}"))
    }

    /// Of an EFA.
    pub fn uverbs(number: u32) -> DeviceNode {
        DeviceNode(format!("infiniband/uverbs{number}"))
    }

    /// The RDMA connection manager's.
    pub fn rdma_cm() -> DeviceNode {
        DeviceNode("infiniband/rdma_cm".to_owned())
    }

    /// Below the folder of devices, such as `neuron4` or `infiniband/uverbs4`.
    pub fn below(&self) -> &str {
        &self.0
    }

    /// In containers: `/dev/neuron4`.
    pub fn path(&self) -> String {
        format!("/dev/{}", self.0)
    }
}

/// A claim that is prepared, although its containers may fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable.
    pub code: &'static str,
    /// For a person.
    pub message: String,
}

/// Why a claim is not prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, such as `config/unknown-field`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The field of the claim that is to blame; empty: the claim as a whole.
    pub path: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Whether the same question may soon have another answer.
    pub passing: bool,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
            path: String::new(),
            help: None,
            passing: false,
        }
    }

    fn at(mut self, path: impl Into<String>) -> Refusal {
        self.path = path.into();
        self
    }

    fn help(mut self, help: impl Into<String>) -> Refusal {
        self.help = Some(help.into());
        self
    }

    fn passing(mut self) -> Refusal {
        self.passing = true;
        self
    }

    /// The claim's author cannot see the field: it stands in a DeviceClass.
    fn in_class(mut self) -> Refusal {
        self.message.push_str(" (in the DeviceClass)");
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(out, "{}: ", self.path)?;
        }
        out.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(out, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// Judges a claim for one driver: all of its devices, or none.
pub fn check(question: &Question<'_>) -> Result<Edits, Refusal> {
    match question.hardware {
        Hardware::Neuron => neuron::check(question),
        Hardware::Efa => efa::check(question),
    }
}

/// The devices that a claim got of the driver: there, ready, and with no fault that the claim does
/// not tolerate.
fn parts<'a>(question: &Question<'a>) -> Result<Vec<(&'a DeviceResult, &'a Part)>, Refusal> {
    let usable = |(index, result): (usize, &'a DeviceResult)| {
        let name = &result.device;
        let refuse = |code, message: String| {
            Refusal::new(code, message).at(format!("status.allocation.devices.results[{index}]"))
        };
        let part = question.present.devices.get(name).ok_or_else(|| {
            refuse(
                code::DEVICE_GONE,
                format!("device {name} is not on the node"),
            )
            .help("delete the pod, so that its claim is allocated anew")
        })?;
        match part.condition {
            Condition::Ready => {}
            Condition::Resetting => {
                let message = format!("device {name} is being reset");
                return Err(refuse(code::DEVICE_RESET, message).passing());
            }
            Condition::Gone => {
                let message = format!("device {name} no longer answers");
                let refusal = refuse(code::DEVICE_GONE, message);
                return Err(refusal.help("delete the pod, so that its claim is allocated anew"));
            }
        }
        let tolerations = result.tolerations.as_deref().unwrap_or_default();
        let bars = |taint: &&Taint| {
            taint.effect.repels()
                && !tolerations
                    .iter()
                    .any(|toleration| toleration.tolerates(taint))
        };
        match part.taints.iter().find(bars) {
            None => Ok((result, part)),
            Some(taint) => {
                let message = format!("device {name} has the taint {}", taint.key);
                let refusal = refuse(code::DEVICE_UNHEALTHY, message);
                Err(refusal
                    .help("tolerate it, or delete the pod, so that its claim is allocated anew"))
            }
        }
    };
    question.results().map(usable).collect()
}
