//! The devices of a ResourceSlice.
//!
//! Source: `pkg/apis/resource/validation/validation.go` v1.37.2.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::resource::v1::{
    Counter, Device, DeviceAttribute, DeviceCapacity, DeviceCounterConsumption,
    NodeAllocatableMapping, NodeAllocatableOverhead, NodeAllocatableResource,
};

use super::lists::{self, Declared};
use super::quantity::Sharing;
use super::report::{Report, Rule, Shown};
use super::{Rules, identity, list, names, node_selector, quantity, slice, taint};
use crate::path::Path;

const ATTRIBUTES_AND_CAPACITIES_MAX_SIZE: usize = 32;
const ATTRIBUTE_VALUES_MAX_SIZE: usize = 48;
const ATTRIBUTE_VALUE_MAX_LENGTH: usize = 64;
/// `domain/id`; longer keys are shortened in paths.
const KEY_MAX_LENGTH: usize = 63 + 1 + 32;
const COUNTER_NAME_MAX_LENGTH: usize = 63;
const TAINTS_MAX_SIZE: usize = 16;
const CONSUMES_COUNTERS_MAX_SIZE: usize = 2;
const COUNTERS_MAX_SIZE: usize = 32;
const COMPATIBILITY_GROUPS_MAX_SIZE: usize = 2;
const BINDING_CONDITIONS_MAX_SIZE: usize = 4;

/// Whether the device uses what halves the number of devices in a slice.
pub(super) fn is_advanced(device: &Device) -> bool {
    let lists = |attribute: &DeviceAttribute| {
        attribute.bools.is_some()
            || attribute.ints.is_some()
            || attribute.strings.is_some()
            || attribute.versions.is_some()
    };
    !list(&device.taints).is_empty()
        || !list(&device.consumes_counters).is_empty()
        || device.attributes.iter().flatten().any(|(_, a)| lists(a))
}

pub(super) fn written(
    report: &mut Report,
    device: &Device,
    at: &Path<'_>,
    placed_singly: bool,
    rules: &Rules<'_>,
) {
    identity::label(report, &device.name, &at.child("name"));
    sizes(report, device, at);
    let attributes_at = at.child("attributes");
    for (name, value) in device.attributes.iter().flatten() {
        identity::qualified(report, name, &attributes_at, Rule::Own);
        let key = lists::shortened(name, KEY_MAX_LENGTH);
        attribute(report, value, &attributes_at.key(&key));
    }
    let sharing = if device.allow_multiple_allocations == Some(true) {
        Sharing::Allowed
    } else {
        Sharing::Exclusive
    };
    let capacity_at = at.child("capacity");
    for (name, value) in device.capacity.iter().flatten() {
        identity::qualified(report, name, &capacity_at, Rule::Own);
        let key = lists::shortened(name, KEY_MAX_LENGTH);
        quantity::capacity(report, value, &capacity_at.key(&key), sharing, rules);
    }
    lists::slice(
        report,
        list(&device.taints),
        TAINTS_MAX_SIZE,
        Declared::No,
        &at.child("taints"),
        taint::taint,
    );
    lists::set(
        report,
        list(&device.consumes_counters),
        CONSUMES_COUNTERS_MAX_SIZE,
        Declared::Yes,
        &at.child("consumesCounters"),
        |consumption| consumption.counter_set.clone(),
        consumption,
    );
    placement(report, device, at, placed_singly);
    binding(
        report,
        list(&device.binding_conditions),
        list(&device.binding_failure_conditions),
        at,
    );
    let resources_at = at.child("nodeAllocatableResources");
    for (name, resource) in device.node_allocatable_resources.iter().flatten() {
        node_resource(
            report,
            name,
            resource,
            device.capacity.as_ref(),
            &resources_at.key(name),
        );
    }
}

fn sizes(report: &mut Report, device: &Device, at: &Path<'_>) {
    let attributes = device.attributes.as_ref();
    let entries =
        attributes.map_or(0, BTreeMap::len) + device.capacity.as_ref().map_or(0, BTreeMap::len);
    if entries > ATTRIBUTES_AND_CAPACITIES_MAX_SIZE {
        report.invalid(
            at,
            entries as i64,
            &format!("the total number of attributes and capacities must not exceed {ATTRIBUTES_AND_CAPACITIES_MAX_SIZE}"),
        );
    }
    let values: usize = attributes
        .into_iter()
        .flatten()
        .map(|(_, a)| {
            let listed = list(&a.bools).len()
                + list(&a.ints).len()
                + list(&a.strings).len()
                + list(&a.versions).len();
            listed.max(1)
        })
        .sum();
    if values > ATTRIBUTE_VALUES_MAX_SIZE {
        report.invalid(
            at,
            values as i64,
            &format!(
                "the total number of attribute values must not exceed {ATTRIBUTE_VALUES_MAX_SIZE}"
            ),
        );
    }
}

