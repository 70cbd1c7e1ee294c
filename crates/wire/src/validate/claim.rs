//! ResourceClaim.spec, and templates of it.
//!
//! Source: `pkg/apis/resource/validation/validation.go` v1.37.2.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::resource::v1::{
    DeviceClaim, DeviceClaimConfiguration, DeviceConstraint, DeviceDerivedAttribute, DeviceRequest,
    DeviceSelector, DeviceToleration, ResourceClaimSpec, ResourceClaimTemplate,
};

use trainyard_model::features::Feature;
use trainyard_model::selector::CheckError;

use super::lists::{self, Declared};
use super::meta::{self, Naming, Scope};
use super::report::{Report, Rule};
use super::{Rules, class, identity, list, names, quantity, taint};
use crate::path::Path;

const REQUESTS_MAX_SIZE: usize = 32;
const CONSTRAINTS_MAX_SIZE: usize = 32;
const CONFIG_MAX_SIZE: usize = 32;
const FIRST_AVAILABLE_MAX_SIZE: usize = 8;
const SELECTORS_MAX_SIZE: usize = 32;
const DERIVED_ATTRIBUTES_MAX_SIZE: usize = 32;
const DERIVED_ATTRIBUTES_MAX_COST: u64 = 1_000_000;
const MODES: [&str; 2] = ["All", "ExactCount"];

/// The requests of a claim by name, each with the names of its alternatives.
pub(super) struct RequestNames<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> RequestNames<'a> {
    pub(super) fn of(spec: Option<&'a ResourceClaimSpec>) -> Self {
        let requests = spec
            .and_then(|spec| spec.devices.as_ref())
            .and_then(|devices| devices.requests.as_ref());
        RequestNames(
            requests
                .into_iter()
                .flatten()
                .map(|request| {
                    let alternatives = list(&request.first_available);
                    (
                        request.name.as_str(),
                        alternatives.iter().map(|sub| sub.name.as_str()).collect(),
                    )
                })
                .collect(),
        )
    }

    fn has(&self, reference: &str) -> bool {
        match reference.split('/').collect::<Vec<_>>()[..] {
            [request] => self.0.contains_key(request),
            [request, sub] => self.0.get(request).is_some_and(|subs| subs.contains(sub)),
            _ => false,
        }
    }

    /// A reference `request` or `request/subrequest`.
    pub(super) fn check(&self, report: &mut Report, reference: &str, at: &Path<'_>) {
        const WANTED: &str = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
        let segments: Vec<&str> = reference.split('/').collect();
        if segments.len() > 2 {
            report.invalid(at, reference, WANTED);
            return;
        }
        for segment in segments {
            identity::label(report, segment, at);
        }
        if !self.has(reference) {
            report.invalid(at, reference, WANTED);
        }
    }

    /// A list of references.
    pub(super) fn check_all(&self, report: &mut Report, references: &[String], at: &Path<'_>) {
        lists::set(
            report,
            references,
            REQUESTS_MAX_SIZE,
            Declared::Yes,
            at,
            |name| name.as_str().to_owned(),
            |report, name, at| self.check(report, name, at),
        );
    }
}

/// What the walk through a claim's requests needs to know, and adds up.
struct Walk<'a> {
    rules: &'a Rules<'a>,
    /// The attributes that constraints speak of, by the request they name; all requests: "".
    constrained: BTreeMap<&'a str, BTreeSet<&'a str>>,
    derived_cost: u64,
}

pub(super) fn template(report: &mut Report, template: &ResourceClaimTemplate, rules: &Rules<'_>) {
    meta::written(
        report,
        &template.metadata,
        Scope::Namespace,
        Naming::Written,
    );
    let Some(spec) = &template.spec else { return };
    let at = Path::root("spec");
    if let Some(metadata) = &spec.metadata {
        meta::template(report, metadata, &at.child("metadata"));
    }
    if let Some(spec) = &spec.spec {
        written(report, spec, &at.child("spec"), rules);
    }
}

