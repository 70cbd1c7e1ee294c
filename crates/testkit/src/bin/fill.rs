//! Fills copies of the node of a scenario (standard input) with its claim, first fit, remembering the
//! first node with room: `fill NODES`. Prints how many fitted, and how long it took: the median of five
//! fills, each of nodes that were never asked.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use trainyard_allocator::{Inventory, Question, Verdict};
use trainyard_model::features::{Feature, Features};
use trainyard_model::node::Node;
use trainyard_selector::Engine;
use trainyard_wire::convert;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Fills by themselves; a few, since a machine that is shared is slow for a moment now and then.
const FILLS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args().nth(1).unwrap_or_default().parse()?;
    let scenario: Value = serde_json::from_reader(io::stdin())?;
    let mut fills = Vec::new();
    for _ in 0..FILLS {
        fills.push(fill(&scenario, count)?);
    }
    fills.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (placed, seconds) = fills[FILLS / 2];
    println!(
        "{}",
        json!({"name": scenario["name"], "nodes": count, "placed": placed, "seconds": seconds})
    );
    Ok(())
}

/// How many claims found a place, and how many seconds that took.
fn fill(scenario: &Value, count: usize) -> Result<(usize, f64), Box<dyn Error>> {
    let list = |key: &str| scenario[key].as_array().cloned().unwrap_or_default();
    let features: Features = Feature::ALL
        .into_iter()
        .filter(|feature| list("features").contains(&json!(feature.name())))
        .collect();
    let mut inventory = Inventory::new(Engine::new());
    for class in list("classes") {
        inventory.apply_class(&Arc::new(convert::class(&serde_json::from_value(class)?)));
    }
    let mut nodes = Vec::new();
    for index in 0..count {
        let mut node: Node = convert::node(&serde_json::from_value(scenario["node"].clone())?);
        node.name = format!("node-{index:05}").into();
        for slice in list("slices") {
            let mut slice = convert::slice(&serde_json::from_value(slice)?);
            slice.name = format!("{}-{}", node.name, slice.name).into();
            slice.node_name = Some(node.name.clone());
            slice.pool.name = node.name.clone();
            inventory.apply_slice(&Arc::new(slice));
        }
        nodes.push(node);
    }
    let mut claims = Vec::new();
    for claim in list("claims") {
        claims.push(convert::claim(&serde_json::from_value(claim)?));
    }
    let claims: Vec<_> = claims.iter().collect();
    let holder = "claim".into();
    let mut placed = 0;
    let start = Instant::now();
    for node in &nodes {
        let question = Question {
            node,
            claims: &claims,
            features,
            budget: 10_000_000,
        };
        while let Verdict::Fits(results) = inventory.allocate(&question).verdict {
            placed += 1;
            for result in &results {
                inventory.hold_result(result, &holder);
            }
        }
    }
    Ok((placed, start.elapsed().as_secs_f64()))
}
