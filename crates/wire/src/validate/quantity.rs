//! Quantities, and how much of a capacity one request may take.
//!
//! Source: `pkg/apis/resource/validation/validation.go` v1.37.2.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::{
    CapacityRequestPolicy, CapacityRequestPolicyRange, DeviceCapacity,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use trainyard_model::features::Feature;
use trainyard_model::quantity::{Format, Quantity};

use super::report::Report;
use super::{Rules, list, lists};
use crate::path::Path;

const VALID_VALUES_MAX_SIZE: usize = 10;
const BILLION: i128 = 1_000_000_000;

/// A quantity; `None` where it is none, which is reported: the API server does not accept an object
/// with such a text at all. A missing one is zero.
pub(super) fn read(report: &mut Report, text: &Text, at: &Path<'_>) -> Option<Quantity> {
    let trimmed = text.0.trim();
    if text.0.is_empty() {
        return Some(Quantity::ZERO);
    }
    match trimmed.parse() {
        Ok(quantity) => Some(quantity),
        Err(error) => {
            let error: trainyard_model::quantity::ParseError = error;
            report.type_invalid(at, text.0.as_str(), &error.to_string());
            None
        }
    }
}

/// A quantity that may be missing.
pub(super) fn optional(
    report: &mut Report,
    text: Option<&Text>,
    at: &Path<'_>,
) -> Option<Quantity> {
    text.and_then(|text| read(report, text, at))
}

/// Quantities by name.
pub(super) fn map(report: &mut Report, map: Option<&BTreeMap<String, Text>>, at: &Path<'_>) {
    for (name, text) in map.into_iter().flatten() {
        read(report, text, &at.key(name));
    }
}

/// Whether several claims may share a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    Allowed,
    Exclusive,
}

pub(super) fn capacity(
    report: &mut Report,
    capacity: &DeviceCapacity,
    at: &Path<'_>,
    sharing: Sharing,
    rules: &Rules<'_>,
) {
    let all = read(report, &capacity.value, &at.child("value"));
    let Some(policy) = &capacity.request_policy else {
        return;
    };
    let at = at.child("requestPolicy");
    let policy_read = Policy::read(report, policy, &at);
    match (sharing, all, policy_read) {
        (Sharing::Exclusive, _, _) => {
            report.forbidden(&at, "allowMultipleAllocations must be true");
        }
        (Sharing::Allowed, Some(all), Some(policy)) => policy.check(report, all, &at, rules),
        _ => {}
    }
}

/// A quantity and how it was written.
struct Written<'a> {
    text: &'a str,
    amount: Quantity,
}

struct Policy<'a> {
    default: Option<Written<'a>>,
    values: Vec<Written<'a>>,
    range: Option<Range<'a>>,
}

struct Range<'a> {
    min: Option<Written<'a>>,
    max: Option<Written<'a>>,
    step: Option<Written<'a>>,
}

impl<'a> Written<'a> {
    fn read(report: &mut Report, text: &'a Text, at: &Path<'_>) -> Option<Self> {
        let amount = read(report, text, at)?;
        Some(Written {
            text: text.0.trim(),
            amount,
        })
    }

    /// An optional one; `Err`: it is no quantity.
    fn optional(
        report: &mut Report,
        text: Option<&'a Text>,
        at: &Path<'_>,
    ) -> Result<Option<Self>, ()> {
        text.map(|text| Written::read(report, text, at).ok_or(()))
            .transpose()
    }

    fn is_fractional(&self) -> bool {
        let nanos = self.amount.nanos();
        nanos != i128::MAX && nanos != i128::MIN && nanos % BILLION != 0
    }

    /// By what upstream tells values apart: the amount, and how many decimal places it keeps, so
    /// that `1` and `1.0` are two values.
    fn distinct(&self) -> String {
        let amount = self.amount.with_format(Format::DecimalExponent);
        match self.decimals() {
            0 => amount.to_string(),
            places => format!("{amount} with {places} decimal places"),
        }
    }

