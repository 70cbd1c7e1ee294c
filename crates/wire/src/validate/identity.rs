//! What names drivers, pools, devices, attributes and requests.
//!
//! Source: `pkg/apis/resource/validation/validation.go` v1.37.2.

use super::names;
use super::report::{Report, Rule};
use crate::path::Path;

/// A driver's name; every fault in it has a declared rule where `declared` says so.
pub(super) fn driver(report: &mut Report, name: &str, at: &Path<'_>) {
    driver_by(report, name, at, Rule::Own, Rule::Own);
}

/// A driver's name in a field with declared rules.
pub(super) fn covered_driver(report: &mut Report, name: &str, at: &Path<'_>) {
    report.covered(|report| {
        driver_by(report, name, at, Rule::MaxLength, Rule::LongNameCaseless);
    });
}

fn driver_by(report: &mut Report, name: &str, at: &Path<'_>, length: Rule, format: Rule) {
    if name.is_empty() {
        report.required(at, "");
        return;
    }
    if name.len() > 63 {
        report.too_long(length, at, 63);
    }
    report.malformed(
        format,
        at,
        name,
        names::dns_subdomain(&names::to_lower(name)),
    );
}

/// A pool's name: DNS subdomains with slashes between them.
pub(super) fn pool(report: &mut Report, name: &str, at: &Path<'_>) {
    if name.is_empty() {
        report.required(at, "");
        return;
    }
    if name.len() > 253 {
        report.too_long(Rule::PoolName, at, 253);
    }
    for part in name.split('/') {
        report.malformed(Rule::PoolName, at, part, names::dns_subdomain(part));
    }
}

/// The name of a device, a request or a counter.
pub(super) fn label(report: &mut Report, name: &str, at: &Path<'_>) {
    report.malformed(Rule::ShortName, at, name, names::dns_label(name));
}

/// The name of an attribute or a capacity, `[domain/]id`. More than one slash passes unseen, as it
/// does upstream.
pub(super) fn qualified(report: &mut Report, name: &str, at: &Path<'_>, rule: Rule) {
    match name.split('/').collect::<Vec<_>>()[..] {
        [id] => identifier(report, id, at, rule),
        [domain, id] => {
            if domain.is_empty() {
                report.invalid_by(rule, at, "", "the domain must not be empty");
            } else {
                driver_by(report, domain, at, rule, rule);
            }
            if id.is_empty() {
                report.invalid_by(rule, at, "", "the name must not be empty");
            } else {
                identifier(report, id, at, rule);
            }
        }
        _ => {}
    }
}

/// The id in a qualified name.
pub(super) fn identifier(report: &mut Report, id: &str, at: &Path<'_>, rule: Rule) {
    if id.len() > 32 {
        report.too_long(rule, at, 32);
    }
    if !names::is_c_identifier(id) {
        report.invalid_by(rule, at, id, names::C_IDENTIFIER);
    }
}

/// `domain/id`.
pub(super) fn fully_qualified(report: &mut Report, name: &str, at: &Path<'_>) {
    qualified(report, name, at, Rule::FullyQualifiedName);
    domain_wanted(report, name, at);
}

/// The complaint about a name without domain.
pub(super) fn domain_wanted(report: &mut Report, name: &str, at: &Path<'_>) {
    if !name.contains('/') {
        report.invalid_by(
            Rule::FullyQualifiedName,
            at,
            name,
            "a fully qualified name must be a domain and a name separated by a slash",
        );
    }
}
