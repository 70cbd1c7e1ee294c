//! Taints, tolerations, and DeviceTaintRule.
//!
//! Source: `pkg/apis/resource/validation/validation.go` v1.37.2.

use k8s_openapi::api::resource::v1::{DeviceTaint, DeviceTaintRule, DeviceToleration};

use super::meta::{self, Naming, Scope};
use super::report::{Report, Rule};
use super::{conditions, identity, list, names};
use crate::path::Path;

const EFFECTS: [&str; 3] = ["NoExecute", "NoSchedule", "None"];
const OPERATORS: [&str; 2] = ["Equal", "Exists"];
const CONDITIONS_MAX_SIZE: usize = 8;

pub(super) fn rule(report: &mut Report, rule: &DeviceTaintRule) {
    meta::written(report, &rule.metadata, Scope::Cluster, Naming::Written);
    let at = Path::root("spec");
    if let Some(selector) = &rule.spec.device_selector {
        let at = at.child("deviceSelector");
        if let Some(driver) = &selector.driver {
            identity::driver(report, driver, &at.child("driver"));
        }
        if let Some(pool) = &selector.pool {
            identity::pool(report, pool, &at.child("pool"));
        }
        if let Some(device) = &selector.device {
            identity::label(report, device, &at.child("device"));
        }
    }
    taint(report, &rule.spec.taint, &at.child("taint"));
}

/// `status` of a rule that exists.
pub(super) fn rule_status(report: &mut Report, rule: &DeviceTaintRule) {
    if let Some(status) = &rule.status {
        let at = Path::root("status");
        conditions::written(
            report,
            list(&status.conditions),
            CONDITIONS_MAX_SIZE,
            &at.child("conditions"),
        );
    }
}

pub(super) fn declared_rule(report: &mut Report, rule: &DeviceTaintRule) {
    let at = Path::root("spec");
    declared_taint(report, &rule.spec.taint, &at.child("taint"));
}

pub(super) fn taint(report: &mut Report, taint: &DeviceTaint, at: &Path<'_>) {
    report.malformed(
        Rule::LabelKey,
        &at.child("key"),
        &taint.key,
        names::label_key(&taint.key),
    );
    let value = taint.value.as_deref().unwrap_or_default();
    report.malformed(
        Rule::Own,
        &at.child("value"),
        value,
        names::label_value(value),
    );
    report.covered(|report| declared_taint(report, taint, at));
}

pub(super) fn declared_taint(report: &mut Report, taint: &DeviceTaint, at: &Path<'_>) {
    let at = at.child("effect");
    if taint.effect.is_empty() {
        report.required(&at, "");
    } else if !EFFECTS.contains(&taint.effect.as_str()) {
        report.not_supported(&at, &taint.effect, &EFFECTS);
    }
}

pub(super) fn toleration(report: &mut Report, toleration: &DeviceToleration, at: &Path<'_>) {
    let value = toleration.value.as_deref().unwrap_or_default();
    let value_at = at.child("value");
    match toleration.operator.as_deref() {
        Some("Exists") if !value.is_empty() => {
            report.invalid(&value_at, value, "must be empty for operator `Exists`");
        }
        Some("Equal") => {
            report.malformed(Rule::Own, &value_at, value, names::label_value(value));
        }
        _ => {}
    }
    report.covered(|report| declared_toleration(report, toleration, at));
}

pub(super) fn declared_toleration(
    report: &mut Report,
    toleration: &DeviceToleration,
    at: &Path<'_>,
) {
    let key = toleration.key.as_deref().unwrap_or_default();
    if !key.is_empty() {
        report.malformed(Rule::LabelKey, &at.child("key"), key, names::label_key(key));
    }
    let operator = toleration.operator.as_deref().unwrap_or_default();
    if operator.is_empty() {
        report.required(&at.child("operator"), "");
    } else if !OPERATORS.contains(&operator) {
        report.not_supported(&at.child("operator"), operator, &OPERATORS);
    }
    let effect = toleration.effect.as_deref().unwrap_or_default();
    if !effect.is_empty() && !EFFECTS.contains(&effect) {
        report.not_supported(&at.child("effect"), effect, &EFFECTS);
    }
}
