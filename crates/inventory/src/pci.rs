//! PCI: addresses and ids of chips and EFAs.
//!
//! Sources: samples in the Neuron SDK documentation (`runtime-performance-tips.rst`,
//! `neuron-ls.rst`) and the kernel drivers' tables of ids.

use crate::catalogue::InstanceType;

/// Amazon's vendor id.
pub const VENDOR: &str = "1d0f";
/// The vendor's name in `pci.ids`.
pub const VENDOR_NAME: &str = "Amazon.com, Inc.";
/// Name of the kernel driver that chips are bound to.
pub const NEURON_DRIVER: &str = "neuron-driver";
/// Name of the kernel driver that EFAs are bound to.
pub const EFA_DRIVER: &str = "efa";

/// Device ids of Neuron chips.
pub const CHIPS: [&str; 5] = ["7164", "7264", "7364", "7564", "7565"];

const TRN1: [&str; 16] = [
    "10:1c.0", "10:1d.0", "a0:1c.0", "a0:1d.0", "20:1b.0", "20:1c.0", "90:1b.0", "90:1c.0",
    "20:1d.0", "20:1e.0", "90:1d.0", "90:1e.0", "10:1e.0", "10:1b.0", "a0:1e.0", "a0:1b.0",
];
const TRN2: [&str; 16] = [
    "cc:00.0", "b5:00.0", "b6:00.0", "cb:00.0", "6f:00.0", "58:00.0", "59:00.0", "6e:00.0",
    "9b:00.0", "84:00.0", "85:00.0", "9a:00.0", "f8:00.0", "e1:00.0", "e2:00.0", "f7:00.0",
];
const INF2: [&str; 12] = [
    "80:1e.0", "90:1e.0", "80:1d.0", "90:1f.0", "80:1f.0", "90:1d.0", "20:1e.0", "20:1f.0",
    "10:1e.0", "10:1f.0", "10:1d.0", "20:1d.0",
];

/// Addresses of a type's chips, by id, where a public sample tells them. The order of addresses is
/// not that of ids, so nothing else can tell them apart without the kernel driver's ioctl.
fn table(kind: &InstanceType) -> &'static [&'static str] {
    match kind.name {
        "inf2.xlarge" | "inf2.8xlarge" => &["00:1f.0"],
        "inf2.48xlarge" => &INF2,
        "trn1.2xlarge" => &["00:1e.0"],
        "trn1.32xlarge" | "trn1n.32xlarge" => &TRN1,
        "trn2.48xlarge" | "trn2u.48xlarge" => &TRN2,
        _ => &[],
    }
}

/// Address of a chip, such as `0000:cc:00.0`.
pub fn chip_address(kind: &InstanceType, id: u32) -> Option<String> {
    let short = table(kind).get(id as usize)?;
    Some(format!("0000:{short}"))
}

/// PCI device id of a type's chips.
pub fn chip_id(kind: &InstanceType) -> &'static str {
    match kind.family() {
        "inf2" => "7264",
        "trn1" | "trn1n" => "7164",
        "trn3" => "7564",
        _ => "7364",
    }
}

/// Bus and slot numbers of an address of the catalogue.
pub(crate) fn bus_and_slot(address: &str) -> (u32, u32) {
    let part = |range| {
        address
            .get(range)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .expect("addresses of the catalogue have the form 0000:bb:ss.f")
    };
    (part(5..7), part(8..10))
}
