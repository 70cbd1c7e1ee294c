//! `metadata` of new objects.
//!
//! Source: `k8s.io/apimachinery/pkg/api/validation/objectmeta.go` v0.37.2 and
//! `pkg/apis/core/validation/validation.go` v1.37.2.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::report::{Report, Rule, Shown};
use super::{list, names};
use crate::path::Path;

/// Bytes of all keys and values of an object's annotations.
const ANNOTATIONS_MAX_SIZE: usize = 256 << 10;

/// Where objects of a kind live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Cluster,
    Namespace,
}

/// How the name of a kind is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// `name` and `generateName`, by hand.
    Written,
    /// `name` alone, by a declared rule.
    Declared,
}

/// `metadata.name`, or a name as the API server generates it: at most 58 bytes of `generateName`
/// and five more characters.
pub(super) fn name(meta: &ObjectMeta) -> String {
    let given = meta.name.as_deref().unwrap_or_default();
    let base = meta.generate_name.as_deref().unwrap_or_default();
    if !given.is_empty() || base.is_empty() {
        return given.to_owned();
    }
    let kept = &base.as_bytes()[..base.len().min(58)];
    format!("{}xxxxx", String::from_utf8_lossy(kept))
}

pub(super) fn written(report: &mut Report, meta: &ObjectMeta, scope: Scope, naming: Naming) {
    let at = Path::root("metadata");
    let generate = meta.generate_name.as_deref().unwrap_or_default();
    if naming == Naming::Written && !generate.is_empty() {
        report.malformed(
            Rule::Own,
            &at.child("generateName"),
            generate,
            names::object_name_prefix(generate),
        );
    }
    let name = name(meta);
    let name_at = at.child("name");
    if name.is_empty() {
        report.required(&name_at, "name or generateName is required");
    } else if naming == Naming::Written {
        report.malformed(Rule::Own, &name_at, &name, names::object_name(&name));
    } else {
        report.covered(|report| {
            report.malformed(Rule::LongName, &name_at, &name, names::object_name(&name));
        });
    }
    if scope == Scope::Namespace {
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let at = at.child("namespace");
        if namespace.is_empty() {
            report.required(&at, "");
        } else {
            report.malformed(Rule::Own, &at, namespace, names::dns_label(namespace));
        }
    }
    // Kinds that live in the cluster have their generation set by the API server.
    if let Some(generation @ ..0) = meta.generation
        && scope == Scope::Namespace
    {
        report.invalid(
            &at.child("generation"),
            generation,
            "must be greater than or equal to 0",
        );
    }
    labels(report, meta.labels.as_ref(), &at.child("labels"));
    annotations(report, meta.annotations.as_ref(), &at.child("annotations"));
    owners(
        report,
        list(&meta.owner_references),
        &at.child("ownerReferences"),
    );
    finalizers(report, list(&meta.finalizers), &at.child("finalizers"));
}

/// What is checked of every kind, if nothing else was found: the name must fit into a URL.
pub(super) fn path_segment(report: &mut Report, meta: &ObjectMeta) {
    let at = Path::root("metadata");
    let generate = meta.generate_name.as_deref().unwrap_or_default();
    for illegal in ['/', '%'] {
        if generate.contains(illegal) {
            report.invalid(
                &at.child("generateName"),
                generate,
                &format!("may not contain '{illegal}'"),
            );
        }
    }
}

/// `spec.metadata` of a template: labels and annotations, nothing else.
pub(super) fn template(report: &mut Report, meta: &ObjectMeta, at: &Path<'_>) {
    annotations(report, meta.annotations.as_ref(), &at.child("annotations"));
    labels(report, meta.labels.as_ref(), &at.child("labels"));
    let text = |value: &Option<String>| value.as_ref().is_some_and(|text| !text.is_empty());
    // Named as the API server names them: the first letter of Go's field name in lower case.
    let set = [
        ("name", text(&meta.name)),
        ("generateName", text(&meta.generate_name)),
        ("namespace", text(&meta.namespace)),
        ("selfLink", text(&meta.self_link)),
        ("uID", text(&meta.uid)),
        ("resourceVersion", text(&meta.resource_version)),
        ("generation", meta.generation.is_some_and(|n| n != 0)),
        ("creationTimestamp", meta.creation_timestamp.is_some()),
        ("deletionTimestamp", meta.deletion_timestamp.is_some()),
        (
            "deletionGracePeriodSeconds",
            meta.deletion_grace_period_seconds.is_some(),
        ),
        ("ownerReferences", meta.owner_references.is_some()),
        ("finalizers", meta.finalizers.is_some()),
        ("managedFields", meta.managed_fields.is_some()),
    ];
    for (name, set) in set {
        if set {
            report.forbidden(&at.child(name), "cannot be set");
        }
    }
}

