//! Devices and attributes as the published Neuron and EFA drivers write them.
//!
//! Sources: Neuron SDK documentation (`deploy/eks/dra.rst`, attribute reference), kubernetes-sigs/
//! dranet (`pkg/apis/attributes.go`), and slices that users published from real clusters.

use std::collections::BTreeMap;

use trainyard_model::Text;
use trainyard_model::device::{Attribute, Device};

use crate::catalogue::{InstanceType, UltraServer};
use crate::group::{self, Map};
use crate::machine::{Efa, Machine};
use crate::pci;

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
/// The labels of a Node that its devices depend on.
pub const LABELS: [&str; 4] = [
    NETWORK_LAYER_LABELS[0],
    NETWORK_LAYER_LABELS[1],
    NETWORK_LAYER_LABELS[2],
    CAPACITY_BLOCK_LABEL,
];

/// What a trn2u node publishes: its chips, or itself as one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum NeuronPublish {
    /// Its sixteen devices, neuron-device-0 to -15
    #[default]
    Devices,
    /// One device, neuron-node, for the whole node; a type without links between nodes publishes its
    /// devices all the same
    Node,
}

/// Neuron devices of a machine whose Node has these labels, in order of their ids.
pub fn neuron_devices(
    machine: &Machine,
    labels: &BTreeMap<Text, Text>,
    publish: NeuronPublish,
) -> Vec<Device> {
    if machine.chips.is_empty() {
        return Vec::new();
    }
    let like = machine.like();
    let ultraserver = like.map_or(UltraServer::No, |kind| kind.ultraserver);
    let mut node = BTreeMap::new();
    let mut set = |name: &str, value| node.insert(Text::from(name), value);
    set(
        "instanceType",
        Attribute::String(machine.instance_type.clone()),
    );
    set(
        "neuronDriverVersion",
        Attribute::String(machine.module_version.clone()),
    );
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
    if ultraserver != UltraServer::No
        && let Some(block) = labels.get(CAPACITY_BLOCK_LABEL)
    {
        set("capacityBlockId", Attribute::String(block.clone()));
    }
    if is_one_device(machine, publish) {
        set("resourceType", string("neuron_node"));
        return vec![Device {
            name: NODE_DEVICE.into(),
            attributes: node,
            ..Device::default()
        }];
    }
    set("resourceType", string("neuron_device"));
    let grid = like.is_some_and(InstanceType::has_grid_attributes);
    let map = group::map(&machine.instance_type);
    let chips = machine.chips.iter();
    chips
        .map(|chip| Device {
            name: chip_name(chip.id).into(),
            attributes: chip_attributes(chip.id, grid, map, node.clone()),
            ..Device::default()
        })
        .collect()
}

/// Whether the machine's chips are published as one device.
pub fn is_one_device(machine: &Machine, publish: NeuronPublish) -> bool {
    let links = |kind: &InstanceType| kind.ultraserver == UltraServer::Links;
    publish == NeuronPublish::Node && machine.like().is_some_and(links)
}

/// Name of the device that is a whole node (chosen: it is not public).
pub const NODE_DEVICE: &str = "neuron-node";

/// Name of a chip's device.
pub fn chip_name(id: u32) -> String {
    format!("neuron-device-{id}")
}

/// Name of an EFA's device.
pub fn efa_name(address: &str) -> String {
    format!("pci-{}", address.replace([':', '.'], "-"))
}

fn chip_attributes(
    chip: u32,
    grid: bool,
    map: Option<&Map>,
    mut attributes: BTreeMap<Text, Attribute>,
) -> BTreeMap<Text, Attribute> {
    let mut int = |name: &str, value: u32| {
        attributes.insert(name.into(), Attribute::Int(value.into()));
    };
    int("deviceId", chip);
    if grid {
        int("topology_x", chip / 4);
        int("topology_y", chip % 4);
        int("topology4_id", chip / 4);
        int("topology8_id", chip / 8);
    }
    if let Some(map) = map {
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

/// EFAs of a machine, in order of their PCI addresses.
pub fn efa_devices(machine: &Machine) -> Vec<Device> {
    let map = group::map(&machine.instance_type);
    let efas = machine.efas.iter();
    efas.map(|efa| Device {
        name: efa_name(&efa.address).into(),
        attributes: efa_attributes(efa, map),
        ..Device::default()
    })
    .collect()
}

fn efa_attributes(efa: &Efa, map: Option<&Map>) -> BTreeMap<Text, Attribute> {
    let mut attributes = BTreeMap::new();
    let mut set = |name: &str, value| attributes.insert(Text::from(name), value);
    // Names of the host's pci.ids are not asked: it may be older than the hardware, and the class
    // selects by this text.
    set("dra.net/pciVendor", string(pci::VENDOR_NAME));
    set("dra.net/pciDevice", string(EFA_PCI_DEVICE));
    set("dra.net/pciAddress", Attribute::String(efa.address.clone()));
    set("dra.net/rdma", Attribute::Bool(!efa.rdma.is_empty()));
    for (name, value) in [
        ("dra.net/pciSubsystem", &efa.subsystem),
        ("dra.net/rdmaDevice", &efa.rdma),
        ("resource.kubernetes.io/pcieRoot", &efa.root),
    ] {
        if !value.is_empty() {
            set(name, Attribute::String(value.clone()));
        }
    }
    if let Some(numa) = efa.numa {
        set("dra.net/numaNode", Attribute::Int(numa));
    }
    if let Some((map, chip)) = map.and_then(|map| Some((map, map.chip(&efa.address)?))) {
        group_attributes(map, chip, &mut attributes);
    }
    attributes
}

fn string(value: &str) -> Attribute {
    Attribute::String(value.into())
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
        let roots: Vec<(String, String)> = efa_devices(&Machine::of(kind))
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
        let devices = efa_devices(&Machine::of(kind));
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
        let devices = neuron_devices(&Machine::of(kind), &labels, NeuronPublish::Node);
        assert_eq!(devices.len(), 1);
        assert_eq!(text(&devices[0], "resourceType"), "neuron_node");
        assert_eq!(text(&devices[0], "capacityBlockId"), "cb-1");
        assert!(!devices[0].attributes.contains_key("deviceId"));
        let chips = neuron_devices(&Machine::of(kind), &labels, NeuronPublish::Devices);
        assert_eq!(chips.len(), 16);
        assert!(!chips[0].attributes.contains_key("topology_x"));
    }
}
