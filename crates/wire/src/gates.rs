//! Which fields of resource.k8s.io are on, by the gates of the cluster. The API server drops the fields of those that are
//! off, without a word; here each is named.
//!
//! Source: `pkg/registry/resource/*/strategy.go` and `pkg/api/resourceclaimspec` v1.37.2.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::api::resource::v1::{
    DeviceClass, DeviceRequestAllocationResult, DeviceTaintRule, ResourceClaim, ResourceClaimSpec,
    ResourceClaimTemplate, ResourceSlice,
};
use trainyard_model::features::Feature;
use trainyard_model::gates;

use crate::beta::Version;
use crate::path::Path;

/// A feature gate that has fields in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gate {
    /// One that the allocator has as well.
    Allocator(Feature),
    /// `DRAExtendedResource` (KEP-5004)
    ExtendedResource,
    /// `DRANodeAllocatableResources` (KEP-5517)
    NodeAllocatableResources,
    /// `DRAPartitionableDevicesType` (KEP-5677)
    PartitionableDevicesType,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gate::Allocator(feature) => feature.fmt(f),
            Gate::ExtendedResource => f.write_str("DRAExtendedResource"),
            Gate::NodeAllocatableResources => f.write_str("DRANodeAllocatableResources"),
            Gate::PartitionableDevicesType => f.write_str("DRAPartitionableDevicesType"),
        }
    }
}

impl From<Feature> for Gate {
    fn from(feature: Feature) -> Self {
        Gate::Allocator(feature)
    }
}

/// The gates that are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gates(BTreeSet<Gate>);

/// What an API server of the newest version has on.
impl Default for Gates {
    fn default() -> Self {
        Gates::from(&gates::Gates::default())
    }
}

/// The gates among a cluster's that have fields in the API.
impl From<&gates::Gates> for Gates {
    fn from(gates: &gates::Gates) -> Self {
        let extended = gates.has(gates::Gate::ExtendedResource);
        let extended = extended.then_some(Gate::ExtendedResource);
        let allocator = gates.features();
        let allocator: Vec<Gate> = allocator.iter().map(Gate::from).collect();
        allocator.into_iter().chain(extended).collect()
    }
}

impl FromIterator<Gate> for Gates {
    fn from_iter<T: IntoIterator<Item = Gate>>(gates: T) -> Self {
        Gates(gates.into_iter().collect())
    }
}

impl Gates {
    /// Whether `gate` is on.
    pub fn has(&self, gate: impl Into<Gate>) -> bool {
        self.0.contains(&gate.into())
    }

    /// The same with `gate` off.
    #[must_use]
    pub fn without(mut self, gate: impl Into<Gate>) -> Self {
        self.0.remove(&gate.into());
        self
    }
}

/// A field that the API server drops because its gate is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Which field, as the document has it.
    pub path: String,
    /// What would have to be on.
    pub gate: Gate,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: dropped, feature gate {} is off",
            self.path, self.gate
        )
    }
}

/// Takes the fields whose gates are off out of an object.
pub trait DropDisabled {
    /// Takes them out, and tells which they were. `version` is that of the document.
    fn drop_disabled(&mut self, gates: &Gates, version: Version) -> Vec<Dropped>;
}

struct Dropper<'a> {
    gates: &'a Gates,
    version: Version,
    dropped: Vec<Dropped>,
}

impl<'a> Dropper<'a> {
    fn new(gates: &'a Gates, version: Version) -> Self {
        Dropper {
            gates,
            version,
            dropped: Vec::new(),
        }
    }

    fn field<T>(&mut self, gate: impl Into<Gate>, field: &mut Option<T>, at: Path<'_>) {
        let gate = gate.into();
        if !self.gates.has(gate) && field.take().is_some() {
            self.dropped.push(Dropped {
                path: at.render(self.version.shape()),
                gate,
            });
        }
    }
}

