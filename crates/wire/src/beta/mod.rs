//! Which versions of resource.k8s.io are there? v1 is the hub: everything else becomes it, filled in
//! and converted as the API server does.
//!
//! A v1beta1 request `{name: r, deviceClassName: neuron.aws.com}` becomes `{name: r, exactly:
//! {deviceClassName: neuron.aws.com, allocationMode: ExactCount, count: 1}}`.
//!
//! Refuses to know: how objects are read, and what is valid.

mod flat;

use k8s_openapi::api::resource::v1;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::defaults;
use crate::path::Shape;

/// A version of resource.k8s.io.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `v1alpha3`: DeviceTaintRule alone
    V1Alpha3,
    /// `v1beta1`: all but DeviceTaintRule, and requests and devices in another shape
    V1Beta1,
    /// `v1beta2`: as `v1`
    V1Beta2,
    /// `v1`
    V1,
}

impl Version {
    /// The version that an `apiVersion` names.
    pub(crate) fn of(api_version: &str) -> Option<Version> {
        match api_version.strip_prefix("resource.k8s.io/")? {
            "v1alpha3" => Some(Version::V1Alpha3),
            "v1beta1" => Some(Version::V1Beta1),
            "v1beta2" => Some(Version::V1Beta2),
            "v1" => Some(Version::V1),
            _ => None,
        }
    }

    /// Whether this version's fields of a kind are those that v1 has.
    pub(crate) fn has_fields_of_v1(self, kind: &str) -> bool {
        const FLAT: [&str; 3] = ["ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"];
        self != Version::V1Beta1 || !FLAT.contains(&kind)
    }

    pub(crate) fn shape(self) -> Shape {
        match self {
            Version::V1Beta1 => Shape::Flat,
            Version::V1Alpha3 | Version::V1Beta2 | Version::V1 => Shape::Hub,
        }
    }
}

/// A kind in one of the two shapes that its versions have.
pub trait Served {
    /// The same kind in v1.
    type Hub;
    /// Fills in what the API server fills in, and converts.
    fn into_hub(self) -> Self::Hub;
}

/// The same fields in v1: for types that v1 has unchanged.
fn recast<From: Serialize, To: DeserializeOwned>(from: &From) -> To {
    let value = serde_json::to_value(from).expect("Kubernetes objects can be written as JSON");
    serde_json::from_value(value).expect("v1 has all fields of its betas, with their types")
}

macro_rules! hub {
    ($kind:ident, $fill_in:expr) => {
        impl Served for v1::$kind {
            type Hub = v1::$kind;
            fn into_hub(mut self) -> v1::$kind {
                let fill_in: fn(&mut v1::$kind) = $fill_in;
                fill_in(&mut self);
                self
            }
        }
    };
}

hub!(DeviceClass, |_| {});
hub!(DeviceTaintRule, |_| {});
hub!(ResourceClaim, defaults::claim);
hub!(ResourceClaimTemplate, defaults::template);
hub!(ResourceSlice, |_| {});
