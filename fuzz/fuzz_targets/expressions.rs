//! See `trainyard_testkit::fuzz::expressions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trainyard_testkit::fuzz::expressions(bytes));
