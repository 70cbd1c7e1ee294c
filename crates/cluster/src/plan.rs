//! From an input to a plan.

use trainyard_allocator::Order;
use trainyard_inventory::node::INSTANCE_TYPE_LABEL;
use trainyard_model::Text;
use trainyard_model::gates::{self, Gate, Gates, Version};
use trainyard_model::plan::{Held, NodePlan, Plan, Warning};
use trainyard_wire::Problem;

use crate::devices::{Devices, Drivers, Readers, Settings};
use crate::input::check::{self, Findings};
use crate::input::objects::{Input, Objects};
use crate::input::{Node, order, taint_rules};
use crate::pod::Pod;
use crate::pod::labels::NodeTerm;
use crate::scheduler::{self, LabelReads, Scheduler, Snapshot, Strategy};

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
    let (mut objects, mut findings) = checked(input);
    if !findings.faults.is_empty() {
        return Err(findings.faults);
    }
    apply_rules(&mut objects, options, &mut findings);
    for difference in gates::differences(options.gates.version()) {
        findings.warnings.push(Warning {
            code: "kubernetes/version",
            object: Text::default(),
            message: (*difference).to_owned(),
        });
    }
    let pods = queue(&mut objects);
    let mut reads = labels_read(&objects);
    let demands = scheduler::demands(&pods, &mut reads);
    let mut devices = devices(&objects, options);
    let held = hold(&objects, &mut devices);
    let nodes = std::mem::take(&mut objects.nodes);
    let namespaces = std::mem::take(&mut objects.namespaces);
    let snapshot = Snapshot::new(nodes, namespaces, &reads, &devices);
    let claims = std::mem::take(&mut objects.claims);
    let extended = options.gates.has(Gate::ExtendedResource);
    let class_of = |resource: &str| objects.class_of(resource).filter(|_| extended);
    let mut scheduler = Scheduler::new(snapshot, devices, claims, &class_of, options.strategy);

    let total = pods.len();
    let mut planned = Vec::with_capacity(total);
    let mut drivers = Drivers::default();
    let mut doubts = Vec::new();
    for (done, (pod, demand)) in pods.iter().zip(&demands).enumerate() {
        planned.push(match &pod.bound_to {
            Some(_) => {
                unknown_node(pod, &scheduler.snapshot, &mut findings);
                scheduler.add_running(pod, demand)
            }
            None => {
                let mut placed = scheduler.schedule(pod, demand);
                // Devices of pods that run already have been prepared.
                let node = placed.node.as_ref();
                if let Some(node) = node.and_then(|name| scheduler.snapshot.find(name)) {
                    let slices = scheduler.devices.slices(node);
                    let kind = instance_type(&scheduler.snapshot.nodes()[node]);
                    doubts.extend(drivers.check(&mut placed, kind, slices));
                }
                placed
            }
        });
        progress(done + 1, total);
    }
    for (at, timeout) in scheduler.upstream_timeouts() {
        let message = timeout.message(options.gates.version());
        findings.warn(at, timeout.code(), message);
    }
    let nodes = scheduler.snapshot.nodes().iter().enumerate();
    let nodes = nodes.map(|(place, node)| node_plan(node, place, &scheduler.devices));
    let nodes = nodes.collect();
    findings.warnings.extend(doubts);
    Ok(Plan {
        warnings: findings.warnings,
        nodes,
        pods: planned,
        held,
    })
}

/// What is wrong with an input as a whole.
pub fn faults(input: &Input) -> Vec<Problem> {
    checked(input).1.faults
}

/// The objects of an input, with the classes that it lacks, and what is to say of them.
fn checked(input: &Input) -> (Objects, Findings<'_>) {
    let mut objects = Objects::of(input);
    let mut findings = Findings::new(input);
    let supplied = objects.supply_classes(&check::classes_asked(&objects));
    for name in supplied {
        findings.warnings.push(Warning {
            code: "class/supplied",
            object: Warning::title("DeviceClass", "", name),
            message: "not in the input: taken as the published Helm chart installs it".to_owned(),
        });
    }
    check::check(&objects, &mut findings);
    (objects, findings)
}

