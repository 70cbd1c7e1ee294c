//! From a question to its answer.

use trainyard_model::Text;
use trainyard_model::selector::Engine;
use trainyard_model::slice::DeviceId;

use crate::answer;
use crate::constraints;
use crate::inventory::Inventory;
use crate::options;
use crate::pools::Health;
use crate::problem::{Problem, device_at, prepare};
use crate::prune::Pruner;
use crate::search::{self, End, Order, Plain, Stop};
use crate::verdict::{Answer, Fatal, NodeError, Question, Verdict, claim_name, device_name};

/// Steps that are taken plainly before the question is thought over: most need fewer.
const PLAIN: u64 = 48;

/// Finds upstream's end of the search.
pub(crate) fn solve(problem: &Problem<'_>, budget: u64) -> (End, u64) {
    let (end, steps) = search::run(problem, &mut Plain, Order::Combinations, budget.min(PLAIN));
    if end != End::OutOfSteps || budget <= PLAIN {
        return (end, steps);
    }
    let budget = budget - steps;
    let (end, more) = match Pruner::new(problem) {
        Some(mut pruner) => search::run(problem, &mut pruner, Order::Combinations, budget),
        None => search::run(problem, &mut Plain, Order::Combinations, budget),
    };
    (end, steps + more)
}

impl<E: Engine> Inventory<E> {
    /// Finds the devices that upstream would give the claims, or why it would not.
    pub fn allocate(&mut self, question: &Question<'_>) -> Answer {
        let problem = match prepare(self, question) {
            Ok(problem) => problem,
            Err(fatal) => {
                return Answer {
                    verdict: Verdict::Fatal(fatal),
                    steps: 0,
                };
            }
        };
        let (end, steps) = solve(&problem, question.budget);
        Answer {
            verdict: self.verdict(&problem, end),
            steps,
        }
    }

    /// As [`Inventory::allocate`], by trying everything: slow where upstream is, and the judge of
    /// the quicker search.
    pub fn allocate_plainly(&mut self, question: &Question<'_>) -> Answer {
        let problem = match prepare(self, question) {
            Ok(problem) => problem,
            Err(fatal) => {
                return Answer {
                    verdict: Verdict::Fatal(fatal),
                    steps: 0,
                };
            }
        };
        let order = Order::Combinations;
        let (end, steps) = search::run(&problem, &mut Plain, order, question.budget);
        Answer {
            verdict: self.verdict(&problem, end),
            steps,
        }
    }

    /// How many steps upstream's own search takes for the question, at most `cap`. Nothing where
    /// it fails before its search.
    pub fn upstream_steps(&mut self, question: &Question<'_>, order: Order, cap: u64) -> u64 {
        match prepare(self, question) {
            Ok(problem) => search::run(&problem, &mut Plain, order, cap).1,
            Err(_) => 0,
        }
    }

    pub(crate) fn verdict(&mut self, problem: &Problem<'_>, end: End) -> Verdict {
        match end {
            End::Found(picks, selected) => match answer::write(self, problem, &picks, &selected) {
                Ok(results) => Verdict::Fits(results),
                Err(fatal) => Verdict::Fatal(fatal),
            },
            End::Nothing => match self.invalid_pool(problem) {
                Some(error) => Verdict::NodeError(error),
                None => Verdict::Refused,
            },
            End::Exceeded => Verdict::Fatal(Fatal::ResultsExceeded),
            End::Fatal(stop) => Verdict::Fatal(self.fatal(problem, stop)),
            End::OutOfSteps => Verdict::GaveUp,
        }
    }

    fn invalid_pool(&self, problem: &Problem<'_>) -> Option<NodeError> {
        let pool = problem.invalid_pool()?;
        let Health::Invalid(reason) = &pool.health else {
            return None;
        };
        let slice = pool.slices.first().or(pool.counters.first());
        let slice = &self.slice(*slice.expect("a pool is made of slices")).source;
        Some(NodeError::InvalidPool {
            driver: slice.driver.clone(),
            pool: slice.pool.name.clone(),
            reason: reason.clone(),
        })
    }

    fn fatal(&mut self, problem: &Problem<'_>, stop: Stop) -> Fatal {
        match stop {
            Stop::Broken { option, place } => {
                options::why_broken(self, problem, &problem.options[option], place)
            }
            Stop::Derived {
                option,
                constraint,
                place,
            } => constraints::why_fails(self, problem, option, constraint, place),
            Stop::Constraint { option, place } => {
                let choice = &problem.options[option];
                Fatal::AllAgainstConstraint {
                    claim: claim_name(problem.claims[choice.claim]),
                    request: choice.short_name().clone(),
                    device: device_name(&self.device_id(problem, place)),
                }
            }
        }
    }

    pub(crate) fn device_id(&self, problem: &Problem<'_>, place: usize) -> DeviceId {
        let (slice, device) = device_at(self, problem.places[place]);
        let name = |text: &Text| text.clone();
        DeviceId {
            driver: name(&slice.driver),
            pool: name(&slice.pool.name),
            device: name(&device.name),
        }
    }
}
