//! May this pod run on that node? kube-scheduler's filters, as far as files can tell.
//!
//! Each filter is a function of a [`Demand`], a [`Machine`] and its [`Load`] in a file of its own;
//! the two that look at other nodes ([`spread`], [`peers`]) take a count made beforehand. They are
//! asked in the scheduler's order, and the first that objects gives the [`Cause`].
//!
//! Source: `pkg/scheduler/framework/plugins` of Kubernetes 1.37.2.

pub mod node_affinity;
pub mod peers;
pub mod ports;
pub mod resources;
pub mod spread;
pub mod taints;
pub mod unschedulable;

use trainyard_model::Text;

use crate::demand::{Demand, HostPort, Taint};
use crate::node::{Load, Machine};

/// Why a node does not take a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Cordoned.
    Unschedulable,
    /// A taint that the pod does not tolerate.
    Taint(Taint),
    /// Node selector or required node affinity.
    Affinity,
    /// A host port is taken.
    Port(HostPort),
    /// Too little of something.
    Resources(Vec<resources::Lack>),
    /// The topology label of a spread constraint is missing.
    SpreadLabel(Text),
    /// A spread constraint.
    Spread {
        /// `topologyKey`
        topology: Text,
        /// What the difference would become.
        skew: i64,
        /// `maxSkew`
        max_skew: i64,
    },
    /// No pod that the pod's affinity asks for.
    PodAffinity,
    /// A pod that the pod's anti-affinity excludes.
    PodAntiAffinity,
    /// A pod whose anti-affinity excludes this one.
    ExistingAntiAffinity,
}

impl Cause {
    /// Stable.
    pub fn code(&self) -> &'static str {
        match self {
            Cause::Unschedulable => "node/unschedulable",
            Cause::Taint(_) => "node/taint",
            Cause::Affinity => "node/affinity",
            Cause::Port(_) => "node/port",
            Cause::Resources(_) => "node/resources",
            Cause::SpreadLabel(_) | Cause::Spread { .. } => "node/topology-spread",
            Cause::PodAffinity => "node/pod-affinity",
            Cause::PodAntiAffinity | Cause::ExistingAntiAffinity => "node/pod-anti-affinity",
        }
    }

    /// For a person.
    pub fn message(&self) -> String {
        match self {
            Cause::Unschedulable => "marked unschedulable (cordoned)".to_owned(),
            Cause::Taint(taint) => {
                let value = if taint.value.is_empty() {
                    String::new()
                } else {
                    format!("={}", taint.value)
                };
                format!(
                    "taint {}{value}:{} is not tolerated",
                    taint.key, taint.effect
                )
            }
            Cause::Affinity => "does not match the pod's node selector or affinity".to_owned(),
            Cause::Port(port) => format!("host port {}/{} is taken", port.port, port.protocol),
            Cause::Resources(lacks) => {
                let lacks: Vec<_> = lacks.iter().map(ToString::to_string).collect();
                lacks.join("; ")
            }
            Cause::SpreadLabel(topology) => {
                format!("lacks label {topology}, which a topology spread constraint needs")
            }
            Cause::Spread {
                topology,
                skew,
                max_skew,
            } => format!(
                "topology spread over {topology} would become {skew}, at most {max_skew} is allowed"
            ),
            Cause::PodAffinity => "no pod there that the pod's affinity asks for".to_owned(),
            Cause::PodAntiAffinity => "has a pod that the pod's anti-affinity excludes".to_owned(),
            Cause::ExistingAntiAffinity => {
                "has a pod whose anti-affinity excludes this one".to_owned()
            }
        }
    }
}

/// The filters that look at one node alone, in the scheduler's order.
pub fn check(demand: &Demand, machine: &Machine, load: &Load) -> Result<(), Cause> {
    unschedulable::check(demand, machine)?;
    taints::check(demand, machine)?;
    node_affinity::check(demand, machine)?;
    ports::check(demand, load)?;
    resources::check(demand, machine, load)
}
