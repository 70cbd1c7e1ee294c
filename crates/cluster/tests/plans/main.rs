//! Manifests in, a short text of the plan out.

mod devices;
mod dump;
mod equivalence;
mod faults;
mod filters;
mod scores;
mod workloads;

use trainyard_cluster::{Input, Options, Strategy, plan};
use trainyard_inventory::publish::NeuronPublish;
use trainyard_model::plan::Plan;
use trainyard_wire::{Source, read};

/// The running example: four Neuron devices and their EFAs.
pub const TEMPLATE: &str = r#"
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: aligned-efa-neuron}
spec:
  spec:
    devices:
      requests:
      - {name: 4-neurons, exactly: {deviceClassName: neuron.aws.com, count: 4}}
      - {name: 4-efas, exactly: {deviceClassName: efa.networking.k8s.aws, count: 4}}
      constraints:
      - {requests: ["4-neurons", "4-efas"], matchAttribute: "resource.aws.com/devicegroup4_id"}
---
"#;

/// Reads manifests and nodes of the catalogue.
pub fn input(yaml: &str, nodes: &[&str], options: &Options) -> Input {
    let sources = [Source {
        name: "in.yaml".into(),
        bytes: yaml.as_bytes().to_vec(),
    }];
    let mut all = options.gates.clone();
    if all.version() != trainyard_model::gates::Version::V1_37 {
        // Manifests may have the fields of extended resources whatever the version.
        all.set("DRAExtendedResource=true")
            .expect("the gate can be set");
    }
    let gates = trainyard_wire::gates::Gates::from(&all);
    let checker = trainyard_selector::Checker::new(all.features());
    let reading = read(&sources, &checker, &gates);
    assert!(!reading.has_faults(), "{:#?}", reading.problems);
    let specs: Vec<trainyard_inventory::spec::Spec> = nodes
        .iter()
        .map(|text| text.parse().expect("a spec of nodes"))
        .collect();
    let taken = reading
        .manifests
        .iter()
        .filter(|manifest| manifest.object.kind() == "Node")
        .map(|manifest| manifest.object.name().to_owned())
        .collect();
    Input {
        hardware: trainyard_inventory::spec::nodes(&specs, &taken, NeuronPublish::Devices),
        manifests: reading.manifests,
    }
}

/// Plans with `options`.
pub fn plan_with(yaml: &str, nodes: &[&str], options: &Options) -> Plan {
    let input = input(yaml, nodes, options);
    plan(&input, options, &mut |_, _| {}).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The plan in lines: `POD -> NODE: CLAIM DEVICE...`, or why not; then warnings.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    for pod in &plan.pods {
        out += &format!("{} -> {}", pod.name, pod.node.as_deref().unwrap_or("-"));
        for claim in &pod.claims {
            let Some(allocation) = &claim.allocation else {
                continue;
            };
            let devices: Vec<_> = allocation
                .results
                .iter()
                .map(|device| &*device.device)
                .collect();
            out += &format!(" {}[{}]", claim.name, devices.join(" "));
        }
        out.push('\n');
        for group in pod.refusal.iter().flat_map(|refusal| &refusal.nodes) {
            out += &format!(
                "  {}: {}: {}\n",
                group.names.join(" "),
                group.reason.code,
                group.reason.message
            );
        }
        if let Some(refusal) = pod
            .refusal
            .as_ref()
            .filter(|refusal| refusal.nodes.is_empty())
        {
            out += &format!("  {}: {}\n", refusal.code, refusal.message);
        }
    }
    for warning in plan
        .warnings
        .iter()
        .filter(|warning| warning.code != "class/supplied")
    {
        out += &format!(
            "! {} {}: {}\n",
            warning.code, warning.object, warning.message
        );
    }
    out
}

/// Plans and compares.
#[track_caller]
pub fn check(yaml: &str, nodes: &[&str], expected: &str) {
    check_with(yaml, nodes, &Options::default(), expected);
}

/// Plans with `options` and compares.
#[track_caller]
pub fn check_with(yaml: &str, nodes: &[&str], options: &Options, expected: &str) {
    let plan = plan_with(yaml, nodes, options);
    let expected = expected.trim_start_matches('\n');
    assert_eq!(text(&plan), expected, "\n{}", text(&plan));
}

/// Nodes filled one by one.
pub fn pack() -> Options {
    Options {
        strategy: Strategy::Pack,
        ..Options::default()
    }
}

/// A bare node of 4 cpus, 8 GiB and ten pods.
pub fn node(name: &str, labels: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1
kind: Node
metadata: {{name: '{name}', labels: {{kubernetes.io/hostname: '{name}'{labels}}}}}
spec: {{{rest}}}
status: {{allocatable: {{cpu: '4', memory: 8Gi, pods: '10'}}}}
---
"
    )
}

/// A pod with one container of 1 cpu and 1 GiB, and more of a spec.
pub fn pod(name: &str, labels: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: '{name}', labels: {{{labels}}}}}
spec:
  containers: [{{name: c, image: i, resources: {{requests: {{cpu: '1', memory: 1Gi}}}}}}]
{rest}
---
"
    )
}
