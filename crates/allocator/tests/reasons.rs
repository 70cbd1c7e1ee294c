//! Refusals say why, and what they say is true: the cited parts alone are refused, without any one
//! of them the rest is not, and every remedy is one.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use support::trainium::{neurons, pair, scenario as trainium};
use support::{Scenario, TestEngine, class, query, request, scenario};
use trainyard_allocator::{Inventory, Verdict};
use trainyard_model::claim::{AllocationMode, Constraint, DeviceQuery, ResourceClaim};
use trainyard_model::device::CounterConsumption;
use trainyard_model::quantity::{Format, Quantity};
use trainyard_model::refusal::{Reason, Refusal, Remedy};
use trainyard_model::slice::{CounterSet, ResourceSlice};

fn explain(scenario: &Scenario) -> Option<Refusal> {
    explain_in(&mut scenario.inventory(), scenario)
}

fn explain_in(inventory: &mut Inventory<TestEngine>, scenario: &Scenario) -> Option<Refusal> {
    scenario.ask(10_000_000, |question| {
        match inventory.allocate(question).verdict {
            Verdict::Refused(refused) => Some(inventory.explain(question, refused)),
            _ => None,
        }
    })
}

fn refused(scenario: &Scenario, claims: Vec<ResourceClaim>) -> bool {
    let mut inventory = scenario.inventory();
    let claims: Vec<&ResourceClaim> = claims.iter().collect();
    scenario.ask(1_000_000, |question| {
        let question = trainyard_allocator::Question {
            claims: &claims,
            ..*question
        };
        matches!(inventory.allocate(&question).verdict, Verdict::Refused(_))
    })
}

#[test]
fn names_both_halves_and_who_holds_the_eighth() {
    let claim = pair("vllm", 8, Some(8));
    let mut scenario = trainium(16, vec![claim], &[("efa", 0), ("efa", 8)]);
    let held = std::mem::take(&mut scenario.held);
    let mut inventory = scenario.inventory();
    inventory.hold(&held[0], &"pod default/small".into());
    inventory.hold(&held[1], &"pod default/other".into());
    let refusal = explain_in(&mut inventory, &scenario);
    let refusal = refusal.expect("refused");
    assert_eq!(refusal.code(), "constraint/no-common-value");
    assert_eq!(
        refusal.to_string(),
        "claim default/vllm: no resource.aws.com/devicegroup8_id has 8 efas free; \
         group8-0 has 7 of 8 efas (efa-0 is held by pod default/small); \
         group8-1 has 7 of 8 efas (efa-8 is held by pod default/other); \
         4 neurons + 4 efas would fit"
    );
    let releases: Vec<_> = refusal
        .remedies
        .iter()
        .filter_map(|remedy| match remedy {
            Remedy::Release(holder) => Some(&**holder),
            _ => None,
        })
        .collect();
    assert_eq!(releases, ["pod default/small", "pod default/other"]);
}

/// As long as the last claim wants all Neuron devices, what is left without the four is an error: the
/// EFAs of which it wants all are not of one group. In the end nothing but EFAs are missing.
#[test]
fn leaves_out_what_it_could_not_at_first() {
    let exactly = |name: &str, class: &str, count| request(name, query(class, count));
    let every = |name: &str, class: &str| {
        let all = DeviceQuery {
            mode: AllocationMode::All,
            ..query(class, 0)
        };
        request(name, all)
    };
    let some = ResourceClaim {
        requests: vec![
            exactly("eight", "efa.networking.k8s.aws", 8),
            exactly("four", "any", 4),
        ],
        ..neurons("some", 1)
    };
    let all = ResourceClaim {
        requests: vec![
            every("neurons", "neuron.aws.com"),
            every("efas", "efa.networking.k8s.aws"),
        ],
        constraints: vec![Constraint {
            requests: vec!["efas".into()],
            match_attribute: Some("resource.aws.com/devicegroup4_id".into()),
            ..Constraint::default()
        }],
        ..neurons("all", 1)
    };
    let mut scenario = trainium(16, vec![some, all], &[]);
    scenario.classes.push(class("any", "true"));
    let refusal = explain(&scenario).expect("refused");
    assert_eq!(
        refusal.to_string(),
        "claims default/some, default/all: eight (8 wanted, 16 free), efas (16 wanted, 16 free) \
         want the same devices, and 16 are free to any of them"
    );
}

