//! Pools, their slices, and the devices in them.

use serde_json::{Map, Value, json};

use super::{DRIVERS, NODE, Style, set};
use crate::dice::Dice;

const OTHER: &str = "node-2";

pub(super) fn slices(dice: &mut Dice, style: Style) -> Vec<Value> {
    let mut slices = Vec::new();
    for pool in 0..[1, 2, 2, 2, 3, 4][dice.below(6)] {
        let driver = DRIVERS[[0, 0, 0, 1, 1, 2][dice.below(if style.hard { 5 } else { 6 })]];
        let name = if dice.one_in(3) {
            NODE.to_owned()
        } else {
            format!("pool-{pool}")
        };
        slices.extend(pool_slices(dice, style, driver, &name, pool));
    }
    if dice.one_in(4) && slices.len() > 1 {
        let last = slices.len() - 1;
        slices.swap(0, last);
    }
    slices
}

/// A selector that fails to parse ends the whole attempt, so few have one.
fn operator(dice: &mut Dice) -> &'static str {
    match dice.below(30) {
        0 => "Near",
        1..=8 => "Lt",
        _ => "Gt",
    }
}

fn pool_slices(
    dice: &mut Dice,
    style: Style,
    driver: &str,
    pool: &str,
    index: usize,
) -> Vec<Value> {
    let counters = style.counters && !dice.one_in(3);
    let device_slices = [1, 1, 1, 2, 3][dice.below(5)];
    let count = device_slices + usize::from(counters);
    let generation = dice.below(3);
    let per_device = counters || dice.one_in(6);
    let placement = placement(dice, per_device);
    let skip = match dice.below(8) {
        0 => json!(["*"]),
        1 => json!(["NodePrepareResources", "NodeUnprepareResources"]),
        _ => Value::Null,
    };
    let mut number = 0;
    let mut slices = Vec::new();
    let slice = |dice: &mut Dice, letter: &str| {
        let mut stated = count;
        let mut newer = generation;
        if style.odd && dice.one_in(8) {
            stated += 1;
        }
        if style.odd && dice.one_in(10) {
            newer += 1;
        }
        json!({
            "metadata": {"name": format!("{}-{index}-{letter}", dice.pick(&["s", "t", "u"]))},
            "spec": {
                "driver": driver,
                "pool": {"name": pool, "generation": newer, "resourceSliceCount": stated},
            },
        })
    };
    for part in 0..device_slices {
        let mut object = slice(dice, &format!("d{part}"));
        let most = if style.hard { 8 } else { 5 };
        let amount = dice.from_to(if style.odd { 0 } else { 2 }, most);
        let devices: Vec<Value> = (0..amount)
            .map(|_| {
                number += 1;
                let per_device = placement.is_none();
                let mut device = device(dice, style, driver, number, counters);
                if per_device {
                    let place = super::slices::placement(dice, false).unwrap_or_default();
                    for (key, value) in place {
                        device[key] = value;
                    }
                }
                device
            })
            .collect();
        object["spec"]["devices"] = json!(devices);
        place(&mut object, placement.as_ref());
        set(&mut object["spec"], "skipNodeOperations", skip.clone());
        slices.push(object);
    }
    if counters {
        let mut object = slice(dice, "counters");
        let mut sets: Vec<Value> = (0..dice.from_to(1, 2))
            .map(|set| {
                json!({"name": format!("set-{set}"), "counters": {
                    "cores": {"value": dice.from_to(2, 10).to_string()},
                    "mem": {"value": format!("{}Gi", dice.from_to(4, 20))},
                }})
            })
            .collect();
        if style.odd && dice.one_in(6) {
            sets.push(sets[0].clone());
        }
        object["spec"]["sharedCounters"] = json!(sets);
        place(&mut object, placement.as_ref());
        slices.push(object);
    }
    slices
}

fn place(slice: &mut Value, placement: Option<&Map<String, Value>>) {
    match placement {
        Some(placement) => {
            for (key, value) in placement {
                slice["spec"][key] = value.clone();
            }
        }
        None => slice["spec"]["perDeviceNodeSelection"] = json!(true),
    }
}

