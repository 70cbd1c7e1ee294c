//! How many steps upstream's search takes, and how many ours does, for the hard cases of
//! `docs`: counts are deterministic, so they are held exactly or to a bound.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use support::Scenario;
use support::trainium::{neurons, pair, scenario};
use trainyard_allocator::{Order, Verdict};
use trainyard_model::claim::{AllocationMode, Constraint, ResourceClaim};
use trainyard_model::device::{Attribute, CounterConsumption};
use trainyard_model::features::Feature;
use trainyard_model::quantity::{Format, Quantity};
use trainyard_model::slice::{CounterSet, ResourceSlice};

struct Case {
    name: &'static str,
    scenario: Scenario,
    upstream: u64,
    most: u64,
}

fn cases() -> Vec<Case> {
    let case = |name, scenario, upstream, most| Case {
        name,
        scenario,
        upstream,
        most,
    };
    let groups_of_four = [("efa", 0), ("efa", 4), ("efa", 8)];
    let all_groups = [("efa", 0), ("efa", 4), ("efa", 8), ("efa", 12)];
    let halves = [("efa", 0), ("efa", 8)];
    vec![
        case(
            "seed-1",
            scenario(16, vec![pair("c", 1, Some(1))], &[]),
            6,
            6,
        ),
        case(
            "seed-4",
            scenario(16, vec![pair("c", 4, Some(4))], &[]),
            12,
            12,
        ),
        case(
            "seed-8",
            scenario(16, vec![pair("c", 8, Some(8))], &[]),
            20,
            20,
        ),
        case(
            "seed-16",
            scenario(16, vec![pair("c", 16, Some(16))], &[]),
            36,
            36,
        ),
        case(
            "three of four groups lack one EFA",
            scenario(16, vec![pair("c", 4, Some(4))], &groups_of_four),
            81,
            81,
        ),
        case(
            "every group lacks one EFA",
            scenario(16, vec![pair("c", 4, Some(4))], &all_groups),
            93,
            93,
        ),
        case(
            "each half lacks one EFA",
            scenario(16, vec![pair("c", 8, Some(8))], &halves),
            767,
            96,
        ),
        case("9 of 8", scenario(8, vec![neurons("c", 9)], &[]), 256, 96),
        case(
            "13 of 12",
            scenario(12, vec![neurons("c", 13)], &[]),
            4096,
            96,
        ),
        case(
            "17 of 16",
            scenario(16, vec![neurons("c", 17)], &[]),
            65_536,
            96,
        ),
        case(
            "32 of 31",
            scenario(31, vec![neurons("c", 32)], &[]),
            2_000_000,
            96,
        ),
    ]
}

#[test]
fn hard_cases() {
    for case in cases() {
        let mut inventory = case.scenario.inventory();
        let upstream = case.scenario.ask(0, |question| {
            inventory.upstream_steps(question, Order::Combinations, 2_000_000)
        });
        assert_eq!(upstream, case.upstream, "{}: upstream", case.name);
        let answer = case
            .scenario
            .ask(10_000_000, |question| inventory.allocate(question));
        assert!(
            answer.steps <= case.most,
            "{}: {} steps",
            case.name,
            answer.steps
        );
        assert!(!matches!(answer.verdict, Verdict::GaveUp), "{}", case.name);
    }
}

#[test]
fn permutations_of_older_schedulers() {
    for (name, scenario, steps) in [
        (
            "three of four groups lack one EFA",
            scenario(
                16,
                vec![pair("c", 4, Some(4))],
                &[("efa", 0), ("efa", 4), ("efa", 8)],
            ),
            1356,
        ),
        ("9 of 8", scenario(8, vec![neurons("c", 9)], &[]), 109_601),
    ] {
        let mut inventory = scenario.inventory();
        let upstream = scenario.ask(0, |question| {
            inventory.upstream_steps(question, Order::Permutations, 2_000_000)
        });
        assert_eq!(upstream, steps, "{name}");
    }
}

