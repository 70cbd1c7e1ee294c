//! Claims: from templates, shared, refused.

use super::*;

fn worker(kind_and_rest: &str) -> String {
    format!("{TEMPLATE}{kind_and_rest}")
}

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: neuron-inference-worker}
spec:
  containers: [{name: app, image: i, resources: {claims: [{name: neurons}]}}]
  resourceClaims: [{name: neurons, resourceClaimTemplateName: aligned-efa-neuron}]
";

fn deployment(replicas: usize) -> String {
    worker(&format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers: [{{name: app, image: i, resources: {{claims: [{{name: 'n'}}]}}}}]
      resourceClaims: [{{name: 'n', resourceClaimTemplateName: aligned-efa-neuron}}]
"
    ))
}

#[test]
fn the_running_example_gets_four_neighbours_and_their_efas() {
    check(
        &worker(POD),
        &["trn2.48xlarge"],
        "
neuron-inference-worker -> trn2-48xlarge-0 neuron-inference-worker-neurons[neuron-device-0 neuron-device-1 neuron-device-2 neuron-device-3 pci-0000-b3-00-0 pci-0000-b4-00-0 pci-0000-c9-00-0 pci-0000-ca-00-0]
",
    );
}

#[test]
fn four_of_five_fit_on_one_node() {
    let plan = plan_with(&deployment(5), &["trn2.48xlarge"], &Options::default());
    let summary = plan.summary();
    assert_eq!((summary.placed, summary.refused), (4, 1));
    let refusal = plan.pods[4].refusal.as_ref().expect("the fifth is refused");
    assert_eq!(&*refusal.nodes[0].names, ["trn2-48xlarge-0"]);
    let usage = plan.nodes[0].devices["neuron.aws.com"];
    assert_eq!((usage.total, usage.used), (16, 16));
}

#[test]
fn trn1_has_two_efas_for_four_chips() {
    let plan = plan_with(&worker(POD), &["trn1.32xlarge"], &Options::default());
    let refusal = plan.pods[0].refusal.as_ref().expect("refused");
    assert!(
        refusal.message.contains("2 4-neurons + 2 4-efas would fit"),
        "{}",
        refusal.message
    );
}

#[test]
fn pods_go_round_the_nodes_and_pack_fills_them() {
    let nodes = |options: &Options| -> Vec<String> {
        let plan = plan_with(&deployment(6), &["trn2.48xlarge=3"], options);
        let nodes = plan
            .pods
            .iter()
            .map(|pod| pod.node.as_deref().unwrap_or("-"));
        nodes
            .map(|node| node.trim_start_matches("trn2-48xlarge-").to_owned())
            .collect()
    };
    assert_eq!(nodes(&Options::default()), ["0", "1", "2", "0", "1", "2"]);
    assert_eq!(nodes(&pack()), ["0", "0", "0", "0", "1", "1"]);
}

#[test]
fn pods_that_share_a_claim_go_where_it_is() {
    let claim = "
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: shared}
spec: {devices: {requests: [{name: 'n', exactly: {deviceClassName: neuron.aws.com}}]}}
---
";
    let pods: String = ["a", "b"]
        .map(|name| {
            pod(
                name,
                "",
                "  resourceClaims: [{name: 'n', resourceClaimName: shared}]",
            )
        })
        .concat();
    check(
        &format!("{claim}{pods}"),
        &["trn2.48xlarge=2"],
        "
a -> trn2-48xlarge-0 shared[neuron-device-0]
b -> trn2-48xlarge-0 shared[neuron-device-0]
",
    );
}

/// Once both were kept under one name, so that the second pod was given the first one's devices.
#[test]
fn a_claim_of_the_name_that_a_template_would_give_is_another_claim() {
    let objects = "
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: worker-devices}
spec: {devices: {requests: [{name: 'n', exactly: {deviceClassName: neuron.aws.com, count: 2}}]}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: three}
spec: {spec: {devices: {requests: [{name: 'n', exactly: {deviceClassName: neuron.aws.com, count: 3}}]}}}
---
";
    let made = pod(
        "worker",
        "",
        "  resourceClaims: [{name: devices, resourceClaimTemplateName: three}]",
    );
    let own = pod(
        "other",
        "",
        "  resourceClaims: [{name: devices, resourceClaimName: worker-devices}]",
    );
    check(
        &format!("{objects}{made}{own}"),
        &["trn2.48xlarge"],
        "
worker -> trn2-48xlarge-0 worker-devices[neuron-device-0 neuron-device-1 neuron-device-2]
other -> trn2-48xlarge-0 worker-devices[neuron-device-3 neuron-device-4]
",
    );
}

