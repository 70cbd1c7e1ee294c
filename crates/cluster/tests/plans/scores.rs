//! Which node is best.

use super::*;

#[test]
fn equals_are_told_apart_by_name_with_digits_as_numbers() {
    let nodes = [node("n10", "", ""), node("n2", "", ""), node("n1", "", "")].concat();
    let pods: String = ["x", "y", "z"].map(|name| pod(name, "", "")).concat();
    check(
        &format!("{nodes}{pods}"),
        &[],
        "\nx -> n1\ny -> n2\nz -> n10\n",
    );
}

#[test]
fn preferences_outweigh_what_is_left() {
    let nodes = [
        node("a", "", "taints: [{key: k, effect: PreferNoSchedule}]"),
        node("b", "", ""),
        node("c", ", disk: ssd", ""),
    ]
    .concat();
    let prefers = "  affinity:
    nodeAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
      - {weight: 1, preference: {matchExpressions: [{key: disk, operator: In, values: [ssd]}]}}";
    check(
        &format!("{nodes}{}{}", pod("x", "", ""), pod("y", "", prefers)),
        &[],
        "\nx -> b\ny -> c\n",
    );
}

#[test]
fn pods_of_a_replica_set_spread_by_default() {
    let nodes = [
        node("a", ", topology.kubernetes.io/zone: z1", ""),
        node("b", ", topology.kubernetes.io/zone: z1", ""),
        node("c", ", topology.kubernetes.io/zone: z2", ""),
    ]
    .concat();
    let set = "
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: r}
spec:
  replicas: 3
  selector: {matchLabels: {app: r}}
  template:
    metadata: {labels: {app: r}}
    spec: {containers: [{name: c, image: i, resources: {requests: {cpu: 10m}}}]}
";
    check(
        &format!("{nodes}{set}"),
        &[],
        "\nr-0 -> a\nr-1 -> c\nr-2 -> b\n",
    );
}
