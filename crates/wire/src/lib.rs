//! How is it written down? Kubernetes objects, read strictly and validated as the API server does.
pub use k8s_openapi as k8s;

pub mod beta;
pub mod defaults;
pub mod gates;
mod path;
pub mod validate;
