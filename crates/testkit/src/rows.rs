//! The scenarios whose times are published: one trn2.48xlarge, sixteen Neuron devices and sixteen
//! EFAs, and requests that users make of it.

use serde_json::{Value, json};

const NODE: &str = "node-00000";

/// All of them, in the order of the table.
pub fn all() -> Vec<Value> {
    let mut rows = Vec::new();
    for size in [1, 4, 8, 16] {
        rows.push(row(&format!("seed-{size}, empty node"), &[], &[seed(size)]));
    }
    let three = row(
        "seed-4, three of the four groups lack one EFA",
        &[0, 4, 8],
        &[seed(4)],
    );
    let every = row(
        "seed-4, every group lacks one EFA",
        &[0, 4, 8, 12],
        &[seed(4)],
    );
    let halves = row("seed-8, each half lacks one EFA", &[0, 8], &[seed(8)]);
    rows.extend([three, every, halves]);
    for wanted in [9, 13, 17, 21, 25, 32] {
        let mut row = row(
            &format!("{wanted} devices wanted, {} there", wanted - 1),
            &[],
            &[claim(&[("n", "neuron.aws.com", wanted)], None)],
        );
        row["slices"] = json!([slice(
            "neuron.aws.com",
            (0..wanted - 1).map(neuron).collect()
        )]);
        rows.push(row);
    }
    for size in [4, 6, 8] {
        let free = claim(&requests(size), None);
        rows.push(row(
            &format!("two claims: {size} + {size}, then seed-8"),
            &[],
            &[free, seed(8)],
        ));
    }
    rows
}

/// The scenario with which clusters are filled.
pub fn filling() -> Value {
    row("filling with seed-4", &[], &[seed(4)])
}

fn requests(size: usize) -> [(&'static str, &'static str, usize); 2] {
    [
        ("neurons", "neuron.aws.com", size),
        ("efas", "efa.networking.k8s.aws", size),
    ]
}

fn seed(size: usize) -> Value {
    claim(
        &requests(size),
        Some(format!("resource.aws.com/devicegroup{size}_id")),
    )
}

fn claim(requests: &[(&str, &str, usize)], attribute: Option<String>) -> Value {
    let list: Vec<Value> = requests
        .iter()
        .map(|(name, class, count)| {
            json!({"name": name, "exactly": {
                "deviceClassName": class, "allocationMode": "ExactCount", "count": count}})
        })
        .collect();
    let constraints: Vec<Value> = attribute
        .map(|attribute| {
            let names: Vec<&str> = requests.iter().map(|(name, ..)| *name).collect();
            json!({"requests": names, "matchAttribute": attribute})
        })
        .into_iter()
        .collect();
    json!({
        "metadata": {"name": "claim", "namespace": "default", "uid": "uid"},
        "spec": {"devices": {"requests": list, "constraints": constraints}},
    })
}

fn row(name: &str, efas_in_use: &[usize], claims: &[Value]) -> Value {
    let in_use: Vec<Value> = efas_in_use
        .iter()
        .map(|id| json!({"driver": "dra.net", "pool": NODE, "device": efa_name(*id)}))
        .collect();
    json!({
        "name": name,
        "features": [
            "DRAAdminAccess", "DRAConsumableCapacity",
            "DRADeviceBindingConditions+DRAResourceClaimDeviceStatus", "DRADeviceTaints",
            "DRAFractionalCapacityRange", "DRAPartitionableDevices", "DRAPrioritizedList",
        ],
        "node": {"metadata": {"name": NODE}},
        "classes": [
            class("neuron.aws.com", "device.driver == 'neuron.aws.com'"),
            class(
                "efa.networking.k8s.aws",
                "device.driver == 'dra.net' && device.attributes['dra.net'].pciDevice == 'Elastic Fabric Adapter (EFA)'",
            ),
        ],
        "slices": [
            slice("neuron.aws.com", (0..16).map(neuron).collect()),
            slice("dra.net", (0..16).map(efa).collect()),
        ],
        "claims": claims,
        "allocated": {"devices": in_use},
    })
}

fn class(name: &str, expression: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"selectors": [{"cel": {"expression": expression}}]}})
}

fn slice(driver: &str, devices: Vec<Value>) -> Value {
    json!({
        "metadata": {"name": format!("{driver}-slice")},
        "spec": {
            "driver": driver, "nodeName": NODE,
            "pool": {"name": NODE, "generation": 1, "resourceSliceCount": 1},
            "devices": devices,
        },
    })
}

fn groups(id: usize) -> Value {
    let mut groups = json!({});
    for size in [1, 4, 8, 16] {
        let key = format!("resource.aws.com/devicegroup{size}_id");
        groups[key] = json!({"string": format!("group-{size}-{}", id / size)});
    }
    groups
}

fn neuron(id: usize) -> Value {
    let mut attributes = groups(id);
    attributes["deviceId"] = json!({"int": id});
    attributes["instanceType"] = json!({"string": "trn2.48xlarge"});
    attributes["resource.aws.com/instanceType"] = json!({"string": "trn2.48xlarge"});
    attributes["neuronDriverVersion"] = json!({"version": "2.25.4"});
    attributes["topology_x"] = json!({"int": id % 4});
    attributes["topology_y"] = json!({"int": id / 4});
    json!({"name": format!("neuron-device-{id}"), "attributes": attributes,
           "capacity": {"memory": {"value": "96Gi"}, "cores": {"value": "8"}}})
}

fn efa_name(id: usize) -> String {
    format!("pci-0000-{:02x}-19-0", 16 + id)
}

fn efa(id: usize) -> Value {
    let mut attributes = groups(id);
    attributes["dra.net/pciDevice"] = json!({"string": "Elastic Fabric Adapter (EFA)"});
    attributes["dra.net/pciVendor"] = json!({"string": "Amazon.com, Inc."});
    attributes["dra.net/rdma"] = json!({"bool": true});
    attributes["dra.net/numaNode"] = json!({"int": id / 8});
    json!({"name": efa_name(id), "attributes": attributes})
}
