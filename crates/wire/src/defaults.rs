//! What the API server fills in for objects of resource.k8s.io/v1.
//!
//! It also stamps `timeAdded` of taints with its clock; there is no clock here, so that stays unset.
//!
//! Source: `pkg/apis/resource/v1/{defaults.go,zz_generated.defaults.go}` v1.37.2.

use k8s_openapi::api::resource::v1::{
    DeviceToleration, ResourceClaim, ResourceClaimSpec, ResourceClaimTemplate,
};

/// Fills in a claim.
pub fn claim(claim: &mut ResourceClaim) {
    if let Some(spec) = &mut claim.spec {
        claim_spec(spec);
    }
    claim_status(claim);
}

/// Fills in a template.
pub fn template(template: &mut ResourceClaimTemplate) {
    if let Some(spec) = template.spec.as_mut().and_then(|spec| spec.spec.as_mut()) {
        claim_spec(spec);
    }
}

fn claim_spec(spec: &mut ResourceClaimSpec) {
    let requests = spec.devices.as_mut().and_then(|d| d.requests.as_mut());
    for request in requests.into_iter().flatten() {
        if let Some(exactly) = &mut request.exactly {
            allocation(&mut exactly.allocation_mode, &mut exactly.count);
            tolerations(&mut exactly.tolerations);
        }
        for sub in request.first_available.iter_mut().flatten() {
            allocation(&mut sub.allocation_mode, &mut sub.count);
            tolerations(&mut sub.tolerations);
        }
    }
}

pub(crate) fn claim_status(claim: &mut ResourceClaim) {
    let results = claim
        .status
        .as_mut()
        .and_then(|status| status.allocation.as_mut())
        .and_then(|allocation| allocation.devices.as_mut())
        .and_then(|devices| devices.results.as_mut());
    for result in results.into_iter().flatten() {
        tolerations(&mut result.tolerations);
    }
}

/// One device, if nothing else is said.
pub(crate) fn allocation(mode: &mut Option<String>, count: &mut Option<i64>) {
    if mode.as_deref().unwrap_or_default().is_empty() {
        *mode = Some("ExactCount".into());
    }
    if mode.as_deref() == Some("ExactCount") && count.unwrap_or_default() == 0 {
        *count = Some(1);
    }
}

pub(crate) fn tolerations(tolerations: &mut Option<Vec<DeviceToleration>>) {
    for toleration in tolerations.iter_mut().flatten() {
        if toleration
            .operator
            .as_deref()
            .unwrap_or_default()
            .is_empty()
        {
            toleration.operator = Some("Equal".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_is_for_one_device() {
        let mut filled: ResourceClaim = serde_json::from_value(json!({
            "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "c"},
            "spec": {"devices": {"requests": [
                {"name": "plain", "exactly": {"deviceClassName": "a"}},
                {"name": "all", "exactly": {"deviceClassName": "a", "allocationMode": "All",
                    "tolerations": [{"key": "k"}, {"operator": "Exists"}]}},
                {"name": "list", "firstAvailable": [{"name": "sub", "deviceClassName": "a", "count": 0}]},
                {"name": "bad", "exactly": {"deviceClassName": "a", "allocationMode": "all"}},
            ]}},
        }))
        .expect("a claim");
        claim(&mut filled);
        let spec = serde_json::to_value(filled.spec).expect("JSON");
        assert_eq!(
            spec["devices"]["requests"],
            json!([
                {"name": "plain", "exactly": {"deviceClassName": "a", "allocationMode": "ExactCount", "count": 1}},
                {"name": "all", "exactly": {"deviceClassName": "a", "allocationMode": "All",
                    "tolerations": [{"key": "k", "operator": "Equal"}, {"operator": "Exists"}]}},
                {"name": "list", "firstAvailable": [
                    {"name": "sub", "deviceClassName": "a", "allocationMode": "ExactCount", "count": 1}]},
                {"name": "bad", "exactly": {"deviceClassName": "a", "allocationMode": "all"}},
            ])
        );
    }
}
