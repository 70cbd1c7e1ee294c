//! A whole node of a type: labels, resources and slices.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use trainyard_model::Text;
use trainyard_model::device::Device;
use trainyard_model::slice::{Pool, ResourceSlice};

use crate::catalogue::InstanceType;
use crate::machine::{Machine, made_up_digits};
use crate::publish::{self, NETWORK_LAYER_LABELS, NeuronPublish};

/// Node label with the EC2 instance type.
pub const INSTANCE_TYPE_LABEL: &str = "node.kubernetes.io/instance-type";

/// A node as its kubelet and its drivers publish it.
#[derive(Debug, Clone)]
pub struct Node {
    /// `metadata.name`, such as `trn2-48xlarge-0`.
    pub name: Text,
    /// Which type it is.
    pub instance_type: &'static InstanceType,
    /// `metadata.labels`
    pub labels: BTreeMap<Text, Text>,
    /// `status.capacity`, as quantities in canonical form.
    pub capacity: BTreeMap<Text, Text>,
    /// `status.allocatable`, likewise.
    pub allocatable: BTreeMap<Text, Text>,
    /// One for each driver that has devices here.
    pub slices: Vec<ResourceSlice>,
}

/// Pods that a node takes (chosen, as the rest of the resources: the kubelet's default).
const PODS: u64 = 110;
/// Reserved for huge pages by EFA-enabled machine images: 5128 pages of 2 MiB.
const HUGE_PAGES_MIB: u64 = 10_256;

impl Node {
    /// The name of the node of a type with this index.
    pub fn name_of(kind: &InstanceType, index: usize) -> String {
        format!("{}-{index}", kind.name.replace('.', "-"))
    }

    /// A node of the catalogue. `index` counts the nodes of its type; `labels` are set over those
    /// that the catalogue gives, before the drivers read them.
    pub fn new(
        kind: &'static InstanceType,
        index: usize,
        labels: &BTreeMap<Text, Text>,
        publish: NeuronPublish,
    ) -> Node {
        Node::like(None, kind, index, labels, publish)
    }

    /// The same, sharing device lists with another node of the type where they are equal.
    pub(crate) fn like(
        other: Option<&Node>,
        kind: &'static InstanceType,
        index: usize,
        labels: &BTreeMap<Text, Text>,
        publish: NeuronPublish,
    ) -> Node {
        let name: Text = Node::name_of(kind, index).into();
        let mut all = default_labels(kind, index, &name);
        all.extend(labels.iter().map(|(k, v)| (k.clone(), v.clone())));
        let machine = LazyCell::new(|| Machine::of(kind));
        let known = |driver: &str| {
            let slices = other.into_iter().flat_map(|other| &other.slices);
            let mut own = slices.filter(|slice| &*slice.driver == driver);
            own.next().map(|slice| slice.devices.clone())
        };
        let reads_alike = other.is_some_and(|other| {
            let mut read = publish::LABELS.iter();
            read.all(|label| other.labels.get(*label) == all.get(*label))
        });
        let neuron = known(publish::NEURON_DRIVER).filter(|_| reads_alike);
        let neuron =
            neuron.unwrap_or_else(|| publish::neuron_devices(&machine, &all, publish).into());
        let efa = known(publish::EFA_DRIVER);
        let efa = efa.unwrap_or_else(|| publish::efa_devices(&machine).into());
        let slices = [(publish::NEURON_DRIVER, neuron), (publish::EFA_DRIVER, efa)]
            .into_iter()
            .filter(|(_, devices)| !devices.is_empty())
            .map(|(driver, devices)| slice(&name, driver, devices))
            .collect();
        let (capacity, allocatable) = resources(kind);
        Node {
            name,
            instance_type: kind,
            labels: all,
            capacity,
            allocatable,
            slices,
        }
    }
}

fn slice(node: &Text, driver: &str, devices: Arc<[Device]>) -> ResourceSlice {
    ResourceSlice {
        name: format!("{node}-{driver}").into(),
        driver: driver.into(),
        pool: Pool {
            name: node.clone(),
            generation: 1,
            resource_slice_count: 1,
        },
        node_name: Some(node.clone()),
        devices,
        ..ResourceSlice::default()
    }
}

