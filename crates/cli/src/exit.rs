//! How a run ends: 0 all is well, 1 a pod is refused, 2 a fault or a bug.

use std::io::{self, Write as _};
use std::panic;
use std::process::ExitCode;

/// The ways to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything fits.
    Fine,
    /// Something was refused.
    Refused,
    /// The input or the command is at fault; the message is on standard error.
    Fault,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Refused => 1,
            Exit::Fault => 2,
        })
    }
}

/// Runs a command; a broken invariant inside of it becomes a message and exit code 2.
pub fn catching_bugs(run: impl FnOnce() -> Exit + panic::UnwindSafe) -> ExitCode {
    panic::set_hook(Box::new(|info| {
        // Standard error may be what is broken.
        let _ = writeln!(io::stderr(), "trainyard: a bug, please report it: {info}");
    }));
    match panic::catch_unwind(run) {
        Ok(exit) => exit.into(),
        Err(_) => Exit::Fault.into(),
    }
}
