//! The port to whatever hands out devices: what the choice of a node needs to know of claims.

use std::cmp::Ordering;
use std::sync::Arc;

use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, ResourceClaim};
use trainyard_model::refusal::Refusal;

/// Where counting kube-scheduler's steps ends.
pub const MOST_STEPS: u64 = 10_000_000;

/// Keeps the books of all nodes' devices.
pub trait Devices {
    /// A number for the node's devices and what of them is free. Nodes with equal numbers give equal
    /// verdicts on equal claims, apart from the names of node and pools.
    fn state(&self, node: usize) -> u64;

    /// Changes whenever something changes that belongs to no single node: earlier verdicts are void.
    fn revision(&self) -> u64;

    /// Asks whether a node has all that `claims` want.
    fn allocate(&mut self, node: usize, claims: &[Arc<ResourceClaim>]) -> Verdict;

    /// How many steps kube-scheduler's own search takes for the same question, as far as that is
    /// known; counting ends at [`MOST_STEPS`].
    fn upstream_steps(&mut self, _node: usize, _claims: &[Arc<ResourceClaim>]) -> u64 {
        0
    }

    /// `holder` takes what [`Devices::allocate`] gave on `node`.
    fn take(&mut self, node: usize, results: &[AllocationResult], holder: &Text);
}

/// What a node's devices say to a pod's claims.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// One result for each claim, in order.
    Fits(Vec<AllocationResult>),
    /// Not on this node.
    Refused(Arc<Reason>),
    /// Ends the pod's attempt, whatever other nodes would say.
    Fatal(Arc<Reason>),
}

/// Why a node's devices do not do, worded.
#[derive(Debug, Clone)]
pub struct Reason {
    /// Stable, such as `claim/no-match`.
    pub code: &'static str,
    /// Short: request and constraint, how many there were, how many are wanted, what would fit.
    pub message: String,
    /// The rest, a line each.
    pub details: Vec<String>,
    /// The same as data.
    pub proof: Option<Arc<Refusal>>,
}

impl Reason {
    /// A reason that one sentence tells.
    pub fn plain(code: &'static str, message: String) -> Reason {
        Reason {
            code,
            message,
            details: Vec::new(),
            proof: None,
        }
    }

    /// Reasons are alike if they read alike.
    fn text(&self) -> (&'static str, &str, &[String]) {
        (self.code, &self.message, &self.details)
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Reason {}

impl PartialOrd for Reason {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reason {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text().cmp(&other.text())
    }
}

/// The devices of a cluster without any: claims are refused everywhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDevices;

impl Devices for NoDevices {
    fn state(&self, _node: usize) -> u64 {
        0
    }

    fn revision(&self) -> u64 {
        0
    }

    fn allocate(&mut self, _node: usize, claims: &[Arc<ResourceClaim>]) -> Verdict {
        let name = claims.first().map_or("", |claim| &*claim.name);
        let message = format!("claim {name}: the node has no devices");
        Verdict::Refused(Arc::new(Reason::plain("claim/no-devices", message)))
    }

    fn take(&mut self, _node: usize, _results: &[AllocationResult], _holder: &Text) {}
}

/// Rank of the alternatives that were chosen from prioritized lists: eight for each first choice,
/// seven for each second...
pub fn alternatives(claim: &ResourceClaim, result: &AllocationResult) -> i64 {
    const MOST: i64 = 8;
    let lists = claim
        .requests
        .iter()
        .filter(|request| request.exactly.is_none());
    let chosen = lists.flat_map(|request| {
        let subrequests = request.first_available.iter().enumerate();
        subrequests.filter(|(_, sub)| {
            let name: Text = format!("{}/{}", request.name, sub.name).into();
            result.results.iter().any(|device| device.request == name)
        })
    });
    chosen.map(|(place, _)| MOST - place as i64).sum()
}
