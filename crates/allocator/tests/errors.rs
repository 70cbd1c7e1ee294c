//! Errors that lie behind what cannot be met: they end a question as upstream's search does, and what
//! leads to none of them is passed over. Steps are held exactly or to a bound.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use support::Scenario;
use support::trainium::{neurons, pair, scenario};
use trainyard_allocator::{Fatal, Order, Verdict};
use trainyard_model::claim::{
    AllocationMode, Constraint, DerivedAttribute, DeviceQuery, DeviceRequest, ResourceClaim,
};
use trainyard_model::device::{Attribute, CounterConsumption, Device};
use trainyard_model::features::{Feature, Features};
use trainyard_model::quantity::{Format, Quantity};
use trainyard_model::slice::{CounterSet, ResourceSlice};

/// A claim that no choice can meet, behind one with thousands of choices: upstream goes through them
/// until one lets it reach an error. So does ours, but passes over those that change nothing.
#[test]
fn an_error_behind_a_claim_that_cannot_be_met() {
    let mut ask = neurons("ask", 1);
    let mut all = ask.requests[0].exactly.clone().expect("one way");
    let mut few = all.clone();
    few.name = "few".into();
    (all.name, all.mode, all.count) = ("all".into(), AllocationMode::All, 0);
    ask.requests[0].exactly = None;
    ask.requests[0].first_available = vec![few, all];
    let two = support::query("neuron.aws.com", 2);
    ask.requests.push(support::request("two", two));
    ask.constraints = vec![Constraint {
        match_attribute: Some("resource.aws.com/devicegroup1_id".into()),
        ..Constraint::default()
    }];
    let mut scenario = scenario(16, vec![pair("first", 7, None), ask], &[]);
    scenario.features = Features::default().with(Feature::PrioritizedList);
    let mut inventory = scenario.inventory();
    let upstream = scenario.ask(0, |question| {
        inventory.upstream_steps(question, Order::Combinations, 2_000_000)
    });
    assert_eq!(upstream, 2_000_000, "more than that");
    let answer = scenario.ask(10_000_000, |question| inventory.allocate(question));
    assert!(
        matches!(answer.verdict, Verdict::Fatal(_)),
        "{:?}",
        answer.verdict
    );
    assert!(answer.steps < 1_000, "{} steps", answer.steps);
}

/// A claim of which `then` says what is asked for after some Neuron devices of one group.
fn group_then(name: &str, group: u32, count: i64, then: &[(AllocationMode, i64)]) -> ResourceClaim {
    let mut claim = neurons(name, count);
    let query = claim.requests[0].exactly.clone().expect("one way");
    let alternatives = then.iter().zip(0..).map(|((mode, count), at)| DeviceQuery {
        name: format!("s{at}").into(),
        mode: mode.clone(),
        count: *count,
        ..query.clone()
    });
    claim.requests.push(DeviceRequest {
        name: "then".into(),
        exactly: None,
        first_available: alternatives.collect(),
    });
    claim.constraints = vec![Constraint {
        match_attribute: Some(format!("resource.aws.com/devicegroup{group}_id").into()),
        ..Constraint::default()
    }];
    claim
}

/// Claims behind one with thousands of choices: no choice helps, and none leads to an error but
/// those that leave alone what the error needs.
#[test]
fn errors_that_need_more_than_is_left() {
    let some = |count| (AllocationMode::ExactCount, count);
    let all = || (AllocationMode::All, 0);
    // All devices lie in two groups, an error if the first is free; there are not enough for the
    // other alternative.
    let fails = group_then("b", 8, 1, &[some(12), all()]);
    // Nothing has three devices to a group, so what follows is never looked at: neither the error
    // nor too many devices.
    let hopeless = group_then("b", 1, 3, &[some(25), all()]);
    // All are in one group.
    let quiet = group_then("b", 16, 12, &[some(2), all()]);
    for (name, claim, is_fatal, most) in [
        ("fails", fails, true, 400),
        ("hopeless", hopeless, false, 96),
        ("quiet", quiet, false, 96),
    ] {
        let scenario = scenario(16, vec![pair("a", 7, None), claim], &[]);
        let mut inventory = scenario.inventory();
        let upstream = scenario.ask(0, |question| {
            inventory.upstream_steps(question, Order::Combinations, 2_000_000)
        });
        assert_eq!(upstream, 2_000_000, "{name}: more than that");
        let answer = scenario.ask(10_000_000, |question| inventory.allocate(question));
        match answer.verdict {
            Verdict::Fatal(_) => assert!(is_fatal, "{name}"),
            Verdict::Refused(_) => assert!(!is_fatal, "{name}"),
            verdict => panic!("{name}: {verdict:?}"),
        }
        assert!(answer.steps <= most, "{name}: {} steps", answer.steps);
    }
}

