//! From the model to Kubernetes' types, field by field.

use super::*;

fn strings(values: &[Text]) -> Vec<String> {
    values.iter().map(|value| value.to_string()).collect()
}

fn some_strings(values: &[Text]) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| strings(values))
}

fn some_string(value: &Text) -> Option<String> {
    (!value.is_empty()).then(|| value.to_string())
}

fn quantity(value: Quantity) -> ApiQuantity {
    ApiQuantity(value.to_string())
}

fn quantities(map: &BTreeMap<Text, Quantity>) -> BTreeMap<String, ApiQuantity> {
    map.iter()
        .map(|(name, value)| (name.to_string(), quantity(*value)))
        .collect()
}

/// A node selector.
pub fn node_selector(selector: &NodeSelector) -> core::NodeSelector {
    let requirements = |list: &[NodeSelectorRequirement]| {
        (!list.is_empty()).then(|| {
            list.iter()
                .map(|r| core::NodeSelectorRequirement {
                    key: string(&r.key),
                    operator: string(&r.operator),
                    values: some_strings(&r.values),
                })
                .collect()
        })
    };
    core::NodeSelector {
        node_selector_terms: selector
            .terms
            .iter()
            .map(|term| core::NodeSelectorTerm {
                match_expressions: requirements(&term.match_expressions),
                match_fields: requirements(&term.match_fields),
            })
            .collect(),
    }
}

/// A slice.
pub fn slice(slice: &ResourceSlice) -> api::ResourceSlice {
    api::ResourceSlice {
        metadata: ObjectMeta {
            name: Some(string(&slice.name)),
            ..ObjectMeta::default()
        },
        spec: api::ResourceSliceSpec {
            driver: string(&slice.driver),
            pool: api::ResourcePool {
                name: string(&slice.pool.name),
                generation: slice.pool.generation,
                resource_slice_count: slice.pool.resource_slice_count,
            },
            node_name: slice.node_name.as_ref().map(string),
            node_selector: slice.node_selector.as_ref().map(node_selector),
            all_nodes: slice.all_nodes,
            per_device_node_selection: slice.per_device_node_selection,
            devices: (!slice.devices.is_empty())
                .then(|| slice.devices.iter().map(device).collect()),
            shared_counters: (!slice.shared_counters.is_empty()).then(|| {
                slice
                    .shared_counters
                    .iter()
                    .map(|set| api::CounterSet {
                        name: string(&set.name),
                        counters: counters(&set.counters),
                    })
                    .collect()
            }),
            partition_type_attribute: None,
            skip_node_operations: some_strings(&slice.skip_node_operations),
        },
    }
}

fn counters(map: &BTreeMap<Text, Quantity>) -> BTreeMap<String, api::Counter> {
    map.iter()
        .map(|(name, value)| {
            let value = quantity(*value);
            (name.to_string(), api::Counter { value })
        })
        .collect()
}

/// A device of a slice.
pub fn device(device: &Device) -> api::Device {
    let attributes: BTreeMap<_, _> = device
        .attributes
        .iter()
        .map(|(name, value)| (name.to_string(), attribute(value)))
        .collect();
    let capacity: BTreeMap<_, _> = device
        .capacity
        .iter()
        .map(|(name, value)| (name.to_string(), self::capacity(value)))
        .collect();
    api::Device {
        name: string(&device.name),
        attributes: (!attributes.is_empty()).then_some(attributes),
        capacity: (!capacity.is_empty()).then_some(capacity),
        consumes_counters: (!device.consumes_counters.is_empty()).then(|| {
            device
                .consumes_counters
                .iter()
                .map(|entry| api::DeviceCounterConsumption {
                    counter_set: string(&entry.counter_set),
                    counters: counters(&entry.counters),
                    compatibility_groups: some_strings(&entry.compatibility_groups),
                })
                .collect()
        }),
        node_name: device.node_name.as_ref().map(string),
        node_selector: device.node_selector.as_ref().map(node_selector),
        all_nodes: device.all_nodes,
        taints: (!device.taints.is_empty()).then(|| device.taints.iter().map(taint).collect()),
        binds_to_node: device.binds_to_node,
        binding_conditions: device.binding_conditions.as_ref().map(|c| strings(c)),
        binding_failure_conditions: device
            .binding_failure_conditions
            .as_ref()
            .map(|c| strings(c)),
        allow_multiple_allocations: device.allow_multiple_allocations,
        ..api::Device::default()
    }
}

