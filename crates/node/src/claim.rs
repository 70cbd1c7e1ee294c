//! What a ResourceClaim says to one driver: the devices and configurations that are its own.

use std::sync::Arc;

use k8s_openapi::api::resource::v1::ResourceClaim;

use crate::driver::{Access, Allocated, Claim, ClaimRef, ConfigSource, OpaqueConfig};

/// Why a claim that could be read is not ready to be prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// The kubelet asked for a claim that was deleted since, and another got its name.
    #[error("claim {claim} has uid {found}, the kubelet asked for {}: it was deleted and created anew", claim.uid)]
    Replaced {
        /// What the kubelet asked for.
        claim: ClaimRef,
        /// The UID of the claim that has the name now.
        found: String,
    },
    /// No devices yet, or no longer.
    #[error("claim {0} is not allocated (status.allocation is empty)")]
    NotAllocated(ClaimRef),
    /// No pod may use it.
    #[error("claim {0} is reserved for no pod (status.reservedFor is empty)")]
    NotReserved(ClaimRef),
    /// Allocated, but not from this driver.
    #[error("claim {claim} has no device of driver {driver} (status.allocation.devices.results)")]
    OtherDrivers {
        /// Which claim.
        claim: ClaimRef,
        /// This driver.
        driver: String,
    },
    /// Allocated from the pool of some other node.
    #[error("claim {claim} has device {device} of pool {pool}, which this node does not publish")]
    OtherNode {
        /// Which claim.
        claim: ClaimRef,
        /// The pool allocated from.
        pool: String,
        /// The device.
        device: String,
    },
}

impl NotReady {
    /// Whether the claim may become ready while the kubelet waits.
    pub fn may_pass(&self) -> bool {
        matches!(self, NotReady::NotAllocated(_) | NotReady::NotReserved(_))
    }
}

/// The part of `object` that concerns `driver`; results of other drivers in a mixed claim are
/// theirs. `owns_pool` says whether a pool is of this node.
pub fn for_driver(
    asked: &ClaimRef,
    object: &Arc<ResourceClaim>,
    driver: &str,
    owns_pool: impl Fn(&str) -> bool,
) -> Result<Claim, NotReady> {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    if uid != asked.uid {
        return Err(NotReady::Replaced {
            claim: asked.clone(),
            found: uid.to_owned(),
        });
    }
    let status = object.status.as_ref();
    let Some(allocation) = status.and_then(|status| status.allocation.as_ref()) else {
        return Err(NotReady::NotAllocated(asked.clone()));
    };
    if status
        .and_then(|status| status.reserved_for.as_ref())
        .is_none_or(Vec::is_empty)
    {
        return Err(NotReady::NotReserved(asked.clone()));
    }
    let allocated = allocation.devices.as_ref();
    let results = allocated.and_then(|devices| devices.results.as_ref());
    let mut devices = Vec::new();
    for result in results.into_iter().flatten() {
        if result.driver != driver {
            continue;
        }
        if !owns_pool(&result.pool) {
            return Err(NotReady::OtherNode {
                claim: asked.clone(),
                pool: result.pool.clone(),
                device: result.device.clone(),
            });
        }
        devices.push(Allocated {
            request: result.request.clone(),
            pool: result.pool.clone(),
            device: result.device.clone(),
            share_id: result.share_id.clone(),
            access: match result.admin_access {
                Some(true) => Access::Admin,
                _ => Access::Exclusive,
            },
        });
    }
    if devices.is_empty() {
        return Err(NotReady::OtherDrivers {
            claim: asked.clone(),
            driver: driver.to_owned(),
        });
    }
    let configs = allocated.and_then(|devices| devices.config.as_ref());
    let mut configs: Vec<OpaqueConfig> = configs
        .into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, config)| {
            let opaque = config.opaque.as_ref();
            let opaque = opaque.filter(|opaque| opaque.driver == driver)?;
            Some(OpaqueConfig {
                source: match config.source.as_str() {
                    "FromClass" => ConfigSource::Class,
                    _ => ConfigSource::Claim,
                },
                requests: config.requests.clone().unwrap_or_default(),
                parameters: opaque.parameters.0.clone(),
                path: format!("status.allocation.devices.config[{index}]"),
            })
        })
        .collect();
    configs.sort_by_key(|config| config.source);
    Ok(Claim {
        claim: asked.clone(),
        devices,
        configs,
        object: object.clone(),
    })
}

#[cfg(test)]
#[path = "../tests/inside/claim.rs"]
mod tests;
