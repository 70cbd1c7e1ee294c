//! Which pods there are, and in which order.

use super::*;

const SPEC: &str = "{containers: [{name: c, image: i}]}";

#[test]
fn controllers_make_their_pods() {
    let yaml = format!(
        "
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: s}}
spec: {{replicas: 2, ordinals: {{start: 3}}, serviceName: s, selector: {{matchLabels: {{a: s}}}}, template: {{metadata: {{labels: {{a: s}}}}, spec: {SPEC}}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: j}}
spec: {{completions: 2, parallelism: 5, completionMode: Indexed, template: {{spec: {{restartPolicy: Never, containers: [{{name: c, image: i}}]}}}}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: cj}}
spec: {{schedule: '* * * * *', jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: c, image: i}}]}}}}}}}}}}
---
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {{name: l}}
spec: {{replicas: 2, leaderWorkerTemplate: {{size: 2, workerTemplate: {{spec: {SPEC}}}}}}}
---
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {{name: js}}
spec: {{replicatedJobs: [{{name: w, replicas: 2, template: {{spec: {{parallelism: 1, template: {{spec: {{restartPolicy: Never, containers: [{{name: c, image: i}}]}}}}}}}}}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: none}}
spec: {{replicas: 0, selector: {{matchLabels: {{a: d}}}}, template: {{metadata: {{labels: {{a: d}}}}, spec: {SPEC}}}}}
"
    );
    let plan = plan_with(&yaml, &["trn2.48xlarge"], &Options::default());
    let names: Vec<_> = plan.pods.iter().map(|pod| &*pod.name).collect();
    assert_eq!(
        names,
        [
            "s-3", "s-4", "j-0", "j-1", "cj-0", "l-0", "l-0-1", "l-1", "l-1-1", "js-w-0-0",
            "js-w-1-0"
        ]
    );
    let codes: Vec<_> = plan.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["workload/no-replicas"]);
}

#[test]
fn a_daemon_set_has_a_pod_on_every_eligible_node() {
    let nodes = [
        node("a", "", "unschedulable: true"),
        node("b", "", "taints: [{key: k, effect: NoSchedule}]"),
        node("c", "", ""),
    ]
    .concat();
    let set = format!(
        "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: d}}
spec: {{selector: {{matchLabels: {{a: d}}}}, template: {{metadata: {{labels: {{a: d}}}}, spec: {SPEC}}}}}
"
    );
    check(&format!("{nodes}{set}"), &[], "\nd-a -> a\nd-c -> c\n");
}

/// Where pods ask for or against others, all nodes are counted; the pod of a DaemonSet went to another
/// node if its own was full.
#[test]
fn the_pod_of_a_daemon_set_goes_to_no_other_node() {
    let alone = "  nodeName: b
  affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {x: 'x'}}}]}}";
    let set = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d}
spec:
  selector: {matchLabels: {a: d}}
  template:
    metadata: {labels: {a: d}}
    spec: {containers: [{name: c, image: i, resources: {requests: {cpu: '2'}}}]}
";
    let pods = ["f-0", "f-1", "f-2"]
        .map(|name| pod(name, "", alone))
        .concat();
    let nodes = [node("a", "", ""), node("b", "", "")].concat();
    check(
        &format!("{nodes}{pods}{set}"),
        &[],
        "
f-0 -> b
f-1 -> b
f-2 -> b
d-a -> a
d-b -> -
  b: node/resources: cpu wanted 2, free 1 of 4
",
    );
}

#[test]
fn the_highest_priority_goes_first_and_gated_pods_wait() {
    let classes = "
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: high}
value: 10
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: low}
value: -5
globalDefault: true
---
";
    check(
        &format!(
            "{classes}{}{}{}{}",
            node("n", "", ""),
            pod("default", "", ""),
            pod("gated", "", "  schedulingGates: [{name: g}]"),
            pod("first", "", "  priorityClassName: high")
        ),
        &[],
        "
first -> n
default -> n
! pod/gated pod/default/gated: scheduling gates g hold it back: it is left out
",
    );
}
