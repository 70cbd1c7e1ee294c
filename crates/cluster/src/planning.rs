//! From an input to a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trainyard_allocator::Order;
use trainyard_inventory::node::INSTANCE_TYPE_LABEL;
use trainyard_model::Text;
use trainyard_model::claim::AllocationResult;
use trainyard_model::plan::{Held, NodePlan, Plan, Usage, Warning};
use trainyard_model::slice::{DeviceId, ResourceSlice};
use trainyard_wire::Problem;

use crate::books::{Books, Readers, id};
use crate::check::{self, Findings};
use crate::gates::{self, Gate, Gates, Version};
use crate::input::{Input, Inventory};
use crate::node::Machine;
use crate::order;
use crate::place::Strategy;
use crate::prepare::Drivers;
use crate::run::{self, Run, terms};
use crate::taint_rules;
use crate::workload::Pod;
use crate::world::{Vocabulary, World};

/// How to plan.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How to choose among nodes.
    pub strategy: Strategy,
    /// Of the cluster that the plan is for.
    pub gates: Gates,
}

/// Plans the pods of an input. `progress` hears, after each pod, how many are done and how many there
/// are. `Err`: what is wrong with the input, all of it; no pod was looked at.
pub fn plan(
    input: &Input,
    options: &Options,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Plan, Vec<Problem>> {
    let mut inventory = Inventory::of(input);
    let mut findings = Findings::new(input);
    let supplied = inventory.supply_classes(&check::classes_asked(&inventory));
    for name in supplied {
        findings.warnings.push(Warning {
            code: "class/supplied",
            object: check::title("DeviceClass", "", name),
            message: "not in the input: taken as the published Helm chart installs it".to_owned(),
        });
    }
    check::check(&inventory, &mut findings);
    if !findings.faults.is_empty() {
        return Err(findings.faults);
    }
    apply_rules(&mut inventory, options, &mut findings);
    for difference in gates::differences(options.gates.version()) {
        findings.warnings.push(Warning {
            code: "kubernetes/version",
            object: Text::default(),
            message: (*difference).to_owned(),
        });
    }
    let mut pods = std::mem::take(&mut inventory.pods);
    pods.retain(|pod| !check::gated(pod));
    // Pods that run come first, and take what they have.
    let split = pods.iter().filter(|pod| pod.bound_to.is_some()).count();
    pods.sort_by_key(|pod| pod.bound_to.is_none());
    order::queue(&mut pods[split..], &inventory.priorities);

    let mut vocabulary = vocabulary(&inventory);
    let demands = run::demands(&pods, &mut vocabulary);
    let slices = std::mem::take(&mut inventory.slices);
    let classes: Vec<_> = inventory
        .classes
        .values()
        .map(|class| class.class.clone())
        .collect();
    let mut books = Books::new(
        std::mem::take(&mut inventory.nodes),
        &slices,
        &classes,
        &readers(&inventory),
        options.gates.features(),
        match options.gates.version() {
            Version::V1_34 | Version::V1_35 => Order::Permutations,
            Version::V1_36 | Version::V1_37 => Order::Combinations,
        },
    );
    let held = hold(&inventory, &mut books);
    let machines = std::mem::take(&mut inventory.machines);
    let namespaces = std::mem::take(&mut inventory.namespaces);
    let world = World::new(machines, namespaces, &vocabulary, &books);
    let claims = std::mem::take(&mut inventory.claims);
    let extended = options.gates.has(Gate::ExtendedResource);
    let class_of = |resource: &str| inventory.class_of(resource).filter(|_| extended);
    let mut run = Run::new(world, books, claims, &class_of, options.strategy);

    let total = pods.len();
    let mut planned = Vec::with_capacity(total);
    let mut drivers = Drivers::default();
    let mut doubts = Vec::new();
    for (done, (pod, demand)) in pods.iter().zip(&demands).enumerate() {
        planned.push(match &pod.bound_to {
            Some(_) => {
                unknown_node(pod, &run.world, &mut findings);
                run.admit(pod, demand)
            }
            None => {
                let mut placed = run.place(pod, demand);
                // Devices of pods that run already have been prepared.
                if let Some(node) = placed.node.as_ref().and_then(|name| run.world.find(name)) {
                    let machine = &run.world.machines()[node];
                    let slices = || current(run.devices.slices(node)).collect();
                    doubts.extend(drivers.check(&mut placed, node, machine, slices));
                }
                placed
            }
        });
        progress(done + 1, total);
    }
    for (at, strain) in run.strains() {
        let message = strain.message(options.gates.version());
        findings.warn(at, strain.code(), message);
    }
    let mut used: BTreeSet<DeviceId> = held.iter().map(|held| held.device.clone()).collect();
    let given = planned
        .iter()
        .flat_map(|pod| &pod.claims)
        .filter_map(|claim| claim.allocation.as_ref());
    used.extend(given.flat_map(|allocation| exclusive(allocation)));
    let nodes = run.world.machines().iter().enumerate();
    let nodes: Vec<NodePlan> = nodes
        .map(|(node, machine)| node_plan(machine, run.devices.slices(node), &used))
        .collect();
    findings.warnings.extend(doubts);
    Ok(Plan {
        warnings: findings.warnings,
        nodes,
        pods: planned,
        held,
    })
}

/// The devices that an allocation takes from others.
fn exclusive(allocation: &AllocationResult) -> impl Iterator<Item = DeviceId> + '_ {
    let devices = allocation.results.iter();
    devices.filter(|device| !device.admin_access).map(id)
}