#[test]
fn many_claims_that_compete() {
    // Eight claims of two, of which the last asks for one too many of a half.
    for count in [4, 6, 8] {
        let claims = vec![pair("a", count, None), pair("b", 8, Some(8))];
        let scenario = scenario(16, claims, &[]);
        let mut inventory = scenario.inventory();
        let answer = scenario.ask(10_000_000, |question| inventory.allocate(question));
        assert!(matches!(answer.verdict, Verdict::Fits(_)), "{count}");
        assert!(answer.steps < 170, "{count}: {} steps", answer.steps);
    }
    let claims = (0..12).map(|index| {
        let name = format!("c{index}");
        pair(&name, if index == 11 { 6 } else { 1 }, None)
    });
    let scenario = scenario(16, claims.collect(), &[]);
    let mut inventory = scenario.inventory();
    let answer = scenario.ask(10_000_000, |question| inventory.allocate(question));
    assert!(matches!(answer.verdict, Verdict::Refused(_)));
    assert!(answer.steps < 150, "{} steps", answer.steps);
}

/// All devices of a class, one group each: an error at the second of them, as long as both are free.
fn every(class: &str) -> ResourceClaim {
    let mut every = neurons("every", 0);
    let query = every.requests[0].exactly.as_mut().expect("one way");
    query.class = class.into();
    query.mode = AllocationMode::All;
    every.constraints = vec![Constraint {
        match_attribute: Some("resource.aws.com/devicegroup1_id".into()),
        ..Constraint::default()
    }];
    every
}

/// Partitions of four accelerators, eight of each, which has counters for seven.
fn partitions(claims: Vec<ResourceClaim>) -> Scenario {
    partitions_of(claims, 7, 1)
}

/// Partitions of four accelerators with so many slices, of which the first sixteen take one each, the
/// others so many.
fn partitions_of(claims: Vec<ResourceClaim>, slices: i64, others: i64) -> Scenario {
    let mut scenario = scenario(32, claims, &[]);
    scenario.features = [Feature::PartitionableDevices, Feature::AdminAccess]
        .into_iter()
        .collect();
    let amount = |amount| {
        let amount = Quantity::from_int(amount, Format::DecimalSi);
        BTreeMap::from([("slices".into(), amount)])
    };
    let slice = Arc::make_mut(&mut scenario.slices[0]);
    slice.pool.resource_slice_count = 2;
    let mut devices = slice.devices.to_vec();
    for (at, device) in devices.iter_mut().enumerate() {
        device.consumes_counters = vec![CounterConsumption {
            counter_set: format!("set-{}", at % 4).into(),
            counters: amount(if at < 16 { 1 } else { others }),
            compatibility_groups: Vec::new(),
        }];
    }
    slice.devices = devices.into();
    let sets = (0..4).map(|set| CounterSet {
        name: format!("set-{set}").into(),
        counters: amount(slices),
    });
    let counters = ResourceSlice {
        name: "counters".into(),
        devices: Vec::new().into(),
        shared_counters: sets.collect(),
        ..(*scenario.slices[0]).clone()
    };
    scenario.slices.push(Arc::new(counters));
    scenario
}

/// Refused before the first pruned step.
fn is_refused_at_once(scenario: &Scenario) {
    is_refused_after(scenario, 96);
}

fn is_refused_after(scenario: &Scenario, steps: u64) {
    let mut inventory = scenario.inventory();
    let answer = scenario.ask(10_000_000, |question| inventory.allocate(question));
    assert!(
        matches!(answer.verdict, Verdict::Refused(_)),
        "{:?}",
        answer.verdict
    );
    assert_eq!(answer.steps, steps);
}

/// Requests that together want more than there is of one counter, though each alone has enough.
#[test]
fn counters_that_are_short_together() {
    let mut claims = Vec::new();
    for (at, count) in [7, 7, 7, 7, 1].into_iter().enumerate() {
        claims.push(neurons(&format!("c{at}"), count));
    }
    is_refused_at_once(&partitions(claims));
}