fn attribute(report: &mut Report, attribute: &DeviceAttribute, at: &Path<'_>) {
    if let Some(text) = &attribute.string {
        text_value(report, text, &at.child("string"));
    }
    if let Some(version) = &attribute.version {
        version_value(report, version, &at.child("version"));
    }
    let lists = [
        ("bools", attribute.bools.as_ref().map(Vec::len)),
        ("ints", attribute.ints.as_ref().map(Vec::len)),
        ("strings", attribute.strings.as_ref().map(Vec::len)),
        ("versions", attribute.versions.as_ref().map(Vec::len)),
    ];
    for (name, length) in lists {
        if length == Some(0) {
            report.invalid(
                &at.child(name),
                Shown::json(&[(); 0]),
                "must not be empty if specified",
            );
        }
    }
    let strings_at = at.child("strings");
    for (index, text) in list(&attribute.strings).iter().enumerate() {
        text_value(report, text, &strings_at.index(index));
    }
    let versions_at = at.child("versions");
    for (index, version) in list(&attribute.versions).iter().enumerate() {
        version_value(report, version, &versions_at.index(index));
    }
    let set = [
        attribute.bool.is_some(),
        attribute.int.is_some(),
        attribute.string.is_some(),
        attribute.version.is_some(),
    ];
    let set = set.into_iter().filter(|set| *set).count()
        + lists.iter().filter(|(_, length)| length.is_some()).count();
    if set != 1 {
        report.covered(|report| {
            report.invalid_by(
                Rule::Union,
                at,
                Shown::json(attribute),
                "exactly one value must be specified",
            );
        });
    }
}

fn text_value(report: &mut Report, text: &str, at: &Path<'_>) {
    if text.len() > ATTRIBUTE_VALUE_MAX_LENGTH {
        report.too_long(Rule::Own, at, ATTRIBUTE_VALUE_MAX_LENGTH);
    }
}

fn version_value(report: &mut Report, version: &str, at: &Path<'_>) {
    if !names::is_semver(version) {
        report.invalid(
            at,
            version,
            "must be a string compatible with semver.org spec 2.0.0",
        );
    }
    text_value(report, version, at);
}

fn consumption(report: &mut Report, consumption: &DeviceCounterConsumption, at: &Path<'_>) {
    report.covered(|report| declared_counter_set(report, consumption, at));
    counters(
        report,
        &consumption.counters,
        COUNTERS_MAX_SIZE,
        &at.child("counters"),
    );
}

fn declared_counter_set(
    report: &mut Report,
    consumption: &DeviceCounterConsumption,
    at: &Path<'_>,
) {
    let at = at.child("counterSet");
    if consumption.counter_set.is_empty() {
        report.required(&at, "");
    } else {
        identity::label(report, &consumption.counter_set, &at);
    }
}

/// Counters of a set or of a device.
pub(super) fn counters(
    report: &mut Report,
    counters: &BTreeMap<String, Counter>,
    most: usize,
    at: &Path<'_>,
) {
    if counters.len() > most {
        report.too_many(at, counters.len(), most);
        return;
    }
    report.covered(|report| declared_counters(report, counters, at));
    for (name, counter) in counters {
        let key = lists::shortened(name, COUNTER_NAME_MAX_LENGTH);
        let at = at.key(&key);
        quantity::read(report, &counter.value, &at.child("value"));
    }
}

pub(super) fn declared_counters(
    report: &mut Report,
    counters: &BTreeMap<String, Counter>,
    at: &Path<'_>,
) {
    if counters.is_empty() {
        report.required(at, "");
    }
    for name in counters.keys() {
        identity::label(report, name, at);
    }
}