pub(super) fn written(
    report: &mut Report,
    spec: &ResourceClaimSpec,
    at: &Path<'_>,
    rules: &Rules<'_>,
) {
    let nothing = DeviceClaim::default();
    let claim = spec.devices.as_ref().unwrap_or(&nothing);
    let at = at.child("devices");
    let names = RequestNames::of(Some(spec));
    let mut walk = Walk {
        rules,
        constrained: constrained(list(&claim.constraints)),
        derived_cost: 0,
    };
    lists::set(
        report,
        list(&claim.requests),
        REQUESTS_MAX_SIZE,
        Declared::Yes,
        &at.child("requests"),
        |request| request.name.clone(),
        |report, item, at| walk.request(report, item, at),
    );
    lists::slice(
        report,
        list(&claim.constraints),
        CONSTRAINTS_MAX_SIZE,
        Declared::Yes,
        &at.child("constraints"),
        |report, item, at| constraint(report, item, at, &names, rules),
    );
    lists::slice(
        report,
        list(&claim.config),
        CONFIG_MAX_SIZE,
        Declared::Yes,
        &at.child("config"),
        |report, item, at| config(report, item, at, &names, rules),
    );
    if walk.derived_cost > DERIVED_ATTRIBUTES_MAX_COST {
        report.forbidden(
            &at,
            "too complex, total cost of derived attribute CEL expressions in the claim exceeds cost limit",
        );
    }
}

fn constrained(constraints: &[DeviceConstraint]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut by_request: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for constraint in constraints {
        let attribute = constraint.match_attribute.as_ref();
        let Some(attribute) = attribute.or(constraint.distinct_attribute.as_ref()) else {
            continue;
        };
        let requests = list(&constraint.requests);
        if requests.is_empty() {
            by_request.entry("").or_default().insert(attribute);
        }
        for request in requests {
            by_request.entry(request).or_default().insert(attribute);
        }
    }
    by_request
}

/// What `exactly` and the alternatives of `firstAvailable` have in common.
struct Query<'a> {
    selectors: &'a [DeviceSelector],
    mode: &'a str,
    count: i64,
    tolerations: &'a [DeviceToleration],
    derived: &'a [DeviceDerivedAttribute],
    capacity: Option<&'a k8s_openapi::api::resource::v1::CapacityRequirements>,
}

macro_rules! query {
    ($from:expr) => {
        Query {
            selectors: list(&$from.selectors),
            mode: $from.allocation_mode.as_deref().unwrap_or_default(),
            count: $from.count.unwrap_or_default(),
            tolerations: list(&$from.tolerations),
            derived: list(&$from.derived_attributes),
            capacity: $from.capacity.as_ref(),
        }
    };
}

impl Walk<'_> {
    fn request(&mut self, report: &mut Report, request: &DeviceRequest, at: &Path<'_>) {
        identity::label(report, &request.name, &at.child("name"));
        let alternatives = list(&request.first_available);
        match (&request.exactly, alternatives.is_empty()) {
            (None, true) => report.required(
                at,
                "exactly one of `exactly` or `firstAvailable` is required",
            ),
            (Some(_), false) => report.invalid(
                at,
                super::report::Shown::json(&()),
                "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set",
            ),
            (Some(exactly), true) => {
                let at = at.exactly();
                class_name(report, &exactly.device_class_name, &at.child("deviceClassName"));
                self.query(report, &query!(exactly), &at, &request.name);
            }
            (None, false) => lists::set(
                report,
                alternatives,
                FIRST_AVAILABLE_MAX_SIZE,
                Declared::Yes,
                &at.child("firstAvailable"),
                |sub| sub.name.clone(),
                |report, sub, at| {
                    identity::label(report, &sub.name, &at.child("name"));
                    report.covered(|report| {
                        class_name(report, &sub.device_class_name, &at.child("deviceClassName"));
                    });
                    let name = format!("{}/{}", request.name, sub.name);
                    self.query(report, &query!(sub), at, &name);
                },
            ),
        }
    }

    fn query(&mut self, report: &mut Report, query: &Query<'_>, at: &Path<'_>, request: &str) {
        class::selectors(report, query.selectors, &at.child("selectors"), self.rules);
        self.derived(
            report,
            query.derived,
            &at.child("derivedAttributes"),
            request,
        );
        mode(report, query, at);
        for (index, toleration) in query.tolerations.iter().enumerate() {
            let at = at.child("tolerations");
            taint::toleration(report, toleration, &at.index(index));
        }
        if let Some(capacity) = query.capacity {
            let at = at.child("capacity");
            quantity::map(report, capacity.requests.as_ref(), &at.child("requests"));
        }
    }

    fn derived(
        &mut self,
        report: &mut Report,
        attributes: &[DeviceDerivedAttribute],
        at: &Path<'_>,
        request: &str,
    ) {
        lists::set(
            report,
            attributes,
            usize::MAX,
            Declared::No,
            at,
            |attribute| attribute.name.clone(),
            |report, attribute, at| {
                if !attribute.name.is_empty() && !self.is_constrained(&attribute.name, request) {
                    report.invalid(
                        &at.child("name"),
                        attribute.name.as_str(),
                        "must be referenced by at least one matchAttribute or distinctAttribute constraint targeting this request",
                    );
                }
                if !attribute.expression.is_empty() {
                    self.expression(report, &attribute.expression, &at.child("expression"));
                }
            },
        );
    }

    fn expression(&mut self, report: &mut Report, text: &str, at: &Path<'_>) {
        let rules = self.rules;
        class::expression(report, text, at, rules, |text| {
            let checked = rules.expressions.check_derived(text);
            let cost = match &checked {
                Ok(cost) | Err(CheckError::TooCostly(cost)) => *cost,
                Err(CheckError::Invalid(_)) => 0,
            };
            // Upstream's sum overflows as well, where the costs have no bound.
            self.derived_cost = self.derived_cost.wrapping_add(cost);
            checked.map(|_| ())
        });
    }

    fn is_constrained(&self, attribute: &str, request: &str) -> bool {
        let parent = request.split_once('/').map(|(parent, _)| parent);
        ["", request]
            .into_iter()
            .chain(parent)
            .filter_map(|name| self.constrained.get(name))
            .any(|attributes| attributes.contains(attribute))
    }
}