    /// The decimal places that upstream keeps.
    fn decimals(&self) -> i64 {
        let digits = self.text.trim_start_matches(['+', '-']);
        let digits = digits.trim_start_matches('0');
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let (whole, rest) = digits.split_at(end);
        let whole = whole.len().max(1);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            None => ("", rest),
            Some(rest) => {
                let end = rest
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(rest.len());
                rest.split_at(end)
            }
        };
        let length = (whole + fraction.len()) as i64;
        let exact = match suffix {
            "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei" => {
                let power = match suffix.as_bytes()[0] {
                    b'K' => 3,
                    b'M' => 6,
                    b'G' => 9,
                    b'T' => 12,
                    b'P' => 15,
                    _ => 18,
                };
                (fraction.is_empty() && 14 - length - power >= 0).then_some(0)
            }
            _ => {
                let exponent = match suffix {
                    "" => 0,
                    "n" => -9,
                    "u" => -6,
                    "m" => -3,
                    "k" => 3,
                    "M" => 6,
                    "G" => 9,
                    "T" => 12,
                    "P" => 15,
                    "E" => 18,
                    power => power[1..].parse().unwrap_or(0),
                };
                let scale: i64 = exponent - fraction.len() as i64;
                (length <= 18 && scale >= -9).then_some((-scale).max(0))
            }
        };
        exact.unwrap_or(9)
    }
}

impl<'a> Policy<'a> {
    /// Reads all quantities of a policy; `None`: some are none.
    fn read(report: &mut Report, policy: &'a CapacityRequestPolicy, at: &Path<'_>) -> Option<Self> {
        let default = Written::optional(report, policy.default.as_ref(), &at.child("default"));
        let values_at = at.child("validValues");
        let values: Vec<_> = list(&policy.valid_values)
            .iter()
            .enumerate()
            .map(|(index, text)| Written::read(report, text, &values_at.index(index)))
            .collect();
        let range = policy
            .valid_range
            .as_ref()
            .map(|range| Range::read(report, range, &at.child("validRange")).ok_or(()))
            .transpose();
        Some(Policy {
            default: default.ok()?,
            values: values.into_iter().collect::<Option<_>>()?,
            range: range.ok()?,
        })
    }

    fn check(&self, report: &mut Report, all: Quantity, at: &Path<'_>, rules: &Rules<'_>) {
        let values = !self.values.is_empty();
        match (&self.range, &self.default) {
            (Some(_), _) if values => report.forbidden(
                at,
                "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time",
            ),
            (None, _) if !values => {}
            (range, None) => {
                let which = if range.is_some() { "validRange" } else { "validValues" };
                let detail = format!("required when {which} is defined");
                report.required(&at.child("default"), &detail);
            }
            (Some(range), Some(default)) => {
                range.check(report, default, all, &at.child("validRange"), rules);
            }
            (None, Some(default)) => {
                self.check_values(report, default, all, &at.child("validValues"), rules);
            }
        }
    }

    fn check_values(
        &self,
        report: &mut Report,
        default: &Written<'_>,
        all: Quantity,
        at: &Path<'_>,
        rules: &Rules<'_>,
    ) {
        for (index, pair) in self.values.windows(2).enumerate() {
            if pair[0].amount > pair[1].amount {
                report.invalid(
                    &at.index(index + 1),
                    pair[1].text,
                    "values must be sorted in ascending order",
                );
            }
        }
        let fractional = rules.gates.has(Feature::FractionalCapacityRange);
        let mut found = false;
        lists::set(
            report,
            &self.values,
            VALID_VALUES_MAX_SIZE,
            lists::Declared::No,
            at,
            |value| {
                if fractional {
                    value.distinct()
                } else {
                    value.amount.value().to_string()
                }
            },
            |report, value, at| {
                if value.amount > all {
                    let detail = format!("option is larger than capacity value: {all}");
                    report.invalid(at, value.text, &detail);
                }
                found |= value.amount == default.amount;
            },
        );
        if !found {
            report.invalid(
                at,
                default.text,
                "default value is not valid according to the requestPolicy",
            );
        }
    }
}

