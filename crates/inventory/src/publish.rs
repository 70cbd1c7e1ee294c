//! Devices and attributes as the published Neuron and EFA drivers write them.
//!
//! Sources: Neuron SDK documentation (`deploy/eks/dra.rst`, attribute reference), kubernetes-sigs/
//! dranet (`pkg/apis/attributes.go`), and slices that users published from real clusters.

use std::collections::BTreeMap;

use trainyard_model::Text;
use trainyard_model::device::{Attribute, Device};

use crate::catalogue::{Efas, InstanceType, UltraServer};
use crate::group::{self, Map};

/// DRA driver of Neuron devices, which is also its DeviceClass.
pub const NEURON_DRIVER: &str = "neuron.aws.com";
/// DRA driver of EFAs.
pub const EFA_DRIVER: &str = "dra.net";
/// DeviceClass of EFAs.
pub const EFA_CLASS: &str = "efa.networking.k8s.aws";
/// `dra.net/pciDevice` of an EFA, which its class selects by.
pub const EFA_PCI_DEVICE: &str = "Elastic Fabric Adapter (EFA)";
/// The driver version whose contract is kept, in `draDriverVersion`. Not Trainyard's own.
pub const NEURON_DRIVER_VERSION: &str = "1.2.0";
/// The kernel module's version in the catalogue and in emulated trees (chosen: the one that the
/// documents' example selects).
pub const KERNEL_MODULE_VERSION: &str = "2.25.4.0";
/// Node label with the capacity block of an UltraServer.
pub const CAPACITY_BLOCK_LABEL: &str = "topology.k8s.aws/capacity-block-id";
/// Node labels with the network nodes above a machine, the top of the tree first.
pub const NETWORK_LAYER_LABELS: [&str; 3] = [
    "topology.k8s.aws/network-node-layer-1",
    "topology.k8s.aws/network-node-layer-2",
    "topology.k8s.aws/network-node-layer-3",
];

/// What a trn2u node publishes: its chips, or itself as one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NeuronPublish {
    /// `neuron-device-0` to `-15`.
    #[default]
    Devices,
    /// One device `neuron-node`; only on types of an UltraServer with links, elsewhere as
    /// [`NeuronPublish::Devices`].
    Node,
}

/// Neuron devices of a node with these labels, in order of their ids.
pub fn neuron_devices(
    kind: &InstanceType,
    labels: &BTreeMap<Text, Text>,
    publish: NeuronPublish,
) -> Vec<Device> {
    let mut node = BTreeMap::new();
    let mut set = |name: &str, value| node.insert(Text::from(name), value);
    set("instanceType", string(kind.name));
    set("neuronDriverVersion", string(KERNEL_MODULE_VERSION));
    set(
        "draDriverVersion",
        Attribute::Version(NEURON_DRIVER_VERSION.into()),
    );
    for (layer, label) in NETWORK_LAYER_LABELS.iter().enumerate() {
        if let Some(value) = labels.get(*label) {
            set(
                &format!("networkNodeLayer{}", layer + 1),
                Attribute::String(value.clone()),
            );
        }
    }
    if kind.ultraserver != UltraServer::No
        && let Some(block) = labels.get(CAPACITY_BLOCK_LABEL)
    {
        set("capacityBlockId", Attribute::String(block.clone()));
    }
    if publish == NeuronPublish::Node && kind.ultraserver == UltraServer::Links {
        set("resourceType", string("neuron_node"));
        return vec![Device {
            // Chosen: the name of this device is not public.
            name: "neuron-node".into(),
            attributes: node,
            ..Device::default()
        }];
    }
    set("resourceType", string("neuron_device"));
    (0..kind.chips)
        .map(|chip| Device {
            name: format!("neuron-device-{chip}").into(),
            attributes: chip_attributes(kind, chip, node.clone()),
            ..Device::default()
        })
        .collect()
}

fn chip_attributes(
    kind: &InstanceType,
    chip: u32,
    mut attributes: BTreeMap<Text, Attribute>,
) -> BTreeMap<Text, Attribute> {
    let mut int = |name: &str, value: u32| {
        attributes.insert(name.into(), Attribute::Int(value.into()));
    };
    int("deviceId", chip);
    if kind.has_grid_attributes() {
        int("topology_x", chip / 4);
        int("topology_y", chip % 4);
        int("topology4_id", chip / 4);
        int("topology8_id", chip / 8);
    }
    if let Efas::Mapped(map) = kind.efas {
        group_attributes(map, chip, &mut attributes);
    }
    attributes
}

fn group_attributes(map: &Map, chip: u32, attributes: &mut BTreeMap<Text, Attribute>) {
    for size in group::SIZES {
        if let Some(group) = map.group(chip, size) {
            attributes.insert(
                format!("resource.aws.com/devicegroup{size}_id").into(),
                Attribute::String(group.into()),
            );
        }
    }
}

/// EFAs of a type, in order of their PCI addresses.
pub fn efa_devices(kind: &InstanceType) -> Vec<Device> {
    let addresses = kind.efa_addresses();
    addresses
        .iter()
        .map(|address| Device {
            name: format!("pci-{}", address.replace([':', '.'], "-")).into(),
            attributes: efa_attributes(kind, address, &addresses),
            ..Device::default()
        })
        .collect()
}

