//! `trainyard inventory`: the catalogue, or what a node of one type publishes.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trainyard_cluster::SUPPLIED;
use trainyard_inventory::catalogue::{ALL, InstanceType, Shape};
use trainyard_inventory::node::Node;
use trainyard_model::Text;
use trainyard_model::device::{Attribute, Device};
use trainyard_wire::convert::to_api;
use trainyard_wire::write;

use crate::args::{DataOutput, Inventory};
use crate::exit::Exit;
use crate::output::print;

/// Runs the command.
pub fn run(arguments: &Inventory) -> Exit {
    let text = if arguments.classes {
        match arguments.output {
            DataOutput::Json => json_text(&classes()),
            DataOutput::Text | DataOutput::Yaml => write::yaml(&classes()),
        }
    } else if let Some(name) = &arguments.instance_type {
        let kind = match InstanceType::find(name) {
            Ok(kind) => kind,
            Err(error) => {
                eprintln!("error: {error}");
                eprintln!("help: `trainyard inventory` lists the types");
                return Exit::Fault;
            }
        };
        let node = Node::new(kind, 0, &BTreeMap::new(), arguments.neuron_publish);
        match arguments.output {
            DataOutput::Text => describe(&node),
            DataOutput::Yaml => write::yaml(&list(objects(&node))),
            DataOutput::Json => json_text(&list(objects(&node))),
        }
    } else {
        match arguments.output {
            DataOutput::Text => catalogue(),
            DataOutput::Yaml => write::yaml(&types()),
            DataOutput::Json => json_text(&types()),
        }
    };
    print(&text).map_or_else(|exit| exit, |()| Exit::Fine)
}

fn json_text(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a value can be written as JSON");
    text.push('\n');
    text
}

fn list(items: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn classes() -> Value {
    let classes = SUPPLIED.iter().map(|(name, selector)| {
        json!({
            "apiVersion": "resource.k8s.io/v1",
            "kind": "DeviceClass",
            "metadata": {"name": name},
            "spec": {"selectors": [{"cel": {"expression": selector}}]},
        })
    });
    list(classes.collect())
}

/// The Node and its slices, as `plan -f` takes them back.
fn objects(node: &Node) -> Vec<Value> {
    let text = |map: &BTreeMap<_, _>| -> Value {
        map.iter()
            .map(|(key, value): (&Text, &Text)| (key.to_string(), Value::String(value.to_string())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let mut objects = vec![json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": &*node.name, "labels": text(&node.labels)},
        "status": {"capacity": text(&node.capacity), "allocatable": text(&node.allocatable)},
    })];
    for slice in &node.slices {
        let slice = to_api::slice(slice);
        objects.push(serde_json::to_value(&slice).expect("a slice can be written as JSON"));
    }
    objects
}

fn shape(kind: &InstanceType) -> &'static str {
    match kind.shape {
        Shape::Single => "single",
        Shape::Chain => "chain",
        Shape::Ring => "ring",
        Shape::Torus => "4x4 torus",
        Shape::Switch => "switch",
    }
}

fn logical(kind: &InstanceType) -> String {
    let sizes: Vec<String> = kind
        .logical_neuron_cores
        .iter()
        .map(u32::to_string)
        .collect();
    if sizes.is_empty() {
        "fixed".to_owned()
    } else {
        sizes.join(", ")
    }
}

fn types() -> Value {
    let types: Vec<Value> = ALL
        .iter()
        .map(|kind| {
            json!({
                "name": kind.name,
                "neuronDevices": kind.chips,
                "coresPerDevice": kind.cores_per_chip,
                "deviceMemoryGiB": kind.chip_memory_gib,
                "topology": shape(kind),
                "efas": kind.efa_count(),
                "logicalNeuronCores": kind.logical_neuron_cores,
                "vcpus": kind.vcpus,
                "memoryGiB": kind.memory_gib,
            })
        })
        .collect();
    json!({"kind": "InstanceTypes", "version": 1, "items": types})
}

/// Rows in columns.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn catalogue() -> String {
    let head = [
        "TYPE", "NEURON", "TOPOLOGY", "CORES", "MEMORY", "LNC", "EFA", "VCPU", "HOST",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for kind in &ALL {
        rows.push(vec![
            kind.name.to_owned(),
            kind.chips.to_string(),
            shape(kind).to_owned(),
            (kind.chips * kind.cores_per_chip).to_string(),
            format!("{}x{} GiB", kind.chips, kind.chip_memory_gib),
            logical(kind),
            kind.efa_count().to_string(),
            kind.vcpus.to_string(),
            format!("{} GiB", kind.memory_gib),
        ]);
    }
    table(&rows)
}

fn describe(node: &Node) -> String {
    let kind = node.instance_type;
    let mut out = format!(
        "{}: {} Neuron devices ({}), {} EFAs, {} vCPUs, {} GiB\n",
        kind.name,
        kind.chips,
        shape(kind),
        kind.efa_count(),
        kind.vcpus,
        kind.memory_gib
    );
    for slice in &node.slices {
        out.push_str(&format!("\n{}, driver {}\n", slice.name, slice.driver));
        // What all devices have in common stands once.
        let common: BTreeMap<_, _> = slice.devices.first().map_or_else(BTreeMap::new, |first| {
            first
                .attributes
                .iter()
                .filter(|(name, value)| {
                    slice.devices.len() > 1
                        && slice
                            .devices
                            .iter()
                            .all(|d| d.attributes.get(*name) == Some(*value))
                })
                .collect()
        });
        for (name, value) in &common {
            out.push_str(&format!("  {name}: {}\n", show(value)));
        }
        let names: Vec<&str> = slice
            .devices
            .first()
            .into_iter()
            .flat_map(|device: &Device| device.attributes.keys())
            .map(|name| &**name)
            .filter(|name| !common.keys().any(|known| &***known == *name))
            .collect();
        let mut rows = vec![
            std::iter::once("DEVICE")
                .chain(
                    names
                        .iter()
                        .map(|n| n.strip_prefix("resource.aws.com/").unwrap_or(n)),
                )
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        ];
        for device in slice.devices.iter() {
            let values = names
                .iter()
                .map(|name| device.attributes.get(*name).map(show));
            rows.push(
                std::iter::once(device.name.to_string())
                    .chain(values.map(Option::unwrap_or_default))
                    .collect(),
            );
        }
        for line in table(&rows).lines() {
            out.push_str(&format!("  {line}\n"));
        }
    }
    out
}

fn show(value: &Attribute) -> String {
    match value {
        Attribute::Int(value) => value.to_string(),
        Attribute::Bool(value) => value.to_string(),
        Attribute::String(value) | Attribute::Version(value) => value.to_string(),
        other => format!("{other:?}"),
    }
}
