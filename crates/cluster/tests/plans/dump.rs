//! Objects out of a cluster.

use super::*;

/// A claim of the pod `running` that holds one device.
const HELD: &str = "
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: running-n-x7k2p, namespace: default, uid: c1, annotations: {resource.kubernetes.io/pod-claim-name: 'n'}, ownerReferences: [{apiVersion: v1, kind: Pod, name: running, uid: p1, controller: true}]}
spec: {devices: {requests: [{name: 'n', exactly: {deviceClassName: neuron.aws.com, allocationMode: ExactCount, count: 1}}]}}
status:
  allocation:
    devices: {results: [{request: 'n', driver: neuron.aws.com, pool: trn2-48xlarge-0, device: neuron-device-0}]}
    nodeSelector: {nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: In, values: [trn2-48xlarge-0]}]}]}
  reservedFor: [{resource: pods, name: running, uid: p1}]
---
apiVersion: v1
kind: Pod
metadata: {name: running, namespace: default, uid: p1, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4f, uid: r1, controller: true}], labels: {app: web, pod-template-hash: 5d4f}}
spec:
  nodeName: trn2-48xlarge-0
  containers: [{name: c, image: i}]
  resourceClaims: [{name: 'n', resourceClaimTemplateName: one}]
status: {phase: Running, resourceClaimStatuses: [{name: 'n', resourceClaimName: running-n-x7k2p}]}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: one}
spec: {spec: {devices: {requests: [{name: 'n', exactly: {deviceClassName: neuron.aws.com}}]}}}
---
";

#[test]
fn running_pods_keep_node_and_devices_and_count_for_their_owner() {
    let deployment = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: i}]
      resourceClaims: [{name: 'n', resourceClaimTemplateName: one}]
";
    let plan = plan_with(
        &format!("{HELD}{deployment}"),
        &["trn2.48xlarge"],
        &Options::default(),
    );
    assert_eq!(
        text(&plan),
        "running -> trn2-48xlarge-0 running-n-x7k2p[neuron-device-0]
web-0 -> trn2-48xlarge-0 web-0-n[neuron-device-1]
"
    );
    assert_eq!(&*plan.held[0].holder, "pod default/running");
    assert_eq!(plan.nodes[0].devices["neuron.aws.com"].used, 2);
}

#[test]
fn ended_pods_are_no_pods() {
    let ended = "
apiVersion: v1
kind: Pod
metadata: {name: done, uid: p2}
spec: {nodeName: 'n', containers: [{name: c, image: i, resources: {requests: {cpu: '4'}}}]}
status: {phase: Succeeded}
---
";
    check(
        &format!("{}{ended}{}", node("n", "", ""), pod("x", "", "")),
        &[],
        "\nx -> n\n",
    );
}

#[test]
fn a_pod_out_of_a_cluster_whose_template_is_gone_is_refused() {
    let orphan = "
apiVersion: v1
kind: Pod
metadata: {name: orphan, namespace: default, uid: p3}
spec:
  containers: [{name: c, image: i}]
  resourceClaims: [{name: 'n', resourceClaimTemplateName: gone}]
---
";
    check(
        &format!("{}{orphan}", node("n", "", "")),
        &[],
        "
orphan -> -
  claim/template-not-found: template gone for claim n does not exist
! claim/template-not-found pod/default/orphan: spec.resourceClaims[0].resourceClaimTemplateName: no ResourceClaimTemplate \"gone\"
",
    );
}

#[test]
fn a_device_plugin_beside_the_driver_is_a_warning() {
    let node = "
apiVersion: v1
kind: Node
metadata: {name: 'n', uid: u}
status: {allocatable: {cpu: '4', memory: 8Gi, pods: '10', aws.amazon.com/neuron: '1'}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: n-neuron}
spec:
  driver: neuron.aws.com
  nodeName: 'n'
  pool: {name: 'n', generation: 1, resourceSliceCount: 1}
  devices: [{name: neuron-device-0}]
---
";
    let plan = plan_with(
        &format!("{node}{}", pod("x", "", "")),
        &[],
        &Options::default(),
    );
    assert_eq!(plan.warnings[0].code, "node/device-plugin-present");
    assert_eq!(&*plan.warnings[0].object, "node/n");
}

#[test]
fn what_runs_has_been_prepared_and_what_comes_has_not() {
    let two = "{request: 'n', driver: neuron.aws.com, pool: trn1-32xlarge-0, device: neuron-device-5}, {request: 'n', driver: neuron.aws.com, pool: trn1-32xlarge-0, device: neuron-device-0}";
    let one =
        "{request: 'n', driver: neuron.aws.com, pool: trn2-48xlarge-0, device: neuron-device-0}";
    assert!(HELD.contains(one));
    let held = HELD
        .replace(one, two)
        .replace("trn2-48xlarge-0", "trn1-32xlarge-0")
        .replace(
            "exactly: {deviceClassName: neuron.aws.com}",
            "exactly: {deviceClassName: neuron.aws.com, count: 2}",
        );
    let coming = "
apiVersion: v1
kind: Pod
metadata: {name: coming}
spec: {containers: [{name: c, image: i}], resourceClaims: [{name: 'n', resourceClaimTemplateName: one}]}
";
    let plan = plan_with(&(held + coming), &["trn1.32xlarge"], &Options::default());
    let prepare: Vec<_> = plan
        .pods
        .iter()
        .map(|pod| (&*pod.name, pod.prepare.as_ref().map(|prepare| prepare.code)))
        .collect();
    assert_eq!(
        prepare,
        [("running", None), ("coming", Some("runtime/chips"))]
    );
    assert_eq!((plan.summary().refused, plan.unprepared()), (0, 1));
}