fn efa_attributes(kind: &InstanceType, address: &str, all: &[String]) -> BTreeMap<Text, Attribute> {
    let (bus, slot) = bus_and_slot(address);
    let subsystem = match kind.family() {
        "trn1" | "trn1n" => "efa1",
        "trn3" => "efa3",
        _ => "efa2",
    };
    let mut attributes: BTreeMap<Text, Attribute> = [
        ("dra.net/pciVendor", string("Amazon.com, Inc.")),
        ("dra.net/pciDevice", string(EFA_PCI_DEVICE)),
        ("dra.net/pciAddress", string(address)),
        ("dra.net/pciSubsystem", string(subsystem)),
        ("dra.net/rdma", Attribute::Bool(true)),
        ("dra.net/rdmaDevice", string(&format!("rdmap{bus}s{slot}"))),
        (
            "resource.kubernetes.io/pcieRoot",
            string(&format!("pci0000:{:02x}", root_bus(kind, bus, all))),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (Text::from(name), value))
    .collect();
    if let Some(numa) = numa_node(kind, address) {
        attributes.insert("dra.net/numaNode".into(), Attribute::Int(numa));
    }
    if let Efas::Mapped(map) = kind.efas
        && let Some(chip) = map.chip(address)
    {
        group_attributes(map, chip, &mut attributes);
    }
    attributes
}

fn string(value: &str) -> Attribute {
    Attribute::String(value.into())
}

/// Bus and slot numbers of an address of the catalogue.
fn bus_and_slot(address: &str) -> (u32, u32) {
    let part = |range| {
        address
            .get(range)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .expect("addresses of the catalogue have the form 0000:bb:ss.f")
    };
    (part(5..7), part(8..10))
}

/// The bus of the PCIe root port above an EFA. On trn1 the EFA sits on the root bus itself; elsewhere
/// (chosen) two EFAs on neighbouring buses share the root just below the lower one.
fn root_bus(kind: &InstanceType, bus: u32, all: &[String]) -> u32 {
    if matches!(kind.family(), "trn1" | "trn1n") {
        return bus;
    }
    let below = all.iter().any(|other| bus_and_slot(other).0 + 1 == bus);
    // Buses come in pairs: the upper one of a pair is the one whose lower neighbour exists.
    if below { bus - 2 } else { bus - 1 }
}

/// NUMA node of an EFA: that of the chips it serves, where documented samples tell it.
fn numa_node(kind: &InstanceType, address: &str) -> Option<i64> {
    let Efas::Mapped(map) = kind.efas else {
        return None;
    };
    let chip = map.chip(address)?;
    match kind.family() {
        "trn1" | "trn1n" => Some(i64::from(matches!(chip, 2 | 3 | 6 | 7 | 10 | 11 | 14 | 15))),
        "trn2" | "trn2u" => Some(i64::from(!(4..12).contains(&chip))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(device: &Device, name: &str) -> String {
        match device.attributes.get(name) {
            Some(Attribute::String(text)) => text.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn roots_are_shared_by_neighbours() {
        let kind = InstanceType::find("trn2.48xlarge").expect("in the catalogue");
        let roots: Vec<(String, String)> = efa_devices(kind)
            .iter()
            .map(|d| {
                (
                    d.name.to_string(),
                    text(d, "resource.kubernetes.io/pcieRoot"),
                )
            })
            .collect();
        assert_eq!(roots[0], ("pci-0000-56-00-0".into(), "pci0000:55".into()));
        assert_eq!(roots[1], ("pci-0000-57-00-0".into(), "pci0000:55".into()));
        assert_eq!(roots[10], ("pci-0000-c9-00-0".into(), "pci0000:c8".into()));
        let mut distinct: Vec<String> = roots.into_iter().map(|(_, root)| root).collect();
        distinct.dedup();
        assert_eq!(distinct.len(), 8);
    }

    #[test]
    fn an_efa_looks_like_the_published_sample() {
        let kind = InstanceType::find("trn1.32xlarge").expect("in the catalogue");
        let devices = efa_devices(kind);
        let first = &devices[0];
        assert_eq!(&*first.name, "pci-0000-10-19-0");
        assert_eq!(text(first, "dra.net/rdmaDevice"), "rdmap16s25");
        assert_eq!(text(first, "dra.net/pciSubsystem"), "efa1");
        assert_eq!(text(first, "resource.kubernetes.io/pcieRoot"), "pci0000:10");
        assert_eq!(
            text(first, "resource.aws.com/devicegroup1_id"),
            "0000:10:19.0"
        );
        let numa: Vec<Option<&Attribute>> = devices
            .iter()
            .map(|d| d.attributes.get("dra.net/numaNode"))
            .collect();
        let expected = [0, 0, 0, 0, 1, 1, 1, 1].map(Attribute::Int);
        assert_eq!(numa, expected.iter().map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn an_ultraserver_node_can_be_one_device() {
        let kind = InstanceType::find("trn2u.48xlarge").expect("in the catalogue");
        let labels = BTreeMap::from([(CAPACITY_BLOCK_LABEL.into(), "cb-1".into())]);
        let devices = neuron_devices(kind, &labels, NeuronPublish::Node);
        assert_eq!(devices.len(), 1);
        assert_eq!(text(&devices[0], "resourceType"), "neuron_node");
        assert_eq!(text(&devices[0], "capacityBlockId"), "cb-1");
        assert!(!devices[0].attributes.contains_key("deviceId"));
        let chips = neuron_devices(kind, &labels, NeuronPublish::Devices);
        assert_eq!(chips.len(), 16);
        assert!(!chips[0].attributes.contains_key("topology_x"));
    }
}
