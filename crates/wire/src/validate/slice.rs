//! ResourceSlice.
//!
//! Source: `pkg/apis/resource/validation/validation.go` v1.37.2.

use k8s_openapi::api::resource::v1::{CounterSet, ResourcePool, ResourceSlice, ResourceSliceSpec};

use super::lists::{self, Declared};
use super::meta::{self, Naming, Scope};
use super::report::{Report, Shown};
use super::{Rules, device, identity, list, names, node_selector};
use crate::path::Path;

const DEVICES_MAX_SIZE: usize = 128;
const ADVANCED_DEVICES_MAX_SIZE: usize = 64;
const COUNTER_SETS_MAX_SIZE: usize = 8;
const COUNTERS_MAX_SIZE: usize = 32;

pub(super) fn written(report: &mut Report, slice: &ResourceSlice, rules: &Rules<'_>) {
    meta::written(report, &slice.metadata, Scope::Cluster, Naming::Written);
    let at = Path::root("spec");
    let spec = &slice.spec;
    identity::driver(report, &spec.driver, &at.child("driver"));
    pool(report, &spec.pool, &at.child("pool"));
    placement(report, spec, &at);
    if spec.shared_counters.is_some() && spec.devices.is_some() {
        report.invalid(
            &at,
            "",
            "only one of `sharedCounters` or `devices` is allowed",
        );
    }
    let devices = list(&spec.devices);
    let most = if devices.iter().any(device::is_advanced) {
        ADVANCED_DEVICES_MAX_SIZE
    } else {
        DEVICES_MAX_SIZE
    };
    let placed_singly = spec.per_device_node_selection == Some(true);
    lists::set(
        report,
        devices,
        most,
        Declared::No,
        &at.child("devices"),
        |device| device.name.clone(),
        |report, item, at| device::written(report, item, at, placed_singly, rules),
    );
    lists::set(
        report,
        list(&spec.shared_counters),
        COUNTER_SETS_MAX_SIZE,
        Declared::Yes,
        &at.child("sharedCounters"),
        |set| set.name.clone(),
        counter_set,
    );
    if let Some(name) = &spec.partition_type_attribute {
        partition_type(report, spec, name, &at);
    }
    skipped_operations(report, list(&spec.skip_node_operations), &at);
}

fn pool(report: &mut Report, pool: &ResourcePool, at: &Path<'_>) {
    identity::pool(report, &pool.name, &at.child("name"));
    if pool.resource_slice_count <= 0 {
        report.invalid(
            &at.child("resourceSliceCount"),
            pool.resource_slice_count,
            "must be greater than zero",
        );
    }
    if pool.generation < 0 {
        report.invalid(
            &at.child("generation"),
            pool.generation,
            "must be greater than or equal to zero",
        );
    }
}

fn placement(report: &mut Report, spec: &ResourceSliceSpec, at: &Path<'_>) {
    const ONE: &str = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    let mut set = Vec::new();
    match spec.node_name.as_deref() {
        None => {}
        Some("") => report.invalid(
            &at.child("nodeName"),
            "",
            "must be either unset or set to a non-empty string",
        ),
        Some(name) => {
            set.push("`nodeName`");
            node_name(report, name, at);
        }
    }
    if let Some(selector) = &spec.node_selector {
        set.push("`nodeSelector`");
        let at = at.child("nodeSelector");
        node_selector::written(report, selector, &at);
        if selector.node_selector_terms.len() != 1 {
            report.invalid(
                &at.child("nodeSelectorTerms"),
                Shown::json(&selector.node_selector_terms),
                "must have exactly one node selector term",
            );
        }
    }
    for (name, value) in [
        ("allNodes", spec.all_nodes),
        ("perDeviceNodeSelection", spec.per_device_node_selection),
    ] {
        match value {
            None => {}
            Some(false) => report.invalid(
                &at.child(name),
                false,
                "must be either unset or set to true",
            ),
            Some(true) if name == "allNodes" => set.push("`allNodes`"),
            Some(true) => set.push("`perDeviceNodeSelection`"),
        }
    }
    match set.len() {
        0 => report.required(at, ONE),
        1 => {}
        _ => report.invalid(
            at,
            format!("{{{}}}", set.join(", ")).as_str(),
            &format!("{ONE}, but multiple fields are set"),
        ),
    }
}