fn class_name(report: &mut Report, name: &str, at: &Path<'_>) {
    if name.is_empty() {
        report.required(at, "");
    } else {
        report.malformed(Rule::LongName, at, name, names::dns_subdomain(name));
    }
}

fn mode(report: &mut Report, query: &Query<'_>, at: &Path<'_>) {
    let count = at.child("count");
    match query.mode {
        "All" if query.count != 0 => report.invalid(
            &count,
            query.count,
            "must not be specified when allocationMode is 'All'",
        ),
        "ExactCount" if query.count <= 0 => {
            report.invalid(&count, query.count, "must be greater than zero");
        }
        "All" | "ExactCount" => {}
        other => report.covered(|report| {
            report.not_supported(&at.child("allocationMode"), other, &MODES);
        }),
    }
}

fn constraint(
    report: &mut Report,
    constraint: &DeviceConstraint,
    at: &Path<'_>,
    names: &RequestNames<'_>,
    rules: &Rules<'_>,
) {
    names.check_all(report, list(&constraint.requests), &at.child("requests"));
    if let Some(name) = &constraint.match_attribute {
        let at = at.child("matchAttribute");
        report.covered(|report| identity::fully_qualified(report, name, &at));
    } else if let Some(name) = &constraint.distinct_attribute {
        let at = at.child("distinctAttribute");
        report.covered(|report| identity::fully_qualified(report, name, &at));
    } else if rules.gates.has(Feature::ConsumableCapacity) {
        report.required(
            at,
            "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required",
        );
    } else {
        report.required(&at.child("matchAttribute"), "");
    }
}

fn config(
    report: &mut Report,
    config: &DeviceClaimConfiguration,
    at: &Path<'_>,
    names: &RequestNames<'_>,
    rules: &Rules<'_>,
) {
    names.check_all(report, list(&config.requests), &at.child("requests"));
    class::opaque(report, config.opaque.as_ref(), at, rules.standing);
}

pub(super) fn declared(report: &mut Report, spec: &ResourceClaimSpec, at: &Path<'_>) {
    let Some(claim) = &spec.devices else { return };
    let at = at.child("devices");
    lists::set(
        report,
        list(&claim.requests),
        REQUESTS_MAX_SIZE,
        Declared::No,
        &at.child("requests"),
        |request| request.name.clone(),
        declared_request,
    );
    lists::slice(
        report,
        list(&claim.constraints),
        CONSTRAINTS_MAX_SIZE,
        Declared::No,
        &at.child("constraints"),
        |report, constraint, at| {
            declared_references(report, list(&constraint.requests), at);
            if let Some(name) = &constraint.match_attribute {
                declared_qualified(report, name, &at.child("matchAttribute"));
            }
            if let Some(name) = &constraint.distinct_attribute {
                declared_qualified(report, name, &at.child("distinctAttribute"));
            }
        },
    );
    lists::slice(
        report,
        list(&claim.config),
        CONFIG_MAX_SIZE,
        Declared::No,
        &at.child("config"),
        |report, config, at| {
            declared_references(report, list(&config.requests), at);
            class::declared_opaque(report, config.opaque.as_ref(), at);
        },
    );
}

