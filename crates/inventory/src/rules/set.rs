//! Whether the chips of a claim go together: the runtime addresses them by their distance from the
//! first, and on some types takes certain sets only.
//!
//! A container may name the whole claim or one request of it, and preparing happens before anybody
//! knows. So a claim is refused where neither all its chips together nor those of each request by
//! themselves would do.

use std::collections::{BTreeMap, BTreeSet};

use trainyard_model::claim::DeviceResult;

use super::{Part, Question, Refusal, Warning, What, code};
use crate::catalogue::{InstanceType, Shape};
use crate::runtime::{self, Verdict};

type Chips = BTreeSet<u32>;

pub(super) fn judge(
    question: &Question<'_>,
    given: &[(&DeviceResult, &Part)],
) -> Result<Vec<Warning>, Refusal> {
    let Some(kind) = question.present.instance_type else {
        return Ok(Vec::new());
    };
    let mut requests: BTreeMap<&str, Chips> = BTreeMap::new();
    for (result, part) in given {
        // Whoever has admin access looks at chips, and computes nothing on them.
        if let What::Chip(id) = part.what
            && !result.admin_access
        {
            requests.entry(&result.request).or_default().insert(id);
        }
    }
    let all: Chips = requests.values().flatten().copied().collect();
    let whole = runtime::judge(kind, &all);
    let refused = |chips: &Chips| runtime::judge(kind, chips) == Verdict::Refused;
    let alone = requests.iter().find(|(_, chips)| refused(chips));
    let chips = format!("chips {} of a {}", list(&all), kind.name);
    let warning = |message: String| {
        Ok(vec![Warning {
            code: code::RUNTIME_CHIPS,
            message,
        }])
    };
    match (whole, alone) {
        (Verdict::Accepted, None) => Ok(Vec::new()),
        (Verdict::Accepted, Some((request, _))) => warning(format!(
            "{chips} go together, but not those of request {request} by themselves: a container must name the whole claim in resources.claims, and not one request"
        )),
        (Verdict::Doubtful, _) => warning(format!(
            "{chips} have no consecutive ids, and the Neuron runtime is documented to address chips by their distance from the first; {KEEP_TOGETHER}"
        )),
        (Verdict::Refused, None) => warning(format!(
            "{chips} do not go together, only those of each request by themselves: a container must name one request in resources.claims, and not the whole claim"
        )),
        (Verdict::Refused, Some((request, chips))) => {
            let message = format!(
                "the Neuron runtime does not take chips {} of a {}: {}",
                list(chips),
                kind.name,
                rule(kind)
            );
            let refusal = Refusal::new(code::RUNTIME_CHIPS, message);
            Err(refusal
                .at(path(question, request))
                .help(remedy(kind, chips.len())))
        }
    }
}

const KEEP_TOGETHER: &str =
    "a matchAttribute constraint on resource.aws.com/devicegroup4_id (or 8) keeps them together";

fn rule(kind: &InstanceType) -> &'static str {
    match kind.shape {
        Shape::Ring => "it takes neighbours on the ring of chips, which have consecutive ids",
        Shape::Chain => "it takes neighbours on the chain of chips, which have consecutive ids",
        _ => {
            "it takes one, a row of four (0-3, 4-7, 8-11, 12-15), a half (0-7, 8-15) or all sixteen"
        }
    }
}

fn remedy(kind: &InstanceType, count: usize) -> String {
    if matches!(kind.shape, Shape::Ring | Shape::Chain) {
        return "ask for one or all, or select consecutive ids by the attribute deviceId"
            .to_owned();
    }
    let size = [4, 8].into_iter().find(|size| count <= *size);
    let constraint = size.map(|size| {
        format!("the constraint matchAttribute: resource.aws.com/devicegroup{size}_id")
    });
    match (size, constraint) {
        (Some(size), Some(constraint)) if size == count => format!("add {constraint}"),
        (Some(4), Some(constraint)) => format!("ask for 4 with {constraint}, or for 1"),
        (Some(size), Some(constraint)) => format!("ask for {size} with {constraint}"),
        _ => "ask for all 16".to_owned(),
    }
}

/// Where a request stands in the claim.
fn path(question: &Question<'_>, request: &str) -> String {
    let (main, sub) = request.split_once('/').unwrap_or((request, ""));
    let mut requests = question.claim.requests.iter().enumerate();
    let Some((index, found)) = requests.find(|(_, request)| &*request.name == main) else {
        return "spec.devices.requests".to_owned();
    };
    let alternative = found.first_available.iter().position(|a| &*a.name == sub);
    match alternative {
        Some(place) => format!("spec.devices.requests[{index}].firstAvailable[{place}]"),
        None => format!("spec.devices.requests[{index}]"),
    }
}

fn list(chips: &Chips) -> String {
    let ids: Vec<String> = chips.iter().map(u32::to_string).collect();
    ids.join(", ")
}
