//! The answers to a question, and the errors that end an attempt.

use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, ResourceClaim};
use trainyard_model::features::Features;
use trainyard_model::node::Node;
use trainyard_model::slice::DeviceId;

/// Do these claims fit on this node?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Where.
    pub node: &'a Node,
    /// All or none, in this order.
    pub claims: &'a [&'a ResourceClaim],
    /// Exactly these are on.
    pub features: Features,
    /// How many search steps may be taken.
    pub budget: u64,
}

/// The answer, and what it cost.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What.
    pub verdict: Verdict,
    /// Search steps taken: how often the next device, request or claim was looked at.
    pub steps: u64,
}

/// The answer to a [`Question`].
#[derive(Debug, Clone)]
pub enum Verdict {
    /// One allocation a claim, in their order.
    Fits(Vec<AllocationResult>),
    /// Does not fit; [`Inventory::explain`](crate::Inventory::explain) says why.
    Refused(Refused),
    /// An error that ends the attempt on this node only.
    NodeError(NodeError),
    /// An error that ends the attempt on all nodes.
    Fatal(Fatal),
    /// The budget is used up.
    GaveUp,
}

/// Shows that a question was refused, so that there is a reason to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub(crate) ());

/// An error that ends the attempt on one node only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// Nothing fits, and a pool that might have helped is invalid.
    #[error("invalid resource pools were encountered: {driver}/{pool}: {reason}")]
    InvalidPool {
        /// Driver name.
        driver: Text,
        /// Pool name.
        pool: Text,
        /// What is wrong with it.
        reason: PoolFault,
    },
}

/// What makes a pool invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolFault {
    /// Two devices share a name.
    #[error("duplicate device name {0}")]
    DuplicateDevice(Text),
    /// Two counter sets share a name.
    #[error("duplicate counter set name {0}")]
    DuplicateCounterSet(Text),
    /// A device consumes from a counter set that is nowhere in the pool.
    #[error("counter set {0} not found")]
    MissingCounterSet(Text),
    /// A device consumes a counter that its set lacks.
    #[error("counter {counter} not found in counter set {set}")]
    MissingCounter {
        /// The counter.
        counter: Text,
        /// Its set.
        set: Text,
    },
}

/// An error that ends the attempt on all nodes. Claims are named `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The texts say it.
pub enum Fatal {
    #[error(
        "gather pool information: failed to perform node selection for slice {slice}: {message}"
    )]
    SliceSelector { slice: Text, message: String },
    #[error(
        "claim {claim}, request {request}: has subrequests, but the DRAPrioritizedList feature is disabled"
    )]
    PrioritizedListOff { claim: Text, request: Text },
    #[error(
        "claim {claim}, request {request}: has capacity requests, but the DRAConsumableCapacity feature is disabled"
    )]
    CapacityOff { claim: Text, request: Text },
    #[error(
        "claim {claim}, request {request}: cannot handle request with derived attributes, the feature is disabled"
    )]
    DerivedAttributesOff { claim: Text, request: Text },
    #[error("claim {claim}, request {request}: neither exactly nor firstAvailable is set")]
    EmptyRequest { claim: Text, request: Text },
    #[error(
        "claim {claim}, request {request}, selector #{index}: CEL expression empty (unsupported selector type?)"
    )]
    EmptySelector {
        claim: Text,
        request: Text,
        index: usize,
    },
    #[error(
        "claim {claim}, request {request}: admin access is requested, but the feature is disabled"
    )]
    AdminAccessOff { claim: Text, request: Text },
    #[error(
        "claim {claim}, request {request}: missing device class name (unsupported request type?)"
    )]
    NoClass { claim: Text, request: Text },
    #[error(
        "claim {claim}, request {request}: could not retrieve device class {class}: deviceclass.resource.k8s.io {class:?} not found"
    )]
    UnknownClass {
        claim: Text,
        request: Text,
        class: Text,
    },
    #[error("claim {claim}, request {request}: unsupported count mode {mode}")]
    UnsupportedMode {
        claim: Text,
        request: Text,
        mode: Text,
    },
    #[error(
        "claim {claim}, request {request}: asks for all devices, but resource pool {pool} is currently being updated"
    )]
    AllOfIncomplete {
        claim: Text,
        request: Text,
        pool: Text,
    },
    #[error(
        "claim {claim}, request {request}: asks for all devices, but resource pool {pool} is currently invalid"
    )]
    AllOfInvalid {
        claim: Text,
        request: Text,
        pool: Text,
    },
    #[error(
        "claim {claim}, request {request}: adding {devices} devices exceeds the claim limit of 32, with {before} already accounted for"
    )]
    TooManyDevices {
        claim: Text,
        request: Text,
        devices: i64,
        before: i64,
    },
    #[error("allocation max size exceeded")]
    ResultsExceeded,
    #[error("claim {claim}, constraint #{index}: empty constraint (unsupported constraint type?)")]
    EmptyConstraint { claim: Text, index: usize },
    #[error("{owner}: selector #{index}: CEL compile error: {message}")]
    Compile {
        /// `class NAME` or `claim NAMESPACE/NAME`
        owner: String,
        index: usize,
        message: Text,
    },
    #[error("{owner}: selector #{index} on device {device}: CEL runtime error: {message}")]
    Runtime {
        /// `class NAME` or `claim NAMESPACE/NAME`
        owner: String,
        index: usize,
        device: String,
        message: Text,
    },
    #[error("device {device}: failed to parse node selector: {message}")]
    DeviceSelector { device: String, message: String },
    #[error("claim {claim}, request {request}: checking capacity for device {device}: {message}")]
    Capacity {
        claim: Text,
        request: Text,
        device: String,
        message: String,
    },
    #[error("evaluate derived attribute {attribute} on device {device} failed: {message}")]
    Derived {
        attribute: Text,
        device: String,
        message: Text,
    },
    #[error(
        "claim {claim}, request {request}: cannot add device {device} because a claim constraint would not be satisfied"
    )]
    AllAgainstConstraint {
        claim: Text,
        request: Text,
        device: String,
    },
    #[error(
        "create NodeSelector for claim {claim}: unsupported ResourceSlice.NodeSelector with {terms} terms"
    )]
    SelectorTerms { claim: Text, terms: usize },
}

/// `DRIVER/POOL/DEVICE`
pub(crate) fn device_name(id: &DeviceId) -> String {
    format!("{}/{}/{}", id.driver, id.pool, id.device)
}

/// `NAMESPACE/NAME`, or `NAME` without a namespace.
pub(crate) fn claim_name(claim: &ResourceClaim) -> Text {
    if claim.namespace.is_empty() {
        return claim.name.clone();
    }
    format!("{}/{}", claim.namespace, claim.name).into()
}
