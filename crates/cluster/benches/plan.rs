//! How long does a plan take? Nodes filled with the seed's claim, four pods a node.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use trainyard_cluster::{Input, Options};
use trainyard_inventory::publish::NeuronPublish;
use trainyard_inventory::spec;
use trainyard_selector::Checker;
use trainyard_wire::{Source, gates, read};

const MANIFESTS: &str = r#"
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
apiVersion: apps/v1
kind: Deployment
metadata: {name: inference}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: inference}}
  template:
    metadata: {labels: {app: inference}}
    spec:
      containers: [{name: worker, image: worker, resources: {claims: [{name: devices}]}}]
      resourceClaims: [{name: devices, resourceClaimTemplateName: aligned-efa-neuron}]
"#;

fn input(nodes: usize) -> Input {
    let text = MANIFESTS.replace("REPLICAS", &(4 * nodes).to_string());
    let source = Source {
        name: Arc::from("bench.yaml"),
        bytes: text.into_bytes(),
    };
    let options = Options::default();
    let checker = Checker::new(options.gates.features());
    let reading = read(&[source], &checker, &gates::Gates::default());
    assert!(!reading.has_faults(), "{:?}", reading.problems);
    let spec = format!("trn2.48xlarge={nodes}").parse().expect("a spec");
    Input {
        manifests: reading.manifests,
        hardware: spec::nodes(&[spec], &BTreeSet::new(), NeuronPublish::Devices),
    }
}

fn filling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("filling");
    group.sample_size(10);
    for nodes in [1, 100, 2000] {
        let input = input(nodes);
        group.throughput(Throughput::Elements(4 * nodes as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(nodes),
            &input,
            |bencher, input| {
                bencher.iter(|| {
                    let plan = trainyard_cluster::plan(input, &Options::default(), &mut |_, _| {})
                        .expect("the input is sound");
                    assert_eq!(plan.summary().refused, 0);
                    black_box(plan)
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, filling);
criterion_main!(benches);
