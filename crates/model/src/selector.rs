//! The port through which the allocator asks whether a device matches an expression.
//!
//! The allocator never sees CEL, and the selector never sees a claim: both see this trait.
//! `trainyard-selector` implements it with Kubernetes' environment for stored expressions; tests of
//! the allocator implement it by hand.

use crate::Text;
use crate::device::{Attribute, Device};

/// Compiles and evaluates the expressions of classes, requests and derived attributes.
pub trait Engine {
    /// A compiled expression.
    type Expression;
    /// A device converted once, on arrival: names interned, versions parsed, whatever evaluation
    /// would otherwise repeat for every expression.
    type Device;

    /// Converts a device. Never fails: a device that cannot be converted fails every evaluation
    /// (upstream: "unsupported attribute value"), which [`Engine::matches`] reports.
    fn convert(&mut self, driver: &str, device: &Device) -> Self::Device;

    /// Compiles a selector.
    fn compile(&mut self, source: &str) -> Result<Self::Expression, CompileError>;

    /// Compiles the expression of a derived attribute (KEP-6080), whose result type differs.
    fn compile_derived(&mut self, source: &str) -> Result<Self::Expression, CompileError>;

    /// Whether `expression` cannot tell two devices apart: all that it reads of them is equal, and
    /// all of their attributes convert. Then their outcomes are equal, exactly, so the allocator
    /// evaluates once a kind of device instead of once a device. `false` promises nothing.
    fn is_alike(
        &self,
        expression: &Self::Expression,
        one: &Self::Device,
        other: &Self::Device,
    ) -> bool;

    /// Whether all of a device's attributes convert. Where one does not, every expression fails.
    fn converts(&self, device: &Self::Device) -> bool;

    /// Evaluates a selector.
    fn judge(&self, expression: &Self::Expression, device: &Self::Device) -> Judgement;

    /// Evaluates a selector. `Err` is fatal for the whole attempt upstream.
    fn matches(
        &self,
        expression: &Self::Expression,
        device: &Self::Device,
    ) -> Result<bool, EvalError> {
        self.judge(expression, device).fits
    }

    /// Evaluates a derived attribute.
    fn derive(
        &self,
        expression: &Self::Expression,
        device: &Self::Device,
    ) -> Result<Attribute, EvalError>;
}

/// What a selector says of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it lets the device pass. `Err` is fatal for the whole attempt upstream.
    pub fits: Result<bool, EvalError>,
    /// Whether nothing of the device was looked at but its driver: then it says the same of all
    /// devices of that driver that [convert](Engine::converts).
    pub by_driver: bool,
}

/// The expression does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// What is wrong, in one line.
    pub message: Text,
    /// Byte offsets in the expression, where known.
    pub span: Option<(usize, usize)>,
}

/// The expression failed on a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What is wrong, in one line, such as `no such key: topology_x`.
    pub message: Text,
}

/// What the API server says of an expression in a new object (environment for new expressions,
/// estimated cost included). `wire` asks this while it validates.
pub trait ExpressionCheck {
    /// A selector of a class or a request.
    fn check_selector(&self, expression: &str) -> Result<(), CheckError>;
    /// A derived attribute. Its estimated cost, because those of a whole claim share one limit.
    fn check_derived(&self, expression: &str) -> Result<u64, CheckError>;
}

/// Why the API server refuses an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// Does not compile, or has the wrong type: `Invalid value`.
    #[error("{0}")]
    Invalid(Text),
    /// Its estimated cost, this, is over the limit: `Forbidden`.
    #[error("too complex, exceeds cost limit")]
    TooCostly(u64),
}
