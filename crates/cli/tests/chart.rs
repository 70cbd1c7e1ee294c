//! The chart runs the drivers on every type that the catalogue knows, and on no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_chart_and_the_catalogue_know_the_same_types() {
    let values =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/helm/trainyard/values.yaml");
    let values = fs::read_to_string(values).unwrap();
    let list = values.lines().skip_while(|line| *line != "instanceTypes:");
    let chart: BTreeSet<&str> = list
        .skip(1)
        .map_while(|line| line.strip_prefix("  - "))
        .collect();
    let inventory = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .arg("inventory")
        .output()
        .unwrap();
    let table = String::from_utf8(inventory.stdout).unwrap();
    let catalogue = table.lines().skip(1).filter_map(|line| {
        let first = line.split_whitespace().next()?;
        first.contains('.').then_some(first)
    });
    assert_eq!(chart, catalogue.collect());
    assert!(!chart.is_empty());
}
