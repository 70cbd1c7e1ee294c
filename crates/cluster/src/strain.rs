//! What kube-scheduler would suffer: claims that are answered here at once, but on which its own
//! search runs into its limit of ten seconds a node.

use trainyard_model::Text;

use crate::gates::Version;

/// A question on one node that is hard for kube-scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strain {
    /// The node.
    pub node: Text,
    /// Steps of its search, as far as counted.
    pub steps: u64,
    /// Whether the claims fit there, as it would find in the end.
    pub fits: bool,
}

/// Up to here it has always been seen to answer in time.
const EASY: u64 = 400_000;
/// Beyond this it has never been.
const HOPELESS: u64 = 7_000_000;

impl Strain {
    /// `None`: nothing to say.
    pub fn of(node: &Text, steps: u64, fits: bool) -> Option<Strain> {
        (steps > EASY).then(|| Strain {
            node: node.clone(),
            steps,
            fits,
        })
    }

    /// Stable.
    pub fn code(&self) -> &'static str {
        if self.steps > HOPELESS {
            "scheduler/will-give-up"
        } else {
            "scheduler/may-give-up"
        }
    }

    /// For a person, with the remedy.
    pub fn message(&self, version: Version) -> String {
        let fits = if self.fits { "fits" } else { "does not fit" };
        let will = if self.steps > HOPELESS { "will" } else { "may" };
        let then = match version {
            Version::V1_37 => "which ends the pod's whole attempt",
            _ => "and leave that node out",
        };
        let more = if self.steps >= crate::devices::MOST_STEPS {
            "more than "
        } else {
            ""
        };
        format!(
            "the claims {} on node {}, but kube-scheduler {version} {will} give up there, {then}: its search takes {more}{} steps; ask for fewer devices, or narrow the requests by selectors to the devices wanted",
            fits, self.node, self.steps
        )
    }
}
