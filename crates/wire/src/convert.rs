//! Between Kubernetes' types and the model's, field by field.
//!
//! Objects are taken as they are: what the API server would refuse is carried over where the model
//! can say it. A quantity that is none becomes zero, for reading has reported it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::resource::v1 as api;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use trainyard_model::Text;
use trainyard_model::claim::{
    AllocationConfig, AllocationMode, AllocationResult, ClaimConfig, ConfigSource, Constraint,
    DerivedAttribute, DeviceQuery, DeviceRequest, DeviceResult, Opaque, ResourceClaim,
};
use trainyard_model::class::DeviceClass;
use trainyard_model::device::{
    Attribute, Capacity, CounterConsumption, Device, RequestPolicy, ValidRange,
};
use trainyard_model::node::{Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};
use trainyard_model::quantity::Quantity;
use trainyard_model::slice::{CounterSet, Pool, ResourceSlice};
use trainyard_model::taint::{Taint, Toleration};

/// The other way: from the model to Kubernetes' types.
pub mod to_api;

fn text(value: &str) -> Text {
    value.into()
}

fn optional(value: Option<&String>) -> Option<Text> {
    value.map(|value| text(value))
}

fn or_empty(value: Option<&String>) -> Text {
    optional(value).unwrap_or_default()
}

/// A list that may be absent.
fn each<T, U>(list: Option<&Vec<T>>, convert: impl FnMut(&T) -> U) -> Vec<U> {
    list.map(|list| list.iter().map(convert).collect())
        .unwrap_or_default()
}

fn texts(values: &[String]) -> Vec<Text> {
    values.iter().map(|value| text(value)).collect()
}

fn texts_of(values: Option<&Vec<String>>) -> Vec<Text> {
    each(values, |value| text(value))
}

fn quantity(value: &ApiQuantity) -> Quantity {
    value.0.parse().unwrap_or_default()
}

fn quantities(map: &BTreeMap<String, ApiQuantity>) -> BTreeMap<Text, Quantity> {
    map.iter()
        .map(|(name, value)| (text(name), quantity(value)))
        .collect()
}

/// A node's name, labels and declared features.
pub fn node(node: &core::Node) -> Node {
    let labels = node.metadata.labels.iter().flatten();
    let status = node.status.as_ref();
    Node {
        name: or_empty(node.metadata.name.as_ref()),
        labels: labels.map(|(k, v)| (text(k), text(v))).collect(),
        declared_features: texts_of(status.and_then(|s| s.declared_features.as_ref())),
    }
}

/// A node selector.
pub fn node_selector(selector: &core::NodeSelector) -> NodeSelector {
    let requirements = |list: Option<&Vec<core::NodeSelectorRequirement>>| {
        each(list, |r| NodeSelectorRequirement {
            key: text(&r.key),
            operator: text(&r.operator),
            values: texts_of(r.values.as_ref()),
        })
    };
    NodeSelector {
        terms: selector
            .node_selector_terms
            .iter()
            .map(|term| NodeSelectorTerm {
                match_expressions: requirements(term.match_expressions.as_ref()),
                match_fields: requirements(term.match_fields.as_ref()),
            })
            .collect(),
    }
}

/// A slice.
pub fn slice(slice: &api::ResourceSlice) -> ResourceSlice {
    let spec = &slice.spec;
    ResourceSlice {
        name: or_empty(slice.metadata.name.as_ref()),
        driver: text(&spec.driver),
        pool: Pool {
            name: text(&spec.pool.name),
            generation: spec.pool.generation,
            resource_slice_count: spec.pool.resource_slice_count,
        },
        node_name: optional(spec.node_name.as_ref()),
        node_selector: spec.node_selector.as_ref().map(node_selector),
        all_nodes: spec.all_nodes,
        per_device_node_selection: spec.per_device_node_selection,
        devices: spec.devices.iter().flatten().map(device).collect(),
        shared_counters: spec
            .shared_counters
            .iter()
            .flatten()
            .map(|set| CounterSet {
                name: text(&set.name),
                counters: counters(&set.counters),
            })
            .collect(),
        skip_node_operations: texts_of(spec.skip_node_operations.as_ref()),
    }
}

fn counters(counters: &BTreeMap<String, api::Counter>) -> BTreeMap<Text, Quantity> {
    counters
        .iter()
        .map(|(name, counter)| (text(name), quantity(&counter.value)))
        .collect()
}

