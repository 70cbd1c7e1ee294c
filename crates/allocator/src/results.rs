//! Writes a solution down as the allocations that upstream would make of it.
//!
//! Source: the end of `Allocate`, and `createNodeSelector`, of upstream's allocator.

use std::collections::BTreeMap;

use trainyard_model::Text;
use trainyard_model::claim::{
    AllocationConfig, AllocationResult, ConfigSource, DeviceResult, ResourceClaim,
};
use trainyard_model::features::Feature;
use trainyard_model::node::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};
use trainyard_model::selector::Engine;

use crate::ids::{ClaimIndex, Id, SubrequestIndex};
use crate::inventory::pools::is_experimental;
use crate::inventory::{Inventory, NIL_SHARE};
use crate::problem::subrequests::Subrequest;
use crate::problem::{Problem, capacity};
use crate::search::state::Pick;
use crate::verdict::{Fatal, claim_name};

/// One allocation a claim.
pub(crate) fn write<E: Engine>(
    inventory: &Inventory<E>,
    problem: &Problem<'_>,
    picks: &[Pick],
    selected: &[SubrequestIndex],
) -> Result<Vec<AllocationResult>, Fatal> {
    let mut rest = picks;
    let mut results = Vec::with_capacity(problem.claims.len());
    for (index, claim) in problem.claims.iter().enumerate() {
        let index = ClaimIndex::new(index);
        let own = |pick: &Pick| problem.subrequests[pick.subrequest].claim == index;
        let count = rest.iter().take_while(|pick| own(pick)).count();
        let (picks, others) = rest.split_at(count);
        rest = others;
        let requests = problem.claim_requests[index];
        results.push(AllocationResult {
            results: device_results(inventory, problem, picks),
            config: config(problem, claim, requests.of(selected)),
            node_selector: node_selector(inventory, problem, claim, picks)?,
        });
    }
    Ok(results)
}

fn device_results<E: Engine>(
    inventory: &Inventory<E>,
    problem: &Problem<'_>,
    picks: &[Pick],
) -> Vec<DeviceResult> {
    let view = &problem.available.view;
    let conditions = problem
        .available
        .features
        .has(Feature::DeviceBindingAndStatus);
    let mut name: Option<(SubrequestIndex, Text)> = None;
    let mut results = Vec::with_capacity(picks.len());
    for pick in picks {
        let wanted = &problem.subrequests[pick.subrequest];
        let (slice, device) = view.source(&inventory.slices, pick.device);
        let is_multi = problem.multi().has(pick.device);
        let request = match &name {
            Some((subrequest, name)) if *subrequest == pick.subrequest => name.clone(),
            _ if wanted.request.first_available.is_empty() => wanted.request.name.clone(),
            _ => wanted.name().into(),
        };
        name = Some((pick.subrequest, request.clone()));
        results.push(DeviceResult {
            request,
            driver: slice.driver.clone(),
            pool: slice.pool.name.clone(),
            device: device.name.clone(),
            admin_access: wanted.admin,
            tolerations: wanted.query.tolerations.clone(),
            binding_conditions: device.binding_conditions.clone().filter(|_| conditions),
            binding_failure_conditions: device
                .binding_failure_conditions
                .clone()
                .filter(|_| conditions),
            share_id: is_multi.then(|| NIL_SHARE.into()),
            consumed_capacity: if is_multi {
                consumed(problem, wanted, device)
            } else {
                None
            },
            skip_node_operations: if is_experimental(problem.available.features) {
                slice.skip_node_operations.clone()
            } else {
                Vec::new()
            },
        });
    }
    results
}

fn consumed(
    problem: &Problem<'_>,
    wanted: &Subrequest<'_>,
    device: &trainyard_model::device::Device,
) -> Option<BTreeMap<Text, trainyard_model::quantity::Quantity>> {
    let fractional = problem
        .available
        .features
        .has(Feature::FractionalCapacityRange);
    let amounts = capacity::consumed(wanted.query.capacity.as_ref(), device, fractional);
    let amounts = amounts.ok().flatten()?;
    let names = device.capacity.keys().cloned();
    let amounts: BTreeMap<_, _> = names.zip(amounts).collect();
    (!amounts.is_empty()).then_some(amounts)
}

