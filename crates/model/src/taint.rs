//! Taints that keep claims off a device (KEP-5055) or pods off a node, and the tolerations that let
//! them on.

use crate::Text;

/// What a taint does to claims or pods that do not tolerate it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Informational: hinders nobody.
    None,
    /// No new allocation.
    NoSchedule,
    /// No new allocation, and pods that use the device are evicted.
    NoExecute,
    /// Another effect, which keeps nobody off: `PreferNoSchedule` of nodes, or one that this version
    /// does not know.
    Other(Text),
}

impl Effect {
    /// Whether it keeps off who does not tolerate it.
    pub fn repels(&self) -> bool {
        matches!(self, Effect::NoSchedule | Effect::NoExecute)
    }

    /// As Kubernetes spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Effect::None => "None",
            Effect::NoSchedule => "NoSchedule",
            Effect::NoExecute => "NoExecute",
            Effect::Other(text) => text,
        }
    }
}

impl From<&str> for Effect {
    fn from(text: &str) -> Effect {
        match text {
            "None" => Effect::None,
            "NoSchedule" => Effect::NoSchedule,
            "NoExecute" => Effect::NoExecute,
            other => Effect::Other(other.into()),
        }
    }
}

/// `ResourceSlice.spec.devices[].taints[]` or `Node.spec.taints[]`
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Taint {
    /// A label key.
    pub key: Text,
    /// A label value; empty when unset.
    pub value: Text,
    /// What it does.
    pub effect: Effect,
    /// RFC 3339 with seconds, as the API server stamped it.
    pub time_added: Option<Text>,
}

/// `ResourceClaim.spec.devices.requests[].exactly.tolerations[]` or `Pod.spec.tolerations[]`; texts are
/// as written, unknown operators included (upstream: they tolerate nothing).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Toleration {
    /// The taint's key; empty: every key.
    pub key: Text,
    /// `Exists`, `Equal` or empty (as `Equal`).
    pub operator: Text,
    /// The taint's value, with `Equal`.
    pub value: Text,
    /// The taint's effect; empty: every effect.
    pub effect: Text,
    /// How long a `NoExecute` taint is borne, in seconds. Not the allocator's concern, but copied
    /// into its results.
    pub toleration_seconds: Option<i64>,
}

impl Toleration {
    /// Whether it bears this taint. Source: `resourceclaim.ToleratesTaint`, which
    /// agrees with that of pods (whose `Lt` and `Gt` are alpha and off).
    pub fn tolerates(&self, taint: &Taint) -> bool {
        if !self.effect.is_empty() && &*self.effect != taint.effect.as_str() {
            return false;
        }
        if !self.key.is_empty() && self.key != taint.key {
            return false;
        }
        match &*self.operator {
            "" | "Equal" => self.value == taint.value,
            "Exists" => true,
            _ => false,
        }
    }
}
