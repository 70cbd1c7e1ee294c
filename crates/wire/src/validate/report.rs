//! What is wrong, collected: the errors of one object as the API server reports them.
//!
//! Kubernetes 1.37 checks each object twice: by rules written by hand, on its internal form, and by
//! rules declared on the fields of the version that was sent. An error by hand is left out where a
//! declared rule of the same kind reports the same field. That decides which path a v1beta1 object
//! gets (by hand: v1's, declared: its own), so the same is done here.
//!
//! Source: `k8s.io/apiserver/pkg/registry/rest/validate.go` and
//! `k8s.io/apimachinery/pkg/api/validate/errors.go` v0.37.2.

use std::collections::BTreeSet;
use std::fmt;

use crate::path::{Path, Shape};

/// One violation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct FieldError {
    /// Which field, as the API server names it: `spec.devices.requests[0].exactly.count`.
    pub path: String,
    /// What kind of violation.
    pub kind: ErrorKind,
    /// The offending value, as it is shown; `None`: not shown.
    pub value: Option<String>,
    /// What is wrong with it; may be empty.
    pub detail: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind)?;
        if let Some(value) = &self.value {
            write!(f, ": {value}")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// The kinds of violation that the API server tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// Two entries that must differ.
    Duplicate,
    /// A good value, but not here.
    Forbidden,
    /// A bad value.
    Invalid,
    /// A reference that leads nowhere.
    NotFound,
    /// None of the values there are.
    NotSupported,
    /// Missing or empty.
    Required,
    /// Too many bytes.
    TooLong,
    /// Too many entries.
    TooMany,
    /// Not of the field's type. The API server refuses such an object as a whole, without a path.
    TypeInvalid,
}

impl ErrorKind {
    /// The `reason` of the API server's answer (`details.causes[]`).
    pub fn reason(self) -> &'static str {
        match self {
            ErrorKind::Duplicate => "FieldValueDuplicate",
            ErrorKind::Forbidden => "FieldValueForbidden",
            ErrorKind::Invalid => "FieldValueInvalid",
            ErrorKind::NotFound => "FieldValueNotFound",
            ErrorKind::NotSupported => "FieldValueNotSupported",
            ErrorKind::Required => "FieldValueRequired",
            ErrorKind::TooLong => "FieldValueTooLong",
            ErrorKind::TooMany => "FieldValueTooMany",
            ErrorKind::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorKind::Duplicate => "Duplicate value",
            ErrorKind::Forbidden => "Forbidden",
            ErrorKind::Invalid | ErrorKind::TypeInvalid => "Invalid value",
            ErrorKind::NotFound => "Not found",
            ErrorKind::NotSupported => "Unsupported value",
            ErrorKind::Required => "Required value",
            ErrorKind::TooLong => "Too long",
            ErrorKind::TooMany => "Too many",
        })
    }
}

/// Which rule speaks, where a declared one may speak for one by hand (upstream: "origin").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// One that stands alone.
    Own,
    ExtendedResourceName,
    FullyQualifiedName,
    LabelKey,
    LongName,
    LongNameCaseless,
    MaxBytes,
    MaxItems,
    MaxLength,
    PoolName,
    ShortName,
    Union,
    Uuid,
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pen {
    /// A rule by hand.
    Written,
    /// A rule by hand that a declared one may replace.
    Covered,
    /// A declared rule.
    Declared,
}

struct Finding {
    error: FieldError,
    /// The path in v1's shape, by which findings are compared.
    hub: String,
    rule: Rule,
    pen: Pen,
}

/// All findings of one object.
pub(crate) struct Report {
    findings: Vec<Finding>,
    pen: Pen,
    /// The shape of the document: what declared rules report.
    shape: Shape,
}

impl Report {
    pub(crate) fn new(shape: Shape) -> Self {
        Report {
            findings: Vec::new(),
            pen: Pen::Written,
            shape,
        }
    }

    /// What `rules` finds may be said better by declared rules.
    pub(crate) fn covered(&mut self, rules: impl FnOnce(&mut Report)) {
        self.with(Pen::Covered, rules);
    }

    /// `rules` are declared ones.
    pub(crate) fn declared(&mut self, rules: impl FnOnce(&mut Report)) {
        self.with(Pen::Declared, rules);
    }

