//! Records upstream's answers: `record COUNT PROGRAM ARGUMENTS...`. The first line guards the
//! scenarios, which are not recorded but generated anew: it is a hash of all of them.

use std::error::Error;

use serde_json::Value;
use trainyard_testkit::answer::{digest, hash};
use trainyard_testkit::generate;
use trainyard_testkit::process::Filter;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let count: u64 = words.next().unwrap_or_default().parse()?;
    let mut upstream = Filter::start(&words.collect::<Vec<_>>())?;
    let scenarios: Vec<Value> = (0..count).map(generate::scenario).collect();
    let all = scenarios
        .iter()
        .flat_map(|scenario| scenario.to_string().into_bytes());
    println!("{count} scenarios {:016x}", hash(all));
    for answer in scenarios.chunks(256).map(|batch| upstream.ask(batch)) {
        for answer in answer? {
            println!("{}", digest(&answer));
        }
    }
    Ok(())
}
