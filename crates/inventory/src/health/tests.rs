//! Laws and stories of taints that come and go.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use trainyard_model::Text;
use trainyard_model::taint::Effect;

use super::{Change, Fault, Health, Policy, Reading};
use crate::machine::{Ecc, State};

const CHIP: &str = "neuron-device-3";

const GOOD: Reading = Reading {
    present: true,
    has_device_file: true,
    state: State::Ready,
    ecc: Ecc {
        sram: 0,
        memory: 0,
        repairable: 0,
    },
};

fn health(rules: &[&str]) -> Health {
    let mut policy = Policy::default();
    for rule in rules {
        policy.set(rule).expect("a rule");
    }
    Health::new("neuron.aws.com".into(), policy)
}

fn of(reading: Reading) -> BTreeMap<Text, Reading> {
    [(CHIP.into(), reading)].into()
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// Observes at each time, and tells the faults after it.
fn story(health: &mut Health, steps: &[(u64, Reading)]) -> Vec<(u64, Vec<Fault>)> {
    let steps = steps.iter();
    steps
        .map(|(time, reading)| {
            health.observe(seconds(*time), &of(*reading));
            (*time, health.faults(CHIP))
        })
        .collect()
}

#[test]
fn a_look_at_one_device_says_nothing_of_the_others() {
    let mut health = health(&[]);
    let other: Text = "neuron-device-4".into();
    let mut both = of(GOOD);
    both.insert(other.clone(), GOOD);
    health.observe(seconds(0), &both);
    for time in [1, 100] {
        health.observe_some(seconds(time), &of(memory(1)));
    }
    assert_eq!(health.faults(CHIP), [Fault::MemEcc]);
    assert_eq!(health.faults(&other), [], "it was not looked at");
}

fn memory(count: u64) -> Reading {
    Reading {
        ecc: Ecc {
            memory: count,
            ..Ecc::default()
        },
        ..GOOD
    }
}

fn state(state: State, reading: Reading) -> Reading {
    Reading { state, ..reading }
}

#[test]
fn an_error_taints_until_a_reset() {
    let mut health = health(&[]);
    let told = story(
        &mut health,
        &[
            (0, GOOD),
            (1, memory(1)),
            // Somebody writes the counter's file.
            (2, GOOD),
            (3, state(State::Resetting, memory(0))),
            (4, memory(0)),
            (5, memory(1)),
        ],
    );
    let bad = vec![Fault::MemEcc];
    assert_eq!(
        told,
        [
            (0, vec![]),
            (1, bad.clone()),
            (2, bad.clone()),
            (3, bad.clone()),
            (4, vec![]),
            (5, bad),
        ]
    );
    let taints = health.taints(CHIP);
    assert_eq!(&*taints[0].key, "neuron.aws.com/mem-ecc");
    assert_eq!(taints[0].effect, Effect::NoSchedule);
}

#[test]
fn an_error_from_before_the_start_counts_unless_it_is_within_the_baseline() {
    let mut first = health(&[]);
    let told = story(
        &mut first,
        &[
            (0, memory(2)),
            (1, state(State::Resetting, memory(2))),
            (2, memory(2)),
        ],
    );
    assert_eq!(told[0].1, [Fault::MemEcc]);
    assert_eq!(told[2].1, []);
    let mut second = health(&[]);
    second.set_ecc_baselines(first.ecc_baselines());
    assert_eq!(
        story(&mut second, &[(0, memory(2)), (1, memory(3))])[0].1,
        []
    );
    assert_eq!(second.faults(CHIP), [Fault::MemEcc]);
}

#[test]
fn a_reset_that_fails_sets_no_baseline() {
    let mut health = health(&["invalid=NoSchedule,clear=0"]);
    let told = story(
        &mut health,
        &[
            (0, memory(1)),
            (1, state(State::Resetting, memory(1))),
            (2, state(State::Invalid, memory(1))),
            (3, memory(1)),
        ],
    );
    assert_eq!(told[2].1, [Fault::MemEcc, Fault::Invalid]);
    assert_eq!(told[3].1, [Fault::MemEcc]);
}

#[test]
fn a_short_absence_is_none() {
    let mut health = health(&["gone=NoExecute,after=10,clear=5"]);
    let gone = Reading {
        present: false,
        ..GOOD
    };
    let told = story(
        &mut health,
        &[
            (0, GOOD),
            (1, gone),
            (9, GOOD),
            (10, gone),
            (19, gone),
            (20, gone),
            (21, GOOD),
            (25, gone),
            (26, GOOD),
            (30, GOOD),
            (31, GOOD),
        ],
    );
    let raised: Vec<u64> = told
        .iter()
        .filter(|(_, faults)| faults.contains(&Fault::Gone))
        .map(|(time, _)| *time)
        .collect();
    assert_eq!(raised, [20, 21, 25, 26, 30]);
    assert_eq!(health.taints(CHIP), []);
}

#[test]
fn a_device_that_is_no_longer_read_is_gone_and_keeps_its_faults() {
    let mut health = health(&["gone=NoExecute,after=0"]);
    health.observe(seconds(0), &of(memory(1)));
    let changes = health.observe(seconds(1), &BTreeMap::new());
    assert_eq!(
        changes,
        [Change {
            device: CHIP.into(),
            fault: Fault::Gone,
            raised: true
        }]
    );
    assert_eq!(health.faults(CHIP), [Fault::Gone, Fault::MemEcc]);
    assert_eq!(health.taints(CHIP)[0].effect, Effect::NoExecute);
    assert_eq!(health.taints_of_all(), health.taints(CHIP));
}

#[test]
fn what_is_not_readable_changes_nothing() {
    let mut health = health(&["invalid=NoSchedule,clear=0"]);
    let told = story(
        &mut health,
        &[
            (0, state(State::Invalid, GOOD)),
            (1, state(State::Unknown, GOOD)),
            (2, GOOD),
        ],
    );
    assert_eq!(told[1].1, [Fault::Invalid]);
    assert_eq!(told[2].1, []);
}

#[test]
fn an_ignored_fault_is_none() {
    let mut health = health(&["mem-ecc=Ignore"]);
    assert_eq!(story(&mut health, &[(0, memory(1))])[0].1, []);
}

#[test]
fn rules_are_read_strictly() {
    let mut policy = Policy::default();
    policy.set("reset=None,after=5,clear=7").expect("a rule");
    let rule = policy.rule(Fault::Reset);
    assert_eq!(
        (&rule.effect, rule.after, rule.clear),
        (&Some(Effect::None), seconds(5), seconds(7))
    );
    for (text, message) in [
        (
            "reset",
            r#""reset" is no FAULT=EFFECT[,after=SECONDS][,clear=SECONDS], as in gone=NoExecute,after=60"#,
        ),
        (
            "rest=None",
            r#"unknown fault "rest": one of gone, no-node, sram-ecc, mem-ecc, repairable-ecc, reset, invalid"#,
        ),
        (
            "reset=PreferNoSchedule",
            r#"unknown effect "PreferNoSchedule": one of NoSchedule, NoExecute, None, Ignore"#,
        ),
        (
            "reset=None,for=5",
            r#""reset=None,for=5" is no FAULT=EFFECT[,after=SECONDS][,clear=SECONDS], as in gone=NoExecute,after=60"#,
        ),
    ] {
        assert_eq!(policy.set(text).expect_err(text).to_string(), message);
    }
}

fn reading() -> impl Strategy<Value = Reading> {
    let state = prop_oneof![
        4 => Just(State::Ready),
        1 => Just(State::Resetting),
        1 => Just(State::Invalid),
        1 => Just(State::Unknown),
    ];
    (
        any::<bool>(),
        any::<bool>(),
        state,
        0..3_u64,
        0..3_u64,
        0..3_u64,
    )
        .prop_map(|(present, node, state, sram, memory, repairable)| Reading {
            present,
            has_device_file: node,
            state,
            ecc: Ecc {
                sram,
                memory,
                repairable,
            },
        })
}

/// Readings with the seconds since the one before.
fn history() -> impl Strategy<Value = Vec<(u64, Reading)>> {
    prop::collection::vec((0..20_u64, reading()), 1..40)
}

/// Whether a fault was there at each reading; `None`: left open. Counters are not asked.
fn there(fault: Fault, reading: &Reading) -> Option<bool> {
    let known = matches!(
        reading.state,
        State::Ready | State::Resetting | State::Invalid
    );
    match fault {
        Fault::Gone => Some(!reading.present),
        _ if !reading.present => None,
        Fault::NoNode => Some(!reading.has_device_file),
        Fault::Reset => known.then_some(reading.state == State::Resetting),
        Fault::Invalid => known.then_some(reading.state == State::Invalid),
        _ => None,
    }
}

proptest! {
    /// A taint has been there without a break for `after` at some time, and never since away for
    /// `clear`; and the other way round.
    #[test]
    fn taints_are_what_history_says(history in history(), after in 0..30_u64, clear in 0..30_u64) {
        for fault in [Fault::Gone, Fault::NoNode, Fault::Reset, Fault::Invalid] {
            let mut health = health(&[&format!("{fault}=NoSchedule,after={after},clear={clear}")]);
            let mut time = 0;
            // Times of the first reading of the present run, and what it says.
            let mut run: Option<(bool, u64)> = None;
            let mut raised = false;
            for (pause, reading) in &history {
                time += pause;
                health.observe(seconds(time), &of(*reading));
                if let Some(there) = there(fault, reading) {
                    if run.is_none_or(|(value, _)| value != there) {
                        run = Some((there, time));
                    }
                    let (_, since) = run.expect("set above");
                    if time - since >= if there { after } else { clear } {
                        raised = there;
                    }
                }
                prop_assert_eq!(health.faults(CHIP).contains(&fault), raised, "{} at {}", fault, time);
            }
        }
    }

    /// No history without a reset clears an error.
    #[test]
    fn only_a_reset_clears_an_error(history in history()) {
        let mut health = health(&[]);
        let mut had = false;
        for (time, (_, reading)) in history.iter().enumerate() {
            let reading = match reading.state {
                State::Resetting => state(State::Ready, *reading),
                _ => *reading,
            };
            health.observe(seconds(time as u64), &of(reading));
            had |= reading.present && reading.ecc.memory > 0;
            prop_assert_eq!(health.faults(CHIP).contains(&Fault::MemEcc), had);
        }
    }

    /// Changes told are the changes there are.
    #[test]
    fn every_change_is_told(history in history()) {
        let mut health = health(&[]);
        let mut known: Vec<Fault> = Vec::new();
        let mut time = 0;
        for (pause, reading) in &history {
            time += pause;
            for change in health.observe(seconds(time), &of(*reading)) {
                if change.raised {
                    known.push(change.fault);
                } else {
                    known.retain(|fault| *fault != change.fault);
                }
            }
            known.sort_unstable();
            prop_assert_eq!(&known, &health.faults(CHIP));
        }
    }
}
