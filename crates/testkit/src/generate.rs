//! Random scenarios that reach every feature and every outcome, yet are small enough that upstream
//! answers most of them at once.

mod claims;
mod slices;

use serde_json::{Map, Value, json};

use crate::dice::Dice;

/// All features, as upstream names them.
pub const FEATURES: [&str; 11] = [
    "DRAAdminAccess",
    "DRAConsumableCapacity",
    "DRADerivedAttributes",
    "DRADeviceBindingConditions+DRAResourceClaimDeviceStatus",
    "DRADeviceCompatibilityGroups",
    "DRADeviceTaints",
    "DRAFractionalCapacityRange",
    "DRAListTypeAttributes",
    "DRAOptionalNodeOperations",
    "DRAPartitionableDevices",
    "DRAPrioritizedList",
];

/// Those that Kubernetes 1.37 has on by default.
const DEFAULT: [usize; 7] = [0, 1, 3, 5, 6, 9, 10];

const NODE: &str = "node-1";
const DRIVERS: [&str; 3] = ["a.example", "b.example", "c.example"];
/// Attributes that constraints name. The first is published qualified or bare, as drivers may.
const ATTRIBUTES: [&str; 4] = [
    "a.example/grp",
    "shared.example/group",
    "shared.example/numa",
    "b.example/kind",
];

/// What a scenario has more of than others.
#[derive(Debug, Clone, Copy)]
struct Style {
    /// Objects that the API server would refuse, pools that are being changed, selectors that fail.
    odd: bool,
    /// More devices, higher counts, constraints over all requests.
    hard: bool,
    capacity: bool,
    counters: bool,
    lists: bool,
    taints: bool,
}

/// The scenario of a seed.
pub fn scenario(seed: u64) -> Value {
    let mut dice = Dice::new(seed);
    let dice = &mut dice;
    let features = features(dice);
    let has = |name: &str| features.contains(&name);
    let style = Style {
        odd: dice.one_in(6),
        hard: dice.one_in(4),
        capacity: dice.one_in(if has("DRAConsumableCapacity") { 3 } else { 8 }),
        counters: dice.one_in(if has("DRAPartitionableDevices") { 3 } else { 8 }),
        lists: dice.one_in(if has("DRAListTypeAttributes") { 2 } else { 12 }),
        taints: dice.one_in(if has("DRADeviceTaints") { 2 } else { 5 }),
    };
    let slices = slices::slices(dice, style);
    let allocated = allocated(dice, style, &slices);
    let claims: Vec<Value> = (0..[1, 1, 1, 1, 2, 2, 3][dice.below(7)])
        .map(|index| claims::claim(dice, style, &features, index))
        .collect();
    let declared = if dice.one_in(3) {
        json!([])
    } else {
        json!(["DRAOptionalNodeOperations"])
    };
    json!({
        "name": format!("seed-{seed}"),
        "features": features,
        "node": {
            "metadata": {"name": NODE, "labels": {"zone": "z1", "rank": "3"}},
            "status": {"declaredFeatures": declared},
        },
        "classes": classes(dice, style),
        "slices": slices,
        "claims": claims,
        "allocated": allocated,
    })
}

fn features(dice: &mut Dice) -> Vec<&'static str> {
    match dice.below(10) {
        0 => Vec::new(),
        1..=3 => DEFAULT.map(|index| FEATURES[index]).to_vec(),
        4 | 5 => FEATURES.to_vec(),
        _ => FEATURES.into_iter().filter(|_| !dice.one_in(4)).collect(),
    }
}

/// Sets a key where the value is not null.
fn set(object: &mut Value, key: &str, value: Value) {
    if !value.is_null() {
        object[key] = value;
    }
}

fn cel(expression: &str) -> Value {
    json!({"cel": {"expression": expression}})
}

fn opaque(driver: &str, number: usize) -> Value {
    json!({"driver": driver, "parameters": {"number": number, "kind": "Config"}})
}

fn classes(dice: &mut Dice, style: Style) -> Value {
    let mut classes = vec![
        json!({"metadata": {"name": "any"}, "spec": {}}),
        json!({"metadata": {"name": "odd-grp"}, "spec": {"selectors": [
            cel("device.attributes['a.example'].?grp.orValue(1) == 1")]}}),
        json!({"metadata": {"name": "small"}, "spec": {"selectors": [
            cel("!('mem' in device.capacity[device.driver]) || device.capacity[device.driver].mem.compareTo(quantity('8Gi')) <= 0")]}}),
    ];
    for (driver, name) in DRIVERS.iter().zip(["a", "b", "c"]) {
        let mut class = json!({"metadata": {"name": name}, "spec": {"selectors": [
            cel(&format!("device.driver == '{driver}'"))]}});
        if dice.one_in(3) {
            let configs: Vec<Value> = (0..dice.from_to(1, 2))
                .map(|number| json!({"opaque": opaque(driver, number)}))
                .collect();
            class["spec"]["config"] = json!(configs);
        }
        classes.push(class);
    }
    if style.odd {
        let strange = match dice.below(6) {
            0 => cel("device.attributes['a.example'].nothing == 1"),
            1 => cel("device.driver =="),
            2 => cel("device.driver == 3"),
            3 => json!({}),
            4 => cel("device.attributes['a.example'].grp == 1"),
            _ => cel(
                "device.attributes['a.example'].grp in [1, 2] && device.attributes['shared.example'].numa == 0",
            ),
        };
        classes.push(json!({"metadata": {"name": "strange"}, "spec": {"selectors": [strange]}}));
    }
    json!(classes)
}

/// Every so many devices are in use, in whole or in part.
fn allocated(dice: &mut Dice, style: Style, slices: &[Value]) -> Value {
    let (mut devices, mut shared, mut capacity) = (Vec::new(), Vec::new(), Vec::new());
    let rarity = [2, 4, 8, 1000][dice.below(4)];
    for slice in slices {
        let spec = &slice["spec"];
        for device in spec["devices"].as_array().into_iter().flatten() {
            if !dice.one_in(rarity) {
                continue;
            }
            let id = json!({
                "driver": spec["driver"], "pool": spec["pool"]["name"], "device": device["name"]
            });
            let multiple = device["allowMultipleAllocations"] == json!(true);
            if !multiple || (style.odd && dice.one_in(4)) {
                devices.push(id);
                continue;
            }
            let mut share = id.clone();
            share["shareID"] = json!(format!(
                "{:08x}-0000-4000-8000-000000000000",
                dice.below(1 << 30)
            ));
            shared.push(share);
            if let Some(names) = device["capacity"].as_object() {
                let amounts: Map<String, Value> = names
                    .keys()
                    .map(|name| {
                        (
                            name.clone(),
                            json!(*dice.pick(&["1Gi", "2Gi", "1", "3", "500m"])),
                        )
                    })
                    .collect();
                let mut used = id;
                used["capacity"] = json!(amounts);
                capacity.push(used);
            }
        }
    }
    json!({"devices": devices, "shared": shared, "capacity": capacity})
}
