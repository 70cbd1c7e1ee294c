//! How do we know? Random scenarios, the means to compare two answers, and the means to make a
//! scenario small that tells them apart.
//!
//! The running example: [`generate::scenario`] makes scenario 4711, always the same; the oracle and
//! `trainyard allocate` answer it; [`answer::difference`] says whether they agree, and if they don't,
//! [`shrink`] looks for the smallest scenario about which they still disagree.
//!
//! Refuses to know: how anything is allocated. Scenarios and answers are JSON here, as they are for
//! whoever asks from outside.

pub mod answer;
pub mod dice;
pub mod fuzz;
pub mod generate;
pub mod process;
pub mod reached;
pub mod rows;
pub mod shrink;
