//! Which optional parts of Dynamic Resource Allocation are on.

use std::fmt;

/// A feature of the allocator, by the name that upstream's `structured.Features` reports
/// (`k8s.io/dynamic-resource-allocation/structured/internal/types.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// `DRAAdminAccess` (KEP-5018)
    AdminAccess,
    /// `DRADeviceCompatibilityGroups` (KEP-5963)
    CompatibilityGroups,
    /// `DRAConsumableCapacity` (KEP-5075)
    ConsumableCapacity,
    /// `DRADerivedAttributes` (KEP-6080)
    DerivedAttributes,
    /// `DRADeviceBindingConditions+DRAResourceClaimDeviceStatus` (KEP-5007): one switch, as the
    /// allocator needs both gates
    DeviceBindingAndStatus,
    /// `DRADeviceTaints` (KEP-5055)
    DeviceTaints,
    /// `DRAFractionalCapacityRange` (KEP-5075)
    FractionalCapacityRange,
    /// `DRAListTypeAttributes` (KEP-5491)
    ListTypeAttributes,
    /// `DRAOptionalNodeOperations` (KEP-5945)
    OptionalNodeOperations,
    /// `DRAPartitionableDevices` (KEP-4815)
    PartitionableDevices,
    /// `DRAPrioritizedList` (KEP-4816)
    PrioritizedList,
}

impl Feature {
    /// All features, in the order of their names.
    pub const ALL: [Feature; 11] = [
        Feature::AdminAccess,
        Feature::ConsumableCapacity,
        Feature::DerivedAttributes,
        Feature::DeviceBindingAndStatus,
        Feature::CompatibilityGroups,
        Feature::DeviceTaints,
        Feature::FractionalCapacityRange,
        Feature::ListTypeAttributes,
        Feature::OptionalNodeOperations,
        Feature::PartitionableDevices,
        Feature::PrioritizedList,
    ];

    /// The name as upstream's allocator reports it.
    pub fn name(self) -> &'static str {
        match self {
            Feature::AdminAccess => "DRAAdminAccess",
            Feature::CompatibilityGroups => "DRADeviceCompatibilityGroups",
            Feature::ConsumableCapacity => "DRAConsumableCapacity",
            Feature::DerivedAttributes => "DRADerivedAttributes",
            Feature::DeviceBindingAndStatus => {
                "DRADeviceBindingConditions+DRAResourceClaimDeviceStatus"
            }
            Feature::DeviceTaints => "DRADeviceTaints",
            Feature::FractionalCapacityRange => "DRAFractionalCapacityRange",
            Feature::ListTypeAttributes => "DRAListTypeAttributes",
            Feature::OptionalNodeOperations => "DRAOptionalNodeOperations",
            Feature::PartitionableDevices => "DRAPartitionableDevices",
            Feature::PrioritizedList => "DRAPrioritizedList",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of [`Feature`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Features(u16);

impl Features {
    /// No feature at all.
    pub const NONE: Features = Features(0);

    /// Whether `feature` is on.
    pub fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u16) != 0
    }

    /// The same set with `feature` on.
    #[must_use]
    pub fn with(self, feature: Feature) -> Self {
        Features(self.0 | (1 << feature as u16))
    }

    /// The same set with `feature` off.
    #[must_use]
    pub fn without(self, feature: Feature) -> Self {
        Features(self.0 & !(1 << feature as u16))
    }

    /// The features that are on, in the order of their names.
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |f| self.has(*f))
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<T: IntoIterator<Item = Feature>>(iter: T) -> Self {
        iter.into_iter().fold(Features::NONE, Features::with)
    }
}
