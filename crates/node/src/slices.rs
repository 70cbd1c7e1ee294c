//! Which ResourceSlices should there be, and what is to be done about those that are?
//!
//! [`layout`] cuts a pool into slices as the API allows, [`diff`] compares them with what is there
//! and says what to do (both are pure), [`publisher`] does it and starts over whenever the desired
//! pools, the Node or the slices change. Nothing is cached between two rounds: a round lists the
//! node's few slices anew, so there is no cache to be stale.

pub mod diff;
pub mod layout;
pub mod publisher;