/// Where a slice or a device can be used; `None`: each device by itself.
pub(super) fn placement(dice: &mut Dice, per_device: bool) -> Option<Map<String, Value>> {
    let chosen = match dice.below(if per_device { 16 } else { 12 }) {
        0..=5 => json!({"nodeName": NODE}),
        6 | 7 => json!({"allNodes": true}),
        8 | 9 => json!({"nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "zone", "operator": "In", "values": ["z1", *dice.pick(&["z2", "z3"])]}]}]}}),
        10 => json!({"nodeSelector": {"nodeSelectorTerms": [{
            "matchExpressions": [{"key": "rank", "operator": operator(dice), "values": ["2"]}],
            "matchFields": [{"key": "metadata.name", "operator": "In", "values": [*dice.pick(&[NODE, OTHER])]}]}]}}),
        11 => json!({"nodeName": OTHER}),
        _ => return None,
    };
    match chosen {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

fn device(dice: &mut Dice, style: Style, driver: &str, number: usize, counters: bool) -> Value {
    // Names in an order that is not that of the bytes: the order of the list counts.
    let name = format!("dev-{}{number}", dice.pick(&["", "z", "a"]));
    let mut device = json!({"name": name});
    let mut attributes = Map::new();
    let key = match driver == "a.example" && dice.one_in(2) {
        true => "grp",
        false => "a.example/grp",
    };
    if !dice.one_in(12) {
        attributes.insert(key.to_owned(), json!({"int": dice.from_to(1, 3)}));
    }
    if !dice.one_in(12) {
        attributes.insert("shared.example/group".to_owned(), group(dice, style));
    }
    if !dice.one_in(8) {
        let value = match style.lists && dice.one_in(2) {
            true => json!({"ints": [dice.below(3), dice.from_to(3, 5)]}),
            false => json!({"int": dice.below(3)}),
        };
        attributes.insert("shared.example/numa".to_owned(), value);
    }
    if dice.one_in(2) {
        let value = match dice.below(if style.odd { 5 } else { 3 }) {
            0 => json!({"bool": dice.one_in(2)}),
            1 => json!({"version": *dice.pick(&["1.2.3", "1.2.3+x", "2.0.0"])}),
            2 => json!({"string": *dice.pick(&["x", "y"])}),
            3 => json!({"version": "v1"}),
            _ => json!({}),
        };
        attributes.insert("b.example/kind".to_owned(), value);
    }
    device["attributes"] = Value::Object(attributes);
    if style.capacity || dice.one_in(6) {
        device["capacity"] = capacity(dice, style);
        if style.capacity && !dice.one_in(4) {
            device["allowMultipleAllocations"] = json!(true);
        }
    } else if dice.one_in(12) {
        device["allowMultipleAllocations"] = json!(!dice.one_in(4));
    }
    if counters && !dice.one_in(5) {
        device["consumesCounters"] = consumes(dice, style);
    }
    if style.taints && dice.one_in(3) {
        let taints: Vec<Value> = (0..dice.from_to(1, 2)).map(|_| taint(dice)).collect();
        device["taints"] = json!(taints);
    }
    if dice.one_in(8) {
        device["bindingConditions"] = json!(["example.com/ready"]);
        device["bindingFailureConditions"] = json!(["example.com/failed"]);
    }
    if dice.one_in(10) {
        device["bindsToNode"] = json!(true);
    }
    device
}

fn group(dice: &mut Dice, style: Style) -> Value {
    let names = ["g1", "g2", "g3"];
    if style.lists && dice.one_in(2) {
        let amount = dice.from_to(1, 2);
        let start = dice.below(2);
        return json!({"strings": names[start..start + amount]});
    }
    json!({"string": *dice.pick(&names)})
}

fn taint(dice: &mut Dice) -> Value {
    json!({
        "key": *dice.pick(&["ill", "busy"]),
        "value": *dice.pick(&["", "yes"]),
        "effect": *dice.pick(&["NoSchedule", "NoExecute", "NoSchedule", "None"]),
    })
}

fn capacity(dice: &mut Dice, style: Style) -> Value {
    let mut capacity = Map::new();
    let total = *dice.pick(&["4Gi", "8Gi", "16Gi"]);
    let mut mem = json!({"value": total});
    let policy = match dice.below(5) {
        0 => json!({"default": "1Gi", "validRange": {"min": "1Gi", "step": "1Gi", "max": "4Gi"}}),
        1 => json!({"default": "2Gi", "validRange": {"min": "1Gi"}}),
        2 => json!({"default": "1Gi", "validValues": ["1Gi", "2Gi", "4Gi"]}),
        3 => json!({"default": "2Gi"}),
        _ => Value::Null,
    };
    set(&mut mem, "requestPolicy", policy);
    capacity.insert("mem".to_owned(), mem);
    if dice.one_in(3) {
        let mut bw = json!({"value": *dice.pick(&["10", "2500m", "4"])});
        let policy = match dice.below(if style.odd { 6 } else { 4 }) {
            0 => {
                json!({"default": "500m", "validRange": {"min": "250m", "step": "250m", "max": "2"}})
            }
            1 => json!({"default": "1", "validRange": {"min": "1", "step": "2", "max": "5"}}),
            2 => json!({"default": "1", "validValues": ["500m", "1", "1500m"]}),
            4 => json!({"default": "1", "validRange": {"min": "1", "step": "0"}}),
            5 => json!({"validRange": {"min": "-1", "step": "1"}}),
            _ => Value::Null,
        };
        set(&mut bw, "requestPolicy", policy);
        capacity.insert("a.example/bw".to_owned(), bw);
    }
    Value::Object(capacity)
}

fn consumes(dice: &mut Dice, style: Style) -> Value {
    let sets = dice.from_to(1, 2);
    let consumption: Vec<Value> = (0..sets)
        .map(|set| {
            // A set that only some pools have: those without are invalid.
            let set = match style.odd && dice.one_in(6) {
                true => set + 1,
                false => set.min(usize::from(style.odd && set == 1)),
            };
            let mut entry = json!({"counterSet": format!("set-{set}"), "counters": {
                "cores": {"value": dice.from_to(1, 4).to_string()},
            }});
            if dice.one_in(2) {
                entry["counters"]["mem"] = json!({"value": format!("{}Gi", dice.from_to(1, 6))});
            }
            if dice.one_in(4) {
                let groups = ["c1", "c2", "c3"];
                let start = dice.below(2);
                entry["compatibilityGroups"] = json!(groups[start..start + dice.from_to(1, 2)]);
            }
            entry
        })
        .collect();
    // A device names a set once.
    match consumption.first() {
        Some(first) if !style.odd => json!([first]),
        _ => json!(consumption),
    }
}
