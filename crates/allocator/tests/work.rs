//! What an answer costs beside its search: evaluated expressions and allocations of memory. Both are
//! deterministic, so a regression shows without a clock.

mod support;

use std::sync::Arc;

use allocation_counter::measure;
use support::evaluations;
use support::trainium::{pair, scenario};
use trainyard_allocator::{Question, Verdict};
use trainyard_model::claim::AllocationResult;

/// Evaluations, and allocations, of what `act` does.
fn costs(mut act: impl FnMut()) -> (u64, u64) {
    let before = evaluations();
    let memory = measure(&mut act);
    (evaluations() - before, memory.count_total)
}

#[test]
fn a_first_answer_evaluates_each_class_once_a_driver() {
    for size in [1, 4, 8, 16] {
        let claim = pair("c", size, Some(size as u32));
        let scenario = scenario(16, vec![claim], &[]);
        let mut inventory = scenario.inventory();
        let ask = |inventory: &mut trainyard_allocator::Inventory<_>| {
            scenario.ask(1_000, |question| {
                let answer = inventory.allocate(question);
                assert!(matches!(answer.verdict, Verdict::Fits(_)));
            });
        };
        let first = costs(|| ask(&mut inventory));
        // Two classes, two drivers, sixteen devices of each.
        assert_eq!(first.0, 4, "{size}");
        assert!(first.1 <= 47, "{size}: {} allocations", first.1);
        let second = costs(|| ask(&mut inventory));
        assert_eq!(second.0, 0, "{size}");
        assert!(second.1 <= 26, "{size}: {} allocations", second.1);
        inventory.forget();
        let again = costs(|| ask(&mut inventory));
        assert_eq!(again.0, 4, "{size}");
    }
}

#[test]
fn a_placement_costs_the_same_on_any_number_of_nodes() {
    let of = |nodes: usize| {
        let scenario = scenario(16, vec![pair("c", 4, Some(4))], &[]);
        let mut inventory = scenario.inventory();
        let mut names = Vec::new();
        for index in 0..nodes {
            let mut node = scenario.node.clone();
            node.name = format!("node-{index}").into();
            for slice in &scenario.slices {
                let mut slice = (**slice).clone();
                slice.name = format!("{}-{}", node.name, slice.name).into();
                slice.pool.name = node.name.clone();
                slice.node_name = Some(node.name.clone());
                inventory.apply_slice(&Arc::new(slice));
            }
            names.push(node);
        }
        let holder = "claim".into();
        let place = |inventory: &mut trainyard_allocator::Inventory<_>, node: usize| {
            let claims: Vec<_> = scenario.claims.iter().collect();
            let question = Question {
                node: &names[node],
                claims: &claims,
                features: scenario.features,
                budget: 1_000,
            };
            let Verdict::Fits(results) = inventory.allocate(&question).verdict else {
                panic!("node {node} has room");
            };
            let hold = |result: &AllocationResult| inventory.hold_result(result, &holder);
            results.iter().for_each(hold);
        };
        place(&mut inventory, 0);
        let second = costs(|| place(&mut inventory, 0));
        // The first on a node learns which slices it sees; all else is known from its like.
        let other = costs(|| place(&mut inventory, nodes - 1));
        (second, other)
    };
    let few = of(10);
    assert_eq!(few.0.0 + few.1.0, 0, "evaluations");
    assert!(few.0.1 <= 27 && few.1.1 <= 29, "{few:?} allocations");
    assert_eq!(few, of(500));
}