fn declared_request(report: &mut Report, request: &DeviceRequest, at: &Path<'_>) {
    if let Some(exactly) = &request.exactly {
        declared_query(report, &query!(exactly), &at.exactly());
    }
    lists::set(
        report,
        list(&request.first_available),
        FIRST_AVAILABLE_MAX_SIZE,
        Declared::No,
        &at.child("firstAvailable"),
        |sub| sub.name.clone(),
        |report, sub, at| {
            class_name(report, &sub.device_class_name, &at.child("deviceClassName"));
            declared_query(report, &query!(sub), at);
        },
    );
}

fn declared_query(report: &mut Report, query: &Query<'_>, at: &Path<'_>) {
    if query.selectors.len() > SELECTORS_MAX_SIZE {
        report.too_many(
            &at.child("selectors"),
            query.selectors.len(),
            SELECTORS_MAX_SIZE,
        );
    }
    if !query.mode.is_empty() && !MODES.contains(&query.mode) {
        report.not_supported(&at.child("allocationMode"), query.mode, &MODES);
    }
    for (index, toleration) in query.tolerations.iter().enumerate() {
        let at = at.child("tolerations");
        taint::declared_toleration(report, toleration, &at.index(index));
    }
    lists::slice(
        report,
        query.derived,
        DERIVED_ATTRIBUTES_MAX_SIZE,
        Declared::No,
        &at.child("derivedAttributes"),
        |report, attribute, at| {
            let name = at.child("name");
            if attribute.name.is_empty() {
                report.required(&name, "");
            } else {
                declared_qualified(report, &attribute.name, &name);
            }
            if attribute.expression.is_empty() {
                report.required(&at.child("expression"), "");
            }
        },
    );
}

/// `requests` of an entry at `at`.
pub(super) fn declared_references(report: &mut Report, references: &[String], at: &Path<'_>) {
    lists::set(
        report,
        references,
        REQUESTS_MAX_SIZE,
        Declared::No,
        &at.child("requests"),
        Clone::clone,
        |_, _, _| {},
    );
}

/// `domain/id`. Unlike the rule by hand, this one wants the domain in lower case.
pub(super) fn declared_qualified(report: &mut Report, name: &str, at: &Path<'_>) {
    const RULE: Rule = Rule::FullyQualifiedName;
    match name.split('/').collect::<Vec<_>>()[..] {
        [id] => identity::identifier(report, id, at, RULE),
        [domain, id] => {
            if domain.is_empty() {
                report.invalid_by(RULE, at, "", "prefix must not be empty");
            } else {
                if domain.len() > 63 {
                    report.too_long(RULE, at, 63);
                }
                let complaints = names::dns_subdomain(domain);
                let complaints = complaints.into_iter().map(|c| format!("prefix: {c}"));
                report.malformed(RULE, at, domain, complaints.collect());
            }
            if id.is_empty() {
                report.invalid_by(RULE, at, "", "name must not be empty");
            } else {
                identity::identifier(report, id, at, RULE);
            }
        }
        _ => {}
    }
    identity::domain_wanted(report, name, at);
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trainyard_model::selector::{CheckError, ExpressionCheck};

    use crate::beta::Version;
    use crate::gates::Gates;
    use crate::validate::{Rules, Standing, Validate};

    struct Costs(u64);

    impl ExpressionCheck for Costs {
        fn check_selector(&self, _: &str) -> Result<(), CheckError> {
            Ok(())
        }

        fn check_derived(&self, _: &str) -> Result<u64, CheckError> {
            Ok(self.0)
        }
    }

    #[test]
    fn the_costs_of_derived_attributes_add_up() {
        let derived = json!([{"name": "d.e/a", "expression": "device.driver"}]);
        let claim: k8s_openapi::api::resource::v1::ResourceClaim = serde_json::from_value(json!({
            "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
            "metadata": {"name": "c", "namespace": "n"},
            "spec": {"devices": {"constraints": [{"matchAttribute": "d.e/a"}], "requests": [
                {"name": "r", "exactly": {"deviceClassName": "c", "allocationMode": "All", "derivedAttributes": derived}},
                {"name": "s", "exactly": {"deviceClassName": "c", "allocationMode": "All", "derivedAttributes": derived}},
            ]}},
        }))
        .expect("a claim");
        let paths = |cost| {
            let errors = claim.validate(&Rules {
                version: Version::V1,
                standing: Standing::New,
                gates: &Gates::default(),
                expressions: &Costs(cost),
            });
            errors.into_iter().map(|e| e.path).collect::<Vec<_>>()
        };
        assert!(paths(500_000).is_empty());
        assert_eq!(paths(500_001), ["spec.devices"]);
    }
}
