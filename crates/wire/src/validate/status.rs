//! ResourceClaim.status of claims that exist, as if it were written to a claim without one.
//!
//! Source: `pkg/apis/resource/validation/validation.go` v1.37.2.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::{
    AllocatedDeviceStatus, AllocationResult, DeviceAllocationResult, DeviceRequestAllocationResult,
    NetworkDeviceData, ResourceClaim,
};

use super::claim::RequestNames;
use super::lists::{self, Declared};
use super::report::{Report, Rule, Shown};
use super::{
    Standing, claim, class, conditions, device, identity, list, names, node_selector, quantity,
    slice, taint,
};
use crate::path::Path;

const RESERVED_FOR_MAX_SIZE: usize = 256;
const RESULTS_MAX_SIZE: usize = 32;
const CONFIG_MAX_SIZE: usize = 64;
const CONDITIONS_MAX_SIZE: usize = 8;
const DATA_MAX_LENGTH: usize = 10 << 10;
const IPS_MAX_SIZE: usize = 16;
const INTERFACE_NAME_MAX_LENGTH: usize = 256;
const HARDWARE_ADDRESS_MAX_LENGTH: usize = 128;
const SOURCES: [&str; 2] = ["FromClaim", "FromClass"];

/// Driver, pool, device and share of an allocated device.
type Allocated<'a> = (&'a str, &'a str, &'a str, &'a str);

pub(super) fn written(report: &mut Report, claim: &ResourceClaim) {
    let Some(status) = &claim.status else { return };
    let at = Path::root("status");
    let names = RequestNames::of(claim.spec.as_ref());
    let reserved_at = at.child("reservedFor");
    lists::set(
        report,
        list(&status.reserved_for),
        RESERVED_FOR_MAX_SIZE,
        Declared::Yes,
        &reserved_at,
        |consumer| consumer.uid.clone(),
        |report, consumer, at| {
            for (name, value) in [
                ("resource", &consumer.resource),
                ("name", &consumer.name),
                ("uid", &consumer.uid),
            ] {
                if value.is_empty() {
                    report.required(&at.child(name), "");
                }
            }
        },
    );
    let results = status.allocation.as_ref().and_then(|a| a.devices.as_ref());
    let allocated: BTreeSet<Allocated<'_>> = results
        .map(|devices| list(&devices.results))
        .unwrap_or_default()
        .iter()
        .map(|r| {
            let share = r.share_id.as_deref().unwrap_or_default();
            (r.driver.as_str(), r.pool.as_str(), r.device.as_str(), share)
        })
        .collect();
    let devices_at = at.child("devices");
    for (index, entry) in list(&status.devices).iter().enumerate() {
        device_status(report, entry, &devices_at.index(index), &allocated);
    }
    report.covered(|report| {
        lists::unique(report, list(&status.devices), &devices_at, |device| {
            shown(device, device.share_id.as_deref().unwrap_or_default())
        });
    });
    if !list(&status.reserved_for).is_empty() && status.allocation.is_none() {
        report.forbidden(
            &reserved_at,
            "may not be specified when `allocated` is not set",
        );
    }
    if let Some(result) = &status.allocation {
        allocation(report, result, &at.child("allocation"), &names);
    }
}

fn shown(device: &AllocatedDeviceStatus, share: &str) -> String {
    format!(
        "{}/{}/{}/{share}",
        device.driver, device.pool, device.device
    )
}

fn device_status(
    report: &mut Report,
    device: &AllocatedDeviceStatus,
    at: &Path<'_>,
    allocated: &BTreeSet<Allocated<'_>>,
) {
    identity::driver(report, &device.driver, &at.child("driver"));
    identity::pool(report, &device.pool, &at.child("pool"));
    identity::label(report, &device.device, &at.child("device"));
    if let Some(share) = &device.share_id {
        report.covered(|report| uuid(report, share, &at.child("shareID")));
    }
    let share = device.share_id.as_deref().unwrap_or_default();
    let id = (
        device.driver.as_str(),
        device.pool.as_str(),
        device.device.as_str(),
        share,
    );
    if !allocated.contains(&id) {
        report.invalid(
            at,
            shown(device, share).as_str(),
            "must be an allocated device in the claim",
        );
    }
    conditions::written(
        report,
        list(&device.conditions),
        CONDITIONS_MAX_SIZE,
        &at.child("conditions"),
    );
    if let Some(data) = &device.data
        && !data.0.is_null()
    {
        let at = at.child("data");
        class::raw_object(report, data, &at, Standing::New, DATA_MAX_LENGTH);
    }
    if let Some(data) = &device.network_data {
        network(report, data, &at.child("networkData"));
    }
}

fn uuid(report: &mut Report, id: &str, at: &Path<'_>) {
    if !names::is_uuid(id) {
        report.invalid_by(
            Rule::Uuid,
            at,
            id,
            "must be a lowercase UUID in 8-4-4-4-12 format",
        );
    }
}

fn network(report: &mut Report, data: &NetworkDeviceData, at: &Path<'_>) {
    report.covered(|report| interface(report, data, at));
    lists::set(
        report,
        list(&data.ips),
        IPS_MAX_SIZE,
        Declared::Yes,
        &at.child("ips"),
        Clone::clone,
        |report, address, at| {
            if !names::is_interface_address(address) {
                report.invalid(
                    at,
                    address.as_str(),
                    "must be a canonical address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)",
                );
            }
        },
    );
}

