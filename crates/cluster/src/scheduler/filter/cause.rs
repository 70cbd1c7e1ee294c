//! Why does a node not take a pod?

use std::fmt;
use std::sync::Arc;

use trainyard_model::Text;
use trainyard_model::plan::Rejection;
use trainyard_model::taint::Taint;

use crate::pod::demand::HostPort;

/// Why a node does not take a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// Cordoned.
    Unschedulable,
    /// A taint that the pod does not tolerate.
    Taint(Taint),
    /// Node selector or required node affinity.
    Affinity,
    /// A host port is taken.
    Port(HostPort),
    /// Too little of something.
    Resources(Vec<Lack>),
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
    /// A claim, by the pod's name for it, that was allocated elsewhere.
    ClaimElsewhere(Text),
    /// The node's devices.
    Devices(Arc<Rejection>),
}

impl Cause {
    /// The cause in words.
    pub(crate) fn rejection(self) -> Arc<Rejection> {
        match self {
            Cause::Devices(rejection) => rejection,
            cause => Arc::new(Rejection::new(cause.code(), cause.message())),
        }
    }

    /// Stable.
    fn code(&self) -> &'static str {
        match self {
            Cause::Unschedulable => "node/unschedulable",
            Cause::Taint(_) => "node/taint",
            Cause::Affinity => "node/affinity",
            Cause::Port(_) => "node/port",
            Cause::Resources(_) => "node/resources",
            Cause::SpreadLabel(_) | Cause::Spread { .. } => "node/topology-spread",
            Cause::PodAffinity => "node/pod-affinity",
            Cause::PodAntiAffinity | Cause::ExistingAntiAffinity => "node/pod-anti-affinity",
            Cause::ClaimElsewhere(_) => "claim/other-node",
            Cause::Devices(rejection) => rejection.code,
        }
    }

    /// For a person.
    fn message(&self) -> String {
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
                    taint.key,
                    taint.effect.as_str()
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
            Cause::ClaimElsewhere(claim) => {
                format!("claim {claim} has been allocated elsewhere")
            }
            Cause::Devices(rejection) => rejection.message.clone(),
        }
    }
}

/// One resource of which there is too little.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lack {
    /// `cpu`, `memory`, `pods`, ...
    pub resource: Text,
    /// What the pod asks for; cpu in thousandths.
    pub wanted: i64,
    /// What is left.
    pub free: i64,
    /// What the node has in all.
    pub allocatable: i64,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = |amount| amount_text(&self.resource, amount);
        write!(
            f,
            "{} wanted {}, free {} of {}",
            self.resource,
            amount(self.wanted),
            amount(self.free),
            amount(self.allocatable)
        )
    }
}

/// An amount as a person would write it.
fn amount_text(resource: &str, amount: i64) -> String {
    let bytes =
        matches!(resource, "memory" | "ephemeral-storage") || resource.starts_with("hugepages-");
    if resource == "cpu" {
        return if amount % 1000 == 0 {
            (amount / 1000).to_string()
        } else {
            format!("{amount}m")
        };
    }
    if bytes && amount >= 1 << 20 {
        for (unit, shift) in [("Gi", 30), ("Mi", 20)] {
            if amount % (1 << shift) == 0 {
                return format!("{}{unit}", amount >> shift);
            }
        }
        return format!("{:.1}Gi", amount as f64 / f64::from(1 << 30));
    }
    amount.to_string()
}