impl DropDisabled for DeviceClass {
    fn drop_disabled(&mut self, gates: &Gates, version: Version) -> Vec<Dropped> {
        let mut dropper = Dropper::new(gates, version);
        let at = Path::root("spec");
        if let Some(spec) = &mut self.spec {
            dropper.field(
                Gate::ExtendedResource,
                &mut spec.extended_resource_name,
                at.child("extendedResourceName"),
            );
        }
        dropper.dropped
    }
}

/// Nothing in a rule has a gate.
impl DropDisabled for DeviceTaintRule {
    fn drop_disabled(&mut self, _gates: &Gates, _version: Version) -> Vec<Dropped> {
        Vec::new()
    }
}

impl DropDisabled for ResourceClaim {
    fn drop_disabled(&mut self, gates: &Gates, version: Version) -> Vec<Dropped> {
        let mut dropper = Dropper::new(gates, version);
        if let Some(spec) = &mut self.spec {
            claim_spec(&mut dropper, spec, &Path::root("spec"));
        }
        let results = self
            .status
            .as_mut()
            .and_then(|status| status.allocation.as_mut())
            .and_then(|allocation| allocation.devices.as_mut())
            .and_then(|devices| devices.results.as_mut());
        let at = Path::root("status");
        let at = at.child("allocation");
        let at = at.child("devices");
        let at = at.child("results");
        for (index, entry) in results.into_iter().flatten().enumerate() {
            result(&mut dropper, entry, &at.index(index));
        }
        dropper.dropped
    }
}

impl DropDisabled for ResourceClaimTemplate {
    fn drop_disabled(&mut self, gates: &Gates, version: Version) -> Vec<Dropped> {
        let mut dropper = Dropper::new(gates, version);
        let at = Path::root("spec");
        if let Some(spec) = self.spec.as_mut().and_then(|spec| spec.spec.as_mut()) {
            claim_spec(&mut dropper, spec, &at.child("spec"));
        }
        dropper.dropped
    }
}

fn claim_spec(dropper: &mut Dropper<'_>, spec: &mut ResourceClaimSpec, at: &Path<'_>) {
    let Some(claim) = &mut spec.devices else {
        return;
    };
    let at = at.child("devices");
    let constraints = at.child("constraints");
    for (index, constraint) in claim.constraints.iter_mut().flatten().enumerate() {
        dropper.field(
            Feature::ConsumableCapacity,
            &mut constraint.distinct_attribute,
            constraints.index(index).child("distinctAttribute"),
        );
    }
    let requests = at.child("requests");
    for (index, request) in claim.requests.iter_mut().flatten().enumerate() {
        let at = requests.index(index);
        dropper.field(
            Feature::PrioritizedList,
            &mut request.first_available,
            at.child("firstAvailable"),
        );
        if let Some(exactly) = &mut request.exactly {
            let at = at.exactly();
            dropper.field(
                Feature::AdminAccess,
                &mut exactly.admin_access,
                at.child("adminAccess"),
            );
            dropper.field(
                Feature::DeviceTaints,
                &mut exactly.tolerations,
                at.child("tolerations"),
            );
            dropper.field(
                Feature::ConsumableCapacity,
                &mut exactly.capacity,
                at.child("capacity"),
            );
            dropper.field(
                Feature::DerivedAttributes,
                &mut exactly.derived_attributes,
                at.child("derivedAttributes"),
            );
        }
        let subs = at.child("firstAvailable");
        for (index, sub) in request.first_available.iter_mut().flatten().enumerate() {
            let at = subs.index(index);
            dropper.field(
                Feature::DeviceTaints,
                &mut sub.tolerations,
                at.child("tolerations"),
            );
            dropper.field(
                Feature::ConsumableCapacity,
                &mut sub.capacity,
                at.child("capacity"),
            );
            dropper.field(
                Feature::DerivedAttributes,
                &mut sub.derived_attributes,
                at.child("derivedAttributes"),
            );
        }
    }
}

