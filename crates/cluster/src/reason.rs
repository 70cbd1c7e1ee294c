//! What the allocator says of a node, in words.

use std::sync::Arc;

use trainyard_allocator::{Fatal, Inventory, Question, Verdict};
use trainyard_model::claim::{AllocationMode, DeviceQuery, ResourceClaim};
use trainyard_model::selector::Engine;
use trainyard_model::slice::ResourceSlice;

use crate::devices::Reason;

/// An error that ends the attempt on all nodes.
pub fn fatal(error: &Fatal) -> Reason {
    let code = match error {
        Fatal::Runtime { .. } | Fatal::Derived { .. } => "cel/runtime-error",
        Fatal::Compile { .. } => "cel/compile-error",
        Fatal::UnknownClass { .. } => "claim/class-not-found",
        _ => "claim/fatal",
    };
    Reason {
        code,
        message: error.to_string(),
        details: Vec::new(),
    }
}

/// A node that does not have what is wanted: what there is of each request by itself, and the
/// change to the claims that would make them fit.
pub fn refused<E: Engine>(
    inventory: &mut Inventory<E>,
    question: &Question<'_>,
    slices: &[Arc<ResourceSlice>],
) -> Reason {
    if slices.is_empty() {
        let names: Vec<_> = question.claims.iter().map(|claim| &*claim.name).collect();
        return Reason {
            code: "claim/no-devices",
            message: format!("no devices published there (claim {})", names.join(", ")),
            details: Vec::new(),
        };
    }
    let fits = |inventory: &mut Inventory<E>, claims: &[ResourceClaim]| {
        let claims: Vec<&ResourceClaim> = claims.iter().collect();
        let question = Question {
            claims: &claims,
            ..*question
        };
        matches!(inventory.allocate(&question).verdict, Verdict::Fits(_))
    };
    let all: Vec<ResourceClaim> = question.claims.iter().map(|claim| (*claim).clone()).collect();
    let mut details = Vec::new();
    // A request that does not even fit alone is the reason.
    for claim in &all {
        for request in &claim.requests {
            let mut alone = ResourceClaim {
                requests: vec![request.clone()],
                constraints: Vec::new(),
                ..claim.clone()
            };
            if fits(inventory, std::slice::from_ref(&alone)) {
                continue;
            }
            let Some(query) = request.exactly.clone() else {
                return Reason {
                    code: "claim/too-few-devices",
                    message: format!(
                        "claim {}, request {}: none of its {} alternatives can be had",
                        claim.name,
                        request.name,
                        request.first_available.len()
                    ),
                    details,
                };
            };
            let most = most(query.count, |count| {
                set_count(&mut alone, count);
                fits(inventory, std::slice::from_ref(&alone))
            });
            return Reason {
                code: if most == 0 { "claim/no-match" } else { "claim/too-few-devices" },
                message: format!(
                    "claim {}, request {}: {} wanted, {most} free of class {}",
                    claim.name,
                    request.name,
                    wanted(&query),
                    query.class
                ),
                details,
            };
        }
    }
    // Then some constraint, or the requests together.
    for (at, claim) in all.iter().enumerate() {
        for (index, constraint) in claim.constraints.iter().enumerate() {
            let mut without = all.clone();
            without[at].constraints.remove(index);
            let attribute = constraint.match_attribute.as_ref().or(constraint.distinct_attribute.as_ref());
            let attribute = attribute.map_or("", |attribute| attribute);
            if !fits(inventory, &without) {
                continue;
            }
            let requests: Vec<_> = claim
                .requests
                .iter()
                .map(|request| {
                    let count = request.exactly.as_ref().map(wanted);
                    format!("{} {}", count.unwrap_or_else(|| "one of".to_owned()), request.name)
                })
                .collect();
            let smaller = smaller(inventory, &all, at, &fits);
            let would = smaller.map_or_else(String::new, |fit| format!("; {fit} would fit"));
            details.push(format!("without the constraint on {attribute} the claim would fit"));
            return Reason {
                code: "claim/constraint",
                message: format!(
                    "claim {}: {} are wanted with one {attribute}, and no value has that many free{would}",
                    claim.name,
                    requests.join(" and ")
                ),
                details,
            };
        }
    }
    let names: Vec<_> = all.iter().map(|claim| &*claim.name).collect();
    Reason {
        code: "claim/too-few-devices",
        message: format!(
            "claim {}: each request could be met alone, but not all together",
            names.join(", ")
        ),
        details,
    }
}

fn wanted(query: &DeviceQuery) -> String {
    match query.mode {
        AllocationMode::All => "all".to_owned(),
        _ => query.count.to_string(),
    }
}

fn set_count(claim: &mut ResourceClaim, count: i64) {
    for request in &mut claim.requests {
        if let Some(query) = &mut request.exactly {
            query.count = count;
        }
    }
}

/// The largest count below `wanted` that fits.
fn most(wanted: i64, mut fits: impl FnMut(i64) -> bool) -> i64 {
    (1..wanted.min(33)).rev().find(|count| fits(*count)).unwrap_or(0)
}

/// The claim with equal, smaller counts that fits.
fn smaller<E: Engine>(
    inventory: &mut Inventory<E>,
    all: &[ResourceClaim],
    at: usize,
    fits: &impl Fn(&mut Inventory<E>, &[ResourceClaim]) -> bool,
) -> Option<String> {
    let counts: Vec<i64> = all[at]
        .requests
        .iter()
        .map(|request| request.exactly.as_ref().map_or(0, |query| query.count))
        .collect();
    let largest = counts.iter().copied().max().unwrap_or_default();
    let mut tried = all.to_vec();
    (1..largest.min(33)).rev().find_map(|most| {
        for (request, count) in tried[at].requests.iter_mut().zip(&counts) {
            if let Some(query) = &mut request.exactly {
                query.count = (*count).min(most);
            }
        }
        let each: Vec<_> = counts.iter().map(|count| (*count).min(most).to_string()).collect();
        fits(inventory, &tried).then(|| each.join(" + "))
    })
}
