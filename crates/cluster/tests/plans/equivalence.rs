//! Nodes that are decided on together get the decision that each of them would get alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};
use proptest::strategy::Strategy as _;
use trainyard_model::Text;
use trainyard_model::device::{Attribute, Capacity, Device};
use trainyard_model::slice::{Pool, ResourceSlice};

use super::*;

const DRIVER: &str = "d.x";

/// What a node's device may have, and whether somebody uses it.
#[derive(Debug, Clone)]
struct Chip {
    zebra: Option<i64>,
    /// In the domain of the driver, written with it.
    yak: Option<i64>,
    /// In another domain.
    foreign: Option<i64>,
    version: Option<&'static str>,
    gibibytes: Option<u8>,
    held: bool,
}

#[derive(Debug, Clone)]
struct Host {
    chips: Vec<Chip>,
    /// Whether the pod's node selector matches.
    chosen: bool,
}

/// Selectors that name what they read, compute it, or read everything.
const SELECTORS: [&str; 14] = [
    "true",
    r#"device.attributes["d.x"].zebra == 1"#,
    r#"device.attributes["d.x"]["zebra"] == 1"#,
    r#"has(device.attributes["d.x"].yak)"#,
    r#"device.attributes["d.x"].?yak.orValue(1) == 1"#,
    r#"dyn(device)["attri" + "butes"]["d.x"]["zeb" + "ra"] == 1"#,
    r#"device.attributes["d.x"].all(id, id != "yak")"#,
    r#"device.attributes["d" + ".x"]["zebra"] == 2"#,
    r#""e.x" in device.attributes"#,
    r#"device.attributes["e.x"].yak == 1"#,
    r#"cel.bind(d, device, d.attributes["d.x"].zebra == 1)"#,
    r#"["zebra"].exists(id, device.attributes["d.x"][id] == 1)"#,
    r#"device.capacity["d.x"].size.isGreaterThan(quantity("1Gi"))"#,
    r#"!has(device.attributes["d.x"].software) || device.attributes["d.x"].software.isLessThan(semver("2.0.0"))"#,
];

fn device(place: usize, chip: &Chip) -> Device {
    let mut attributes = BTreeMap::new();
    let mut add = |name: &str, value: Option<Attribute>| {
        attributes.extend(value.map(|value| (Text::from(name), value)));
    };
    add("zebra", chip.zebra.map(Attribute::Int));
    add("d.x/yak", chip.yak.map(Attribute::Int));
    add("e.x/yak", chip.foreign.map(Attribute::Int));
    add(
        "software",
        chip.version.map(|text| Attribute::Version(text.into())),
    );
    let size = chip.gibibytes.map(|size| Capacity {
        value: format!("{size}Gi").parse().expect("a quantity"),
        request_policy: None,
    });
    Device {
        name: format!("dev-{place}").into(),
        attributes,
        capacity: size.map(|size| ("size".into(), size)).into_iter().collect(),
        ..Device::default()
    }
}

