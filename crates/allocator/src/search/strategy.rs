//! The phases of a search: which of the attempts are skipped, and when it is given up.

use super::attempts::{self, End, Order};
use super::pruner::Pruner;
use crate::problem::Problem;

/// How many steps kube-scheduler was never seen to take before its time was over. It takes at least
/// those that are taken here.
pub const SCHEDULER_STEPS: u64 = 7_000_000;

/// How many steps each phase may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strategy {
    /// Phase 1, *plain*: upstream's steps, none skipped. Most questions are answered in fewer steps
    /// than it takes to prepare the next phase.
    pub plain: u64,
    /// Phase 3, *errors only*: how long an error is looked for where there is no solution.
    pub errors_only: u64,
}

impl Default for Strategy {
    fn default() -> Self {
        Strategy {
            plain: 96,
            errors_only: SCHEDULER_STEPS,
        }
    }
}

impl Strategy {
    /// Finds the end of upstream's search, and the steps that were taken.
    pub fn solve(self, problem: &Problem<'_>, budget: u64) -> (End, u64) {
        let order = Order::Combinations;
        let plain = match Pruner::applies_to(problem) {
            true => self.plain.min(budget),
            false => budget,
        };
        let (end, steps) = attempts::run(problem, None, order, plain);
        if end != End::OutOfSteps || plain == budget {
            return (end, steps);
        }
        // Phase 2, *pruned*: it begins anew, and skips attempts from which no goal is reached.
        let mut pruner = Pruner::new(problem);
        if pruner.goals().is_empty() {
            return (End::Nothing, steps);
        }
        let left = budget - steps;
        let errors_only = !pruner.goals().has_solution() && self.errors_only <= left;
        let left = if errors_only { self.errors_only } else { left };
        let (end, more) = attempts::run(problem, Some(&mut pruner), order, left);
        // An error that kube-scheduler would not reach in time is none to its user.
        let end = match end {
            End::OutOfSteps if errors_only => End::Nothing,
            end => end,
        };
        (end, steps + more)
    }
}
