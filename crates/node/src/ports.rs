//! What the node half needs from the API server. `trainyard-live` serves it on a real cluster; a
//! process that is its own cluster, or a test (`trainyard-node-testing`), implements it itself.
//!
//! No call needs a deadline or a second try of its own: the callers here have both, and drop a call that
//! takes too long.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceSlice};
use tokio::sync::watch;

use crate::driver::{ClaimRef, Node};

/// Why the API server did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// There is no such object.
    #[error("not found")]
    NotFound,
    /// The object has changed since it was read.
    #[error("changed in the meantime")]
    Conflict,
    /// The object is not valid: asking again will not help.
    #[error("refused as invalid: {0}")]
    Invalid(String),
    /// Anything else: not reachable, overloaded, not allowed (yet).
    #[error("{0}")]
    Unavailable(String),
}

/// Reads claims.
pub trait ClaimReader: Send + Sync {
    /// The claim of this namespace and name as it is now, not from a cache: the scheduler wrote its
    /// allocation a moment ago. It may have another UID than was asked for.
    fn claim<'a>(
        &'a self,
        claim: &'a ClaimRef,
    ) -> BoxFuture<'a, Result<Arc<ResourceClaim>, ApiError>>;
}

/// Reads, writes and watches the ResourceSlices of one driver on one node.
pub trait SliceClient: Send + Sync {
    /// All slices of the driver with this node name, as they are now, not from a cache.
    fn list<'a>(
        &'a self,
        driver: &'a str,
        node: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ResourceSlice>, ApiError>>;
    /// Creates a slice under the name that the server makes of `generateName`; returns it as stored.
    fn create(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<ResourceSlice, ApiError>>;
    /// What [`SliceClient::create`] would store, without storing it.
    fn dry_run(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<ResourceSlice, ApiError>>;
    /// Replaces a slice whose `resourceVersion` is still the one given; returns it as stored.
    fn update(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<ResourceSlice, ApiError>>;
    /// Deletes a slice if `uid` and `resourceVersion` are still those given.
    fn delete(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<(), ApiError>>;
    /// Changes its value whenever a slice of the driver on the node was created, changed or deleted, by
    /// whatever client, and when that may have been missed: after each reconnection of a watch.
    fn changes(&self, driver: &str, node: &str) -> watch::Receiver<u64>;
}

/// Watches the Node.
pub trait NodeReader: Send + Sync {
    /// The Node as it was last read; `None` before. Every change of the value causes a survey and a round
    /// of publishing, so it is to be changed only with what is in [`Node`]: the kubelet writes the Node's
    /// status every few seconds.
    fn node(&self, name: &str) -> watch::Receiver<Option<Node>>;
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Regarding {
    /// The driver's Node.
    Node,
    /// A ResourceClaim.
    Claim(ClaimRef),
}

/// Whether an event calls for action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// No: for information.
    Normal,
    /// Yes: something is wrong.
    Warning,
}

/// Something that an operator or the owner of a claim may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// About what.
    pub regarding: Regarding,
    /// How bad.
    pub severity: Severity,
    /// CamelCase, for machines.
    pub reason: &'static str,
    /// One sentence, for people.
    pub note: String,
}

/// Publishes events.
pub trait Events: Send + Sync {
    /// Queues an event and returns at once; repeated ones may be counted instead.
    fn emit(&self, event: Event);
}

/// All that the node half needs from the API server.
pub trait Api: ClaimReader + SliceClient + NodeReader + Events + 'static {}

impl<T: ClaimReader + SliceClient + NodeReader + Events + 'static> Api for T {}