/// More is taken of a counter than there is, but by a device that nobody here asks for.
#[test]
fn blames_no_counter_that_nobody_has_to_touch() {
    let claims = vec![neurons("one", 1), neurons("other", 1)];
    let mut scenario = trainium(2, claims, &[("neuron", 0)]);
    let slice = Arc::make_mut(&mut scenario.slices[0]);
    slice.pool.resource_slice_count = 2;
    let amount = |amount| {
        let amount = Quantity::from_int(amount, Format::DecimalSi);
        BTreeMap::from([("cores".into(), amount)])
    };
    let mut devices = slice.devices.to_vec();
    devices[0].consumes_counters.push(CounterConsumption {
        counter_set: "set".into(),
        counters: amount(10),
        compatibility_groups: Vec::new(),
    });
    slice.devices = devices.into();
    let counters = ResourceSlice {
        name: "counters".into(),
        devices: Vec::new().into(),
        shared_counters: vec![CounterSet {
            name: "set".into(),
            counters: amount(8),
        }],
        ..(*scenario.slices[0]).clone()
    };
    scenario.slices.push(Arc::new(counters));
    let refusal = explain(&scenario).expect("refused");
    assert_eq!(refusal.code(), "claim/competing-requests");
}

#[test]
fn says_how_many_there_are() {
    let scenario = trainium(
        16,
        vec![neurons("big", 12)],
        &[
            ("neuron", 1),
            ("neuron", 2),
            ("neuron", 3),
            ("neuron", 4),
            ("neuron", 5),
        ],
    );
    let refusal = explain(&scenario).expect("refused");
    assert_eq!(refusal.code(), "claim/too-few-devices");
    assert_eq!(
        refusal.to_string(),
        "claim default/big: request neurons: 12 of class neuron.aws.com wanted, 11 of 16 free \
         (neuron-1 is held by somebody, neuron-2 is held by somebody, 3 more); 11 neurons would fit"
    );
}

#[test]
fn says_which_selector_shuts_devices_out() {
    let mut claim = neurons("none", 1);
    let query = claim.requests[0].exactly.as_mut().expect("exactly");
    query.selectors = vec![Some("absent=1".into())];
    let refusal = explain(&trainium(16, vec![claim], &[])).expect("refused");
    assert_eq!(refusal.code(), "claim/no-match");
    assert_eq!(
        refusal.details(),
        [
            "class neuron.aws.com shuts out 16: driver=neuron.aws.com",
            "selector shuts out 16: absent=1",
        ]
    );
}

#[test]
fn laws_hold_for_random_refusals() {
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..3000 {
        let scenario = scenario(seed, 3 + seed % 7);
        let mut inventory = scenario.inventory();
        let answer = scenario.ask(1_000_000, |question| inventory.allocate(question));
        let refusal = explain_in(&mut inventory, &scenario);
        let is_refused = matches!(answer.verdict, Verdict::Refused(_));
        assert_eq!(refusal.is_some(), is_refused, "seed {seed}");
        let Some(refusal) = refusal else { continue };
        assert!(
            Reason::CODES.contains(&refusal.code()),
            "{}",
            refusal.code()
        );
        *seen.entry(refusal.code()).or_insert(0) += 1;
        let cited: Vec<ResourceClaim> = refusal
            .cited
            .iter()
            .map(|cited| {
                let mut claim = scenario.claims[cited.claim].clone();
                claim
                    .requests
                    .retain(|request| cited.requests.contains(&request.name));
                let constraints = cited.constraints.iter();
                claim.constraints = constraints
                    .map(|at| claim.constraints[*at].clone())
                    .collect();
                for constraint in &mut claim.constraints {
                    constraint.requests.retain(|name| {
                        let parent = name.split('/').next().unwrap_or_default();
                        cited.requests.iter().any(|request| &**request == parent)
                    });
                }
                claim
            })
            .collect();
        assert!(refused(&scenario, cited.clone()), "seed {seed}: {refusal}");
        for claim in 0..cited.len() {
            for constraint in 0..cited[claim].constraints.len() {
                let mut without = cited.clone();
                without[claim].constraints.remove(constraint);
                assert!(!refused(&scenario, without), "seed {seed}: {refusal}");
            }
        }
        for remedy in &refusal.remedies {
            if let Remedy::Counts(counts) = remedy {
                let mut claims = scenario.claims.clone();
                let mut counts = counts.iter().peekable();
                for cited in &refusal.cited {
                    for request in &mut claims[cited.claim].requests {
                        let Some(query) = request.exactly.as_mut() else {
                            continue;
                        };
                        let all = query.mode == trainyard_model::claim::AllocationMode::All;
                        if let Some((_, count)) =
                            counts.next_if(|(name, _)| !all && *name == request.name)
                        {
                            query.count = *count;
                        }
                    }
                }
                assert!(counts.next().is_none(), "seed {seed}: {refusal}");
                let mut inventory = scenario.inventory();
                let claims: Vec<&ResourceClaim> = claims.iter().collect();
                let fits = scenario.ask(1_000_000, |question| {
                    let question = trainyard_allocator::Question {
                        claims: &claims,
                        ..*question
                    };
                    matches!(inventory.allocate(&question).verdict, Verdict::Fits(_))
                });
                assert!(fits, "seed {seed}: {refusal}");
            }
        }
    }
    println!("{seen:?}");
    for code in [
        "claim/no-match",
        "claim/too-few-devices",
        "constraint/no-common-value",
    ] {
        assert!(seen.contains_key(code), "{code} never happened: {seen:?}");
    }
}
