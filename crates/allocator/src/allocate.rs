//! From a question to its answer.

use trainyard_model::selector::Engine;

use crate::inventory::Inventory;
use crate::inventory::pools::Health;
use crate::problem::{Problem, constraints, subrequests};
use crate::results;
use crate::search::attempts::{self, End, Order, Stop};
use crate::search::strategy::Strategy;
use crate::verdict::{Answer, Fatal, NodeError, Question, Refused, Verdict};
use crate::verdict::{claim_name, device_name};

impl<E: Engine> Inventory<E> {
    /// Finds the devices that upstream would give the claims, or why it would not.
    pub fn allocate(&mut self, question: &Question<'_>) -> Answer {
        let strategy = Strategy::default();
        self.answer(question, |problem, budget| strategy.solve(problem, budget))
    }

    /// As [`Inventory::allocate`], without the plain phase: for tests, whose questions are mostly
    /// answered in it.
    #[doc(hidden)]
    pub fn allocate_pruned(&mut self, question: &Question<'_>) -> Answer {
        let strategy = Strategy {
            plain: 0,
            ..Strategy::default()
        };
        self.answer(question, |problem, budget| strategy.solve(problem, budget))
    }

    /// As [`Inventory::allocate_pruned`], but where there is no solution an error is looked for in so
    /// many steps only: for tests.
    #[doc(hidden)]
    pub fn allocate_errors_only(&mut self, question: &Question<'_>, steps: u64) -> Answer {
        let strategy = Strategy {
            plain: 0,
            errors_only: steps,
        };
        self.answer(question, |problem, budget| strategy.solve(problem, budget))
    }

    /// As [`Inventory::allocate`], by trying everything: slow where upstream is, and the judge of
    /// the quicker search.
    pub fn allocate_plainly(&mut self, question: &Question<'_>) -> Answer {
        let order = Order::Combinations;
        self.answer(question, |problem, budget| {
            attempts::run(problem, None, order, budget)
        })
    }

    fn answer(
        &mut self,
        question: &Question<'_>,
        solve: impl FnOnce(&Problem<'_>, u64) -> (End, u64),
    ) -> Answer {
        match Problem::of(self, question) {
            Ok(problem) => {
                let (end, steps) = solve(&problem, question.budget);
                Answer {
                    verdict: self.verdict(&problem, end),
                    steps,
                }
            }
            Err(fatal) => Answer {
                verdict: Verdict::Fatal(fatal),
                steps: 0,
            },
        }
    }

    /// How many steps upstream's own search takes for the question, at most `cap`. Nothing where
    /// it fails before its search.
    pub fn upstream_steps(&mut self, question: &Question<'_>, order: Order, cap: u64) -> u64 {
        match Problem::of(self, question) {
            Ok(problem) => attempts::run(&problem, None, order, cap).1,
            Err(_) => 0,
        }
    }

    fn verdict(&mut self, problem: &Problem<'_>, end: End) -> Verdict {
        match end {
            End::Found(picks, selected) => match results::write(self, problem, &picks, &selected) {
                Ok(results) => Verdict::Fits(results),
                Err(fatal) => Verdict::Fatal(fatal),
            },
            End::Nothing => match self.invalid_pool(problem) {
                Some(error) => Verdict::NodeError(error),
                None => Verdict::Refused(Refused(())),
            },
            End::Exceeded => Verdict::Fatal(Fatal::ResultsExceeded),
            End::Fatal(stop) => self
                .fatal(problem, stop)
                .map_or(Verdict::GaveUp, Verdict::Fatal),
            End::OutOfSteps => Verdict::GaveUp,
        }
    }

    fn invalid_pool(&self, problem: &Problem<'_>) -> Option<NodeError> {
        let pool = problem.invalid_pool()?;
        let Health::Invalid(reason) = &pool.health else {
            return None;
        };
        let slice = pool.slices.first().or(pool.counters.first());
        let slice = slice.expect("a pool is made of slices");
        let slice = &self.slices.get(*slice).source;
        Some(NodeError::InvalidPool {
            driver: slice.driver.clone(),
            pool: slice.pool.name.clone(),
            reason: reason.clone(),
        })
    }

    /// The error that a search met; `None`: the end of its budget.
    fn fatal(&mut self, problem: &Problem<'_>, stop: Stop) -> Option<Fatal> {
        let available = &problem.available;
        Some(match stop {
            Stop::Broken { subrequest, device } => {
                let wanted = &problem.subrequests[subrequest];
                let claim = problem.claims[wanted.claim];
                subrequests::why_broken(self, available, claim, wanted, device)
            }
            Stop::Derived {
                subrequest,
                constraint,
                device,
            } => {
                let wanted = &problem.subrequests[subrequest];
                let constraint = &problem.constraints[constraint];
                constraints::why_fails(self, available, constraint, wanted, device)
            }
            Stop::Constraint { subrequest, device } => {
                let wanted = &problem.subrequests[subrequest];
                Fatal::AllAgainstConstraint {
                    claim: claim_name(problem.claims[wanted.claim]),
                    request: wanted.short_name().clone(),
                    device: device_name(&available.view.device_id(&self.slices, device)),
                }
            }
            Stop::OutOfSteps => return None,
        })
    }
}
