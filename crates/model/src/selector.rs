//! The port through which the allocator asks whether a device matches an expression.
//!
//! The allocator never sees CEL, and the selector never sees a claim: both see this trait.
//! `trainyard-selector` implements it with Kubernetes' environment for stored expressions; tests of
//! the allocator implement it by hand.

use std::collections::BTreeSet;

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

    /// What `expression` reads of a device. An engine that does not know answers with everything.
    fn reads(&self, _expression: &Self::Expression) -> Reads {
        Reads::everything()
    }

    /// Whether `expression` cannot tell two devices apart: all that it [reads](Engine::reads) of them
    /// is equal, and all of their attributes convert. Then their outcomes are equal, exactly, so the
    /// allocator evaluates once a kind of device instead of once a device. `false` promises nothing.
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

/// The fields of a device that an expression, or several together, may read. Two devices that agree in
/// these fields and whose attributes all [convert](Attribute::converts) have the same outcome.
///
/// `device.attributes["d.x"].zebra == 1` reads one attribute, and
/// `device.attributes.exists(domain, ...)` reads all of them: what a name computed at run time may
/// read is every attribute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    /// `device.driver`
    pub driver: bool,
    /// `device.allowMultipleAllocations`
    pub allow_multiple_allocations: bool,
    /// `device.attributes`
    pub attributes: AttributeReads,
    /// `device.capacity`, all of it.
    pub capacity: bool,
}

/// Which attributes are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeReads {
    /// Any of them.
    All,
    /// Those with these qualified names (`domain/id`).
    Named(BTreeSet<Text>),
}

impl Default for AttributeReads {
    /// None.
    fn default() -> Self {
        AttributeReads::Named(BTreeSet::new())
    }
}

impl Reads {
    /// All fields.
    pub fn everything() -> Reads {
        Reads {
            driver: true,
            allow_multiple_allocations: true,
            attributes: AttributeReads::All,
            capacity: true,
        }
    }

    /// Adds the attribute with this qualified name (`domain/id`).
    pub fn add_attribute(&mut self, qualified: Text) {
        if let AttributeReads::Named(names) = &mut self.attributes {
            names.insert(qualified);
        }
    }

    /// Adds all that `other` reads.
    pub fn add(&mut self, other: &Reads) {
        self.driver |= other.driver;
        self.allow_multiple_allocations |= other.allow_multiple_allocations;
        self.capacity |= other.capacity;
        match (&mut self.attributes, &other.attributes) {
            (AttributeReads::Named(names), AttributeReads::Named(more)) => {
                names.extend(more.iter().cloned());
            }
            (attributes, _) => *attributes = AttributeReads::All,
        }
    }

    /// Whether the attribute called `name` on a device of `driver` is read. A name without a domain
    /// belongs to the driver's domain.
    pub fn has_attribute(&self, driver: &str, name: &str) -> bool {
        let AttributeReads::Named(names) = &self.attributes else {
            return true;
        };
        let mut qualified = names.iter().filter_map(|read| read.strip_suffix(name));
        names.contains(name)
            || !name.contains('/') && qualified.any(|rest| rest.strip_suffix('/') == Some(driver))
    }

    /// Whether two devices of `driver` that differ in this attribute may have different outcomes. An
    /// attribute that does not convert always counts, because every expression fails on its device.
    fn matters(&self, driver: &str, name: &str, value: &Attribute) -> bool {
        self.has_attribute(driver, name) || !value.converts()
    }

    /// Whether [`Reads::project`] leaves a device of `driver` as it is.
    pub fn keeps(&self, driver: &str, device: &Device) -> bool {
        let mut attributes = device.attributes.iter();
        attributes.all(|(name, value)| self.matters(driver, name, value))
    }

    /// A device of `driver` without the attributes that are not read. Devices with equal projections
    /// cannot be told apart, and the outcome on a projection is that on the device itself.
    pub fn project(&self, driver: &str, device: &Device) -> Device {
        let attributes = device.attributes.iter();
        let read = attributes.filter(|(name, value)| self.matters(driver, name, value));
        Device {
            attributes: read
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            name: device.name.clone(),
            capacity: device.capacity.clone(),
            consumes_counters: device.consumes_counters.clone(),
            node_name: device.node_name.clone(),
            node_selector: device.node_selector.clone(),
            all_nodes: device.all_nodes,
            taints: device.taints.clone(),
            binds_to_node: device.binds_to_node,
            binding_conditions: device.binding_conditions.clone(),
            binding_failure_conditions: device.binding_failure_conditions.clone(),
            allow_multiple_allocations: device.allow_multiple_allocations,
        }
    }
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
