//! v1beta1, whose requests and devices have another shape: a request's content stands beside its
//! name instead of under `exactly`, a device's under `basic`.
//!
//! Source: `pkg/apis/resource/v1beta1/{conversion.go,defaults.go}` v1.37.2.

use k8s_openapi::api::resource::{v1, v1beta1};

use super::{Served, recast};
use crate::defaults;

impl Served for v1beta1::ResourceClaim {
    type Hub = v1::ResourceClaim;
    fn into_hub(self) -> v1::ResourceClaim {
        let mut claim = v1::ResourceClaim {
            metadata: self.metadata,
            spec: self.spec.map(claim_spec),
            status: recast(&self.status),
        };
        defaults::claim_status(&mut claim);
        claim
    }
}

impl Served for v1beta1::ResourceClaimTemplate {
    type Hub = v1::ResourceClaimTemplate;
    fn into_hub(self) -> v1::ResourceClaimTemplate {
        v1::ResourceClaimTemplate {
            metadata: self.metadata,
            spec: self.spec.map(|spec| v1::ResourceClaimTemplateSpec {
                metadata: spec.metadata,
                spec: spec.spec.map(claim_spec),
            }),
        }
    }
}

impl Served for v1beta1::ResourceSlice {
    type Hub = v1::ResourceSlice;
    fn into_hub(self) -> v1::ResourceSlice {
        let spec = self.spec;
        v1::ResourceSlice {
            metadata: self.metadata,
            spec: v1::ResourceSliceSpec {
                // Not optional in v1beta1: empty is unset.
                all_nodes: spec.all_nodes.filter(|all| *all),
                node_name: spec.node_name.filter(|name| !name.is_empty()),
                devices: spec
                    .devices
                    .map(|devices| devices.into_iter().map(device).collect()),
                driver: spec.driver,
                node_selector: spec.node_selector,
                partition_type_attribute: spec.partition_type_attribute,
                per_device_node_selection: spec.per_device_node_selection,
                pool: recast(&spec.pool),
                shared_counters: recast(&spec.shared_counters),
                skip_node_operations: spec.skip_node_operations,
            },
        }
    }
}

fn claim_spec(spec: v1beta1::ResourceClaimSpec) -> v1::ResourceClaimSpec {
    v1::ResourceClaimSpec {
        devices: spec.devices.map(|claim| v1::DeviceClaim {
            config: recast(&claim.config),
            constraints: recast(&claim.constraints),
            requests: claim
                .requests
                .map(|requests| requests.into_iter().map(request).collect()),
        }),
    }
}

fn request(mut request: v1beta1::DeviceRequest) -> v1::DeviceRequest {
    let class = request.device_class_name.take().unwrap_or_default();
    let mode = request.allocation_mode.take().unwrap_or_default();
    let mut exactly = v1::ExactDeviceRequest {
        admin_access: request.admin_access,
        allocation_mode: Some(mode),
        capacity: recast(&request.capacity),
        count: request.count,
        derived_attributes: recast(&request.derived_attributes),
        device_class_name: class,
        selectors: recast(&request.selectors),
        tolerations: recast(&request.tolerations),
    };
    // Only a request with a class is filled in: one without is a list of alternatives.
    if !exactly.device_class_name.is_empty() {
        defaults::allocation(&mut exactly.allocation_mode, &mut exactly.count);
    }
    defaults::tolerations(&mut exactly.tolerations);
    let anything = !exactly.device_class_name.is_empty()
        || exactly.selectors.is_some()
        || exactly.allocation_mode.as_deref() != Some("")
        || exactly.count.unwrap_or_default() != 0
        || exactly.admin_access.is_some()
        || exactly.tolerations.is_some()
        || exactly.capacity.is_some()
        || exactly.derived_attributes.is_some();
    let mut first_available: Option<Vec<v1::DeviceSubRequest>> = recast(&request.first_available);
    for sub in first_available.iter_mut().flatten() {
        defaults::allocation(&mut sub.allocation_mode, &mut sub.count);
        defaults::tolerations(&mut sub.tolerations);
    }
    v1::DeviceRequest {
        exactly: anything.then_some(exactly),
        first_available,
        name: request.name,
    }
}

fn device(device: v1beta1::Device) -> v1::Device {
    let hub = match &device.basic {
        None => v1::Device::default(),
        // All fields of `basic` are fields of v1's device, which has a name besides.
        Some(basic) => recast::<_, v1::Device>(basic),
    };
    v1::Device {
        name: device.name,
        attributes: hub.attributes.filter(|attributes| !attributes.is_empty()),
        capacity: hub.capacity.filter(|capacity| !capacity.is_empty()),
        ..hub
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn claim(requests: Value) -> Value {
        let claim: v1beta1::ResourceClaim = serde_json::from_value(json!({
            "apiVersion": "resource.k8s.io/v1beta1", "kind": "ResourceClaim",
            "metadata": {"name": "c"}, "spec": {"devices": {"requests": requests}},
        }))
        .expect("a claim");
        let spec = serde_json::to_value(claim.into_hub().spec).expect("JSON");
        spec["devices"]["requests"].clone()
    }

    #[test]
    fn the_content_of_a_request_moves_under_exactly() {
        assert_eq!(
            claim(json!([{"name": "r", "deviceClassName": "c", "tolerations": [{"key": "k"}]}])),
            json!([{"name": "r", "exactly": {"deviceClassName": "c", "allocationMode": "ExactCount",
                "count": 1, "tolerations": [{"key": "k", "operator": "Equal"}]}}])
        );
        assert_eq!(
            claim(
                json!([{"name": "r", "firstAvailable": [{"name": "s", "deviceClassName": "c"}]}])
            ),
            json!([{"name": "r", "firstAvailable": [{"name": "s", "deviceClassName": "c",
                "allocationMode": "ExactCount", "count": 1}]}])
        );
    }

    #[test]
    fn a_request_without_class_is_not_filled_in() {
        assert_eq!(
            claim(json!([{"name": "r", "selectors": []}])),
            json!([{"name": "r", "exactly": {"deviceClassName": "", "allocationMode": "", "selectors": []}}])
        );
    }

    #[test]
    fn the_content_of_a_device_loses_basic() {
        let slice: v1beta1::ResourceSlice = serde_json::from_value(json!({
            "apiVersion": "resource.k8s.io/v1beta1", "kind": "ResourceSlice", "metadata": {"name": "s"},
            "spec": {"driver": "d", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
                "nodeName": "", "allNodes": false,
                "devices": [{"name": "a", "basic": {"attributes": {"x": {"int": 4}}, "capacity": {}}}, {"name": "b"}]},
        }))
        .expect("a slice");
        let spec = serde_json::to_value(slice.into_hub().spec).expect("JSON");
        assert_eq!(
            spec,
            json!({"driver": "d", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": "a", "attributes": {"x": {"int": 4}}}, {"name": "b"}]})
        );
    }
}