#[test]
fn all_of_a_pods_claims_or_none() {
    let template = |name: &str, count: usize| {
        format!(
            "apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {{name: {name}}}
spec: {{spec: {{devices: {{requests: [{{name: 'n', exactly: {{deviceClassName: neuron.aws.com, count: {count}}}}}]}}}}}}
---
"
        )
    };
    let both = pod(
        "both",
        "",
        "  resourceClaims:
  - {name: a, resourceClaimTemplateName: ten}
  - {name: b, resourceClaimTemplateName: seven}",
    );
    let one = pod(
        "one",
        "",
        "  resourceClaims: [{name: a, resourceClaimTemplateName: ten}]",
    );
    let plan = plan_with(
        &format!("{}{}{both}{one}", template("ten", 10), template("seven", 7)),
        &["trn2.48xlarge"],
        &Options::default(),
    );
    assert!(plan.pods[0].node.is_none());
    assert!(plan.pods[1].node.is_some(), "the first pod took nothing");
}

#[test]
fn a_selector_that_fails_ends_the_attempt() {
    let template = "
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: broken}
spec:
  spec:
    devices:
      requests:
      - name: 'n'
        exactly:
          deviceClassName: neuron.aws.com
          selectors: [{cel: {expression: \"device.attributes['neuron.aws.com'].topology_x == 0\"}}]
---
";
    let pod = pod(
        "p",
        "",
        "  resourceClaims: [{name: 'n', resourceClaimTemplateName: broken}]",
    );
    let plan = plan_with(
        &format!("{template}{pod}"),
        &["trn2.48xlarge", "trn1.2xlarge"],
        &Options::default(),
    );
    let refusal = plan.pods[0].refusal.as_ref().expect("refused");
    assert_eq!(refusal.code, "cel/runtime-error");
    assert!(
        refusal.message.contains("trn1-2xlarge-0"),
        "{}",
        refusal.message
    );
    assert!(
        refusal.message.contains("topology_x"),
        "{}",
        refusal.message
    );
}

#[test]
fn the_rank_of_alternatives_counts_in_the_choice_of_a_node() {
    let template = "
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: either}
spec:
  spec:
    devices:
      requests:
      - name: 'n'
        firstAvailable:
        - {name: many, deviceClassName: neuron.aws.com, count: 16}
        - {name: one, deviceClassName: neuron.aws.com, count: 1}
---
";
    let pod = pod(
        "p",
        "",
        "  resourceClaims: [{name: 'n', resourceClaimTemplateName: either}]",
    );
    // The small node comes first by name and has more left of its cpus.
    let plan = plan_with(
        &format!("{template}{pod}"),
        &["trn1.2xlarge", "trn2.48xlarge"],
        &Options::default(),
    );
    assert_eq!(plan.pods[0].node.as_deref(), Some("trn2-48xlarge-0"));
}

#[test]
fn taint_rules_keep_claims_off_devices() {
    let rule = "
apiVersion: resource.k8s.io/v1
kind: DeviceTaintRule
metadata: {name: bad}
spec:
  deviceSelector: {driver: neuron.aws.com, device: neuron-device-0}
  taint: {key: example.com/bad, effect: NoSchedule}
---
";
    let template = "
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: one}
spec: {spec: {devices: {requests: [{name: 'n', exactly: {deviceClassName: neuron.aws.com}}]}}}
---
";
    let pod = pod(
        "p",
        "",
        "  resourceClaims: [{name: 'n', resourceClaimTemplateName: one}]",
    );
    check(
        &format!("{rule}{template}{pod}"),
        &["trn2.48xlarge"],
        "
p -> trn2-48xlarge-0 p-n[neuron-device-1]
",
    );
}

#[test]
fn extended_resources_come_from_the_class_that_stands_for_them() {
    let class = "
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: chips}
spec:
  selectors: [{cel: {expression: \"device.driver == 'neuron.aws.com'\"}}]
  extendedResourceName: example.com/chip
---
";
    let pod = |name: &str, resource: &str| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  containers:
  - {{name: c, image: i, resources: {{requests: {{{resource}: '2'}}, limits: {{{resource}: '2'}}}}}}
---
"
        )
    };
    check(
        &format!(
            "{class}{}{}",
            pod("named", "example.com/chip"),
            pod("implicit", "deviceclass.resource.kubernetes.io/chips")
        ),
        &["trn2.48xlarge"],
        "
named -> trn2-48xlarge-0 named-extended-resources[neuron-device-0 neuron-device-1]
implicit -> trn2-48xlarge-0 implicit-extended-resources[neuron-device-2 neuron-device-3]
",
    );
}
