//! How long an answer takes: cold, warm, and what loading costs once.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Serialize;
use trainyard_model::Text;

use super::scenario::{Loaded, Reply, Scenario, devices, outcome};

/// What was measured, in nanoseconds a call.
#[derive(Debug, Serialize)]
pub struct Measure {
    name: String,
    outcome: &'static str,
    ns_load: u64,
    ns: u64,
    ns_warm: u64,
    calls: u64,
    calls_warm: u64,
}

/// Each figure is a mean over calls that take this long together.
const ENOUGH: Duration = Duration::from_millis(500);

/// Measures one scenario.
pub fn measure(scenario: &Scenario, budget: u64) -> Measure {
    let (ns_load, _) = mean(|| {
        let start = Instant::now();
        let loaded = scenario.load();
        let spent = start.elapsed();
        drop(black_box(loaded));
        spent
    });
    let mut loaded = scenario.load();
    scenario.hold(&mut loaded.inventory);
    let outcome = scenario.ask(&mut loaded, budget, |inventory, question| {
        outcome(&inventory.allocate(question).verdict)
    });
    let (ns, calls) = mean(|| {
        loaded.inventory.forget();
        call(scenario, &mut loaded, budget)
    });
    let devices = devices(scenario);
    let holder = Text::from("bench");
    let mut turn = 0;
    let (ns_warm, calls_warm) = mean(|| {
        let spent = call(scenario, &mut loaded, budget);
        if let Some(device) = devices.get(turn % devices.len().max(1)) {
            loaded.inventory.hold(device, &holder);
            let other = scenario.ask(&mut loaded, budget, |inventory, question| {
                inventory.allocate(question)
            });
            black_box(other);
            loaded.inventory.release(device, &holder);
        }
        turn += 1;
        spent
    });
    Measure {
        name: scenario.name.clone(),
        outcome,
        ns_load,
        ns,
        ns_warm,
        calls,
        calls_warm,
    }
}

/// One call: claims and allocated state in, answer as API objects out.
fn call(scenario: &Scenario, loaded: &mut Loaded, budget: u64) -> Duration {
    let start = Instant::now();
    scenario.hold(&mut loaded.inventory);
    let reply = scenario.ask(loaded, budget, |inventory, question| {
        Reply::new("", &inventory.allocate(question))
    });
    let spent = start.elapsed();
    drop(black_box(reply));
    spent
}

fn mean(mut call: impl FnMut() -> Duration) -> (u64, u64) {
    let mut spent = Duration::ZERO;
    let mut calls = 0;
    while spent < ENOUGH {
        spent += call();
        calls += 1;
    }
    let ns = spent.as_nanos() / u128::from(calls);
    (u64::try_from(ns).unwrap_or(u64::MAX), calls)
}
