//! Inputs that do not go together.

use super::*;

#[track_caller]
fn faults(yaml: &str, nodes: &[&str], expected: &str) {
    let options = Options::default();
    let problems = plan(&input(yaml, nodes, &options), &options, &mut |_, _| {})
        .expect_err("the input has faults");
    let lines: Vec<_> = problems
        .iter()
        .map(|problem| {
            let help = problem.help.as_deref().map(|help| format!(" ({help})"));
            format!("{} {problem}{}\n", problem.code, help.unwrap_or_default())
        })
        .collect();
    assert_eq!(
        lines.concat(),
        expected.trim_start_matches('\n'),
        "\n{}",
        lines.concat()
    );
}

#[test]
fn references_that_lead_nowhere_are_named_with_the_nearest() {
    let pod = "
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  priorityClassName: hihg
  containers:
  - {name: c, image: i, resources: {claims: [{name: neuron}, {name: neurons, request: 5-neurons}]}}
  resourceClaims: [{name: neurons, resourceClaimTemplateName: aligned-efa-neuron}, {name: other, resourceClaimTemplateName: aligned-efa-neurons}, {name: gone, resourceClaimName: nothing}]
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: high}
value: 1
";
    faults(
        &format!("{TEMPLATE}{pod}"),
        &["trn2.48xlarge"],
        "
claim/template-not-found in.yaml:22: Pod default/p: spec.resourceClaims[1].resourceClaimTemplateName: no ResourceClaimTemplate \"aligned-efa-neurons\" (did you mean \"aligned-efa-neuron\"?)
claim/not-found in.yaml:22: Pod default/p: spec.resourceClaims[2].resourceClaimName: no ResourceClaim \"nothing\"
pod/claim-name in.yaml:21: Pod default/p: spec.containers[0].resources.claims[0].name: no claim of the pod is called \"neuron\" (did you mean \"neurons\"?)
pod/claim-request in.yaml:21: Pod default/p: spec.containers[0].resources.claims[1].request: no request of the claim is called \"5-neurons\" (did you mean \"4-neurons\"?)
pod/priority-class-not-found in.yaml:19: Pod default/p: spec.priorityClassName: no PriorityClass \"hihg\" (did you mean \"high\"?)
",
    );
}

#[test]
fn an_input_needs_pods_and_nodes() {
    faults(
        TEMPLATE,
        &[],
        "
input/no-pod the input has no pod (add a Pod, or a workload that makes pods, such as a Deployment or a Job)
input/no-node the input has no node (add nodes of the catalogue, such as --nodes trn2.48xlarge=2, or Node and ResourceSlice objects)
",
    );
}

#[test]
fn admin_access_is_for_labelled_namespaces() {
    let template = "
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: admin}
spec: {spec: {devices: {requests: [{name: 'n', exactly: {deviceClassName: neuron.aws.com, adminAccess: true}}]}}}
---
";
    let pod = pod(
        "p",
        "",
        "  resourceClaims: [{name: 'n', resourceClaimTemplateName: admin}]",
    );
    faults(
        &format!("{template}{pod}"),
        &["trn2.48xlarge"],
        "
claim/admin-access in.yaml:5: ResourceClaimTemplate default/admin: spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace (add Namespace default with that label to the input)
",
    );
    let namespace = "
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {resource.kubernetes.io/admin-access: 'true'}}
---
";
    check(
        &format!("{namespace}{template}{pod}"),
        &["trn2.48xlarge"],
        "\np -> trn2-48xlarge-0 p-n[neuron-device-0]\n",
    );
}