/// The value of an attribute.
pub fn attribute(value: &Attribute) -> api::DeviceAttribute {
    let mut out = api::DeviceAttribute::default();
    match value {
        Attribute::Int(value) => out.int = Some(*value),
        Attribute::Bool(value) => out.bool = Some(*value),
        Attribute::String(value) => out.string = Some(value.to_string()),
        Attribute::Version(value) => out.version = Some(value.to_string()),
        Attribute::Ints(values) => out.ints = Some(values.clone()),
        Attribute::Bools(values) => out.bools = Some(values.clone()),
        Attribute::Strings(values) => out.strings = Some(strings(values)),
        Attribute::Versions(values) => out.versions = Some(strings(values)),
        Attribute::Unknown => {}
    }
    out
}

fn capacity(capacity: &Capacity) -> api::DeviceCapacity {
    api::DeviceCapacity {
        value: quantity(capacity.value),
        request_policy: capacity
            .request_policy
            .as_ref()
            .map(|policy| api::CapacityRequestPolicy {
                default: policy.default.map(quantity),
                valid_values: (!policy.valid_values.is_empty())
                    .then(|| policy.valid_values.iter().map(|v| quantity(*v)).collect()),
                valid_range: policy.valid_range.as_ref().map(|range| {
                    api::CapacityRequestPolicyRange {
                        min: range.min.map(quantity).unwrap_or_default(),
                        max: range.max.map(quantity),
                        step: range.step.map(quantity),
                    }
                }),
            }),
    }
}

fn taint(taint: &Taint) -> api::DeviceTaint {
    api::DeviceTaint {
        key: string(&taint.key),
        value: some_string(&taint.value),
        effect: taint.effect.as_str().to_owned(),
        time_added: taint
            .time_added
            .as_ref()
            .and_then(|time| time.parse().ok())
            .map(Time),
    }
}

fn tolerations(list: &[Toleration]) -> Vec<api::DeviceToleration> {
    list.iter()
        .map(|toleration| api::DeviceToleration {
            key: some_string(&toleration.key),
            operator: some_string(&toleration.operator),
            value: some_string(&toleration.value),
            effect: some_string(&toleration.effect),
            toleration_seconds: toleration.toleration_seconds,
        })
        .collect()
}

fn opaque(opaque: &Opaque) -> api::OpaqueDeviceConfiguration {
    api::OpaqueDeviceConfiguration {
        driver: string(&opaque.driver),
        parameters: RawExtension(
            serde_json::from_str(&opaque.parameters).unwrap_or(serde_json::Value::Null),
        ),
    }
}

fn some<T, U>(list: &[T], convert: impl FnMut(&T) -> U) -> Option<Vec<U>> {
    (!list.is_empty()).then(|| list.iter().map(convert).collect())
}

fn selector(expression: &Option<Text>) -> api::DeviceSelector {
    api::DeviceSelector {
        cel: expression
            .as_ref()
            .map(|expression| api::CELDeviceSelector {
                expression: expression.to_string(),
            }),
    }
}

fn mode(mode: &AllocationMode) -> Option<String> {
    match mode {
        AllocationMode::ExactCount => Some("ExactCount".to_owned()),
        AllocationMode::All => Some("All".to_owned()),
        AllocationMode::Other(other) => some_string(other),
    }
}

fn derived(derived: &DerivedAttribute) -> api::DeviceDerivedAttribute {
    api::DeviceDerivedAttribute {
        name: string(&derived.name),
        expression: string(&derived.expression),
    }
}

