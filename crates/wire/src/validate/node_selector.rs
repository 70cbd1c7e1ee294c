//! Node selectors of slices, devices and allocation results.
//!
//! Source: `pkg/apis/core/validation/validation.go` v1.37.2.

use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement};

use super::report::{Report, Rule};
use super::{list, names};
use crate::path::Path;

pub(super) fn written(report: &mut Report, selector: &NodeSelector, at: &Path<'_>) {
    let at = at.child("nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        report.required(&at, "must have at least one node selector term");
        return;
    }
    for (index, term) in selector.node_selector_terms.iter().enumerate() {
        let at = at.index(index);
        for (index, requirement) in list(&term.match_expressions).iter().enumerate() {
            let at = at.child("matchExpressions");
            expression(report, requirement, &at.index(index));
        }
        for (index, requirement) in list(&term.match_fields).iter().enumerate() {
            let at = at.child("matchFields");
            field(report, requirement, &at.index(index));
        }
    }
}

fn expression(report: &mut Report, requirement: &NodeSelectorRequirement, at: &Path<'_>) {
    let values = list(&requirement.values);
    let values_at = at.child("values");
    match requirement.operator.as_str() {
        "In" | "NotIn" if values.is_empty() => report.required(
            &values_at,
            "must be specified when `operator` is 'In' or 'NotIn'",
        ),
        "Exists" | "DoesNotExist" if !values.is_empty() => report.forbidden(
            &values_at,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
        "Gt" | "Lt" if values.len() != 1 => report.required(
            &values_at,
            "must be specified single value when `operator` is 'Lt' or 'Gt'",
        ),
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => report.invalid(
            &at.child("operator"),
            other,
            "not a valid selector operator",
        ),
    }
    report.malformed(
        Rule::LabelKey,
        &at.child("key"),
        &requirement.key,
        names::label_key(&requirement.key),
    );
    for (index, value) in values.iter().enumerate() {
        report.malformed(
            Rule::Own,
            &values_at.index(index),
            value,
            names::label_value(value),
        );
    }
}

fn field(report: &mut Report, requirement: &NodeSelectorRequirement, at: &Path<'_>) {
    let values = list(&requirement.values);
    let values_at = at.child("values");
    match requirement.operator.as_str() {
        "In" | "NotIn" if values.len() == 1 => {}
        "In" | "NotIn" => report.required(
            &values_at,
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
        ),
        other => report.invalid(
            &at.child("operator"),
            other,
            "not a valid selector operator",
        ),
    }
    if requirement.key != "metadata.name" {
        report.invalid(
            &at.child("key"),
            requirement.key.as_str(),
            "not a valid field selector key",
        );
        return;
    }
    for (index, value) in values.iter().enumerate() {
        report.malformed(
            Rule::Own,
            &values_at.index(index),
            value,
            names::object_name(value),
        );
    }
}
