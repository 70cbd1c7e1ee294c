//! What would the API server say? All of Kubernetes 1.37's rules for resource.k8s.io, no stricter
//! and no laxer, with the paths that it gives.
//!
//! The running example's template passes. With `allocationMode: all` in it, the answer is
//! `spec.spec.devices.requests[0].exactly.allocationMode: Unsupported value: "all": supported
//! values: "All", "ExactCount"`.
//!
//! An object is to be defaulted and converted ([`crate::beta::Served::into_hub`]) and relieved of
//! disabled fields ([`crate::gates::DropDisabled`]) before. What a proof needs other objects for is
//! not checked here: that `adminAccess` needs the label `resource.kubernetes.io/admin-access: "true"`
//! on the claim's Namespace (`Forbidden` at `spec.devices.requests[i].adminAccess`, for templates
//! too).
//!
//! Refuses to know: CEL (the caller brings an [`ExpressionCheck`]), files and lines, other groups.

mod claim;
mod class;
mod conditions;
mod device;
mod identity;
mod lists;
mod meta;
mod names;
mod node_selector;
mod quantity;
mod raw;
mod report;
mod slice;
mod status;
mod taint;

use k8s_openapi::api::resource::v1::{
    DeviceClass, DeviceTaintRule, ResourceClaim, ResourceClaimTemplate, ResourceSlice,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use trainyard_model::selector::ExpressionCheck;

pub use report::{ErrorKind, FieldError};

use crate::beta::Version;
use crate::gates::Gates;
use crate::path::Path;
use report::Report;

/// Whether an object is about to be created, or was read from a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is about to be created: its status is ignored, as the API server ignores it.
    New,
    /// It exists (it has a `metadata.uid`): its status is checked, as if it were written now. What
    /// only new objects must heed is not: CEL expressions and the length of opaque parameters.
    Stored,
}

/// By what objects are judged.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The version that the object was written in: it decides paths.
    pub version: Version,
    /// Whether the object exists already.
    pub standing: Standing,
    /// What is on.
    pub gates: &'a Gates,
    /// What the API server says of CEL expressions.
    pub expressions: &'a dyn ExpressionCheck,
}

/// Objects that the API server validates.
pub trait Validate {
    /// All that is wrong with the object, in the API server's order as far as it has one.
    fn validate(&self, rules: &Rules<'_>) -> Vec<FieldError>;
}

/// Rules by hand, what every kind must heed, and declared rules, in the API server's order.
fn judge(
    rules: &Rules<'_>,
    metadata: &ObjectMeta,
    written: impl FnOnce(&mut Report),
    declared: impl FnOnce(&mut Report),
) -> Vec<FieldError> {
    let mut report = Report::new(rules.version.shape());
    written(&mut report);
    if report.is_empty() {
        meta::path_segment(&mut report, metadata);
    }
    report.declared(declared);
    report.into_errors()
}

impl Validate for DeviceClass {
    fn validate(&self, rules: &Rules<'_>) -> Vec<FieldError> {
        judge(
            rules,
            &self.metadata,
            |report| class::written(report, self, rules),
            |report| class::declared(report, self),
        )
    }
}

impl Validate for ResourceClaim {
    fn validate(&self, rules: &Rules<'_>) -> Vec<FieldError> {
        let at = Path::root("spec");
        judge(
            rules,
            &self.metadata,
            |report| {
                meta::written(
                    report,
                    &self.metadata,
                    meta::Scope::Namespace,
                    meta::Naming::Written,
                );
                if let Some(spec) = &self.spec {
                    claim::written(report, spec, &at, rules);
                }
                if rules.standing == Standing::Stored {
                    status::written(report, self);
                }
            },
            |report| {
                if let Some(spec) = &self.spec {
                    claim::declared(report, spec, &at);
                }
                if rules.standing == Standing::Stored {
                    status::declared(report, self);
                }
            },
        )
    }
}

impl Validate for ResourceClaimTemplate {
    fn validate(&self, rules: &Rules<'_>) -> Vec<FieldError> {
        judge(
            rules,
            &self.metadata,
            |report| claim::template(report, self, rules),
            |report| {
                let at = Path::root("spec");
                if let Some(spec) = self.spec.as_ref().and_then(|spec| spec.spec.as_ref()) {
                    claim::declared(report, spec, &at.child("spec"));
                }
            },
        )
    }
}

impl Validate for ResourceSlice {
    fn validate(&self, rules: &Rules<'_>) -> Vec<FieldError> {
        judge(
            rules,
            &self.metadata,
            |report| slice::written(report, self, rules),
            |report| slice::declared(report, self),
        )
    }
}

impl Validate for DeviceTaintRule {
    fn validate(&self, rules: &Rules<'_>) -> Vec<FieldError> {
        judge(
            rules,
            &self.metadata,
            |report| {
                taint::rule(report, self);
                if rules.standing == Standing::Stored {
                    taint::rule_status(report, self);
                }
            },
            |report| taint::declared_rule(report, self),
        )
    }
}

/// A list that may be missing.
fn list<T>(items: &Option<Vec<T>>) -> &[T] {
    items.as_deref().unwrap_or_default()
}
