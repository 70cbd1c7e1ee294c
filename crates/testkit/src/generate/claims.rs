//! Claims: requests with one or several ways to be met, constraints, configuration.

use serde_json::{Value, json};

use super::{ATTRIBUTES, DRIVERS, Style, cel, opaque};
use crate::dice::Dice;

pub(super) fn claim(dice: &mut Dice, style: Style, features: &[&str], index: usize) -> Value {
    let mut names: Vec<String> = Vec::new();
    let mut derived = Vec::new();
    let requests: Vec<Value> = (0..[1, 1, 1, 2, 2, 3, 4][dice.below(7)])
        .map(|number| {
            let name = format!("r{number}");
            names.push(name.clone());
            let listed = features.contains(&"DRAPrioritizedList") || dice.one_in(90);
            if listed && dice.one_in(4) {
                let ways: Vec<Value> = (0..dice.from_to(1, 3))
                    .map(|way| {
                        let sub = format!("s{way}");
                        names.push(format!("{name}/{sub}"));
                        let mut query = query(dice, style, features, &mut derived, true);
                        query["name"] = json!(sub);
                        query
                    })
                    .collect();
                return json!({"name": name, "firstAvailable": ways});
            }
            let query = query(dice, style, features, &mut derived, false);
            json!({"name": name, "exactly": query})
        })
        .collect();
    let some_names = |dice: &mut Dice| -> Vec<String> {
        if dice.one_in(2) {
            return Vec::new();
        }
        names.iter().filter(|_| dice.one_in(2)).cloned().collect()
    };
    let mut constraints = Vec::new();
    for _ in 0..[0, 0, 0, 1, 1, 2][dice.below(6)] {
        let attribute = match derived.is_empty() || dice.one_in(3) {
            true => (*dice.pick(&ATTRIBUTES)).to_owned(),
            false => dice.pick(&derived).clone(),
        };
        let distinct = features.contains(&"DRAConsumableCapacity") && dice.one_in(4);
        let key = if distinct {
            "distinctAttribute"
        } else {
            "matchAttribute"
        };
        let mut constraint = json!({"requests": some_names(dice), key: attribute});
        if style.odd && dice.one_in(20) {
            constraint = json!({"requests": []});
        }
        constraints.push(constraint);
    }
    let config: Vec<Value> = (0..[0, 0, 0, 1, 2][dice.below(5)])
        .map(|number| json!({"requests": some_names(dice), "opaque": opaque(DRIVERS[dice.below(3)], 10 + number)}))
        .collect();
    json!({
        "metadata": {"name": format!("claim-{index}"), "namespace": "default", "uid": format!("uid-{index}")},
        "spec": {"devices": {"requests": requests, "constraints": constraints, "config": config}},
    })
}

fn query(
    dice: &mut Dice,
    style: Style,
    features: &[&str],
    derived: &mut Vec<String>,
    listed: bool,
) -> Value {
    let class = match style.odd && dice.one_in(6) {
        true => *dice.pick(&["strange", "missing", "", "strange", "strange"]),
        false => *dice.pick(&[
            "any", "a", "a", "b", "any", "any", "c", "small", "odd-grp", "any", "any",
        ]),
    };
    let most = [1, 2, if style.hard { 4 } else { 2 }][dice.below(3)];
    let mut query = json!({
        "deviceClassName": class,
        "allocationMode": "ExactCount",
        "count": dice.from_to(1, most),
    });
    if dice.one_in(14) {
        query["allocationMode"] = json!("All");
        query["count"] = json!(0);
    }
    if dice.one_in(120) {
        query["count"] = json!(*dice.pick(&[16, 31, 32, 33]));
    }
    if style.odd && dice.one_in(40) {
        query["allocationMode"] = json!("Most");
    }
    if dice.one_in(4) {
        query["selectors"] = json!([selector(dice, style)]);
    }
    let admin = features.contains(&"DRAAdminAccess") || dice.one_in(60);
    if !listed && admin && dice.one_in(8) {
        query["adminAccess"] = json!(!dice.one_in(5));
    }
    if style.taints && dice.one_in(2) {
        query["tolerations"] = json!([toleration(dice)]);
    }
    let capacity = features.contains(&"DRAConsumableCapacity") || dice.one_in(60);
    if capacity && dice.one_in(if style.capacity { 2 } else { 10 }) {
        let mut amounts = json!({"mem": *dice.pick(&["1Gi", "1500Mi", "3Gi", "2", "5Gi"])});
        if dice.one_in(4) {
            amounts["a.example/bw"] = json!(*dice.pick(&["1", "300m", "2", "1.5"]));
        }
        query["capacity"] = json!({"requests": amounts});
    }
    let may_derive = features.contains(&"DRADerivedAttributes") || dice.one_in(60);
    if may_derive && dice.one_in(6) {
        let name = *dice.pick(&["shared.example/derived", "half", "a.example/grp"]);
        let expression = match dice.below(if style.odd { 6 } else { 4 }) {
            0 => "device.attributes['a.example'].?grp.orValue(2)",
            1 => "device.driver",
            2 => "device.attributes['shared.example'].?group.orValue('g1')",
            3 => "device.attributes['shared.example'].?numa.orValue(1) % 2",
            4 => "device.attributes['a.example'].grp",
            _ => "device.attributes",
        };
        query["derivedAttributes"] = json!([{"name": name, "expression": expression}]);
        derived.push(name.to_owned());
    }
    query
}

fn selector(dice: &mut Dice, style: Style) -> Value {
    let fine = [
        "device.attributes['a.example'].?grp.orValue(0) <= 2",
        "'shared.example' in device.attributes && has(device.attributes['shared.example'].group)",
        "device.attributes['b.example'].?kind.hasValue()",
        "device.driver.startsWith('a') || device.driver.endsWith('example')",
        "device.driver != 'c.example'",
        "cel.bind(g, device.attributes['a.example'], !has(g.grp) || g.grp != 3)",
        "device.allowMultipleAllocations == false || true",
    ];
    let failing = [
        "device.attributes['shared.example'].numa >= 0",
        "device.attributes['a.example'].grp != 2",
        "device.capacity['a.example'].mem.isGreaterThan(quantity('1Gi'))",
        "device.attributes['shared.example'].group == 'g1'",
        "device.attributes['b.example'].kind",
        "device.nothing",
    ];
    if style.odd && dice.one_in(4) {
        return if dice.one_in(8) {
            json!({})
        } else {
            cel(failing[dice.below(failing.len())])
        };
    }
    cel(fine[dice.below(fine.len())])
}

fn toleration(dice: &mut Dice) -> Value {
    match dice.below(4) {
        0 => json!({"operator": "Exists"}),
        1 => json!({"key": "ill", "operator": "Exists", "effect": "NoSchedule"}),
        2 => json!({"key": "busy", "operator": "Equal", "value": "yes"}),
        _ => json!({"key": "ill", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 10}),
    }
}