/// Of devices that are to differ, some take more.
#[test]
fn counters_that_are_short_where_values_differ() {
    let mut differing = neurons("a", 2);
    differing.constraints = vec![Constraint {
        distinct_attribute: Some("resource.aws.com/devicegroup16_id".into()),
        ..Constraint::default()
    }];
    let claims = |count| vec![differing.clone(), neurons("b", count)];
    is_refused_after(&partitions_of(claims(12), 4, 4), 125);
    let enough = partitions_of(claims(11), 4, 4);
    let mut inventory = enough.inventory();
    let answer = enough.ask(10_000_000, |question| inventory.allocate_pruned(question));
    assert!(matches!(answer.verdict, Verdict::Fits(_)));
}

#[test]
fn counters_that_are_short_if_some_is_left() {
    let claims = vec![neurons("some", 27), every("neuron.aws.com")];
    is_refused_after(&partitions(claims), 15_710);
}

/// A claim of so many devices, and so many with admin access.
fn with_admin(name: &str, count: i64, admin: i64) -> ResourceClaim {
    let mut claim = neurons(name, count);
    let mut query = support::query("neuron.aws.com", admin);
    query.admin_access = Some(true);
    claim.requests.push(support::request("admin", query));
    claim
}

/// Admin access is given what other claims have, but takes from counters as others do.
#[test]
fn counters_that_are_short_with_admin_access() {
    is_refused_at_once(&partitions(vec![with_admin("c", 14, 15)]));
}

/// Also where both claims have enough by themselves, whoever comes first.
#[test]
fn counters_that_are_short_for_claims_with_admin_access() {
    let claims = [with_admin("a", 1, 13), with_admin("b", 14, 1)];
    is_refused_at_once(&partitions(claims.to_vec()));
    let [a, b] = claims;
    is_refused_at_once(&partitions(vec![b, a]));
}

/// Admin access is not given what its own claim has.
#[test]
fn devices_that_are_short_with_admin_access() {
    is_refused_at_once(&scenario(16, vec![with_admin("c", 8, 9)], &[]));
}

/// Which is seen before any is looked for.
#[test]
fn devices_that_its_own_claim_keeps_from_admin_access() {
    let mut claim = neurons("c", 2);
    let any = support::query("any", 2);
    let mut efas = support::query("efa.networking.k8s.aws", 5);
    efas.admin_access = Some(true);
    claim.requests = vec![
        support::request("any", any),
        support::request("admin", efas),
    ];
    let mut scenario = scenario(6, vec![claim], &[]);
    scenario.classes.push(support::class("any", "true"));
    let mut inventory = scenario.inventory();
    let answer = scenario.ask(100, |question| inventory.allocate_pruned(question));
    assert!(matches!(answer.verdict, Verdict::Fits(_)));
    assert_eq!(answer.steps, 12);
}

/// Nor is a later claim given what admin access has, though admin access is given what an earlier one
/// has.
#[test]
fn devices_that_are_short_after_admin_access() {
    let claims = vec![neurons("a", 8), with_admin("b", 1, 8)];
    let of_sixteen = scenario(16, claims, &[]);
    let mut inventory = of_sixteen.inventory();
    let answer = of_sixteen.ask(10_000_000, |question| inventory.allocate_pruned(question));
    assert!(matches!(answer.verdict, Verdict::Fits(_)));
    let claims = vec![with_admin("b", 1, 8), neurons("a", 8)];
    is_refused_after(&scenario(16, claims, &[]), 108);
}

/// Devices that agree in one attribute and in the other, but none in both.
#[test]
fn two_attributes_that_no_devices_have_in_common() {
    let agree = |attribute: &str| Constraint {
        match_attribute: Some(attribute.into()),
        ..Constraint::default()
    };
    let claims = |count| {
        let mut both = neurons("both", 2);
        both.constraints = vec![agree("resource.aws.com/devicegroup8_id"), agree("turn")];
        vec![neurons("first", count), both]
    };
    let scenario = |count| {
        let mut scenario = scenario(16, claims(count), &[]);
        let slice = Arc::make_mut(&mut scenario.slices[0]);
        let mut devices = slice.devices.to_vec();
        for (at, device) in devices.iter_mut().enumerate() {
            let turn = i64::try_from(at % 8).expect("small");
            let turn = Attribute::Int(turn);
            device.attributes.insert("turn".into(), turn);
        }
        slice.devices = devices.into();
        scenario
    };
    is_refused_at_once(&scenario(6));
}
