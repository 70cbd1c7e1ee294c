//! One trn2.48xlarge, as its drivers publish it: 16 Neuron devices and 16 EFAs in groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use trainyard_allocator::Inventory;
use trainyard_model::Text;
use trainyard_model::claim::{Constraint, ResourceClaim};
use trainyard_model::device::{Attribute, Device};
use trainyard_model::features::{Feature, Features};
use trainyard_model::node::Node;
use trainyard_model::slice::{DeviceId, Pool, ResourceSlice};

use super::{Scenario, TestEngine, class, query, request};

pub fn features() -> Features {
    [
        Feature::AdminAccess,
        Feature::PrioritizedList,
        Feature::ConsumableCapacity,
        Feature::DeviceTaints,
        Feature::PartitionableDevices,
        Feature::DeviceBindingAndStatus,
        Feature::FractionalCapacityRange,
    ]
    .into_iter()
    .collect()
}

fn device(kind: &str, index: u32) -> Device {
    let groups = [1u32, 4, 8, 16].map(|size| {
        let name = format!("resource.aws.com/devicegroup{size}_id");
        let value = format!("group{size}-{}", index / size);
        (Text::from(name), Attribute::String(value.into()))
    });
    Device {
        name: format!("{kind}-{index}").into(),
        attributes: BTreeMap::from(groups),
        ..Device::default()
    }
}

/// `count` devices of either kind.
pub fn scenario(count: u32, claims: Vec<ResourceClaim>, held: &[(&str, u32)]) -> Scenario {
    let slice = |driver: &str, kind: &str| {
        Arc::new(ResourceSlice {
            name: kind.into(),
            driver: driver.into(),
            pool: Pool {
                name: "node".into(),
                generation: 1,
                resource_slice_count: 1,
            },
            node_name: Some("node".into()),
            devices: (0..count).map(|index| device(kind, index)).collect(),
            ..ResourceSlice::default()
        })
    };
    let held = held.iter().map(|(kind, index)| DeviceId {
        driver: if *kind == "efa" {
            "dra.net".into()
        } else {
            "neuron.aws.com".into()
        },
        pool: "node".into(),
        device: format!("{kind}-{index}").into(),
    });
    Scenario {
        node: Node {
            name: "node".into(),
            ..Node::default()
        },
        classes: vec![
            class("neuron.aws.com", "driver=neuron.aws.com"),
            class("efa.networking.k8s.aws", "driver=dra.net"),
        ],
        slices: vec![slice("neuron.aws.com", "neuron"), slice("dra.net", "efa")],
        claims,
        held: held.collect(),
        features: features(),
    }
}

/// `count` Neuron devices and as many EFAs, in one group of `group` if any.
pub fn pair(name: &str, count: i64, group: Option<u32>) -> ResourceClaim {
    ResourceClaim {
        namespace: "default".into(),
        name: name.into(),
        requests: vec![
            request("neurons", query("neuron.aws.com", count)),
            request("efas", query("efa.networking.k8s.aws", count)),
        ],
        constraints: group
            .into_iter()
            .map(|group| Constraint {
                match_attribute: Some(format!("resource.aws.com/devicegroup{group}_id").into()),
                ..Constraint::default()
            })
            .collect(),
        ..ResourceClaim::default()
    }
}

/// `count` Neuron devices.
pub fn neurons(name: &str, count: i64) -> ResourceClaim {
    ResourceClaim {
        requests: vec![request("neurons", query("neuron.aws.com", count))],
        ..pair(name, count, None)
    }
}

pub fn allocate(scenario: &Scenario) -> (Inventory<TestEngine>, trainyard_allocator::Answer) {
    let mut inventory = scenario.inventory();
    let answer = scenario.ask(10_000_000, |question| inventory.allocate(question));
    (inventory, answer)
}