fn apply_rules(inventory: &mut Inventory, options: &Options, findings: &mut Findings<'_>) {
    let (sources, rules): (Vec<_>, Vec<_>) =
        std::mem::take(&mut inventory.rules).into_iter().unzip();
    if !options.gates.applies_taint_rules() {
        for at in sources {
            let message = format!(
                "Kubernetes {} does not apply DeviceTaintRules by default",
                options.gates.version()
            );
            findings.warn(at, "object/without-effect", message);
        }
        return;
    }
    let applied = taint_rules::apply(&rules, &mut inventory.slices);
    for (at, _) in sources
        .into_iter()
        .zip(applied)
        .filter(|(_, applied)| !applied)
    {
        findings.warn(at, "object/without-effect", "it matches no device");
    }
}

/// What tells nodes apart beside what pods ask: where slices and claims can be used.
fn vocabulary(inventory: &Inventory) -> Vocabulary {
    let mut vocabulary = Vocabulary::default();
    let slices = inventory.slices.iter();
    let of_slices = slices
        .clone()
        .filter_map(|slice| slice.node_selector.as_ref());
    let of_devices = slices.flat_map(|slice| {
        slice
            .devices
            .iter()
            .filter_map(|device| device.node_selector.as_ref())
    });
    let claims = inventory.claims.claims.values();
    let of_claims = claims.filter_map(|claim| claim.allocation.as_ref()?.node_selector.as_ref());
    for selector in of_slices.chain(of_devices).chain(of_claims) {
        for term in terms(selector) {
            vocabulary.node_labels.extend(term.keys().cloned());
            // A term with one name alone pins the pod, which needs no kind of its own.
            if term.only().is_none() {
                vocabulary.node_names.extend(term.names().cloned());
            }
        }
    }
    vocabulary
}

fn readers(inventory: &Inventory) -> Readers {
    let mut readers = Readers::default();
    for class in inventory.classes.values() {
        readers.class(&class.class);
    }
    for template in inventory.claims.templates.values() {
        readers.claim(&template.spec);
    }
    for claim in inventory.claims.claims.values() {
        readers.claim(&claim.spec);
    }
    readers
}

/// Enters what the claims of the input have already.
fn hold(inventory: &Inventory, books: &mut Books) -> Vec<Held> {
    let mut held = Vec::new();
    for (key, claim) in &inventory.claims.claims {
        let Some(allocation) = &claim.allocation else {
            continue;
        };
        let holder = claim.holder(key);
        books.hold(allocation, &holder);
        let devices = exclusive(allocation).map(|device| Held {
            device,
            claim: format!("{}/{}", key.0, key.1).into(),
            holder: holder.clone(),
        });
        held.extend(devices);
    }
    held
}

fn unknown_node(pod: &Pod, world: &World, findings: &mut Findings<'_>) {
    if let Some(name) = pod
        .bound_to
        .as_ref()
        .filter(|name| world.find(name).is_none())
    {
        let message = format!("it runs on node {name}, which the input lacks");
        findings.warn(pod.source, "pod/unknown-node", message);
    }
}

fn node_plan(
    machine: &Machine,
    slices: &[Arc<ResourceSlice>],
    used: &BTreeSet<DeviceId>,
) -> NodePlan {
    let mut devices: BTreeMap<Text, Usage> = BTreeMap::new();
    for slice in current(slices) {
        let usage = devices.entry(slice.driver.clone()).or_default();
        for device in slice.devices.iter() {
            let id = DeviceId {
                driver: slice.driver.clone(),
                pool: slice.pool.name.clone(),
                device: device.name.clone(),
            };
            usage.total += 1;
            usage.used += usize::from(used.contains(&id));
        }
    }
    NodePlan {
        name: machine.name.clone(),
        instance_type: machine.labels.get(INSTANCE_TYPE_LABEL).cloned(),
        devices,
        slices: current(slices).cloned().collect(),
    }
}

/// Of each pool the slices of the newest generation.
fn current(slices: &[Arc<ResourceSlice>]) -> impl Iterator<Item = &Arc<ResourceSlice>> {
    let mut newest: BTreeMap<(&Text, &Text), i64> = BTreeMap::new();
    for slice in slices {
        let generation = newest
            .entry((&slice.driver, &slice.pool.name))
            .or_insert(i64::MIN);
        *generation = (*generation).max(slice.pool.generation);
    }
    slices
        .iter()
        .filter(move |slice| newest[&(&slice.driver, &slice.pool.name)] == slice.pool.generation)
}
