//! Which EFA serves which chip, and the device groups that follow from it.
//!
//! Source: `github.com/aws-neuron/connected-device-maps-over-efa-for-neuron` (`lookup/lookup.go`,
//! `lookup/neuron/*.json`, commit 2eb56e48).

use std::fmt::Write as _;
use std::ops::Range;

use sha2::{Digest, Sha256};

/// The EFA beside each of a node's sixteen chips, by chip id: `bus:device.function` in PCI domain
/// 0000.
#[derive(Debug, PartialEq, Eq)]
pub struct Map([&'static str; 16]);

/// One EFA for two chips.
pub static TRN1: Map = Map([
    "10:1a.0", "10:1a.0", "a0:1a.0", "a0:1a.0", "20:19.0", "20:19.0", "90:19.0", "90:19.0",
    "20:1a.0", "20:1a.0", "90:1a.0", "90:1a.0", "10:19.0", "10:19.0", "a0:19.0", "a0:19.0",
]);

/// One EFA a chip.
pub static TRN1N: Map = Map([
    "10:17.0", "10:1a.0", "a0:17.0", "a0:1a.0", "20:19.0", "20:18.0", "90:19.0", "90:18.0",
    "20:17.0", "20:1a.0", "90:17.0", "90:1a.0", "10:19.0", "10:18.0", "a0:19.0", "a0:18.0",
]);

/// One EFA a chip; trn2u has the same.
pub static TRN2: Map = Map([
    "c9:00.0", "b4:00.0", "b3:00.0", "ca:00.0", "6c:00.0", "57:00.0", "56:00.0", "6d:00.0",
    "98:00.0", "83:00.0", "82:00.0", "99:00.0", "f5:00.0", "e0:00.0", "df:00.0", "f6:00.0",
]);

/// One EFA a chip.
pub static TRN3: Map = Map([
    "be:00.0", "a9:00.0", "a8:00.0", "bf:00.0", "61:00.0", "4c:00.0", "4b:00.0", "62:00.0",
    "8d:00.0", "78:00.0", "77:00.0", "8e:00.0", "ea:00.0", "d5:00.0", "d4:00.0", "eb:00.0",
]);

/// The same EFAs as trn3 in another order of chips.
pub static TRN3PDS: Map = Map([
    "a9:00.0", "a8:00.0", "bf:00.0", "be:00.0", "d5:00.0", "d4:00.0", "eb:00.0", "ea:00.0",
    "4c:00.0", "4b:00.0", "62:00.0", "61:00.0", "78:00.0", "77:00.0", "8e:00.0", "8d:00.0",
]);

/// The map of a type, types that the catalogue lacks included; `None`: its devices are in no groups.
pub fn map(instance_type: &str) -> Option<&'static Map> {
    let map = match instance_type {
        "trn1.32xlarge" => &TRN1,
        "trn1n.32xlarge" => &TRN1N,
        "trn2.48xlarge" | "trn2e.48xlarge" | "trn2u.48xlarge" => &TRN2,
        "trn3.48xlarge" | "trn3p.48xlarge" | "trn3pd98.48xlarge" | "trn3s.48xlarge" => &TRN3,
        "trn3-dev0.48xlarge" | "trn3-dev1.48xlarge" => &TRN3PDS,
        _ => return None,
    };
    Some(map)
}

/// The sizes of groups, as in `resource.aws.com/devicegroup<size>_id`.
pub const SIZES: [u32; 4] = [1, 4, 8, 16];

impl Map {
    /// PCI address of the EFA beside a chip, such as `0000:c9:00.0`.
    pub fn address(&self, chip: u32) -> Option<String> {
        self.0
            .get(chip as usize)
            .map(|short| format!("0000:{short}"))
    }

    /// A chip that the EFA at this address serves. Where there are two, they are in the same groups.
    pub fn chip(&self, address: &str) -> Option<u32> {
        (0..16).find(|chip| self.address(*chip).as_deref() == Some(address))
    }

    /// Addresses of the EFAs beside these chips, in order, each once.
    pub fn addresses(&self, chips: Range<u32>) -> Vec<String> {
        let mut addresses: Vec<String> = chips.filter_map(|chip| self.address(chip)).collect();
        addresses.sort();
        addresses.dedup();
        addresses
    }

    /// The group of `size` that a chip is in: the address of its EFA for size 1, otherwise a digest
    /// of the addresses of all EFAs of the group. Equal on all nodes of a family.
    pub fn group(&self, chip: u32, size: u32) -> Option<String> {
        if size == 1 {
            return self.address(chip);
        }
        self.address(chip)?;
        let first = chip / size * size;
        Some(digest(&self.addresses(first..first + size)))
    }
}

/// First sixteen hexadecimal digits of the SHA-256 of the addresses, joined by commas.
fn digest(addresses: &[String]) -> String {
    let hash = Sha256::digest(addresses.join(","));
    hash.iter().take(8).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_published_ones() {
        let of = |addresses: &[&str]| {
            digest(
                &addresses
                    .iter()
                    .map(|a| (*a).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(of(&["0000:c9:00.0", "0000:ca:00.0"]), "5ba52364feae51b7");
        assert_eq!(of(&[]), "e3b0c44298fc1c14");
    }

    #[test]
    fn the_catalogue_has_the_same_maps() {
        use crate::catalogue::{ALL, Efas};
        for kind in ALL {
            let mapped = match kind.efas {
                Efas::Mapped(map) => Some(map),
                Efas::None | Efas::Lone(_) => None,
            };
            assert_eq!(map(kind.name), mapped, "{}", kind.name);
        }
    }

    #[test]
    fn groups_are_the_published_ones() {
        for (map, fours, eights, sixteen) in [
            (
                &TRN1,
                [
                    "88a3c6ad1661fe1d",
                    "69b2225fd72a59dd",
                    "e3c29faa0cd11323",
                    "178a9e264a26793e",
                ],
                ["86c451036f622685", "aa86c05423d6e8cd"],
                "fb838249c99a6341",
            ),
            (
                &TRN1N,
                [
                    "f9415ac86580cd2a",
                    "81d377c56bbb18dd",
                    "e367b751fc858d72",
                    "6b9b077320083e11",
                ],
                ["25ab6fa8d56db17d", "feac12f490fb3cba"],
                "9ea13cbe1ff23763",
            ),
            (
                &TRN2,
                [
                    "13713e551cd37c19",
                    "671622785349fddf",
                    "237e3ef7b968b4d3",
                    "b3d6ce1919d29f8f",
                ],
                ["3593812b8066a078", "614e16dab9ba2f1f"],
                "821d14afaf11327d",
            ),
            (
                &TRN3,
                [
                    "68ac040ea32655a7",
                    "1c060eef5f3a4fe1",
                    "68e7529909eadc38",
                    "11626cfcde6dcac3",
                ],
                ["bafc439bf9664feb", "629b2570d9887aaf"],
                "31980acd145f7025",
            ),
            (
                &TRN3PDS,
                [
                    "68ac040ea32655a7",
                    "11626cfcde6dcac3",
                    "1c060eef5f3a4fe1",
                    "68e7529909eadc38",
                ],
                ["e24e6d445a226240", "a6e1fae95cf7af58"],
                "31980acd145f7025",
            ),
        ] {
            for chip in 0..16 {
                let group = |size| map.group(chip, size).expect("sixteen chips");
                assert_eq!(group(4), fours[chip as usize / 4]);
                assert_eq!(group(8), eights[chip as usize / 8]);
                assert_eq!(group(16), sixteen);
                let address = group(1);
                let same = map.chip(&address).expect("an EFA of the map");
                assert_eq!(map.group(same, 4), map.group(chip, 4));
            }
        }
    }
}