fn placement(report: &mut Report, device: &Device, at: &Path<'_>, placed_singly: bool) {
    const ONE: &str = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    if !placed_singly {
        if device.node_name.is_some()
            || device.node_selector.is_some()
            || device.all_nodes.is_some()
        {
            report.invalid(
                at,
                Shown::json(&()),
                "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec",
            );
        }
        return;
    }
    let mut set = Vec::new();
    match device.node_name.as_deref() {
        None => {}
        Some("") => report.invalid(&at.child("nodeName"), "", "must not be empty"),
        Some(name) => {
            set.push("`nodeName`");
            slice::node_name(report, name, at);
        }
    }
    if let Some(selector) = &device.node_selector {
        set.push("`nodeSelector`");
        node_selector::written(report, selector, &at.child("nodeSelector"));
    }
    match device.all_nodes {
        None => {}
        Some(true) => set.push("`allNodes`"),
        Some(false) => report.invalid(
            &at.child("allNodes"),
            false,
            "must be either unset or set to true",
        ),
    }
    match set.len() {
        0 => report.required(at, ONE),
        1 => {}
        _ => report.invalid(at, format!("{{{}}}", set.join(", ")).as_str(), ONE),
    }
}

/// Binding conditions of a device or a result at `at`: both lists or none.
pub(super) fn binding(
    report: &mut Report,
    conditions: &[String],
    failures: &[String],
    at: &Path<'_>,
) {
    let conditions_at = at.child("bindingConditions");
    let failures_at = at.child("bindingFailureConditions");
    for (list, at) in [(conditions, &conditions_at), (failures, &failures_at)] {
        lists::slice(
            report,
            list,
            BINDING_CONDITIONS_MAX_SIZE,
            Declared::Yes,
            at,
            |report, condition, at| {
                report.malformed(Rule::LabelKey, at, condition, names::label_key(condition));
            },
        );
    }
    lists::unique(report, conditions, &conditions_at, Clone::clone);
    lists::unique(report, failures, &failures_at, Clone::clone);
    let known: BTreeSet<&String> = conditions.iter().collect();
    for (index, condition) in failures.iter().enumerate() {
        if known.contains(condition) {
            report.invalid(
                &failures_at.index(index),
                condition.as_str(),
                "bindingFailureConditions must not overlap with bindingConditions",
            );
        }
    }
    if conditions.is_empty() && !failures.is_empty() {
        report.invalid(
            &conditions_at,
            Shown::json(&conditions),
            "bindingConditions are required to use bindingFailureConditions",
        );
    }
    if failures.is_empty() && !conditions.is_empty() {
        report.invalid(
            &failures_at,
            Shown::json(&failures),
            "bindingFailureConditions are required to use bindingConditions",
        );
    }
}

pub(super) fn declared_binding(
    report: &mut Report,
    conditions: &[String],
    failures: &[String],
    at: &Path<'_>,
) {
    for (name, list) in [
        ("bindingConditions", conditions),
        ("bindingFailureConditions", failures),
    ] {
        if list.len() > BINDING_CONDITIONS_MAX_SIZE {
            report.too_many(&at.child(name), list.len(), BINDING_CONDITIONS_MAX_SIZE);
        }
    }
}

fn node_resource(
    report: &mut Report,
    name: &str,
    resource: &NodeAllocatableResource,
    capacities: Option<&BTreeMap<String, DeviceCapacity>>,
    at: &Path<'_>,
) {
    if name != "cpu" && name != "memory" && !name.starts_with("hugepages-") {
        report.invalid(at, name, "must be a node allocatable resource name");
    }
    if resource.mapping.is_none() && resource.overhead.is_none() {
        report.required(at, "at least one of mapping or overhead must be set");
    }
    if let Some(mapping) = &resource.mapping {
        self::mapping(report, mapping, capacities, &at.child("mapping"));
    }
    if let Some(overhead) = &resource.overhead {
        self::overhead(report, overhead, &at.child("overhead"));
    }
}

fn mapping(
    report: &mut Report,
    mapping: &NodeAllocatableMapping,
    capacities: Option<&BTreeMap<String, DeviceCapacity>>,
    at: &Path<'_>,
) {
    let key_at = at.child("capacityKey");
    let multiplier_at = at.child("capacityMultiplier");
    let multiplier =
        quantity::optional(report, mapping.capacity_multiplier.as_ref(), &multiplier_at);
    match mapping.capacity_key.as_deref() {
        None if mapping.capacity_multiplier.is_some() => report.required(
            &key_at,
            "capacityKey is required when capacityMultiplier is set",
        ),
        None => {}
        Some(key) => {
            if key.is_empty() {
                report.invalid(&key_at, "", "capacityKey must not be an empty string");
            } else if !capacities.is_some_and(|capacities| capacities.contains_key(key)) {
                report.not_found(&key_at, key);
            }
            if mapping.capacity_multiplier.is_none() {
                report.required(
                    &multiplier_at,
                    "capacityMultiplier is required when capacityKey is set",
                );
            } else if let Some(multiplier) = multiplier
                && multiplier.sign() <= 0
            {
                report.invalid(
                    &multiplier_at,
                    multiplier.to_string().as_str(),
                    "must be positive",
                );
            }
        }
    }
    let device_at = at.child("deviceMultiplier");
    let multiplier = quantity::optional(report, mapping.device_multiplier.as_ref(), &device_at);
    if let Some(multiplier) = multiplier
        && multiplier.sign() <= 0
    {
        report.invalid(
            &device_at,
            multiplier.to_string().as_str(),
            "must be positive",
        );
    }
}

