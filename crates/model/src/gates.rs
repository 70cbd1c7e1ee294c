//! Which optional parts of Kubernetes a version has on by default, and how to turn single ones: the one
//! table of feature gates that the reader of manifests, the scheduler and the allocator share.
//!
//! The algorithm is always 1.37's: a version chooses gates, and [`differences`] says where that
//! version's own answer may differ all the same.
//!
//! Source: `pkg/features/kube_features.go` of Kubernetes 1.37.2, whose table keeps the defaults of
//! every release.

use std::fmt;
use std::str::FromStr;

use crate::features::{Feature, Features};
use crate::nearest::nearest;

/// A Kubernetes release that has resource.k8s.io/v1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// 1.34
    V1_34,
    /// 1.35
    V1_35,
    /// 1.36
    V1_36,
    /// 1.37
    #[default]
    V1_37,
}

impl Version {
    /// All of them, the oldest first.
    pub const ALL: [Version; 4] = [
        Version::V1_34,
        Version::V1_35,
        Version::V1_36,
        Version::V1_37,
    ];
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V1_34 => "1.34",
            Version::V1_35 => "1.35",
            Version::V1_36 => "1.36",
            Version::V1_37 => "1.37",
        })
    }
}

impl FromStr for Version {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Version::ALL
            .into_iter()
            .find(|version| version.to_string() == text)
            .ok_or_else(|| Error::Version(text.to_owned()))
    }
}

/// Why a gate cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a version that is known here.
    #[error("unknown Kubernetes version {0:?}: 1.34, 1.35, 1.36 or 1.37")]
    Version(String),
    /// Not `NAME=true` or `NAME=false`.
    #[error("{0:?} is no NAME=true or NAME=false")]
    Syntax(String),
    /// No such gate in this version.
    #[error("no feature gate {name:?} in Kubernetes {version}{}", meant(.nearest))]
    Unknown {
        /// As written.
        name: String,
        /// Where it was looked for.
        version: Version,
        /// A gate of that version with a similar name.
        nearest: Option<&'static str>,
    },
    /// The gate cannot be turned any more.
    #[error("feature gate {gate} is locked to {value} in Kubernetes {version}")]
    Locked {
        /// Which one.
        gate: Gate,
        /// Its only value.
        value: bool,
        /// Since when.
        version: Version,
    },
    /// The gate needs another one, which is off.
    #[error("feature gate {gate} needs {needs}, which is off")]
    Needs {
        /// Which one.
        gate: Gate,
        /// The one it needs.
        needs: Gate,
    },
}

fn meant(name: &Option<&'static str>) -> String {
    name.map(|name| format!(", did you mean {name:?}?"))
        .unwrap_or_default()
}

