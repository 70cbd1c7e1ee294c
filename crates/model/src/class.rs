//! Classes sort devices by CEL and bring configuration along.

use crate::Text;
use crate::claim::Opaque;

/// `resource.k8s.io/v1.DeviceClass`
#[derive(Debug, Clone, Default)]
pub struct DeviceClass {
    /// `metadata.name`
    pub name: Text,
    /// `spec.selectors[].cel.expression`; `None`: a selector without `cel`.
    pub selectors: Vec<Option<Text>>,
    /// `spec.config[].opaque`; `None`: an entry without `opaque`.
    pub config: Vec<Option<Opaque>>,
    /// `spec.extendedResourceName`
    pub extended_resource_name: Option<Text>,
}