fn overhead(report: &mut Report, overhead: &NodeAllocatableOverhead, at: &Path<'_>) {
    if overhead.per_pod.is_none() && overhead.per_container.is_none() {
        report.invalid(at, "", "at least one of perPod or perContainer must be set");
    }
    for (name, text) in [
        ("perPod", &overhead.per_pod),
        ("perContainer", &overhead.per_container),
    ] {
        let at = at.child(name);
        let amount = quantity::optional(report, text.as_ref(), &at);
        if let Some(amount) = amount
            && amount.sign() < 0
        {
            report.invalid(&at, amount.to_string().as_str(), "must be non-negative");
        }
    }
}

pub(super) fn declared(report: &mut Report, device: &Device, at: &Path<'_>) {
    let attributes_at = at.child("attributes");
    for (name, attribute) in device.attributes.iter().flatten() {
        declared_attribute(report, attribute, &attributes_at.key(name));
    }
    lists::set(
        report,
        list(&device.consumes_counters),
        CONSUMES_COUNTERS_MAX_SIZE,
        Declared::No,
        &at.child("consumesCounters"),
        |consumption| consumption.counter_set.clone(),
        |report, consumption, at| {
            declared_counter_set(report, consumption, at);
            declared_counters(report, &consumption.counters, &at.child("counters"));
            lists::set(
                report,
                list(&consumption.compatibility_groups),
                COMPATIBILITY_GROUPS_MAX_SIZE,
                Declared::No,
                &at.child("compatibilityGroups"),
                Clone::clone,
                |report, group, at| identity::label(report, group, at),
            );
        },
    );
    let taints_at = at.child("taints");
    for (index, taint) in list(&device.taints).iter().enumerate() {
        taint::declared_taint(report, taint, &taints_at.index(index));
    }
    declared_binding(
        report,
        list(&device.binding_conditions),
        list(&device.binding_failure_conditions),
        at,
    );
    let resources_at = at.child("nodeAllocatableResources");
    for (name, resource) in device.node_allocatable_resources.iter().flatten() {
        if let Some(mapping) = &resource.mapping {
            let at = resources_at.key(name);
            declared_mapping(report, mapping, &at.child("mapping"));
        }
    }
}

fn declared_attribute(report: &mut Report, attribute: &DeviceAttribute, at: &Path<'_>) {
    let set = [
        attribute.int.is_some(),
        attribute.bool.is_some(),
        attribute.string.is_some(),
        attribute.version.is_some(),
        !list(&attribute.ints).is_empty(),
        !list(&attribute.bools).is_empty(),
        !list(&attribute.strings).is_empty(),
        !list(&attribute.versions).is_empty(),
    ];
    one_of(
        report,
        set.into_iter().filter(|set| *set).count(),
        "`int`, `bool`, `string`, `version`, `ints`, `bools`, `strings`, `versions`",
        Shown::json(attribute),
        at,
    );
}

fn declared_mapping(report: &mut Report, mapping: &NodeAllocatableMapping, at: &Path<'_>) {
    let set = [
        mapping.capacity_key.is_some(),
        mapping.device_multiplier.is_some(),
    ];
    one_of(
        report,
        set.into_iter().filter(|set| *set).count(),
        "`capacityKey`, `deviceMultiplier`",
        Shown::json(mapping),
        at,
    );
}

fn one_of(report: &mut Report, set: usize, members: &str, value: Shown, at: &Path<'_>) {
    match set {
        0 => report.invalid_by(
            Rule::Union,
            at,
            "",
            &format!("must specify one of: {members}"),
        ),
        1 => {}
        _ => report.invalid_by(
            Rule::Union,
            at,
            value,
            &format!("must specify exactly one of: {members}"),
        ),
    }
}