fn device(device: &api::Device) -> Device {
    Device {
        name: text(&device.name),
        attributes: device
            .attributes
            .iter()
            .flatten()
            .map(|(name, value)| (text(name), attribute(value)))
            .collect(),
        capacity: device
            .capacity
            .iter()
            .flatten()
            .map(|(name, value)| (text(name), capacity(value)))
            .collect(),
        consumes_counters: device
            .consumes_counters
            .iter()
            .flatten()
            .map(|entry| CounterConsumption {
                counter_set: or_empty(Some(&entry.counter_set)),
                counters: counters(&entry.counters),
                compatibility_groups: texts_of(entry.compatibility_groups.as_ref()),
            })
            .collect(),
        node_name: optional(device.node_name.as_ref()),
        node_selector: device.node_selector.as_ref().map(node_selector),
        all_nodes: device.all_nodes,
        taints: device.taints.iter().flatten().map(taint).collect(),
        binds_to_node: device.binds_to_node,
        binding_conditions: device.binding_conditions.as_ref().map(|c| texts(c)),
        binding_failure_conditions: device.binding_failure_conditions.as_ref().map(|c| texts(c)),
        allow_multiple_allocations: device.allow_multiple_allocations,
    }
}

/// The value of an attribute: the first field of the union that is set, as upstream looks.
pub fn attribute(value: &api::DeviceAttribute) -> Attribute {
    if let Some(value) = value.int {
        Attribute::Int(value)
    } else if let Some(value) = value.bool {
        Attribute::Bool(value)
    } else if let Some(value) = &value.string {
        Attribute::String(text(value))
    } else if let Some(value) = &value.version {
        Attribute::Version(text(value))
    } else if let Some(values) = &value.ints {
        Attribute::Ints(values.clone())
    } else if let Some(values) = &value.bools {
        Attribute::Bools(values.clone())
    } else if let Some(values) = &value.strings {
        Attribute::Strings(texts(values))
    } else if let Some(values) = &value.versions {
        Attribute::Versions(texts(values))
    } else {
        Attribute::Unknown
    }
}

fn capacity(capacity: &api::DeviceCapacity) -> Capacity {
    Capacity {
        value: quantity(&capacity.value),
        request_policy: capacity
            .request_policy
            .as_ref()
            .map(|policy| RequestPolicy {
                default: policy.default.as_ref().map(quantity),
                valid_values: policy.valid_values.iter().flatten().map(quantity).collect(),
                valid_range: policy.valid_range.as_ref().map(|range| ValidRange {
                    min: Some(quantity(&range.min)),
                    max: range.max.as_ref().map(quantity),
                    step: range.step.as_ref().map(quantity),
                }),
            }),
    }
}

/// A taint.
pub fn taint(taint: &api::DeviceTaint) -> Taint {
    Taint {
        key: text(&taint.key),
        value: or_empty(taint.value.as_ref()),
        effect: taint.effect.as_str().into(),
        time_added: taint
            .time_added
            .as_ref()
            .map(|time| time.0.to_string().into()),
    }
}

fn toleration(toleration: &api::DeviceToleration) -> Toleration {
    Toleration {
        key: or_empty(toleration.key.as_ref()),
        operator: or_empty(toleration.operator.as_ref()),
        value: or_empty(toleration.value.as_ref()),
        effect: or_empty(toleration.effect.as_ref()),
        toleration_seconds: toleration.toleration_seconds,
    }
}

/// A class.
pub fn class(class: &api::DeviceClass) -> DeviceClass {
    let spec = class.spec.as_ref();
    DeviceClass {
        name: or_empty(class.metadata.name.as_ref()),
        selectors: selectors(spec.and_then(|spec| spec.selectors.as_ref())),
        config: each(spec.and_then(|spec| spec.config.as_ref()), |entry| {
            entry.opaque.as_ref().map(opaque)
        }),
        extended_resource_name: spec
            .and_then(|spec| optional(spec.extended_resource_name.as_ref())),
    }
}

fn selectors(selectors: Option<&Vec<api::DeviceSelector>>) -> Vec<Option<Text>> {
    each(selectors, |selector| {
        selector.cel.as_ref().map(|cel| text(&cel.expression))
    })
}

fn opaque(opaque: &api::OpaqueDeviceConfiguration) -> Opaque {
    Opaque {
        driver: text(&opaque.driver),
        parameters: opaque.parameters.0.to_string().into(),
    }
}

/// A claim: its identity and what it asks for.
pub fn claim(claim: &api::ResourceClaim) -> ResourceClaim {
    let spec = claim.spec.as_ref();
    claim_of(&claim.metadata, spec)
}