fn result(dropper: &mut Dropper<'_>, result: &mut DeviceRequestAllocationResult, at: &Path<'_>) {
    dropper.field(
        Feature::AdminAccess,
        &mut result.admin_access,
        at.child("adminAccess"),
    );
    dropper.field(
        Feature::ConsumableCapacity,
        &mut result.share_id,
        at.child("shareID"),
    );
    dropper.field(
        Feature::ConsumableCapacity,
        &mut result.consumed_capacity,
        at.child("consumedCapacity"),
    );
    dropper.field(
        Feature::DeviceBindingAndStatus,
        &mut result.binding_conditions,
        at.child("bindingConditions"),
    );
    dropper.field(
        Feature::DeviceBindingAndStatus,
        &mut result.binding_failure_conditions,
        at.child("bindingFailureConditions"),
    );
    dropper.field(
        Feature::OptionalNodeOperations,
        &mut result.skip_node_operations,
        at.child("skipNodeOperations"),
    );
}

impl DropDisabled for ResourceSlice {
    fn drop_disabled(&mut self, gates: &Gates, version: Version) -> Vec<Dropped> {
        let mut dropper = Dropper::new(gates, version);
        let at = Path::root("spec");
        let spec = &mut self.spec;
        dropper.field(
            Feature::PartitionableDevices,
            &mut spec.shared_counters,
            at.child("sharedCounters"),
        );
        dropper.field(
            Feature::PartitionableDevices,
            &mut spec.per_device_node_selection,
            at.child("perDeviceNodeSelection"),
        );
        dropper.field(
            Gate::PartitionableDevicesType,
            &mut spec.partition_type_attribute,
            at.child("partitionTypeAttribute"),
        );
        dropper.field(
            Feature::OptionalNodeOperations,
            &mut spec.skip_node_operations,
            at.child("skipNodeOperations"),
        );
        let devices = at.child("devices");
        for (index, device) in spec.devices.iter_mut().flatten().enumerate() {
            let at = devices.index(index);
            let at = at.basic();
            dropper.field(
                Feature::DeviceTaints,
                &mut device.taints,
                at.child("taints"),
            );
            dropper.field(
                Feature::PartitionableDevices,
                &mut device.consumes_counters,
                at.child("consumesCounters"),
            );
            dropper.field(
                Feature::PartitionableDevices,
                &mut device.node_name,
                at.child("nodeName"),
            );
            dropper.field(
                Feature::PartitionableDevices,
                &mut device.node_selector,
                at.child("nodeSelector"),
            );
            dropper.field(
                Feature::PartitionableDevices,
                &mut device.all_nodes,
                at.child("allNodes"),
            );
            dropper.field(
                Feature::DeviceBindingAndStatus,
                &mut device.binding_conditions,
                at.child("bindingConditions"),
            );
            dropper.field(
                Feature::DeviceBindingAndStatus,
                &mut device.binding_failure_conditions,
                at.child("bindingFailureConditions"),
            );
            dropper.field(
                Feature::DeviceBindingAndStatus,
                &mut device.binds_to_node,
                at.child("bindsToNode"),
            );
            dropper.field(
                Feature::ConsumableCapacity,
                &mut device.allow_multiple_allocations,
                at.child("allowMultipleAllocations"),
            );
            let capacities = at.child("capacity");
            for (name, capacity) in device.capacity.iter_mut().flatten() {
                dropper.field(
                    Feature::ConsumableCapacity,
                    &mut capacity.request_policy,
                    capacities.key(name).child("requestPolicy"),
                );
            }
            let consumed = at.child("consumesCounters");
            for (index, entry) in device.consumes_counters.iter_mut().flatten().enumerate() {
                dropper.field(
                    Feature::CompatibilityGroups,
                    &mut entry.compatibility_groups,
                    consumed.index(index).child("compatibilityGroups"),
                );
            }
            dropper.field(
                Gate::NodeAllocatableResources,
                &mut device.node_allocatable_resources,
                at.child("nodeAllocatableResources"),
            );
            let attributes = at.child("attributes");
            for (name, attribute) in device.attributes.iter_mut().flatten() {
                let at = attributes.key(name);
                const GATE: Feature = Feature::ListTypeAttributes;
                dropper.field(GATE, &mut attribute.bools, at.child("bools"));
                dropper.field(GATE, &mut attribute.ints, at.child("ints"));
                dropper.field(GATE, &mut attribute.strings, at.child("strings"));
                dropper.field(GATE, &mut attribute.versions, at.child("versions"));
            }
        }
        dropper.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beta::Served;
    use k8s_openapi::api::resource::{v1, v1beta1};
    use serde_json::json;

    fn dropped(mut object: impl DropDisabled, gates: &Gates, version: Version) -> Vec<String> {
        let dropped = object.drop_disabled(gates, version);
        assert!(object.drop_disabled(gates, version).is_empty());
        dropped.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_field_is_named_as_the_document_has_it() {
        let basic = json!({"attributes": {"x": {"ints": [1]}}, "taints": []});
        let slice = |version: &str, device| {
            json!({"apiVersion": format!("resource.k8s.io/{version}"), "kind": "ResourceSlice",
                "metadata": {"name": "s"}, "spec": {"driver": "d", "nodeName": "n",
                "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}, "devices": [device]}})
        };
        let flat: v1beta1::ResourceSlice =
            serde_json::from_value(slice("v1beta1", json!({"name": "a", "basic": basic})))
                .expect("a slice");
        assert_eq!(
            dropped(flat.into_hub(), &Gates::default(), Version::V1Beta1),
            [
                "spec.devices[0].basic.attributes[x].ints: dropped, feature gate DRAListTypeAttributes is off"
            ]
        );
        let hub: v1::ResourceSlice = serde_json::from_value(slice(
            "v1",
            json!({"name": "a", "attributes": {"x": {"ints": [1]}}, "taints": []}),
        ))
        .expect("a slice");
        assert_eq!(
            dropped(
                hub,
                &Gates::default().without(Feature::DeviceTaints),
                Version::V1
            ),
            [
                "spec.devices[0].taints: dropped, feature gate DRADeviceTaints is off",
                "spec.devices[0].attributes[x].ints: dropped, feature gate DRAListTypeAttributes is off",
            ]
        );
    }

    #[test]
    fn nothing_is_dropped_with_all_gates() {
        let claim: v1::ResourceClaim = serde_json::from_value(json!({
            "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "c"},
            "spec": {"devices": {
                "constraints": [{"distinctAttribute": "d.e/a"}],
                "requests": [
                    {"name": "r", "exactly": {"deviceClassName": "c", "adminAccess": true, "tolerations": [],
                        "capacity": {}, "derivedAttributes": []}},
                    {"name": "l", "firstAvailable": [{"name": "s", "deviceClassName": "c", "tolerations": [],
                        "capacity": {}, "derivedAttributes": []}]},
                ]}},
        }))
        .expect("a claim");
        let all: Gates = Feature::ALL.into_iter().map(Gate::from).collect();
        assert!(dropped(claim.clone(), &all, Version::V1).is_empty());
        let exactly = "spec.devices.requests[0].exactly";
        let none: Gates = [].into_iter().collect();
        assert_eq!(
            dropped(claim, &none, Version::V1),
            [
                "spec.devices.constraints[0].distinctAttribute: dropped, feature gate DRAConsumableCapacity is off".to_owned(),
                format!("{exactly}.adminAccess: dropped, feature gate DRAAdminAccess is off"),
                format!("{exactly}.tolerations: dropped, feature gate DRADeviceTaints is off"),
                format!("{exactly}.capacity: dropped, feature gate DRAConsumableCapacity is off"),
                format!("{exactly}.derivedAttributes: dropped, feature gate DRADerivedAttributes is off"),
                "spec.devices.requests[1].firstAvailable: dropped, feature gate DRAPrioritizedList is off".to_owned(),
            ]
        );
    }
}