macro_rules! gates {
    ($($(#[$doc:meta])* $gate:ident = $name:literal: $defaults:expr;)*) => {
        /// A feature gate that has a say in a plan.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Gate { $($(#[$doc])* $gate),* }

        impl Gate {
            /// All of them, by name.
            pub const ALL: &'static [Gate] = &[$(Gate::$gate),*];

            /// As Kubernetes spells it.
            pub fn name(self) -> &'static str {
                match self { $(Gate::$gate => $name),* }
            }

            /// What each of [`Version::ALL`] does with it.
            fn defaults(self) -> [Stage; 4] {
                use Stage::{Absent as __, Off, On, Locked};
                match self { $(Gate::$gate => $defaults),* }
            }
        }
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Absent,
    Off,
    On,
    /// On, and not to be turned off.
    Locked,
}

gates! {
    /// KEP-5018
    AdminAccess = "DRAAdminAccess": [On, On, Locked, Locked];
    /// KEP-5075
    ConsumableCapacity = "DRAConsumableCapacity": [Off, Off, On, On];
    /// KEP-6080
    DerivedAttributes = "DRADerivedAttributes": [__, __, __, Off];
    /// KEP-5007
    DeviceBindingConditions = "DRADeviceBindingConditions": [Off, Off, On, On];
    /// KEP-5963
    DeviceCompatibilityGroups = "DRADeviceCompatibilityGroups": [__, __, __, Off];
    /// KEP-5055, rules in the API; part of [`Gate::DeviceTaints`] in 1.34
    DeviceTaintRules = "DRADeviceTaintRules": [__, Off, Off, On];
    /// KEP-5055
    DeviceTaints = "DRADeviceTaints": [Off, Off, On, On];
    /// KEP-5004
    ExtendedResource = "DRAExtendedResource": [Off, Off, On, Locked];
    /// KEP-5075; on by default only with `--min-compatibility-version=1.37`, which is not the default
    FractionalCapacityRange = "DRAFractionalCapacityRange": [__, __, __, Off];
    /// KEP-5491
    ListTypeAttributes = "DRAListTypeAttributes": [__, __, Off, Off];
    /// KEP-5945
    OptionalNodeOperations = "DRAOptionalNodeOperations": [__, __, __, Off];
    /// KEP-4815
    PartitionableDevices = "DRAPartitionableDevices": [Off, Off, On, On];
    /// KEP-4816
    PrioritizedList = "DRAPrioritizedList": [On, On, On, Locked];
    /// KEP-4817
    ResourceClaimDeviceStatus = "DRAResourceClaimDeviceStatus": [On, On, On, Locked];
    /// A node that takes 10 s to search is given up.
    SchedulerFilterTimeout = "DRASchedulerFilterTimeout": [On, On, On, On];
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Every gate's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gates {
    version: Version,
    on: Vec<Gate>,
}

impl Default for Gates {
    fn default() -> Self {
        Gates::of(Version::default())
    }
}

impl Gates {
    /// What `version` has on by default.
    pub fn of(version: Version) -> Gates {
        let on =
            |gate: &Gate| matches!(gate.defaults()[version as usize], Stage::On | Stage::Locked);
        Gates {
            version,
            on: Gate::ALL.iter().copied().filter(on).collect(),
        }
    }

    /// Sets the gates in `settings` (`NAME=true`, several separated by commas), each after the other.
    pub fn set(&mut self, settings: &str) -> Result<(), Error> {
        for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
            let syntax = || Error::Syntax(setting.to_owned());
            let (name, value) = setting.split_once('=').ok_or_else(syntax)?;
            let value = value.parse::<bool>().map_err(|_| syntax())?;
            self.turn(name.trim(), value)?;
        }
        self.check()
    }

    fn turn(&mut self, name: &str, value: bool) -> Result<(), Error> {
        let known = || {
            Gate::ALL
                .iter()
                .copied()
                .filter(|gate| gate.defaults()[self.version as usize] != Stage::Absent)
        };
        let Some(gate) = known().find(|gate| gate.name() == name) else {
            return Err(Error::Unknown {
                name: name.to_owned(),
                version: self.version,
                nearest: nearest(name, known().map(Gate::name)),
            });
        };
        if !value && gate.defaults()[self.version as usize] == Stage::Locked {
            return Err(Error::Locked {
                gate,
                value: true,
                version: self.version,
            });
        }
        self.on.retain(|other| *other != gate);
        if value {
            self.on.push(gate);
        }
        Ok(())
    }

    /// Holds the dependencies between gates, as the API server does when it starts.
    fn check(&self) -> Result<(), Error> {
        let needs = [
            (
                Gate::DeviceBindingConditions,
                Gate::ResourceClaimDeviceStatus,
            ),
            (Gate::DeviceCompatibilityGroups, Gate::PartitionableDevices),
            (Gate::DeviceTaintRules, Gate::DeviceTaints),
            (Gate::FractionalCapacityRange, Gate::ConsumableCapacity),
        ];
        match needs
            .into_iter()
            .find(|(gate, needs)| self.has(*gate) && !self.has(*needs))
        {
            Some((gate, needs)) => Err(Error::Needs { gate, needs }),
            None => Ok(()),
        }
    }

    /// Whether `gate` is on.
    pub fn has(&self, gate: Gate) -> bool {
        self.on.contains(&gate)
    }

    /// The version whose defaults these were.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether the scheduler applies DeviceTaintRules.
    pub fn applies_taint_rules(&self) -> bool {
        match self.version {
            Version::V1_34 => self.has(Gate::DeviceTaints),
            _ => self.has(Gate::DeviceTaintRules),
        }
    }

    /// The features of the allocator that these gates turn on.
    pub fn features(&self) -> Features {
        let pairs = [
            (Gate::AdminAccess, Feature::AdminAccess),
            (Gate::ConsumableCapacity, Feature::ConsumableCapacity),
            (Gate::DerivedAttributes, Feature::DerivedAttributes),
            (
                Gate::DeviceBindingConditions,
                Feature::DeviceBindingAndStatus,
            ),
            (
                Gate::DeviceCompatibilityGroups,
                Feature::CompatibilityGroups,
            ),
            (Gate::DeviceTaints, Feature::DeviceTaints),
            (
                Gate::FractionalCapacityRange,
                Feature::FractionalCapacityRange,
            ),
            (Gate::ListTypeAttributes, Feature::ListTypeAttributes),
            (
                Gate::OptionalNodeOperations,
                Feature::OptionalNodeOperations,
            ),
            (Gate::PartitionableDevices, Feature::PartitionableDevices),
            (Gate::PrioritizedList, Feature::PrioritizedList),
        ];
        pairs
            .into_iter()
            .filter(|(gate, _)| self.has(*gate))
            // Upstream's switch stands for both gates.
            .filter(|(gate, _)| {
                *gate != Gate::DeviceBindingConditions || self.has(Gate::ResourceClaimDeviceStatus)
            })
            .map(|(_, feature)| feature)
            .collect()
    }
}

/// Where `version`'s own scheduler may answer differently from 1.37's algorithm with the same gates,
/// a sentence each.
pub fn differences(version: Version) -> &'static [&'static str] {
    const OLD_ORDER: &str = "kube-scheduler before 1.36 walks the pools of a node in random order, so that of several devices that would do it may choose others";
    const OLD_SEARCH: &str = "kube-scheduler before 1.36 tries permutations where later ones try combinations: it gives up, after 10 s, on claims that 1.37 still answers";
    const OLD_TIMEOUT: &str = "a node on which the search takes over 10 s is skipped before 1.37; in 1.37 it ends the pod's attempt";
    const OLD_CONFIG: &str =
        "before 1.37 an allocation lists a claim's configuration once for every request it matches";
    const OLD_POOLS: &str = "1.34 judges a pool's completeness by the slices of one node alone, and an invalid pool ends the pod's attempt";
    const OLD_COUNTERS: &str = "1.34 and 1.35 keep shared counters elsewhere in ResourceSlices (1.34: in the slice of the devices) than later versions";
    match version {
        Version::V1_34 => &[
            OLD_ORDER,
            OLD_SEARCH,
            OLD_TIMEOUT,
            OLD_CONFIG,
            OLD_POOLS,
            OLD_COUNTERS,
        ],
        Version::V1_35 => &[OLD_ORDER, OLD_SEARCH, OLD_TIMEOUT, OLD_CONFIG],
        Version::V1_36 => &[OLD_TIMEOUT, OLD_CONFIG],
        Version::V1_37 => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_their_defaults() {
        let names = |version| {
            let features: Vec<_> = Gates::of(version)
                .features()
                .iter()
                .map(Feature::name)
                .collect();
            features.join(" ")
        };
        assert_eq!(names(Version::V1_34), "DRAAdminAccess DRAPrioritizedList");
        assert_eq!(names(Version::V1_35), names(Version::V1_34));
        assert_eq!(
            names(Version::V1_36),
            "DRAAdminAccess DRAConsumableCapacity DRADeviceBindingConditions+DRAResourceClaimDeviceStatus DRADeviceTaints DRAPartitionableDevices DRAPrioritizedList"
        );
        assert_eq!(
            names(Version::V1_37),
            "DRAAdminAccess DRAConsumableCapacity DRADeviceBindingConditions+DRAResourceClaimDeviceStatus DRADeviceTaints DRAPartitionableDevices DRAPrioritizedList"
        );
        assert!(!Gates::of(Version::V1_36).applies_taint_rules());
        assert!(Gates::of(Version::V1_37).applies_taint_rules());
    }

    #[test]
    fn gates_are_set_by_name() {
        let mut gates = Gates::of(Version::V1_36);
        gates
            .set("DRAListTypeAttributes=true,DRADeviceTaints=false")
            .expect("both exist");
        assert!(gates.features().has(Feature::ListTypeAttributes));
        assert!(!gates.features().has(Feature::DeviceTaints));
        let text = |setting: &str, version| {
            Gates::of(version)
                .set(setting)
                .expect_err("refused")
                .to_string()
        };
        assert_eq!(
            text("DRAListTypeAttribute=true", Version::V1_37),
            "no feature gate \"DRAListTypeAttribute\" in Kubernetes 1.37, did you mean \"DRAListTypeAttributes\"?"
        );
        assert_eq!(
            text("DRAPrioritizedList=false", Version::V1_37),
            "feature gate DRAPrioritizedList is locked to true in Kubernetes 1.37"
        );
        assert_eq!(
            text("DRADeviceTaints=false", Version::V1_37),
            "feature gate DRADeviceTaintRules needs DRADeviceTaints, which is off"
        );
        assert_eq!(
            text("DRADeviceTaints", Version::V1_37),
            "\"DRADeviceTaints\" is no NAME=true or NAME=false"
        );
    }
}