fn config(
    problem: &Problem<'_>,
    claim: &ResourceClaim,
    selected: &[SubrequestIndex],
) -> Vec<AllocationConfig> {
    let mut config: Vec<AllocationConfig> = Vec::new();
    let mut ranges: Vec<(&Text, std::ops::Range<usize>)> = Vec::new();
    let chosen = || {
        selected
            .iter()
            .map(|subrequest| &problem.subrequests[*subrequest])
    };
    for wanted in chosen() {
        if wanted.class.config.is_empty() {
            continue;
        }
        let name: Text = wanted.name().into();
        let known = ranges
            .iter()
            .find(|(class, _)| **class == wanted.class.name);
        if let Some((_, range)) = known {
            for entry in &mut config[range.clone()] {
                entry.requests.push(name.clone());
            }
            continue;
        }
        let start = config.len();
        config.extend(wanted.class.config.iter().map(|opaque| AllocationConfig {
            source: ConfigSource::Class,
            requests: vec![name.clone()],
            opaque: opaque.clone(),
        }));
        ranges.push((&wanted.class.name, start..config.len()));
    }
    if claim.config.is_empty() && config.is_empty() {
        return config;
    }
    let meant = |requests: &[Text], wanted: &Subrequest<'_>| {
        requests.contains(&wanted.request.name)
            || (!wanted.request.first_available.is_empty() && {
                let name = wanted.name();
                requests.iter().any(|request| **request == *name)
            })
    };
    for entry in &claim.config {
        if entry.requests.is_empty() || chosen().any(|wanted| meant(&entry.requests, wanted)) {
            config.push(AllocationConfig {
                source: ConfigSource::Claim,
                requests: entry.requests.clone(),
                opaque: entry.opaque.clone(),
            });
        }
    }
    for entry in &mut config {
        // Empty means all.
        if chosen().all(|wanted| meant(&entry.requests, wanted)) {
            entry.requests.clear();
        }
    }
    config
}

fn node_selector<E: Engine>(
    inventory: &Inventory<E>,
    problem: &Problem<'_>,
    claim: &ResourceClaim,
    picks: &[Pick],
) -> Result<Option<NodeSelector>, Fatal> {
    let view = &problem.available.view;
    let mut term = NodeSelectorTerm::default();
    for pick in picks {
        let (slice, device) = view.source(&inventory.slices, pick.device);
        let (name, selector) = if slice.per_device_node_selection == Some(true) {
            (&device.node_name, &device.node_selector)
        } else {
            (&slice.node_name, &slice.node_selector)
        };
        if name.is_some() || device.binds_to_node == Some(true) {
            let here = NodeSelectorRequirement {
                key: "metadata.name".into(),
                operator: "In".into(),
                values: vec![problem.available.node.name.clone()],
            };
            return Ok(Some(NodeSelector {
                terms: vec![NodeSelectorTerm {
                    match_expressions: Vec::new(),
                    match_fields: vec![here],
                }],
            }));
        }
        let terms = selector
            .as_ref()
            .map_or(&[][..], |selector| &selector.terms);
        match terms {
            [] => {}
            [only] => {
                merge(&only.match_fields, &mut term.match_fields);
                merge(&only.match_expressions, &mut term.match_expressions);
            }
            several => {
                return Err(Fatal::SelectorTerms {
                    claim: claim_name(claim),
                    terms: several.len(),
                });
            }
        }
    }
    let nothing = term.match_fields.is_empty() && term.match_expressions.is_empty();
    Ok((!nothing).then(|| NodeSelector { terms: vec![term] }))
}

/// Adds those requirements that are not there yet; the order of values does not tell them apart.
fn merge(from: &[NodeSelectorRequirement], to: &mut Vec<NodeSelectorRequirement>) {
    let subset = |a: &[Text], b: &[Text]| a.iter().all(|value| b.contains(value));
    let same = |a: &NodeSelectorRequirement, b: &NodeSelectorRequirement| {
        a.key == b.key
            && a.operator == b.operator
            && subset(&a.values, &b.values)
            && subset(&b.values, &a.values)
    };
    for requirement in from {
        if !to.iter().any(|known| same(known, requirement)) {
            to.push(requirement.clone());
        }
    }
}
