//! See `trainyard_testkit::fuzz::Sysfs`.
#![no_main]

use std::sync::LazyLock;

use trainyard_testkit::fuzz::Sysfs;

static MACHINE: LazyLock<Sysfs> = LazyLock::new(Sysfs::default);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| MACHINE.read(bytes));
