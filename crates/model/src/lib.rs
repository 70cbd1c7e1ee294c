//! What exists? The vocabulary that every other crate speaks: devices as drivers publish them, the
//! claims that ask for them, quantities and versions, the plan that answers, and the refusal that
//! says why not.
//!
//! The running example of the whole workspace is the template `aligned-efa-neuron`: four Neuron
//! devices and four EFAs whose `resource.aws.com/devicegroup4_id` agree. In this crate it is one
//! [`claim::ResourceClaim`] with two [`claim::DeviceRequest`]s and one [`claim::Constraint`], to be
//! met from the [`slice::ResourceSlice`]s of a [`node::Node`].
//!
//! The types mirror `resource.k8s.io/v1` of Kubernetes 1.37 field by field, because upstream's
//! allocator takes objects as they are and so must ours: a field that the API server would never
//! let pass (an empty constraint, a version that is no semver) can still be expressed here.
//!
//! Refuses to know: how any of it is written down (no serde, no Kubernetes types), how a selector is
//! evaluated (it owns only the port, [`selector`]), and how the search works.

pub mod claim;
pub mod class;
pub mod device;
pub mod features;
pub mod gates;
pub mod nearest;
pub mod node;
pub mod plan;
pub mod quantity;
pub mod refusal;
pub mod selector;
pub mod slice;
pub mod taint;
pub mod version;

/// A name or another short text that many objects repeat: cheap to clone, ordered by bytes as Go
/// orders strings.
pub type Text = smol_str::SmolStr;
