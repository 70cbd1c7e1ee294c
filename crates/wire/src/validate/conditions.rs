//! Conditions in a status.
//!
//! Source: `k8s.io/apimachinery/pkg/apis/meta/v1/validation/validation.go` v0.37.2. The declared
//! rules for conditions are not in force in 1.37.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::report::{Report, Rule};
use super::{lists, names};
use crate::path::Path;

const STATUSES: [&str; 3] = ["False", "True", "Unknown"];
const REASON_MAX_LENGTH: usize = 1 << 10;
const MESSAGE_MAX_LENGTH: usize = 32 << 10;

pub(super) fn written(report: &mut Report, conditions: &[Condition], most: usize, at: &Path<'_>) {
    if conditions.len() > most {
        report.too_many(at, conditions.len(), most);
    }
    lists::unique(report, conditions, at, |condition| condition.type_.clone());
    for (index, entry) in conditions.iter().enumerate() {
        condition(report, entry, &at.index(index));
    }
}

fn condition(report: &mut Report, condition: &Condition, at: &Path<'_>) {
    let type_at = at.child("type");
    if condition.type_.is_empty() {
        report.required(&type_at, "is required");
    } else {
        let complaints = names::label_key(&condition.type_);
        report.malformed(Rule::LabelKey, &type_at, &condition.type_, complaints);
    }
    let status = condition.status.as_str();
    if status.is_empty() {
        report.required(&at.child("status"), "");
    } else if !STATUSES.contains(&status) {
        report.not_supported(&at.child("status"), status, &STATUSES);
    }
    if let Some(generation @ ..0) = condition.observed_generation {
        report.invalid(
            &at.child("observedGeneration"),
            generation,
            "must be greater than or equal to zero",
        );
    }
    let reason_at = at.child("reason");
    if condition.reason.is_empty() {
        report.required(&reason_at, "");
    } else {
        if !is_reason(&condition.reason) {
            report.invalid(
                &reason_at,
                condition.reason.as_str(),
                "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
            );
        }
        if condition.reason.len() > REASON_MAX_LENGTH {
            report.too_long(Rule::MaxBytes, &reason_at, REASON_MAX_LENGTH);
        }
    }
    if condition.message.len() > MESSAGE_MAX_LENGTH {
        report.too_long(Rule::Own, &at.child("message"), MESSAGE_MAX_LENGTH);
    }
}

fn is_reason(reason: &str) -> bool {
    reason.starts_with(|c: char| c.is_ascii_alphabetic())
        && reason.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && reason
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ',' | ':'))
}