/// `nodeName` of a slice or a device at `at`.
pub(super) fn node_name(report: &mut Report, name: &str, at: &Path<'_>) {
    report.malformed(
        super::report::Rule::Own,
        &at.child("nodeName"),
        name,
        names::object_name(name),
    );
}

fn counter_set(report: &mut Report, set: &CounterSet, at: &Path<'_>) {
    report.covered(|report| {
        if set.name.is_empty() {
            report.required(&at.child("name"), "");
        } else {
            identity::label(report, &set.name, &at.child("name"));
        }
    });
    device::counters(
        report,
        &set.counters,
        COUNTERS_MAX_SIZE,
        &at.child("counters"),
    );
}

/// Every device that uses counters says of what type of partition it is.
fn partition_type(report: &mut Report, spec: &ResourceSliceSpec, name: &str, at: &Path<'_>) {
    let name_at = at.child("partitionTypeAttribute");
    let devices = list(&spec.devices);
    let counting = |device: &k8s_openapi::api::resource::v1::Device| {
        !list(&device.consumes_counters).is_empty()
    };
    if !devices.iter().any(counting) {
        report.invalid(
            &name_at,
            name,
            "may only be set on a slice which declares devices that consume counters",
        );
        return;
    }
    let mut malformed = Report::new(crate::path::Shape::Hub);
    identity::fully_qualified(&mut malformed, name, &name_at);
    if !malformed.is_empty() {
        return;
    }
    let prefix = format!("{}/", spec.driver);
    let bare = name.strip_prefix(&prefix).unwrap_or(name);
    let devices_at = at.child("devices");
    for (index, device) in devices.iter().enumerate() {
        if !counting(device) {
            continue;
        }
        let at = devices_at.index(index);
        let at = at.child("attributes");
        let at = at.key(name);
        let attributes = device.attributes.as_ref();
        let found = attributes.and_then(|a| {
            a.get(name)
                .or_else(|| (!bare.is_empty()).then(|| a.get(bare)).flatten())
        });
        match found {
            None => report.required(
                &at,
                "device consumes counters and `partitionTypeAttribute` names this attribute, so it must be set",
            ),
            Some(attribute) if attribute.string.is_none() => report.invalid(
                &at,
                Shown::json(attribute),
                "must be a string value because `partitionTypeAttribute` names this attribute",
            ),
            Some(_) => {}
        }
    }
}

/// `skipNodeOperations` of a slice or a result at `at`.
pub(super) fn skipped_operations(report: &mut Report, operations: &[String], at: &Path<'_>) {
    let has = |name: &str| operations.iter().any(|operation| operation == name);
    if has("NodePrepareResources") && !has("NodeUnprepareResources") && !has("*") {
        report.invalid(
            &at.child("skipNodeOperations"),
            Shown::json(&operations),
            "NodePrepareResources cannot be skipped unless NodeUnprepareResources is also skipped",
        );
    }
}

pub(super) fn declared_skipped_operations(
    report: &mut Report,
    operations: &[String],
    at: &Path<'_>,
) {
    const OPERATIONS: [&str; 3] = ["*", "NodePrepareResources", "NodeUnprepareResources"];
    let at = at.child("skipNodeOperations");
    lists::set(
        report,
        operations,
        usize::MAX,
        Declared::No,
        &at,
        Clone::clone,
        |report, operation, at| {
            if !OPERATIONS.contains(&operation.as_str()) {
                report.not_supported(at, operation, &OPERATIONS);
            }
        },
    );
}

pub(super) fn declared(report: &mut Report, slice: &ResourceSlice) {
    let at = Path::root("spec");
    let devices_at = at.child("devices");
    for (index, device) in list(&slice.spec.devices).iter().enumerate() {
        let at = devices_at.index(index);
        device::declared(report, device, &at.basic());
    }
    lists::set(
        report,
        list(&slice.spec.shared_counters),
        COUNTER_SETS_MAX_SIZE,
        Declared::No,
        &at.child("sharedCounters"),
        |set| set.name.clone(),
        |report, set, at| {
            if set.name.is_empty() {
                report.required(&at.child("name"), "");
            } else {
                identity::label(report, &set.name, &at.child("name"));
            }
            device::declared_counters(report, &set.counters, &at.child("counters"));
        },
    );
    if let Some(name) = &slice.spec.partition_type_attribute {
        super::claim::declared_qualified(report, name, &at.child("partitionTypeAttribute"));
    }
    declared_skipped_operations(report, list(&slice.spec.skip_node_operations), &at);
}
