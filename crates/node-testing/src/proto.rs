//! The kubelet's side of its gRPC services, generated (see `tests/generated.rs`).

#[allow(missing_docs, clippy::all)]
#[rustfmt::skip]
pub mod registration;
#[allow(missing_docs, clippy::all)]
#[rustfmt::skip]
pub mod dra_v1;
#[allow(missing_docs, clippy::all)]
#[rustfmt::skip]
pub mod dra_v1beta1;
#[allow(missing_docs, clippy::all)]
#[rustfmt::skip]
pub mod health_v1;
#[allow(missing_docs, clippy::all)]
#[rustfmt::skip]
pub mod health_v1alpha1;
