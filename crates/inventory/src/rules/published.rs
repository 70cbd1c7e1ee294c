//! What a node has, as its slices tell it: what `plan` knows without being there.

use trainyard_model::device::{Attribute, Device};

use super::{Hardware, Present, What};
use crate::catalogue::InstanceType;

impl Present {
    /// The devices of one driver, as published. They are taken to be in good order: the scheduler
    /// has looked at taints already.
    pub fn published<'a>(
        instance_type: Option<&'static InstanceType>,
        hardware: Hardware,
        driver: &str,
        devices: impl IntoIterator<Item = &'a Device>,
    ) -> Present {
        let chips = instance_type.map_or(0, |kind| kind.chips);
        let what = |device: &Device| match hardware {
            Hardware::Efa => What::Efa(None),
            Hardware::Neuron if is_node(device, driver) => What::Node((0..chips).collect()),
            Hardware::Neuron => chip(device, driver).map_or(What::Unknown, What::Chip),
        };
        let devices = devices.into_iter();
        Present {
            instance_type,
            devices: devices
                .map(|device| (device.name.clone(), what(device).into()))
                .collect(),
            ..Present::default()
        }
    }
}

/// An attribute of the driver's own domain, with or without that domain in its name.
fn own<'a>(device: &'a Device, driver: &str, name: &str) -> Option<&'a Attribute> {
    let attributes = &device.attributes;
    attributes
        .get(name)
        .or_else(|| attributes.get(format!("{driver}/{name}").as_str()))
}

fn is_node(device: &Device, driver: &str) -> bool {
    matches!(own(device, driver, "resourceType"), Some(Attribute::String(kind)) if &**kind == "neuron_node")
}

fn chip(device: &Device, driver: &str) -> Option<u32> {
    match own(device, driver, "deviceId")? {
        Attribute::Int(id) => u32::try_from(*id).ok(),
        _ => None,
    }
}
