//! Taints that keep claims off a device, and the tolerations that let them on (KEP-5055).

use crate::Text;

/// What a taint does to claims that do not tolerate it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Informational: hinders nobody.
    None,
    /// No new allocation.
    NoSchedule,
    /// No new allocation, and pods that use the device are evicted.
    NoExecute,
    /// An effect this version does not know: as [`Effect::None`].
    Other(Text),
}

/// `ResourceSlice.spec.devices[].taints[]`
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// `ResourceClaim.spec.devices.requests[].exactly.tolerations[]`; texts are as written, unknown
/// operators included (upstream: they tolerate nothing).
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Whether it bears this taint. Source: `resourceclaim.ToleratesTaint`.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let effect = match &taint.effect {
            Effect::None => "None",
            Effect::NoSchedule => "NoSchedule",
            Effect::NoExecute => "NoExecute",
            Effect::Other(text) => text,
        };
        if !self.effect.is_empty() && &*self.effect != effect {
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