fn labels(report: &mut Report, labels: Option<&BTreeMap<String, String>>, at: &Path<'_>) {
    for (key, value) in labels.into_iter().flatten() {
        report.malformed(Rule::LabelKey, at, key, names::label_key(key));
        report.malformed(Rule::Own, at, value, names::label_value(value));
    }
}

fn annotations(report: &mut Report, annotations: Option<&BTreeMap<String, String>>, at: &Path<'_>) {
    let mut size = 0;
    for (key, value) in annotations.into_iter().flatten() {
        report.malformed(
            Rule::LabelKey,
            at,
            key,
            names::label_key(&names::to_lower(key)),
        );
        size += key.len() + value.len();
    }
    if size > ANNOTATIONS_MAX_SIZE {
        report.too_long(Rule::Own, at, ANNOTATIONS_MAX_SIZE);
    }
}

fn owners(report: &mut Report, owners: &[OwnerReference], at: &Path<'_>) {
    // The API server drops repetitions before it looks at them.
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for owner in owners {
        let all = (
            &owner.api_version,
            &owner.kind,
            &owner.name,
            &owner.uid,
            owner.controller,
            owner.block_owner_deletion,
        );
        if seen.insert(all) {
            kept.push(owner);
        }
    }
    let mut controller: Option<String> = None;
    for (index, owner) in kept.into_iter().enumerate() {
        let here = at.index(index);
        let version = owner.api_version.as_str();
        let (group, last) = version.split_once('/').unwrap_or(("", version));
        if version.is_empty() {
            report.required(&here.child("apiVersion"), "must not be empty");
        } else if last.is_empty() || last.contains('/') {
            report.invalid(
                &here.child("apiVersion"),
                version,
                "must be <group>/<version> or <version>",
            );
        }
        for (name, value) in [
            ("kind", &owner.kind),
            ("name", &owner.name),
            ("uid", &owner.uid),
        ] {
            if value.is_empty() {
                report.required(&here.child(name), "must not be empty");
            }
        }
        if group.is_empty() && last == "v1" && owner.kind == "Event" {
            report.invalid(
                &here,
                Shown::json(owner),
                "/v1, Kind=Event is disallowed from being an owner",
            );
        }
        if owner.controller == Some(true) {
            let this = format!("{}/{}", owner.kind, owner.name);
            match &controller {
                Some(first) => report.invalid(
                    at,
                    "<value omitted>",
                    &format!("only one reference can have controller set to true: found in {first} and {this}"),
                ),
                None => controller = Some(this),
            }
        }
    }
}

fn finalizers(report: &mut Report, finalizers: &[String], at: &Path<'_>) {
    for finalizer in finalizers {
        report.malformed(Rule::Own, at, finalizer, names::label_key(finalizer));
    }
    let has = |name: &str| finalizers.iter().any(|f| f == name);
    if has("orphan") && has("foregroundDeletion") {
        report.invalid(
            at,
            Shown::json(&finalizers),
            "finalizer orphan and foregroundDeletion cannot be both set",
        );
    }
    for (index, finalizer) in finalizers.iter().enumerate() {
        if !finalizer.contains('/')
            && !["kubernetes", "orphan", "foregroundDeletion"].contains(&finalizer.as_str())
        {
            report.invalid(
                &at.index(index),
                finalizer.as_str(),
                "name is neither a standard finalizer name nor is it fully qualified",
            );
        }
    }
}
