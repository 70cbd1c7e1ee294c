//! From an input to a plan.

use trainyard_inventory::node::INSTANCE_TYPE_LABEL;
use trainyard_model::Text;
use trainyard_model::gates::Gates;
use trainyard_model::plan::{NodePlan, Plan};
use trainyard_wire::Problem;

use crate::devices::Drivers;
use crate::input::{Input, Node, intake};
use crate::scheduler::{Scheduler, Strategy};

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
    let (mut objects, mut findings) = intake(input, &options.gates)?;
    let pods = std::mem::take(&mut objects.pods);
    let mut scheduler = Scheduler::new(objects, &pods, options.strategy, &options.gates);
    let mut drivers = Drivers::default();
    let mut doubts = Vec::new();
    let mut planned = Vec::with_capacity(pods.len());
    for pod in &pods {
        planned.push(match &pod.bound_to {
            Some(node) => {
                if scheduler.snapshot.find(node).is_none() {
                    let message = format!("it runs on node {node}, which the input lacks");
                    findings.warn(pod.source, "pod/unknown-node", message);
                }
                scheduler.add_running(pod)
            }
            None => {
                let mut placed = scheduler.schedule(pod);
                // Devices of pods that run already have been prepared.
                let node = placed.node.as_ref();
                if let Some(node) = node.and_then(|name| scheduler.snapshot.find(name)) {
                    let kind = instance_type(&scheduler.snapshot.nodes()[node]);
                    let slices = scheduler.devices.slices(node);
                    doubts.extend(drivers.check(&mut placed, kind, slices));
                }
                placed
            }
        });
        progress(planned.len(), pods.len());
    }
    for (at, timeout) in scheduler.upstream_timeouts() {
        let message = timeout.message(options.gates.version());
        findings.warn(at, timeout.code(), message);
    }
    findings.warnings.extend(doubts);
    let nodes = scheduler.snapshot.nodes().iter().enumerate();
    let nodes = nodes.map(|(place, node)| NodePlan {
        name: node.name().clone(),
        instance_type: instance_type(node).cloned(),
        devices: scheduler.devices.usage(place),
        slices: scheduler.devices.slices(place).to_vec(),
    });
    Ok(Plan {
        warnings: findings.warnings,
        nodes: nodes.collect(),
        pods: planned,
        held: scheduler.held,
    })
}

fn instance_type(node: &Node) -> Option<&Text> {
    node.labels().get(INSTANCE_TYPE_LABEL)
}
