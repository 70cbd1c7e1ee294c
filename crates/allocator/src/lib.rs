//! Does it fit, and if not, why? The structured allocator of Dynamic Resource Allocation.
//!
//! Running example: the claim of `aligned-efa-neuron` (four Neuron devices and four EFAs of one
//! `devicegroup4`) on a node that publishes 16 of each. [`Inventory`] holds what there is and what
//! is in use; [`Inventory::allocate`] answers a [`Question`] with the devices that upstream's
//! allocator would take, in the same order, or with the same kind of error.
//!
//! The answer is upstream's, its running time is not: the search ([`Order::Combinations`]) goes
//! through the same attempts in the same order, but passes over those that hold neither a solution
//! nor an error.
//!
//! Refuses to know: how a selector is written or evaluated (it asks a
//! [`trainyard_model::selector::Engine`]), what a pod is, which node is best, what the hardware
//! accepts.

mod allocate;
mod allocated;
mod answer;
mod bits;
mod capacity;
mod classes;
mod constraints;
mod counters;
mod explain;
mod ground;
mod inventory;
mod matching;
mod names;
mod nodes;
mod options;
mod outcomes;
mod pools;
mod problem;
mod prune;
mod search;
mod shapes;
mod state;
mod verdict;

pub use allocate::LOST;
pub use answer::NIL_SHARE;
pub use inventory::Inventory;
pub use search::Order;
pub use verdict::{Answer, Fatal, NodeError, PoolFault, Question, Verdict};