fn interface(report: &mut Report, data: &NetworkDeviceData, at: &Path<'_>) {
    for (name, value, most) in [
        (
            "interfaceName",
            &data.interface_name,
            INTERFACE_NAME_MAX_LENGTH,
        ),
        (
            "hardwareAddress",
            &data.hardware_address,
            HARDWARE_ADDRESS_MAX_LENGTH,
        ),
    ] {
        if value.as_ref().is_some_and(|text| text.len() > most) {
            report.too_long(Rule::MaxBytes, &at.child(name), most);
        }
    }
}

fn allocation(
    report: &mut Report,
    allocation: &AllocationResult,
    at: &Path<'_>,
    names: &RequestNames<'_>,
) {
    if let Some(devices) = &allocation.devices {
        self::devices(report, devices, &at.child("devices"), names);
    }
    if let Some(selector) = &allocation.node_selector {
        node_selector::written(report, selector, &at.child("nodeSelector"));
    }
}

fn devices(
    report: &mut Report,
    devices: &DeviceAllocationResult,
    at: &Path<'_>,
    names: &RequestNames<'_>,
) {
    lists::slice(
        report,
        list(&devices.results),
        RESULTS_MAX_SIZE,
        Declared::Yes,
        &at.child("results"),
        |report, entry, at| result(report, entry, at, names),
    );
    lists::slice(
        report,
        list(&devices.config),
        CONFIG_MAX_SIZE,
        Declared::Yes,
        &at.child("config"),
        |report, config, at| {
            report.covered(|report| source(report, &config.source, &at.child("source")));
            names.check_all(report, list(&config.requests), &at.child("requests"));
            class::opaque(report, config.opaque.as_ref(), at, Standing::New);
        },
    );
}

fn source(report: &mut Report, source: &str, at: &Path<'_>) {
    if source.is_empty() {
        report.required(at, "");
    } else if !SOURCES.contains(&source) {
        report.not_supported(at, source, &SOURCES);
    }
}

fn result(
    report: &mut Report,
    result: &DeviceRequestAllocationResult,
    at: &Path<'_>,
    names: &RequestNames<'_>,
) {
    names.check(report, &result.request, &at.child("request"));
    identity::covered_driver(report, &result.driver, &at.child("driver"));
    report.covered(|report| identity::pool(report, &result.pool, &at.child("pool")));
    identity::label(report, &result.device, &at.child("device"));
    device::binding(
        report,
        list(&result.binding_conditions),
        list(&result.binding_failure_conditions),
        at,
    );
    for (index, toleration) in list(&result.tolerations).iter().enumerate() {
        let at = at.child("tolerations");
        taint::toleration(report, toleration, &at.index(index));
    }
    if let Some(share) = &result.share_id {
        report.covered(|report| uuid(report, share, &at.child("shareID")));
    }
    quantity::map(
        report,
        result.consumed_capacity.as_ref(),
        &at.child("consumedCapacity"),
    );
    slice::skipped_operations(report, list(&result.skip_node_operations), at);
}

pub(super) fn declared(report: &mut Report, claim: &ResourceClaim) {
    let Some(status) = &claim.status else { return };
    let at = Path::root("status");
    let results = status.allocation.as_ref().and_then(|a| a.devices.as_ref());
    if let Some(devices) = results {
        let at = at.child("allocation");
        declared_devices(report, devices, &at.child("devices"));
    }
    lists::set(
        report,
        list(&status.reserved_for),
        RESERVED_FOR_MAX_SIZE,
        Declared::No,
        &at.child("reservedFor"),
        |consumer| consumer.uid.clone(),
        |_, _, _| {},
    );
    let devices_at = at.child("devices");
    let mut seen = BTreeSet::new();
    for (index, device) in list(&status.devices).iter().enumerate() {
        let at = devices_at.index(index);
        let key = (
            &device.driver,
            &device.pool,
            &device.device,
            &device.share_id,
        );
        if !seen.insert(key) {
            report.duplicate(&at, Shown::json(device));
        }
        if let Some(share) = &device.share_id {
            uuid(report, share, &at.child("shareID"));
        }
        if let Some(data) = &device.network_data {
            let at = at.child("networkData");
            interface(report, data, &at);
            lists::set(
                report,
                list(&data.ips),
                IPS_MAX_SIZE,
                Declared::No,
                &at.child("ips"),
                Clone::clone,
                |_, _, _| {},
            );
        }
    }
}

fn declared_devices(report: &mut Report, devices: &DeviceAllocationResult, at: &Path<'_>) {
    lists::slice(
        report,
        list(&devices.results),
        RESULTS_MAX_SIZE,
        Declared::No,
        &at.child("results"),
        declared_result,
    );
    lists::slice(
        report,
        list(&devices.config),
        CONFIG_MAX_SIZE,
        Declared::No,
        &at.child("config"),
        |report, config, at| {
            source(report, &config.source, &at.child("source"));
            claim::declared_references(report, list(&config.requests), at);
            class::declared_opaque(report, config.opaque.as_ref(), at);
        },
    );
}

fn declared_result(report: &mut Report, result: &DeviceRequestAllocationResult, at: &Path<'_>) {
    class::declared_driver(report, &result.driver, &at.child("driver"));
    identity::pool(report, &result.pool, &at.child("pool"));
    for (index, toleration) in list(&result.tolerations).iter().enumerate() {
        let at = at.child("tolerations");
        taint::declared_toleration(report, toleration, &at.index(index));
    }
    device::declared_binding(
        report,
        list(&result.binding_conditions),
        list(&result.binding_failure_conditions),
        at,
    );
    if let Some(share) = &result.share_id {
        uuid(report, share, &at.child("shareID"));
    }
    slice::declared_skipped_operations(report, list(&result.skip_node_operations), at);
}
