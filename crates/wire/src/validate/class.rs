//! DeviceClass, and what it shares with claims: selectors and configuration.
//!
//! Source: `pkg/apis/resource/validation/validation.go` v1.37.2.

use k8s_openapi::api::resource::v1::{
    DeviceClass, DeviceClassSpec, DeviceSelector, OpaqueDeviceConfiguration,
};
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use trainyard_model::selector::CheckError;

use super::lists::{self, Declared};
use super::meta::{self, Naming, Scope};
use super::report::{Report, Rule};
use super::{Rules, Standing, identity, list, names, raw};
use crate::path::Path;

const EXPRESSION_MAX_LENGTH: usize = 10 << 10;
const PARAMETERS_MAX_LENGTH: usize = 10 << 10;
const CONFIG_MAX_SIZE: usize = 32;
const SELECTORS_MAX_SIZE: usize = 32;

pub(super) fn written(report: &mut Report, class: &DeviceClass, rules: &Rules<'_>) {
    meta::written(report, &class.metadata, Scope::Cluster, Naming::Declared);
    if let Some(spec) = &class.spec {
        self::spec(report, spec, &Path::root("spec"), rules);
    }
}

fn spec(report: &mut Report, spec: &DeviceClassSpec, at: &Path<'_>, rules: &Rules<'_>) {
    selectors(report, list(&spec.selectors), &at.child("selectors"), rules);
    lists::slice(
        report,
        list(&spec.config),
        CONFIG_MAX_SIZE,
        Declared::Yes,
        &at.child("config"),
        |report, config, at| opaque(report, config.opaque.as_ref(), at, rules.standing),
    );
    if let Some(name) = &spec.extended_resource_name
        && !is_extended_resource(name)
    {
        report.covered(|report| {
            report.invalid_by(
                Rule::ExtendedResourceName,
                &at.child("extendedResourceName"),
                name.as_str(),
                "must be a valid extended resource name",
            );
        });
    }
}

fn is_extended_resource(name: &str) -> bool {
    name.contains('/')
        && !name.contains("kubernetes.io/")
        && !name.starts_with("requests.")
        && names::label_key(&format!("requests.{name}")).is_empty()
}

pub(super) fn selectors(
    report: &mut Report,
    selectors: &[DeviceSelector],
    at: &Path<'_>,
    rules: &Rules<'_>,
) {
    lists::slice(
        report,
        selectors,
        SELECTORS_MAX_SIZE,
        Declared::Yes,
        at,
        |report, selector, at| {
            let at = at.child("cel");
            match &selector.cel {
                None => report.required(&at, ""),
                Some(cel) => {
                    expression(
                        report,
                        &cel.expression,
                        &at.child("expression"),
                        rules,
                        |text| rules.expressions.check_selector(text),
                    );
                }
            }
        },
    );
}

/// A CEL expression. What an object that exists says was checked when it was written, and is not
/// checked again: newer rules may be stricter.
pub(super) fn expression(
    report: &mut Report,
    text: &str,
    at: &Path<'_>,
    rules: &Rules<'_>,
    check: impl FnOnce(&str) -> Result<(), CheckError>,
) {
    if rules.standing == Standing::Stored {
        return;
    }
    if text.len() > EXPRESSION_MAX_LENGTH {
        report.too_long(Rule::Own, at, EXPRESSION_MAX_LENGTH);
        return;
    }
    match check(text) {
        Ok(()) => {}
        Err(CheckError::Invalid(why)) => report.invalid(at, text, &why),
        Err(CheckError::TooCostly(_)) => {
            report.forbidden(at, "too complex, exceeds cost limit");
        }
    }
}

/// `opaque` of a configuration at `at`.
pub(super) fn opaque(
    report: &mut Report,
    config: Option<&OpaqueDeviceConfiguration>,
    at: &Path<'_>,
    standing: Standing,
) {
    let at = at.child("opaque");
    match config {
        None => report.required(&at, ""),
        Some(config) => {
            identity::covered_driver(report, &config.driver, &at.child("driver"));
            raw_object(
                report,
                &config.parameters,
                &at.child("parameters"),
                standing,
                PARAMETERS_MAX_LENGTH,
            );
        }
    }
}

/// A JSON object of limited length.
pub(super) fn raw_object(
    report: &mut Report,
    raw: &RawExtension,
    at: &Path<'_>,
    standing: Standing,
    most: usize,
) {
    if raw.0.is_null() {
        report.required(at, "");
    } else if standing == Standing::New && raw::length(&raw.0) > most {
        report.too_long(Rule::Own, at, most);
    } else if !raw.0.is_object() {
        report.invalid(at, "<value omitted>", "must be a valid JSON object");
    }
}

pub(super) fn declared(report: &mut Report, class: &DeviceClass) {
    let name = meta::name(&class.metadata);
    if !name.is_empty() {
        let at = Path::root("metadata");
        report.malformed(
            Rule::LongName,
            &at.child("name"),
            &name,
            names::object_name(&name),
        );
    }
    let Some(spec) = &class.spec else { return };
    let at = Path::root("spec");
    let selectors = list(&spec.selectors);
    if selectors.len() > SELECTORS_MAX_SIZE {
        report.too_many(&at.child("selectors"), selectors.len(), SELECTORS_MAX_SIZE);
    }
    lists::slice(
        report,
        list(&spec.config),
        CONFIG_MAX_SIZE,
        Declared::No,
        &at.child("config"),
        |report, config, at| declared_opaque(report, config.opaque.as_ref(), at),
    );
    if let Some(name) = &spec.extended_resource_name {
        extended_resource(report, name, &at.child("extendedResourceName"));
    }
}

fn extended_resource(report: &mut Report, name: &str, at: &Path<'_>) {
    let mut complaints = Vec::new();
    if !name.contains('/') {
        complaints
            .push("a name must be a domain-prefixed path, such as 'example.com/my-prop'".into());
    } else if name.contains("kubernetes.io/") {
        complaints.push("must not have \"kubernetes.io/\" domain".into());
    }
    if name.starts_with("requests.") {
        complaints.push("must not have \"requests.\" prefix".into());
    }
    complaints.extend(names::label_key(&format!("requests.{name}")));
    report.malformed(Rule::ExtendedResourceName, at, name, complaints);
}

pub(super) fn declared_opaque(
    report: &mut Report,
    config: Option<&OpaqueDeviceConfiguration>,
    at: &Path<'_>,
) {
    if let Some(config) = config {
        let at = at.child("opaque");
        declared_driver(report, &config.driver, &at.child("driver"));
    }
}

pub(super) fn declared_driver(report: &mut Report, name: &str, at: &Path<'_>) {
    if name.is_empty() {
        report.required(at, "");
        return;
    }
    report.malformed(
        Rule::LongNameCaseless,
        at,
        name,
        names::dns_subdomain_caseless(name),
    );
    if name.chars().count() > 63 {
        report.too_long(Rule::MaxLength, at, 63);
    }
}