/// The last device raises an error, as its derived attribute fails. That those before it are in vain
/// for what comes later, whichever is taken, is no reason to leave it out.
#[test]
fn a_derived_attribute_that_fails_where_nothing_else_need_be_tried() {
    let mut claim = neurons("derives", 1);
    let query = claim.requests[0].exactly.as_mut().expect("one way");
    query.derived_attributes = vec![DerivedAttribute {
        name: "example.com/derived".into(),
        expression: "resource.aws.com/devicegroup1_id".into(),
    }];
    claim.constraints = vec![Constraint {
        match_attribute: Some("example.com/derived".into()),
        ..Constraint::default()
    }];
    let mut scenario = scenario(4, vec![claim, neurons("too-many", 8)], &[]);
    scenario.features = Features::default().with(Feature::DerivedAttributes);
    let slice = Arc::make_mut(&mut scenario.slices[0]);
    let mut devices = slice.devices.to_vec();
    devices[3].attributes.clear();
    slice.devices = devices.into();
    let mut inventory = scenario.inventory();
    let answer = scenario.ask(100, |question| inventory.allocate_pruned(question));
    assert!(
        matches!(answer.verdict, Verdict::Fatal(Fatal::Derived { .. })),
        "{:?}",
        answer.verdict
    );
    assert_eq!(answer.steps, 7);
}

/// What is missing before an error says nothing of one that comes sooner, for another choice.
#[test]
fn an_error_sooner_than_what_is_missing() {
    let mut all = neurons("all", 1);
    let query = |class: &str, count| support::query(class, count);
    let every = DeviceQuery {
        mode: AllocationMode::All,
        ..query("efa.networking.k8s.aws", 0)
    };
    let mut special = query("neuron.aws.com", 2);
    special.selectors = vec![Some("special=1".into())];
    all.requests = vec![
        support::request("some", special),
        support::request("every", every),
    ];
    all.constraints = vec![Constraint {
        distinct_attribute: Some("resource.aws.com/devicegroup1_id".into()),
        ..Constraint::default()
    }];
    // More than the claim before leaves; and one that fails, but to which it never comes.
    let mut later = neurons("later", 15);
    let mut fails = query("efa.networking.k8s.aws", 1);
    fails.selectors = vec![Some("special!1".into())];
    later.requests.push(support::request("fails", fails));
    let mut scenario = scenario(16, vec![neurons("any", 1), all, later], &[]);

    let slice = Arc::make_mut(&mut scenario.slices[0]);
    let mut devices = slice.devices.to_vec();
    for (at, device) in devices.iter_mut().enumerate() {
        let is_special = Attribute::Int(i64::from(at < 3));
        device.attributes.insert("special".into(), is_special);
    }
    let group = "resource.aws.com/devicegroup1_id";
    for (at, device) in devices.iter_mut().enumerate().take(3).skip(1) {
        let alone = Attribute::String(format!("alone-{at}").into());
        device.attributes.insert(group.into(), alone);
    }
    slice.devices = devices.into();
    let mut inventory = scenario.inventory();
    let plain = scenario.ask(10_000_000, |question| inventory.allocate_plainly(question));
    let answer = scenario.ask(10_000_000, |question| inventory.allocate_pruned(question));
    assert!(
        matches!(
            answer.verdict,
            Verdict::Fatal(Fatal::AllAgainstConstraint { .. })
        ),
        "{:?}",
        answer.verdict
    );
    assert_eq!(
        format!("{:?}", answer.verdict),
        format!("{:?}", plain.verdict)
    );
}

/// The device at which a constraint refuses one of all that are wanted.
fn refused_device(scenario: &Scenario) -> String {
    let mut inventory = scenario.inventory();
    let answer = scenario.ask(1_000, |question| inventory.allocate_pruned(question));
    let plain = scenario.ask(1_000, |question| inventory.allocate_plainly(question));
    assert_eq!(
        format!("{:?}", answer.verdict),
        format!("{:?}", plain.verdict)
    );
    let Verdict::Fatal(Fatal::AllAgainstConstraint { device, .. }) = answer.verdict else {
        panic!("{:?}", answer.verdict);
    };
    device
}

/// A Neuron device of this [number], or all.
fn numbered(name: &str, number: usize, mode: AllocationMode) -> DeviceRequest {
    let query = DeviceQuery {
        count: i64::from(mode == AllocationMode::ExactCount),
        mode,
        selectors: vec![Some(format!("number={number}").into())],
        ..support::query("neuron.aws.com", 1)
    };
    support::request(name, query)
}

