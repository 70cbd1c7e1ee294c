//! Does this device match? Kubernetes' CEL environment for devices.
//!
//! The running example: `device.driver == "neuron.aws.com" &&
//! device.attributes["neuron.aws.com"].instanceType == "trn2.48xlarge"`, the selector of a request,
//! asked of each of a node's thirty-two devices. It is parsed and checked once ([`mod@parse`],
//! [`check`]), and evaluated ([`eval`]) once for each kind of device that it can tell apart.
//!
//! Two environments, as upstream has: [`Engine`] for stored expressions (what the scheduler
//! evaluates) and [`Checker`] for those being written (what the API server accepts).
//!
//! Refuses to know: claims, requests, and why anybody asks.

mod attribute;
pub mod charge;
pub mod check;
pub mod declarations;
pub mod device;
mod engine;
pub mod estimate;
pub mod eval;
mod fold;
pub mod lex;
pub mod library;
mod macros;
pub mod map;
mod message;
pub mod overload;
pub mod parse;
pub mod plan;
mod reads;
pub mod syntax;
pub mod typing;
mod validate;
pub mod value;

pub use engine::{Checker, Engine, Expression, Prepared};