    fn with(&mut self, pen: Pen, rules: impl FnOnce(&mut Report)) {
        let before = std::mem::replace(&mut self.pen, pen);
        rules(self);
        self.pen = before;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// The errors that the API server would report.
    pub(crate) fn into_errors(self) -> Vec<FieldError> {
        let subject = |finding: &Finding| (finding.error.kind, finding.hub.clone(), finding.rule);
        let declared: BTreeSet<_> = self
            .findings
            .iter()
            .filter(|finding| finding.pen == Pen::Declared)
            .map(subject)
            .collect();
        let replaced = |finding: &Finding| {
            finding.pen == Pen::Covered
                && (finding.error.kind != ErrorKind::Invalid || finding.rule != Rule::Own)
                && declared.contains(&subject(finding))
        };
        // Nothing is said twice.
        let mut said = BTreeSet::new();
        self.findings
            .into_iter()
            .filter(|finding| !replaced(finding) && said.insert(finding.error.clone()))
            .map(|finding| finding.error)
            .collect()
    }

    fn add(
        &mut self,
        at: &Path<'_>,
        kind: ErrorKind,
        value: Option<String>,
        detail: String,
        rule: Rule,
    ) {
        let hub = at.render(Shape::Hub);
        let path = match (self.pen, self.shape) {
            (Pen::Declared, Shape::Flat) => at.render(Shape::Flat),
            _ => hub.clone(),
        };
        self.findings.push(Finding {
            error: FieldError {
                path,
                kind,
                value,
                detail,
            },
            hub,
            rule,
            pen: self.pen,
        });
    }

    pub(crate) fn required(&mut self, at: &Path<'_>, detail: &str) {
        self.add(at, ErrorKind::Required, None, detail.into(), Rule::Own);
    }

    pub(crate) fn invalid(&mut self, at: &Path<'_>, value: impl Into<Shown>, detail: &str) {
        self.invalid_by(Rule::Own, at, value, detail);
    }

    pub(crate) fn invalid_by(
        &mut self,
        rule: Rule,
        at: &Path<'_>,
        value: impl Into<Shown>,
        detail: &str,
    ) {
        self.add(
            at,
            ErrorKind::Invalid,
            Some(value.into().0),
            detail.into(),
            rule,
        );
    }

    /// One [`ErrorKind::Invalid`] for each of `complaints`.
    pub(crate) fn malformed(
        &mut self,
        rule: Rule,
        at: &Path<'_>,
        value: &str,
        complaints: Vec<String>,
    ) {
        for complaint in complaints {
            self.invalid_by(rule, at, value, &complaint);
        }
    }

    pub(crate) fn type_invalid(&mut self, at: &Path<'_>, value: impl Into<Shown>, detail: &str) {
        self.add(
            at,
            ErrorKind::TypeInvalid,
            Some(value.into().0),
            detail.into(),
            Rule::Own,
        );
    }

    pub(crate) fn not_supported(&mut self, at: &Path<'_>, value: &str, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|s| format!("\"{s}\"")).collect();
        let detail = format!("supported values: {}", supported.join(", "));
        let value = Shown::from(value).0;
        self.add(at, ErrorKind::NotSupported, Some(value), detail, Rule::Own);
    }

    pub(crate) fn not_found(&mut self, at: &Path<'_>, value: &str) {
        let value = Shown::from(value).0;
        self.add(
            at,
            ErrorKind::NotFound,
            Some(value),
            String::new(),
            Rule::Own,
        );
    }

    pub(crate) fn duplicate(&mut self, at: &Path<'_>, value: impl Into<Shown>) {
        self.add(
            at,
            ErrorKind::Duplicate,
            Some(value.into().0),
            String::new(),
            Rule::Own,
        );
    }

    pub(crate) fn forbidden(&mut self, at: &Path<'_>, detail: &str) {
        self.add(at, ErrorKind::Forbidden, None, detail.into(), Rule::Own);
    }

    pub(crate) fn too_long(&mut self, rule: Rule, at: &Path<'_>, most: usize) {
        let unit = match rule {
            Rule::MaxLength if self.pen == Pen::Declared => "characters",
            _ => "bytes",
        };
        let detail = format!("may not be more than {most} {unit}");
        self.add(at, ErrorKind::TooLong, None, detail, rule);
    }

    pub(crate) fn too_many(&mut self, at: &Path<'_>, count: usize, most: usize) {
        self.add(
            at,
            ErrorKind::TooMany,
            Some(count.to_string()),
            format!("must have at most {most} items"),
            Rule::MaxItems,
        );
    }
}

/// A value as messages show it: texts quoted, everything else as JSON.
pub(crate) struct Shown(String);

impl Shown {
    /// As JSON.
    pub(crate) fn json(value: &impl serde::Serialize) -> Self {
        Shown(serde_json::to_string(value).expect("Kubernetes objects can be written as JSON"))
    }
}

impl From<&str> for Shown {
    fn from(value: &str) -> Self {
        let mut out = String::with_capacity(value.len() + 2);
        out.push('"');
        for c in value.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
        out.push('"');
        Shown(out)
    }
}

impl From<i64> for Shown {
    fn from(value: i64) -> Self {
        Shown(value.to_string())
    }
}

impl From<bool> for Shown {
    fn from(value: bool) -> Self {
        Shown(value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_rule_speaks_for_the_same_rule_by_hand() {
        let spec = Path::root("spec");
        let exactly = spec.exactly();
        let mode = exactly.child("allocationMode");
        let mut report = Report::new(Shape::Flat);
        report.covered(|report| {
            report.not_supported(&mode, "all", &["All"]);
            report.invalid(&mode, "all", "has no rule that could be declared");
        });
        report.required(&exactly, "");
        report.declared(|report| report.not_supported(&mode, "all", &["All"]));
        let shown: Vec<String> = report.into_errors().iter().map(|e| e.to_string()).collect();
        assert_eq!(
            shown,
            [
                "spec.exactly.allocationMode: Invalid value: \"all\": has no rule that could be declared",
                "spec.exactly: Required value",
                "spec.allocationMode: Unsupported value: \"all\": supported values: \"All\"",
            ]
        );
    }
}
