//! The instance types: chips, EFAs, links and host of each.
//!
//! Sources: Neuron SDK documentation (`about-neuron/arch/neuron-hardware`), the EC2 instance type
//! pages, `aws-neuron/connected-device-maps-over-efa-for-neuron`.

use trainyard_model::nearest::nearest;

use crate::group::Map;

/// One EC2 instance type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceType {
    /// EC2 name, such as `trn2.48xlarge`.
    pub name: &'static str,
    /// Neuron devices (chips).
    pub chips: u32,
    /// Physical NeuronCores of a chip.
    pub cores_per_chip: u32,
    /// Memory of a chip in GiB.
    pub chip_memory_gib: u32,
    /// How the chips are linked.
    pub shape: Shape,
    /// Where the EFAs are.
    pub efas: Efas,
    /// Sizes of a logical NeuronCore that can be chosen; empty where it cannot be configured.
    pub logical_neuron_cores: &'static [u32],
    /// vCPUs of the host.
    pub vcpus: u32,
    /// Memory of the host in GiB.
    pub memory_gib: u32,
    /// Whether the type is a node of an UltraServer, and so in a capacity block.
    pub ultraserver: UltraServer,
}

/// How the chips of a node are linked: what a picture of the node should look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One chip, no link.
    Single,
    /// Each chip to the next, the ends apart (inf2.24xlarge).
    Chain,
    /// Each chip to the next, the last to the first (inf2.48xlarge).
    Ring,
    /// Four rows of four, each row and column a ring (trn1, trn2).
    Torus,
    /// Every chip to every other through a switch (trn3).
    Switch,
}

/// The EFAs of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Efas {
    /// None.
    None,
    /// One that serves no chip in particular, at this PCI address (trn2.3xlarge; chosen).
    Lone(&'static str),
    /// Those of a device map, beside the chips.
    Mapped(&'static Map),
}

/// What an UltraServer makes of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UltraServer {
    /// The type is no part of one.
    No,
    /// Four nodes with links between them (trn2u): no topology attributes, and the whole node can
    /// be published as one device.
    Links,
    /// Four nodes behind one switch (trn3).
    Switch,
}

/// Why a name is not in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Never heard of.
    #[error("unknown instance type {name:?}{}", nearest.map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Unknown {
        /// As written.
        name: String,
        /// A type with a similar name.
        nearest: Option<&'static str>,
    },
    /// Dropped by the kernel driver.
    #[error(
        "instance type {name:?} is not in the catalogue: current Neuron kernel drivers no longer support Inferentia1"
    )]
    Inferentia1 {
        /// As written.
        name: String,
    },
    /// Announced or seen in public files, but not described there.
    #[error(
        "instance type {name:?} is not in the catalogue: public sources do not describe its devices"
    )]
    Preview {
        /// As written.
        name: String,
    },
}

/// Names that public files mention without telling what the machines have, and old names.
const PREVIEW: [&str; 22] = [
    "trn2-16.48xlarge",
    "trn2-ac.24xlarge",
    "trn2e.48xlarge",
    "trn2es.48xlarge",
    "trn2eu.48xlarge",
    "trn2n.48xlarge",
    "trn2p.48xlarge",
    "trn2u-ac.24xlarge",
    "trn3-dev0.48xlarge",
    "trn3-dev1.48xlarge",
    "trn3e.24xlarge",
    "trn3en.24xlarge",
    "trn3n.48xlarge",
    "trn3p.48xlarge",
    "trn3pd98.3xlarge",
    "trn3pd98.48xlarge",
    "trn3s-es.48xlarge",
    "trn3s.48xlarge",
    "trn3.gen2",
    "trn3-gen2",
    "trn3gen2",
    "u-trn2x64",
];

const CONFIGURABLE: &[u32] = &[1, 2];

const INF2: InstanceType = InstanceType {
    name: "inf2.xlarge",
    chips: 1,
    cores_per_chip: 2,
    chip_memory_gib: 32,
    shape: Shape::Single,
    efas: Efas::None,
    logical_neuron_cores: &[],
    vcpus: 4,
    memory_gib: 16,
    ultraserver: UltraServer::No,
};

const TRN1: InstanceType = InstanceType {
    name: "trn1.32xlarge",
    chips: 16,
    shape: Shape::Torus,
    efas: Efas::Mapped(&crate::group::TRN1),
    vcpus: 128,
    memory_gib: 512,
    ..INF2
};

const TRN2: InstanceType = InstanceType {
    name: "trn2.48xlarge",
    cores_per_chip: 8,
    chip_memory_gib: 96,
    efas: Efas::Mapped(&crate::group::TRN2),
    logical_neuron_cores: CONFIGURABLE,
    vcpus: 192,
    memory_gib: 2048,
    ..TRN1
};