impl<'a> Range<'a> {
    fn read(
        report: &mut Report,
        range: &'a CapacityRequestPolicyRange,
        at: &Path<'_>,
    ) -> Option<Self> {
        let min = Written::optional(
            report,
            // Required in k8s-openapi's type, where a missing one is empty.
            (!range.min.0.is_empty()).then_some(&range.min),
            &at.child("min"),
        );
        let max = Written::optional(report, range.max.as_ref(), &at.child("max"));
        let step = Written::optional(report, range.step.as_ref(), &at.child("step"));
        Some(Range {
            min: min.ok()?,
            max: max.ok()?,
            step: step.ok()?,
        })
    }

    fn check(
        &self,
        report: &mut Report,
        default: &Written<'_>,
        all: Quantity,
        at: &Path<'_>,
        rules: &Rules<'_>,
    ) {
        let Some(min) = &self.min else {
            report.required(&at.child("min"), "required when validRange is defined");
            return;
        };
        let larger = |report: &mut Report, name: &str, written: &Written<'_>| {
            if written.amount > all {
                let detail = format!("{name} is larger than capacity value: {all}");
                report.invalid(&at.child(name), written.text, &detail);
            }
        };
        larger(report, "min", min);
        if default.amount < min.amount {
            let detail = format!("default is less than min: {}", min.text);
            report.invalid(&at.child("default"), default.text, &detail);
        }
        if let Some(max) = &self.max {
            if min.amount > max.amount {
                let detail = format!("min is larger than max: {}", max.text);
                report.invalid(&at.child("max"), min.text, &detail);
            }
            larger(report, "max", max);
            if default.amount > max.amount {
                let detail = format!("default is more than max: {}", max.text);
                report.invalid(&at.child("default"), default.text, &detail);
            }
        }
        let bounds = [
            ("default", Some(default)),
            ("min", Some(min)),
            ("max", self.max.as_ref()),
            ("step", self.step.as_ref()),
        ];
        let bounds = || {
            bounds
                .iter()
                .filter_map(|(name, bound)| Some((*name, (*bound)?)))
        };
        let in_thousandths = rules.gates.has(Feature::FractionalCapacityRange)
            && bounds().any(|(_, bound)| bound.is_fractional());
        if in_thousandths {
            let mut inexact = false;
            for (name, bound) in bounds() {
                let milli = i128::from(bound.amount.milli_value());
                if Quantity::new(milli, -3, bound.amount.format()) != bound.amount {
                    inexact = true;
                    report.invalid(
                        &at.child(name),
                        bound.text,
                        "value cannot be represented as a milli value",
                    );
                }
            }
            if inexact {
                return;
            }
        }
        let Some(step) = &self.step else { return };
        let step_at = at.child("step");
        if step.amount.sign() <= 0 {
            report.invalid(&step_at, step.text, "must be greater than zero");
            return;
        }
        let first = min.amount.add(step.amount);
        if first > all {
            let detail = format!("one step {first} is larger than capacity value: {all}");
            report.invalid(&step_at, step.text, &detail);
        }
        if !in_thousandths {
            let mut beyond = false;
            for (name, bound) in bounds() {
                let detail = if bound.amount.sign() < 0 {
                    "must be greater than or equal to 0"
                } else if bound.amount > Quantity::from_int(i64::MAX, Format::DecimalSi) {
                    "must not be larger than 9223372036854775807"
                } else {
                    continue;
                };
                beyond = true;
                report.invalid(&at.child(name), bound.text, detail);
            }
            if beyond {
                return;
            }
        }
        // In units of which every bound is a whole number; where fractions are not provided for,
        // they are rounded up.
        let units = |bound: &Written<'_>| {
            i128::from(if in_thousandths {
                bound.amount.milli_value()
            } else {
                bound.amount.value()
            })
        };
        for bound in [Some(default), self.max.as_ref()].into_iter().flatten() {
            if (units(bound) - units(min)) % units(step) != 0 {
                let detail = format!(
                    "value is not a multiple of a given step ({}) from ({})",
                    step.text, min.text
                );
                report.invalid(&step_at, bound.text, &detail);
            }
        }
    }
}
