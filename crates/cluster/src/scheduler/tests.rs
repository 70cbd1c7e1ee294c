//! The choice among groups of equal nodes equals that of a loop over single nodes.
//!
//! The loop has the same nodes with a label of its own on each, which keeps them apart: no two share a
//! state, and nothing that was found out for one is used for another.

use std::sync::Arc;

use proptest::prelude::*;
use trainyard_model::Text;
use trainyard_model::taint::{Effect, Taint};
use trainyard_wire::k8s::api::core::v1::PodSpec;

use super::equivalence::{Decision, EquivalenceClass, Strategy as Choice};
use super::{LabelReads, Snapshot};
use crate::devices::Devices;
use crate::input::Node;
use crate::pod::demand::{Context, Demand, Namespaces, Spread};
use crate::pod::labels::{Labels, Selector};
use crate::pod::resources::Resources;

fn node(place: usize, zone: usize, cpu: i64, soft: bool) -> Node {
    let name: Text = format!("n{place}").into();
    let mut labels = Labels::new();
    labels.insert("kubernetes.io/hostname".into(), name.clone());
    labels.insert("own".into(), name.clone());
    if zone > 0 {
        labels.insert(
            "topology.kubernetes.io/zone".into(),
            format!("z{zone}").into(),
        );
    }
    let taint = Taint {
        key: "k".into(),
        value: "".into(),
        effect: Effect::Other("PreferNoSchedule".into()),
        time_added: None,
    };
    let meta = trainyard_model::node::Node {
        name,
        labels,
        ..trainyard_model::node::Node::default()
    };
    Node {
        meta: Arc::new(meta),
        taints: soft.then_some(taint).into_iter().collect(),
        allocatable: Resources {
            milli_cpu: cpu * 1000,
            memory: 8 << 30,
            ..Resources::default()
        },
        max_pods: 5,
        ..Node::default()
    }
}

/// A kind of pod: its app, cpus, and how it stands to pods of an app.
fn demand(app: usize, cpu: i64, stance: usize, other: usize, zones: bool) -> Demand {
    let topology = if zones {
        "topology.kubernetes.io/zone"
    } else {
        "kubernetes.io/hostname"
    };
    let selector = serde_json::json!({"matchLabels": {"app": format!("a{other}")}});
    let term = serde_json::json!([{"topologyKey": topology, "labelSelector": selector}]);
    let weighted = serde_json::json!([{"weight": 50, "podAffinityTerm": term[0]}]);
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    let affinity = match stance {
        1 => serde_json::json!({"podAffinity": {required: term}}),
        2 => serde_json::json!({"podAntiAffinity": {required: term}}),
        3 => serde_json::json!({"podAffinity": {preferred: weighted}}),
        4 => serde_json::json!({"podAntiAffinity": {preferred: weighted}}),
        _ => serde_json::json!({}),
    };
    let spread = |action: &str| serde_json::json!([{"maxSkew": 1, "topologyKey": topology, "whenUnsatisfiable": action, "labelSelector": selector}]);
    let spread = match stance {
        5 => spread("DoNotSchedule"),
        6 => spread("ScheduleAnyway"),
        _ => serde_json::json!([]),
    };
    let spec: PodSpec = serde_json::from_value(serde_json::json!({
        "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu.to_string(), "memory": "1Gi"}}}],
        "affinity": affinity,
        "topologySpreadConstraints": spread,
    }))
    .expect("a pod spec");
    let labels: Labels = [("app".into(), format!("a{app}").into())].into();
    let mut own = Selector::default();
    own.require_equal("app".into(), format!("a{app}").into());
    Demand::of(
        &spec,
        &Context {
            namespace: &"default".into(),
            labels: &labels,
            terminating: false,
            controller: (stance == 7).then_some(&own),
        },
    )
}

/// The nodes of all pods, in order.
fn run(nodes: &[Node], demands: &[Arc<Demand>], pods: &[usize], apart: bool) -> Vec<Option<usize>> {
    let mut reads = LabelReads::default();
    for demand in demands {
        reads.read(demand);
    }
    if apart {
        reads.node_labels.insert("own".into());
    }
    let mut devices = Devices::none(nodes.iter().map(|node| node.meta.clone()).collect());
    let mut snapshot = Snapshot::new(nodes.to_vec(), Namespaces::default(), &reads, &devices);
    let classes = demands.iter();
    let mut classes: Vec<EquivalenceClass> = classes
        .map(|demand| EquivalenceClass::of((**demand).clone()))
        .collect();
    pods.iter()
        .map(|pod| {
            let class = &mut classes[*pod];
            if apart {
                class.forget();
            }
            match class.schedule(&snapshot, &mut devices, Choice::Score) {
                Decision::Scheduled { node, .. } => {
                    snapshot.assume(node, &demands[*pod], &devices);
                    Some(node)
                }
                Decision::Unschedulable(_) | Decision::Error(..) => None,
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn groups_decide_as_single_nodes_do(
        nodes in prop::collection::vec((0usize..3, 2i64..4, prop::bool::weighted(0.2)), 1..9),
        kinds in prop::collection::vec((0usize..2, 0i64..2, 0usize..8, 0usize..2, any::<bool>()), 1..4),
        pods in prop::collection::vec(any::<prop::sample::Index>(), 1..16),
    ) {
        let nodes: Vec<Node> = nodes
            .iter()
            .enumerate()
            .map(|(place, (zone, cpu, soft))| node(place, *zone, *cpu, *soft))
            .collect();
        let demands: Vec<Arc<Demand>> = kinds
            .iter()
            .map(|(app, cpu, stance, other, zones)| Arc::new(demand(*app, *cpu, *stance, *other, *zones)))
            .collect();
        let pods: Vec<usize> = pods.iter().map(|pod| pod.index(demands.len())).collect();
        prop_assert_eq!(run(&nodes, &demands, &pods, false), run(&nodes, &demands, &pods, true));
    }
}

#[test]
fn the_default_spread_is_three_between_hosts_and_five_between_zones() {
    let demand = demand(0, 1, 7, 0, false);
    let skews: Vec<(&str, i64)> = demand
        .preferred_spread
        .iter()
        .map(
            |Spread {
                 topology, max_skew, ..
             }| (&**topology, *max_skew),
        )
        .collect();
    assert_eq!(
        skews,
        [
            ("kubernetes.io/hostname", 3),
            ("topology.kubernetes.io/zone", 5)
        ]
    );
}