fn capacity_requests(query: &DeviceQuery) -> Option<api::CapacityRequirements> {
    query
        .capacity
        .as_ref()
        .map(|requests| api::CapacityRequirements {
            requests: Some(quantities(requests)),
        })
}

/// What a claim asks for.
pub fn claim_spec(claim: &ResourceClaim) -> api::ResourceClaimSpec {
    let requests = some(&claim.requests, |request| api::DeviceRequest {
        name: string(&request.name),
        exactly: request
            .exactly
            .as_ref()
            .map(|query| api::ExactDeviceRequest {
                device_class_name: string(&query.class),
                selectors: some(&query.selectors, selector),
                allocation_mode: mode(&query.mode),
                count: (query.count != 0).then_some(query.count),
                admin_access: query.admin_access,
                tolerations: query.tolerations.as_ref().map(|list| tolerations(list)),
                capacity: capacity_requests(query),
                derived_attributes: some(&query.derived_attributes, derived),
            }),
        first_available: some(&request.first_available, |query| api::DeviceSubRequest {
            name: string(&query.name),
            device_class_name: string(&query.class),
            selectors: some(&query.selectors, selector),
            allocation_mode: mode(&query.mode),
            count: (query.count != 0).then_some(query.count),
            tolerations: query.tolerations.as_ref().map(|list| tolerations(list)),
            capacity: capacity_requests(query),
            derived_attributes: some(&query.derived_attributes, derived),
        }),
    });
    let constraints = some(&claim.constraints, |constraint| api::DeviceConstraint {
        requests: some_strings(&constraint.requests),
        match_attribute: constraint.match_attribute.as_ref().map(string),
        distinct_attribute: constraint.distinct_attribute.as_ref().map(string),
    });
    let config = some(&claim.config, |config| api::DeviceClaimConfiguration {
        requests: some_strings(&config.requests),
        opaque: config.opaque.as_ref().map(opaque),
    });
    api::ResourceClaimSpec {
        devices: Some(api::DeviceClaim {
            requests,
            constraints,
            config,
        }),
    }
}

/// What a claim was given.
pub fn allocation(allocation: &AllocationResult) -> api::AllocationResult {
    let results: Vec<_> = allocation
        .results
        .iter()
        .map(|result| api::DeviceRequestAllocationResult {
            request: string(&result.request),
            driver: string(&result.driver),
            pool: string(&result.pool),
            device: string(&result.device),
            admin_access: result.admin_access.then_some(true),
            tolerations: result
                .tolerations
                .as_ref()
                .filter(|list| !list.is_empty())
                .map(|list| tolerations(list)),
            binding_conditions: result
                .binding_conditions
                .as_ref()
                .filter(|list| !list.is_empty())
                .map(|c| strings(c)),
            binding_failure_conditions: result
                .binding_failure_conditions
                .as_ref()
                .filter(|list| !list.is_empty())
                .map(|c| strings(c)),
            share_id: result.share_id.as_ref().map(string),
            consumed_capacity: result
                .consumed_capacity
                .as_ref()
                .filter(|map| !map.is_empty())
                .map(quantities),
            skip_node_operations: some_strings(&result.skip_node_operations),
        })
        .collect();
    let config: Vec<_> = allocation
        .config
        .iter()
        .map(|config| api::DeviceAllocationConfiguration {
            source: match config.source {
                ConfigSource::Class => "FromClass".to_owned(),
                ConfigSource::Claim => "FromClaim".to_owned(),
            },
            requests: some_strings(&config.requests),
            opaque: config.opaque.as_ref().map(opaque),
        })
        .collect();
    api::AllocationResult {
        devices: Some(api::DeviceAllocationResult {
            results: (!results.is_empty()).then_some(results),
            config: (!config.is_empty()).then_some(config),
        }),
        node_selector: allocation.node_selector.as_ref().map(node_selector),
        allocation_timestamp: None,
    }
}

/// Without the detour that `to_string` takes.
fn string(text: &Text) -> String {
    String::from(&**text)
}
