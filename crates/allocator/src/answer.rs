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

use crate::capacity;
use crate::inventory::Inventory;
use crate::options::is_experimental;
use crate::problem::{Choice, Problem, device_at};
use crate::state::Pick;
use crate::verdict::{Fatal, claim_name};

/// The share id of every share: whoever writes the claim puts a random one in its place.
pub const NIL_SHARE: &str = "00000000-0000-0000-0000-000000000000";

/// One allocation a claim.
pub(crate) fn write<E: Engine>(
    inventory: &Inventory<E>,
    problem: &Problem<'_>,
    picks: &[Pick],
    selected: &[usize],
) -> Result<Vec<AllocationResult>, Fatal> {
    let mut rest = picks;
    let mut results = Vec::with_capacity(problem.claims.len());
    for (index, claim) in problem.claims.iter().enumerate() {
        let own = |pick: &Pick| problem.options[pick.option].claim == index;
        let count = rest.iter().take_while(|pick| own(pick)).count();
        let (picks, others) = rest.split_at(count);
        rest = others;
        let slots = problem.claim_slots[index].clone();
        results.push(AllocationResult {
            results: device_results(inventory, problem, picks),
            config: config(problem, claim, &selected[slots]),
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
    let conditions = problem.features.has(Feature::DeviceBindingAndStatus);
    let mut name: Option<(usize, Text)> = None;
    let mut results = Vec::with_capacity(picks.len());
    for pick in picks {
        let choice = &problem.options[pick.option];
        let (slice, device) = device_at(inventory, problem, pick.place);
        let is_multi = problem.multi().has(pick.place);
        let request = match &name {
            Some((option, name)) if *option == pick.option => name.clone(),
            _ if choice.request.first_available.is_empty() => choice.request.name.clone(),
            _ => choice.name().into(),
        };
        name = Some((pick.option, request.clone()));
        results.push(DeviceResult {
            request,
            driver: slice.driver.clone(),
            pool: slice.pool.name.clone(),
            device: device.name.clone(),
            admin_access: choice.admin,
            tolerations: choice.query.tolerations.clone(),
            binding_conditions: device.binding_conditions.clone().filter(|_| conditions),
            binding_failure_conditions: device
                .binding_failure_conditions
                .clone()
                .filter(|_| conditions),
            share_id: is_multi.then(|| NIL_SHARE.into()),
            consumed_capacity: if is_multi {
                consumed(problem, choice, device)
            } else {
                None
            },
            skip_node_operations: if is_experimental(problem.features) {
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
    choice: &Choice<'_>,
    device: &trainyard_model::device::Device,
) -> Option<BTreeMap<Text, trainyard_model::quantity::Quantity>> {
    let fractional = problem.features.has(Feature::FractionalCapacityRange);
    let amounts = capacity::consumed(choice.query.capacity.as_ref(), device, fractional);
    let amounts = amounts.ok().flatten()?;
    let names = device.capacity.keys().cloned();
    let amounts: BTreeMap<_, _> = names.zip(amounts).collect();
    (!amounts.is_empty()).then_some(amounts)
}

fn config(
    problem: &Problem<'_>,
    claim: &ResourceClaim,
    selected: &[usize],
) -> Vec<AllocationConfig> {
    let mut config: Vec<AllocationConfig> = Vec::new();
    let mut ranges: Vec<(&Text, std::ops::Range<usize>)> = Vec::new();
    let chosen = || selected.iter().map(|option| &problem.options[*option]);
    for choice in chosen() {
        if choice.class.config.is_empty() {
            continue;
        }
        let name: Text = choice.name().into();
        let known = ranges
            .iter()
            .find(|(class, _)| **class == choice.class.name);
        if let Some((_, range)) = known {
            for entry in &mut config[range.clone()] {
                entry.requests.push(name.clone());
            }
            continue;
        }
        let start = config.len();
        config.extend(choice.class.config.iter().map(|opaque| AllocationConfig {
            source: ConfigSource::Class,
            requests: vec![name.clone()],
            opaque: opaque.clone(),
        }));
        ranges.push((&choice.class.name, start..config.len()));
    }
    if claim.config.is_empty() && config.is_empty() {
        return config;
    }
    let meant = |requests: &[Text], choice: &Choice<'_>| {
        requests.contains(&choice.request.name)
            || (!choice.request.first_available.is_empty() && {
                let name = choice.name();
                requests.iter().any(|request| **request == *name)
            })
    };
    for entry in &claim.config {
        if entry.requests.is_empty() || chosen().any(|choice| meant(&entry.requests, choice)) {
            config.push(AllocationConfig {
                source: ConfigSource::Claim,
                requests: entry.requests.clone(),
                opaque: entry.opaque.clone(),
            });
        }
    }
    for entry in &mut config {
        // Empty means all.
        if chosen().all(|choice| meant(&entry.requests, choice)) {
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
    let mut term = NodeSelectorTerm::default();
    for pick in picks {
        let (slice, device) = device_at(inventory, problem, pick.place);
        let (name, selector) = if slice.per_device_node_selection == Some(true) {
            (&device.node_name, &device.node_selector)
        } else {
            (&slice.node_name, &slice.node_selector)
        };
        if name.is_some() || device.binds_to_node == Some(true) {
            let here = NodeSelectorRequirement {
                key: "metadata.name".into(),
                operator: "In".into(),
                values: vec![problem.node.name.clone()],
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
