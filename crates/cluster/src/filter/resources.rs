//! Room for pods, cpu, memory and the rest (plugin NodeResourcesFit).

use std::fmt;

use trainyard_model::Text;

use super::Cause;
use crate::demand::Demand;
use crate::node::{Load, Machine};

/// One resource of which there is too little.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lack {
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

/// Everything that is asked for must be free.
pub fn check(demand: &Demand, machine: &Machine, load: &Load) -> Result<(), Cause> {
    let mut lacks = Vec::new();
    let mut need = |resource: &str, wanted: i64, used: i64, allocatable: i64| {
        let free = allocatable.saturating_sub(used);
        if wanted > 0 && wanted > free {
            lacks.push(Lack {
                resource: resource.into(),
                wanted,
                free: free.max(0),
                allocatable,
            });
        }
    };
    let (wanted, used, all) = (
        &demand.requests.exact,
        &load.requested,
        &machine.allocatable,
    );
    need("pods", 1, load.pods, machine.max_pods);
    need("cpu", wanted.milli_cpu, used.milli_cpu, all.milli_cpu);
    need("memory", wanted.memory, used.memory, all.memory);
    need(
        "ephemeral-storage",
        wanted.ephemeral_storage,
        used.ephemeral_storage,
        all.ephemeral_storage,
    );
    for (name, amount) in &wanted.scalar {
        // Extended resources that a DeviceClass stands for are DRA's business where no device
        // plugin has any.
        if !(demand.by_class.contains(name) && all.scalar(name) == 0) {
            need(name, *amount, used.scalar(name), all.scalar(name));
        }
    }
    if lacks.is_empty() {
        Ok(())
    } else {
        Err(Cause::Resources(lacks))
    }
}
