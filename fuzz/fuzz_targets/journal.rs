//! See `trainyard_node::fuzz::journal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trainyard_node::fuzz::journal(bytes));