/// A claim from its parts, such as those of a template.
pub fn claim_of(metadata: &ObjectMeta, spec: Option<&api::ResourceClaimSpec>) -> ResourceClaim {
    let devices = spec.and_then(|spec| spec.devices.as_ref());
    ResourceClaim {
        namespace: or_empty(metadata.namespace.as_ref()),
        name: or_empty(metadata.name.as_ref()),
        uid: or_empty(metadata.uid.as_ref()),
        requests: each(
            devices.and_then(|devices| devices.requests.as_ref()),
            request,
        ),
        constraints: each(
            devices.and_then(|devices| devices.constraints.as_ref()),
            |constraint| Constraint {
                requests: texts_of(constraint.requests.as_ref()),
                match_attribute: optional(constraint.match_attribute.as_ref()),
                distinct_attribute: optional(constraint.distinct_attribute.as_ref()),
            },
        ),
        config: each(
            devices.and_then(|devices| devices.config.as_ref()),
            |config| ClaimConfig {
                requests: texts_of(config.requests.as_ref()),
                opaque: config.opaque.as_ref().map(opaque),
            },
        ),
    }
}

fn request(request: &api::DeviceRequest) -> DeviceRequest {
    DeviceRequest {
        name: text(&request.name),
        exactly: request.exactly.as_ref().map(|exactly| DeviceQuery {
            name: Text::default(),
            class: text(&exactly.device_class_name),
            selectors: selectors(exactly.selectors.as_ref()),
            mode: mode(exactly.allocation_mode.as_deref()),
            count: exactly.count.unwrap_or_default(),
            admin_access: exactly.admin_access,
            tolerations: tolerations(exactly.tolerations.as_ref()),
            capacity: capacity_requests(exactly.capacity.as_ref()),
            derived_attributes: derived(exactly.derived_attributes.as_ref()),
        }),
        first_available: each(request.first_available.as_ref(), |sub| DeviceQuery {
            name: text(&sub.name),
            class: text(&sub.device_class_name),
            selectors: selectors(sub.selectors.as_ref()),
            mode: mode(sub.allocation_mode.as_deref()),
            count: sub.count.unwrap_or_default(),
            admin_access: None,
            tolerations: tolerations(sub.tolerations.as_ref()),
            capacity: capacity_requests(sub.capacity.as_ref()),
            derived_attributes: derived(sub.derived_attributes.as_ref()),
        }),
    }
}

fn mode(mode: Option<&str>) -> AllocationMode {
    match mode.unwrap_or_default() {
        "ExactCount" => AllocationMode::ExactCount,
        "All" => AllocationMode::All,
        other => AllocationMode::Other(text(other)),
    }
}

fn tolerations(list: Option<&Vec<api::DeviceToleration>>) -> Option<Vec<Toleration>> {
    list.map(|list| list.iter().map(toleration).collect())
}

fn capacity_requests(
    capacity: Option<&api::CapacityRequirements>,
) -> Option<BTreeMap<Text, Quantity>> {
    capacity.map(|capacity| {
        capacity
            .requests
            .as_ref()
            .map(quantities)
            .unwrap_or_default()
    })
}

fn derived(list: Option<&Vec<api::DeviceDerivedAttribute>>) -> Vec<DerivedAttribute> {
    each(list, |derived| DerivedAttribute {
        name: text(&derived.name),
        expression: text(&derived.expression),
    })
}

/// What a claim was given.
pub fn allocation(allocation: &api::AllocationResult) -> AllocationResult {
    let devices = allocation.devices.as_ref();
    AllocationResult {
        results: each(
            devices.and_then(|devices| devices.results.as_ref()),
            |result| DeviceResult {
                request: text(&result.request),
                driver: text(&result.driver),
                pool: text(&result.pool),
                device: text(&result.device),
                admin_access: result.admin_access.unwrap_or_default(),
                tolerations: tolerations(result.tolerations.as_ref()),
                binding_conditions: result.binding_conditions.as_ref().map(|c| texts(c)),
                binding_failure_conditions: result
                    .binding_failure_conditions
                    .as_ref()
                    .map(|c| texts(c)),
                share_id: optional(result.share_id.as_ref()),
                consumed_capacity: result.consumed_capacity.as_ref().map(quantities),
                skip_node_operations: texts_of(result.skip_node_operations.as_ref()),
            },
        ),
        config: each(
            devices.and_then(|devices| devices.config.as_ref()),
            |config| AllocationConfig {
                source: if config.source == "FromClass" {
                    ConfigSource::Class
                } else {
                    ConfigSource::Claim
                },
                requests: texts_of(config.requests.as_ref()),
                opaque: config.opaque.as_ref().map(opaque),
            },
        ),
        node_selector: allocation.node_selector.as_ref().map(node_selector),
    }
}