fn default_labels(kind: &InstanceType, index: usize, name: &Text) -> BTreeMap<Text, Text> {
    let mut labels: BTreeMap<Text, Text> = [
        ("kubernetes.io/hostname", name.as_ref()),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
        (INSTANCE_TYPE_LABEL, kind.name),
        ("topology.kubernetes.io/region", "us-east-1"),
        ("topology.kubernetes.io/zone", "us-east-1a"),
    ]
    .into_iter()
    .map(|(key, value)| (key.into(), value.into()))
    .collect();
    // Two layers above all nodes, and one above every eight of a type.
    let below = format!("{}/{}", kind.name, index / 8);
    for (label, place) in NETWORK_LAYER_LABELS.iter().zip(["1", "2", below.as_str()]) {
        labels.insert((*label).into(), network_node(place).into());
    }
    labels
}

/// A made-up network node id in the form of EC2's: `nn-` and seventeen hexadecimal digits.
fn network_node(place: &str) -> String {
    format!(
        "nn-{}",
        made_up_digits(&format!("network-node/{place}"), 17)
    )
}

/// Capacity and allocatable of a type, by EKS' rule for what the kubelet reserves.
fn resources(kind: &InstanceType) -> (BTreeMap<Text, Text>, BTreeMap<Text, Text>) {
    let huge = if kind.efa_count() > 0 {
        HUGE_PAGES_MIB
    } else {
        0
    };
    let mut common = BTreeMap::from([
        (Text::from("pods"), Text::from(PODS.to_string())),
        ("ephemeral-storage".into(), "500Gi".into()),
    ]);
    if huge > 0 {
        common.insert("hugepages-2Mi".into(), format!("{huge}Mi").into());
    }
    let mut capacity = common.clone();
    capacity.insert("cpu".into(), kind.vcpus.to_string().into());
    capacity.insert("memory".into(), format!("{}Gi", kind.memory_gib).into());

    let mut allocatable = common;
    let millis = u64::from(kind.vcpus) * 1000 - reserved_millis(u64::from(kind.vcpus));
    allocatable.insert("cpu".into(), format!("{millis}m").into());
    let memory = u64::from(kind.memory_gib) * 1024 - (255 + 11 * PODS) - 100 - huge;
    allocatable.insert("memory".into(), format!("{memory}Mi").into());
    (capacity, allocatable)
}

/// Thousandths of a cpu kept back: 6% of the first core, 1% of the second, 0.5% of the next two,
/// 0.25% of the rest.
fn reserved_millis(cores: u64) -> u64 {
    let tenths: u64 = (0..cores)
        .map(|core| match core {
            0 => 600,
            1 => 100,
            2 | 3 => 50,
            _ => 25,
        })
        .sum();
    tenths.div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: &str, index: usize) -> Node {
        let kind = InstanceType::find(kind).expect("in the catalogue");
        Node::new(kind, index, &BTreeMap::new(), NeuronPublish::Devices)
    }

    #[test]
    fn reserves_as_eks_does() {
        let node = node("trn2.48xlarge", 0);
        assert_eq!(&*node.allocatable["cpu"], "191450m");
        assert_eq!(&*node.allocatable["memory"], "2085331Mi");
        assert_eq!(&*node.capacity["memory"], "2048Gi");
        assert_eq!(&*node.capacity["hugepages-2Mi"], "10256Mi");
    }

    #[test]
    fn eight_nodes_share_the_lowest_layer() {
        let layer =
            |index, n: usize| node("trn1.32xlarge", index).labels[NETWORK_LAYER_LABELS[n]].clone();
        assert_eq!(layer(0, 2), layer(7, 2));
        assert_ne!(layer(7, 2), layer(8, 2));
        assert_eq!(layer(0, 0), layer(8, 0));
        assert_eq!(layer(0, 2).len(), 20);
    }

    #[test]
    fn labels_reach_the_devices() {
        let kind = InstanceType::find("trn1.2xlarge").expect("in the catalogue");
        let label = (NETWORK_LAYER_LABELS[0].into(), "nn-mine".into());
        let node = Node::new(kind, 0, &BTreeMap::from([label]), NeuronPublish::Devices);
        assert_eq!(node.slices.len(), 1, "trn1.2xlarge has no EFA");
        let attributes = &node.slices[0].devices[0].attributes;
        assert_eq!(
            attributes.get("networkNodeLayer1"),
            Some(&trainyard_model::device::Attribute::String(
                "nn-mine".into()
            ))
        );
        assert!(!attributes.contains_key("topology_x"));
    }

    #[test]
    fn names_count_from_zero() {
        let node = node("trn2u.48xlarge", 3);
        assert_eq!(&*node.name, "trn2u-48xlarge-3");
        assert_eq!(&*node.slices[0].name, "trn2u-48xlarge-3-neuron.aws.com");
        assert_eq!(&*node.slices[1].name, "trn2u-48xlarge-3-dra.net");
    }
}
