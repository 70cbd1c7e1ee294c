//! Filters, one by one.

use super::*;

#[test]
fn nodes_are_ruled_out_for_a_reason() {
    let nodes = [
        node("a", "", "unschedulable: true"),
        node("b", "", "taints: [{key: k, value: v, effect: NoSchedule}]"),
        node("c", ", pool: other", ""),
        node("d", ", pool: right, 'n': '5'", ""),
    ]
    .concat();
    let affinity = "  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms: [{matchExpressions: [{key: 'n', operator: Gt, values: ['4']}]}]";
    let huge = "  nodeSelector: {pool: right}
  overhead: {cpu: '4'}";
    check(
        &format!("{nodes}{}{}", pod("x", "", affinity), pod("y", "", huge)),
        &[],
        "
x -> d
y -> -
  a: node/unschedulable: marked unschedulable (cordoned)
  b: node/taint: taint k=v:NoSchedule is not tolerated
  c: node/affinity: does not match the pod's node selector or affinity
  d: node/resources: cpu wanted 5, free 3 of 4
",
    );
}

#[test]
fn tolerations_open_tainted_and_cordoned_nodes() {
    let nodes = [
        node("a", "", "unschedulable: true"),
        node("b", "", "taints: [{key: k, value: v, effect: NoExecute}]"),
    ]
    .concat();
    let all = "  tolerations: [{operator: Exists}]";
    let equal = "  tolerations: [{key: k, value: v}]";
    check(
        &format!("{nodes}{}{}", pod("x", "", all), pod("y", "", equal)),
        &[],
        "
x -> a
y -> b
",
    );
}

#[test]
fn host_ports_are_taken_once() {
    let ports = |name: &str, port: &str| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: '{name}'}}
spec: {{containers: [{{name: c, image: i, ports: [{{containerPort: 80, hostPort: 80{port}}}]}}]}}
---
"
        )
    };
    check(
        &format!(
            "{}{}{}{}",
            node("a", "", ""),
            ports("x", ", hostIP: 10.0.0.1"),
            ports("y", ", hostIP: 10.0.0.2"),
            ports("z", "")
        ),
        &[],
        "
x -> a
y -> a
z -> -
  a: node/port: host port 80/TCP is taken
",
    );
}

#[test]
fn init_containers_and_sidecars_count_as_the_kubelet_runs_them() {
    let yaml = "
apiVersion: v1
kind: Pod
metadata: {name: x}
spec:
  initContainers:
  - {name: s, image: i, restartPolicy: Always, resources: {requests: {cpu: '1'}}}
  - {name: i, image: i, resources: {requests: {cpu: '3'}}}
  containers: [{name: c, image: i, resources: {limits: {cpu: '2'}}}]
---
";
    check(
        &format!("{}{yaml}{}", node("a", "", ""), pod("y", "", "")),
        &[],
        "
x -> a
y -> -
  a: node/resources: cpu wanted 1, free 0 of 4
",
    );
}

#[test]
fn pods_keep_together_and_apart() {
    let nodes = [
        node("a", ", zone: z1", ""),
        node("b", ", zone: z1", ""),
        node("c", ", zone: z2", ""),
    ]
    .concat();
    let apart = "  affinity:
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: zone, labelSelector: {matchLabels: {app: x}}}";
    let near = "  affinity:
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: x}}}";
    let anyone = pod("anyone", "app: x", "");
    check(
        &format!(
            "{nodes}{}{}{}{anyone}{}",
            pod("x1", "app: x", apart),
            pod("x2", "app: x", apart),
            pod("x3", "app: x", apart),
            pod("near", "", near)
        ),
        &[],
        "
x1 -> a
x2 -> c
x3 -> -
  a b c: node/pod-anti-affinity: has a pod that the pod's anti-affinity excludes
anyone -> -
  a b c: node/pod-anti-affinity: has a pod whose anti-affinity excludes this one
near -> a
",
    );
}

#[test]
fn the_first_of_a_group_need_not_find_its_peers() {
    let near = "  affinity:
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: zone, labelSelector: {matchLabels: {app: x}}}";
    let nodes = [
        node("a", "", ""),
        node("b", ", zone: z", ""),
        node("c", ", zone: z", ""),
    ]
    .concat();
    check(
        &format!(
            "{nodes}{}{}",
            pod("x1", "app: x", near),
            pod("x2", "app: x", near)
        ),
        &[],
        "
x1 -> b
x2 -> c
",
    );
}

#[test]
fn spread_holds_pods_back() {
    let spread = "  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: x}}}";
    let nodes = [
        node("a", ", zone: z1", ""),
        node("b", ", zone: z2", "unschedulable: true"),
        node("c", "", ""),
    ]
    .concat();
    check(
        &format!(
            "{nodes}{}{}",
            pod("x1", "app: x", spread),
            pod("x2", "app: x", spread)
        ),
        &[],
        "
x1 -> a
x2 -> -
  a: node/topology-spread: topology spread over zone would become 2, at most 1 is allowed
  b: node/unschedulable: marked unschedulable (cordoned)
  c: node/topology-spread: lacks label zone, which a topology spread constraint needs
",
    );
}