/// The input with some of the hosts.
fn input_of(hosts: &[(usize, &Host)], selector: &str, count: usize, constraint: &str) -> Input {
    let mut yaml = format!(
        "
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {{name: any}}
spec: {{selectors: [{{cel: {{expression: 'device.driver == \"d.x\"'}}}}]}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {{name: t}}
spec:
  spec:
    devices:
      requests:
      - {{name: r, exactly: {{deviceClassName: any, count: {count}, selectors: [{{cel: {{expression: '{selector}'}}}}]}}}}
      constraints: [{constraint}]
---
"
    );
    let rest = "  nodeSelector: {chosen: 'true'}
  resourceClaims: [{name: dev, resourceClaimTemplateName: t}]";
    yaml += &pod("p", "", rest);
    for (place, host) in hosts {
        let held: Vec<String> = host
            .chips
            .iter()
            .enumerate()
            .filter(|(_, chip)| chip.held)
            .map(|(chip, _)| {
                format!("{{driver: d.x, pool: pool-{place}, device: dev-{chip}, request: r}}")
            })
            .collect();
        if held.is_empty() {
            continue;
        }
        yaml += &format!(
            "
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {{name: held-{place}, namespace: default, uid: u{place}}}
spec: {{devices: {{requests: [{{name: r, exactly: {{deviceClassName: any, count: {}}}}}]}}}}
status: {{allocation: {{devices: {{results: [{}]}}}}}}
---
",
            held.len(),
            held.join(", ")
        );
    }
    let mut input = input(&yaml, &["trn1.2xlarge"], &Options::default());
    let model = input.hardware.remove(0);
    for (place, host) in hosts {
        let mut node = model.clone();
        node.name = format!("n{place}").into();
        node.labels
            .insert("chosen".into(), host.chosen.to_string().into());
        node.slices = vec![ResourceSlice {
            name: format!("slice-{place}").into(),
            driver: DRIVER.into(),
            pool: Pool {
                name: format!("pool-{place}").into(),
                generation: 1,
                resource_slice_count: 1,
            },
            node_name: Some(node.name.clone()),
            devices: host
                .chips
                .iter()
                .enumerate()
                .map(|(at, chip)| device(at, chip))
                .collect::<Arc<[_]>>(),
            ..ResourceSlice::default()
        }];
        input.hardware.push(node);
    }
    input
}

/// What becomes of the only pod.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Placed(Text),
    /// The code of each node.
    Refused(BTreeSet<(Text, &'static str)>),
    /// A node ends the attempt.
    Fatal(Text),
}

fn verdict(input: &Input) -> Verdict {
    let plan = trainyard_cluster::plan(input, &pack(), &mut |_, _| {})
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    let pod = &plan.pods[0];
    if let Some(node) = &pod.node {
        return Verdict::Placed(node.clone());
    }
    let groups = &pod.refusal.as_ref().expect("it has no node").nodes;
    if let [group] = groups.as_slice()
        && group.reason.code == "cel/runtime-error"
    {
        return Verdict::Fatal(group.names[0].clone());
    }
    let codes = groups.iter().flat_map(|group| {
        let names = group.names.iter();
        names.map(|name| (name.clone(), group.reason.code))
    });
    Verdict::Refused(codes.collect())
}

/// What the verdicts on single nodes make together, with the first by name preferred.
fn together(alone: Vec<Verdict>) -> Verdict {
    let fatal = alone
        .iter()
        .find(|verdict| matches!(verdict, Verdict::Fatal(_)));
    let placed = alone
        .iter()
        .find(|verdict| matches!(verdict, Verdict::Placed(_)));
    if let Some(verdict) = fatal.or(placed) {
        return verdict.clone();
    }
    let codes = alone.into_iter().flat_map(|verdict| match verdict {
        Verdict::Refused(codes) => codes,
        _ => BTreeSet::new(),
    });
    Verdict::Refused(codes.collect())
}

fn chip() -> impl proptest::strategy::Strategy<Value = Chip> {
    use prop::option::weighted;
    (
        weighted(0.9, 1i64..3),
        weighted(0.3, 1i64..3),
        weighted(0.3, 1i64..3),
        weighted(
            0.5,
            prop::sample::select(vec!["1.0.0", "2.0.0", "1.0.0", "no version"]),
        ),
        weighted(0.7, 1u8..3),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(zebra, yak, foreign, version, gibibytes, held)| Chip {
            zebra,
            yak,
            foreign,
            version,
            gibibytes,
            held,
        })
}

fn host() -> impl proptest::strategy::Strategy<Value = Host> {
    (
        prop::collection::vec(chip(), 1..4),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(chips, chosen)| Host { chips, chosen })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_node_is_judged_among_others_as_it_is_alone(
        kinds in prop::collection::vec(host(), 1..4),
        nodes in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        selector in prop::sample::select(SELECTORS.to_vec()),
        count in 1usize..3,
        constraint in prop::sample::select(vec![
            "",
            "",
            r#"{matchAttribute: "d.x/zebra"}"#,
            r#"{matchAttribute: "d.x/yak"}"#,
            r#"{matchAttribute: "e.x/yak"}"#,
        ]),
    ) {
        let hosts: Vec<(usize, &Host)> =
            nodes.iter().map(|kind| kind.get(&kinds)).enumerate().collect();
        let alone = hosts
            .iter()
            .map(|host| verdict(&input_of(&[*host], selector, count, constraint)))
            .collect();
        let among = verdict(&input_of(&hosts, selector, count, constraint));
        prop_assert_eq!(among, together(alone));
    }
}

#[test]
fn a_selector_that_computes_an_attribute_name_tells_nodes_apart() {
    let host = |zebra| Host {
        chips: vec![Chip {
            zebra: Some(zebra),
            yak: None,
            foreign: None,
            version: None,
            gibibytes: None,
            held: false,
        }],
        chosen: true,
    };
    let (other, striped) = (host(2), host(1));
    let selector = r#"dyn(device)["attri" + "butes"]["d.x"]["zeb" + "ra"] == 1"#;
    let input = input_of(&[(0, &other), (1, &striped)], selector, 1, "");
    assert_eq!(verdict(&input), Verdict::Placed("n1".into()));
}
