//! Which devices? Upstream's search for the first solution, without the attempts that are in vain.
//!
//! Upstream tries devices one after the other, request by request, and takes the first choice for
//! which all requests are met ([attempts]). Tried to the end that takes exponential time. Ours skips
//! an attempt if it reaches no [goal](goals), where the goals are the solution and each error that
//! upstream would meet before one. The [pruner] has the reasons for which an attempt is skipped,
//! [`strategy`] when it is asked.
//!
//! Words, as the literature on constraint satisfaction has them:
//!
//! - *domain*: the devices that a request could still take, given those that were taken;
//! - *bound*: a test that never takes what is possible for impossible;
//! - *nogood*: a state from which no goal was reached;
//! - *symmetry*: devices that no request ahead can tell apart are interchangeable.
//!
//! Refuses to know: how devices came to be suitable, and how a solution is written down.

pub(crate) mod attempts;
pub(crate) mod state;
pub(crate) mod strategy;

mod bounds;
mod domains;
mod goals;
mod matching;
mod nogoods;
mod pruner;
mod symmetry;