/// Every type of the catalogue, family by family, the smallest first.
pub const ALL: [InstanceType; 11] = [
    INF2,
    InstanceType {
        name: "inf2.8xlarge",
        vcpus: 32,
        memory_gib: 128,
        ..INF2
    },
    InstanceType {
        name: "inf2.24xlarge",
        chips: 6,
        shape: Shape::Chain,
        vcpus: 96,
        memory_gib: 384,
        ..INF2
    },
    InstanceType {
        name: "inf2.48xlarge",
        chips: 12,
        shape: Shape::Ring,
        vcpus: 192,
        memory_gib: 768,
        ..INF2
    },
    InstanceType {
        name: "trn1.2xlarge",
        vcpus: 8,
        memory_gib: 32,
        ..INF2
    },
    TRN1,
    InstanceType {
        name: "trn1n.32xlarge",
        efas: Efas::Mapped(&crate::group::TRN1N),
        ..TRN1
    },
    // Host size chosen: public sources do not give it.
    InstanceType {
        name: "trn2.3xlarge",
        chips: 1,
        shape: Shape::Single,
        efas: Efas::Lone("0000:c9:00.0"),
        vcpus: 12,
        memory_gib: 128,
        ..TRN2
    },
    TRN2,
    InstanceType {
        name: "trn2u.48xlarge",
        ultraserver: UltraServer::Links,
        ..TRN2
    },
    InstanceType {
        name: "trn3.48xlarge",
        chip_memory_gib: 144,
        shape: Shape::Switch,
        efas: Efas::Mapped(&crate::group::TRN3),
        ultraserver: UltraServer::Switch,
        ..TRN2
    },
];

impl InstanceType {
    /// Looks a type up by its EC2 name.
    pub fn find(name: &str) -> Result<&'static InstanceType, Error> {
        static CATALOGUE: [InstanceType; 11] = ALL;
        if let Some(found) = CATALOGUE.iter().find(|t| t.name == name) {
            return Ok(found);
        }
        let owned = name.to_owned();
        if name.starts_with("inf1.") {
            return Err(Error::Inferentia1 { name: owned });
        }
        if PREVIEW.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Error::Preview { name: owned });
        }
        let nearest = nearest(name, CATALOGUE.iter().map(|kind| kind.name));
        Err(Error::Unknown {
            name: owned,
            nearest,
        })
    }

    /// The type that a machine of this EC2 name behaves like: itself, or for names that are not in
    /// the catalogue the large one of its family. `None`: no Neuron machine that is known of.
    pub fn like(name: &str) -> Option<&'static InstanceType> {
        if let Ok(kind) = InstanceType::find(name) {
            return Some(kind);
        }
        let (family, size) = name.split_once('.')?;
        let stem = match family {
            "trn2p" | "trn2eu" => "trn2u",
            _ if family.starts_with("trn2u") => "trn2u",
            _ if family.starts_with("trn2") => "trn2",
            _ if family.starts_with("trn3") => "trn3",
            _ => return None,
        };
        // Of smaller sizes nothing is known, not even how many chips they have.
        (size == "48xlarge")
            .then(|| InstanceType::find(&format!("{stem}.{size}")).ok())
            .flatten()
    }

    /// The text before the first dot: `trn2`.
    pub fn family(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// How many EFAs it has.
    pub fn efa_count(&self) -> usize {
        self.efa_addresses().len()
    }

    /// PCI addresses of its EFAs, in order.
    pub fn efa_addresses(&self) -> Vec<String> {
        match self.efas {
            Efas::None => Vec::new(),
            Efas::Lone(address) => vec![address.to_owned()],
            Efas::Mapped(map) => map.addresses(0..16),
        }
    }

    /// Whether the published attributes place the chips on a grid. trn3 has them for the contract's
    /// sake although its chips are all linked to all; trn2u has none.
    pub fn has_grid_attributes(&self) -> bool {
        self.chips == 16 && self.ultraserver != UltraServer::Links
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_it_lists() {
        for listed in ALL {
            assert_eq!(InstanceType::find(listed.name), Ok(&listed));
        }
    }

    #[test]
    fn counts_efas() {
        let counts: Vec<(&str, usize)> = ALL
            .iter()
            .map(|t| (t.name, t.efa_count()))
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(
            counts,
            [
                ("trn1.32xlarge", 8),
                ("trn1n.32xlarge", 16),
                ("trn2.3xlarge", 1),
                ("trn2.48xlarge", 16),
                ("trn2u.48xlarge", 16),
                ("trn3.48xlarge", 16),
            ]
        );
    }

    #[test]
    fn previews_behave_like_their_family() {
        let like = |name| InstanceType::like(name).map(|kind| kind.name);
        assert_eq!(like("trn2.3xlarge"), Some("trn2.3xlarge"));
        assert_eq!(like("trn2e.48xlarge"), Some("trn2.48xlarge"));
        assert_eq!(like("trn2eu.48xlarge"), Some("trn2u.48xlarge"));
        assert_eq!(like("trn3-dev0.48xlarge"), Some("trn3.48xlarge"));
        assert_eq!(like("trn3pd98.3xlarge"), None);
        assert_eq!(like("p5.48xlarge"), None);
    }

    #[test]
    fn says_why_a_type_is_missing() {
        for (name, message) in [
            (
                "trn2.48xlarg",
                r#"unknown instance type "trn2.48xlarg"; did you mean trn2.48xlarge?"#,
            ),
            (
                "p5.48xlarge-or-so",
                r#"unknown instance type "p5.48xlarge-or-so""#,
            ),
            (
                "inf1.6xlarge",
                r#"instance type "inf1.6xlarge" is not in the catalogue: current Neuron kernel drivers no longer support Inferentia1"#,
            ),
            (
                "trn3s.48xlarge",
                r#"instance type "trn3s.48xlarge" is not in the catalogue: public sources do not describe its devices"#,
            ),
        ] {
            let error = InstanceType::find(name).expect_err("not in the catalogue");
            assert_eq!(error.to_string(), message);
        }
    }
}
