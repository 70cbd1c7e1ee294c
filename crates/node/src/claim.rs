//! What a ResourceClaim says to one driver: the devices and configurations that are its own.

use std::sync::Arc;

use k8s_openapi::api::resource::v1::ResourceClaim;

use crate::driver::{Access, Allocated, Claim, ClaimRef, Config, ConfigSource};

/// Why a claim that could be read is not ready to be prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The kubelet asked for a claim that was deleted since, and another got its name.
    #[error("claim {claim} has uid {found}, the kubelet asked for {}: it was deleted and created anew", claim.uid)]
    Replaced {
        /// What the kubelet asked for.
        claim: ClaimRef,
        /// The UID that bears the name now.
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
/// theirs. `owns_pool` tells the pools of this node.
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
    let mut configs: Vec<Config> = configs
        .into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, config)| {
            let opaque = config.opaque.as_ref();
            let opaque = opaque.filter(|opaque| opaque.driver == driver)?;
            Some(Config {
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
mod tests {
    use super::*;
    use serde_json::json;

    fn asked() -> ClaimRef {
        ClaimRef {
            namespace: "ns".into(),
            name: "c".into(),
            uid: "u1".into(),
        }
    }

    fn read(status: serde_json::Value) -> Result<Claim, NotReady> {
        let object = serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": "c", "uid": "u1"},
            "spec": {}, "status": status,
        }))
        .unwrap();
        for_driver(&asked(), &Arc::new(object), "a.example", |pool| {
            pool == "node"
        })
    }

    fn result(driver: &str, pool: &str) -> serde_json::Value {
        json!({"request": "r/sub", "driver": driver, "pool": pool, "device": "d0"})
    }

    #[test]
    fn a_mixed_claim_is_reduced_to_this_driver() {
        let config = |driver: &str, source: &str, n: i32| json!({"source": source, "requests": ["r"], "opaque": {"driver": driver, "parameters": {"n": n}}});
        let claim = read(json!({
            "reservedFor": [{"resource": "pods", "name": "p", "uid": "p1"}],
            "allocation": {"devices": {
                "results": [result("b.example", "elsewhere"), result("a.example", "node")],
                "config": [config("a.example", "FromClaim", 1), config("b.example", "FromClaim", 2), config("a.example", "FromClass", 3)],
            }},
        }))
        .unwrap();
        assert_eq!(claim.devices.len(), 1);
        assert_eq!(claim.devices[0].request, "r/sub");
        let seen: Vec<_> = claim
            .configs
            .iter()
            .map(|c| (c.parameters["n"].as_i64().unwrap(), c.path.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (3, "status.allocation.devices.config[2]"),
                (1, "status.allocation.devices.config[0]")
            ],
            "the class comes first, so that the claim overrides it"
        );
    }

    #[test]
    fn what_is_not_ready_says_why_and_whether_to_wait() {
        let reserved = json!([{"resource": "pods", "name": "p", "uid": "p1"}]);
        let allocation = |results: Vec<serde_json::Value>| json!({"devices": {"results": results}});
        let none = read(json!({"reservedFor": reserved})).unwrap_err();
        assert!(none.may_pass(), "{none}");
        let unreserved =
            read(json!({"allocation": allocation(vec![result("a.example", "node")])})).unwrap_err();
        assert_eq!(unreserved, NotReady::NotReserved(asked()));
        let other = read(
            json!({"reservedFor": reserved, "allocation": allocation(vec![result("b.example", "node")])}),
        )
        .unwrap_err();
        assert!(matches!(other, NotReady::OtherDrivers { .. }) && !other.may_pass());
        let elsewhere = read(
            json!({"reservedFor": reserved, "allocation": allocation(vec![result("a.example", "n2")])}),
        )
        .unwrap_err();
        assert!(matches!(elsewhere, NotReady::OtherNode { .. }));
        let mut object = ResourceClaim::default();
        object.metadata.uid = Some("u1".into());
        let uid = "u0".into();
        let deleted = ClaimRef { uid, ..asked() };
        let replaced = for_driver(&deleted, &Arc::new(object), "a.example", |_| true).unwrap_err();
        assert!(replaced.to_string().contains("uid u1"));
    }
}