/// The pods in the order in which they are looked at. Those that run come first, with what they have.
fn queue(objects: &mut Objects) -> Vec<Pod> {
    let mut pods = std::mem::take(&mut objects.pods);
    pods.retain(|pod| !check::gated(pod));
    let running = pods.iter().filter(|pod| pod.bound_to.is_some()).count();
    pods.sort_by_key(|pod| pod.bound_to.is_none());
    order::queue(&mut pods[running..], &objects.priorities);
    pods
}

/// The devices of all nodes.
fn devices(objects: &Objects, options: &Options) -> Devices {
    let mut readers = Readers::default();
    let classes = objects.classes.values();
    let classes: Vec<_> = classes.map(|class| class.class.clone()).collect();
    for class in &classes {
        readers.add_class(class);
    }
    for template in objects.claims.templates.values() {
        readers.add_claim(&template.spec);
    }
    for claim in objects.claims.claims.values() {
        readers.add_claim(&claim.spec);
    }
    let nodes = objects.nodes.iter().map(|node| node.meta.clone());
    Devices::new(
        nodes.collect(),
        &objects.slices,
        &Settings {
            classes: &classes,
            readers: &readers,
            features: options.gates.features(),
            order: match options.gates.version() {
                Version::V1_34 | Version::V1_35 => Order::Permutations,
                Version::V1_36 | Version::V1_37 => Order::Combinations,
            },
        },
    )
}

fn apply_rules(objects: &mut Objects, options: &Options, findings: &mut Findings<'_>) {
    let (sources, rules): (Vec<_>, Vec<_>) = std::mem::take(&mut objects.rules).into_iter().unzip();
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
    let applied = taint_rules::apply(&rules, &mut objects.slices);
    for (at, _) in sources
        .into_iter()
        .zip(applied)
        .filter(|(_, applied)| !applied)
    {
        findings.warn(at, "object/without-effect", "it matches no device");
    }
}

/// The labels of nodes that slices and claims read.
fn labels_read(objects: &Objects) -> LabelReads {
    let mut reads = LabelReads::default();
    let slices = objects.slices.iter();
    let of_slices = slices
        .clone()
        .filter_map(|slice| slice.node_selector.as_ref());
    let of_devices = slices.flat_map(|slice| {
        let devices = slice.devices.iter();
        devices.filter_map(|device| device.node_selector.as_ref())
    });
    let claims = objects.claims.claims.values();
    let of_claims = claims.filter_map(|claim| claim.allocation.as_ref()?.node_selector.as_ref());
    for selector in of_slices.chain(of_devices).chain(of_claims) {
        for term in NodeTerm::of_selector(selector) {
            reads.node_labels.extend(term.keys().cloned());
            // A term with one name alone pins the pod, which needs no kind of its own.
            if term.only().is_none() {
                reads.node_names.extend(term.names().cloned());
            }
        }
    }
    reads
}

/// Notes the devices that claims of the input have already.
fn hold(objects: &Objects, devices: &mut Devices) -> Vec<Held> {
    let mut held = Vec::new();
    for (key, claim) in &objects.claims.claims {
        let Some(allocation) = &claim.allocation else {
            continue;
        };
        let holder = claim.holder(key);
        devices.hold(allocation, &holder);
        held.extend(allocation.exclusive().map(|device| Held {
            device: device.id(),
            claim: format!("{}/{}", key.0, key.1).into(),
            holder: holder.clone(),
        }));
    }
    held
}

fn unknown_node(pod: &Pod, snapshot: &Snapshot, findings: &mut Findings<'_>) {
    let name = pod.bound_to.as_ref();
    if let Some(name) = name.filter(|name| snapshot.find(name).is_none()) {
        let message = format!("it runs on node {name}, which the input lacks");
        findings.warn(pod.source, "pod/unknown-node", message);
    }
}

fn instance_type(node: &Node) -> Option<&Text> {
    node.labels().get(INSTANCE_TYPE_LABEL)
}

fn node_plan(node: &Node, place: usize, devices: &Devices) -> NodePlan {
    NodePlan {
        name: node.name().clone(),
        instance_type: instance_type(node).cloned(),
        devices: devices.usage(place),
        slices: devices.slices(place).to_vec(),
    }
}
