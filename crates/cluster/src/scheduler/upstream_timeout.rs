//! Claims that are answered here at once, but on which kube-scheduler's own search reaches its limit of
//! ten seconds a node.

use trainyard_allocator::LOST;
use trainyard_model::Text;
use trainyard_model::gates::Version;

use crate::devices::MOST_STEPS;

/// Claims on one node for which kube-scheduler searches too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTimeout {
    /// The node.
    pub node: Text,
    /// Steps of its search, as far as counted.
    pub steps: u64,
    /// Whether the claims fit there, as it would find in the end.
    pub fits: bool,
}

/// Up to here it has always been seen to answer in time.
const EASY: u64 = 400_000;

impl UpstreamTimeout {
    /// `None`: nothing to say.
    pub fn of(node: &Text, steps: u64, fits: bool) -> Option<UpstreamTimeout> {
        (steps > EASY).then(|| UpstreamTimeout {
            node: node.clone(),
            steps,
            fits,
        })
    }

    /// Stable.
    pub fn code(&self) -> &'static str {
        if self.steps > LOST {
            "scheduler/will-give-up"
        } else {
            "scheduler/may-give-up"
        }
    }

    /// For a person, with the remedy.
    pub fn message(&self, version: Version) -> String {
        let fits = if self.fits { "fit" } else { "do not fit" };
        let will = if self.steps > LOST { "will" } else { "may" };
        let then = match version {
            Version::V1_37 => "which ends the pod's whole attempt",
            _ => "which leaves that node out",
        };
        let more = if self.steps >= MOST_STEPS {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_what_has_always_been_answered() {
        let node: Text = "n".into();
        assert_eq!(UpstreamTimeout::of(&node, 400_000, true), None);
        let code = |steps| UpstreamTimeout::of(&node, steps, true).map(|timeout| timeout.code());
        assert_eq!(code(400_001), Some("scheduler/may-give-up"));
        assert_eq!(code(7_000_000), Some("scheduler/may-give-up"));
        assert_eq!(code(7_000_001), Some("scheduler/will-give-up"));
        let timeout = UpstreamTimeout::of(&node, MOST_STEPS, true).expect("many steps");
        assert_eq!(
            timeout.message(Version::V1_37),
            "the claims fit on node n, but kube-scheduler 1.37 will give up there, which ends the pod's whole attempt: its search takes more than 10000000 steps; ask for fewer devices, or narrow the requests by selectors to the devices wanted"
        );
    }
}