/// Numbers the Neuron devices, and changes them otherwise.
fn number(scenario: &mut Scenario, change: impl Fn(usize, &mut Device)) {
    let slice = Arc::make_mut(&mut scenario.slices[0]);
    let mut devices = slice.devices.to_vec();
    for (at, device) in devices.iter_mut().enumerate() {
        let number = Attribute::Int(i64::try_from(at).expect("small"));
        device.attributes.insert("number".into(), number);
        change(at, device);
    }
    slice.devices = devices.into();
}

/// Lists of which each two have something in common, but not all three: the last is refused.
#[test]
fn an_error_where_lists_agree_two_by_two() {
    let mut lists = neurons("lists", 1);
    lists.requests = vec![
        numbered("one", 0, AllocationMode::ExactCount),
        numbered("other", 1, AllocationMode::ExactCount),
        numbered("every", 2, AllocationMode::All),
    ];
    lists.constraints = vec![Constraint {
        match_attribute: Some("list".into()),
        ..Constraint::default()
    }];
    let mut scenario = scenario(3, vec![lists, neurons("too-many", 4)], &[]);
    scenario.features = Features::default().with(Feature::ListTypeAttributes);
    number(&mut scenario, |at, device| {
        let list = [vec![1, 2], vec![2, 3], vec![1, 3]][at].clone();
        device
            .attributes
            .insert("list".into(), Attribute::Ints(list));
    });
    assert_eq!(refused_device(&scenario), "neuron.aws.com/node/neuron-2");
}

/// There is nothing left of a counter until a device that is taken gives some.
#[test]
fn an_error_at_a_device_that_another_makes_room_for() {
    let gives = ResourceClaim {
        requests: vec![numbered("gives", 0, AllocationMode::ExactCount)],
        ..neurons("gives", 1)
    };
    let all = ResourceClaim {
        requests: vec![
            support::request("efa", support::query("efa.networking.k8s.aws", 1)),
            numbered("every", 1, AllocationMode::All),
        ],
        constraints: vec![Constraint {
            distinct_attribute: Some("resource.aws.com/devicegroup1_id".into()),
            ..Constraint::default()
        }],
        ..neurons("all", 1)
    };
    let mut scenario = scenario(2, vec![gives, all, neurons("too-many", 3)], &[]);
    let amount = |amount| {
        let amount = Quantity::from_int(amount, Format::DecimalSi);
        BTreeMap::from([("cores".into(), amount)])
    };
    number(&mut scenario, |at, device| {
        device.consumes_counters = vec![CounterConsumption {
            counter_set: "set".into(),
            counters: amount([-1, 1][at]),
            compatibility_groups: Vec::new(),
        }];
    });
    Arc::make_mut(&mut scenario.slices[0])
        .pool
        .resource_slice_count = 2;
    let counters = ResourceSlice {
        name: "counters".into(),
        devices: Vec::new().into(),
        shared_counters: vec![CounterSet {
            name: "set".into(),
            counters: amount(0),
        }],
        ..(*scenario.slices[0]).clone()
    };
    scenario.slices.push(Arc::new(counters));
    assert_eq!(refused_device(&scenario), "neuron.aws.com/node/neuron-1");
}

/// Only the first Neuron device could bring the error about, and that another request needs. Once the
/// first was passed over, nobody can have it any more.
#[test]
fn an_error_that_nobody_can_bring_about_from_here() {
    let mut all = neurons("all", 4);
    let every = DeviceQuery {
        mode: AllocationMode::All,
        ..support::query("efa.networking.k8s.aws", 0)
    };
    all.requests.extend([
        numbered("first", 0, AllocationMode::ExactCount),
        support::request("every", every),
    ]);
    all.constraints = vec![Constraint {
        requests: vec!["neurons".into(), "every".into()],
        distinct_attribute: Some("group".into()),
        ..Constraint::default()
    }];
    let mut scenario = scenario(16, vec![all, neurons("too-many", 17)], &[]);
    let of = |number: usize| Attribute::Int(i64::try_from(number).expect("small"));
    number(&mut scenario, |at, device| {
        device.attributes.insert("group".into(), of(at));
    });
    let slice = Arc::make_mut(&mut scenario.slices[1]);
    let mut devices = slice.devices.to_vec();
    for (at, device) in devices.iter_mut().enumerate() {
        let group = if at == 0 { 0 } else { 16 + at };
        device.attributes.insert("group".into(), of(group));
    }
    slice.devices = devices.into();
    let mut inventory = scenario.inventory();
    let answer = scenario.ask(10_000_000, |question| inventory.allocate_pruned(question));
    assert!(matches!(answer.verdict, Verdict::Refused(_)));
    assert_eq!(answer.steps, 29_120);
}
