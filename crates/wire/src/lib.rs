//! How is it written down? Kubernetes objects as files hold them, read strictly and validated as the
//! API server does.
//!
//! The running example: the template `aligned-efa-neuron` in YAML becomes a [`object::Manifest`] that
//! holds a typed ResourceClaimTemplate, filled in and found valid; with `cuont: 4` in it, it becomes
//! a [`problem::Problem`] that names file, line, `spec.spec.devices.requests[0].exactly.cuont`, and
//! `count` as what was probably meant.
//!
//! - [`mod@read`]: from sources to objects, through [`yaml`], strict decoding, [`defaults`], [`beta`]
//!   (older versions become v1), [`gates`] (fields that a cluster would drop) and [`validate`];
//! - [`convert`]: between Kubernetes' types and `model`'s;
//! - [`mod@write`]: objects as YAML and JSON, as kubectl prints them.
//!
//! All but [`convert`] is behind the feature `read`: a driver on a node converts devices and reads no
//! files, so the reader is no part of a process that runs as root.
//!
//! Refuses to know: files (it is given bytes), CEL (it asks `model`'s port), what objects mean to each
//! other.

pub use k8s_openapi as k8s;

#[cfg(feature = "read")]
pub mod beta;
pub mod convert;
#[cfg(feature = "read")]
pub mod custom;
#[cfg(feature = "read")]
mod decode;
#[cfg(feature = "read")]
pub mod defaults;
#[cfg(feature = "read")]
pub mod gates;
#[cfg(feature = "read")]
mod lines;
#[cfg(feature = "read")]
pub mod object;
#[cfg(feature = "read")]
mod path;
#[cfg(feature = "read")]
pub mod problem;
#[cfg(feature = "read")]
pub mod read;
#[cfg(feature = "read")]
pub mod validate;
#[cfg(feature = "read")]
pub mod write;
#[cfg(feature = "read")]
pub mod yaml;

#[cfg(feature = "read")]
pub use object::{Manifest, Object, Origin, Published};
#[cfg(feature = "read")]
pub use problem::{Problem, Severity};
#[cfg(feature = "read")]
pub use read::{Reading, Source, read};
