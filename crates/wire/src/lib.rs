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
//! Refuses to know: files (it is given bytes), CEL (it asks `model`'s port), what objects mean to each
//! other.

pub use k8s_openapi as k8s;

pub mod beta;
pub mod convert;
pub mod custom;
mod decode;
pub mod defaults;
pub mod gates;
mod lines;
pub mod object;
mod path;
pub mod problem;
pub mod read;
pub mod validate;
pub mod write;
pub mod yaml;

pub use object::{Manifest, Object, Origin, Published};
pub use problem::{Problem, Severity};
pub use read::{Reading, Source, read};
