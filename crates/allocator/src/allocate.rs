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
const PLAIN: u64 = 96;

/// How many steps kube-scheduler has never been seen to take before its time was over. It takes at
/// least those that are taken here.
pub const LOST: u64 = 7_000_000;

/// Steps that a part of a question may take, and how many claims may be paired.
const PART: u64 = 2_000;
const PAIRED: usize = 8;

/// Finds upstream's end of the search for a question that has been prepared.
pub(crate) fn solve(problem: &Problem<'_>, budget: u64) -> (End, u64) {
    let (end, steps) = search::run(problem, &mut Plain, Order::Combinations, budget.min(PLAIN));
    if end != End::OutOfSteps || budget <= PLAIN {
        return (end, steps);
    }
    let budget = budget - steps;
    let mut pruner = Pruner::new(problem);
    let (end, more) = search::run(problem, &mut pruner, Order::Combinations, budget);
    (end, steps + more)
}

impl<E: Engine> Inventory<E> {
    /// Finds the devices that upstream would give the claims, or why it would not.
    pub fn allocate(&mut self, question: &Question<'_>) -> Answer {
        self.answer(question, PLAIN, LOST)
    }

    /// As [`Inventory::allocate`], but it thinks from the first step on: for tests, whose questions
    /// are mostly answered before that.
    #[doc(hidden)]
    pub fn allocate_thinking(&mut self, question: &Question<'_>) -> Answer {
        self.answer(question, 0, LOST)
    }

    /// As [`Inventory::allocate`], but kube-scheduler gives up after `lost` steps: for tests.
    #[doc(hidden)]
    pub fn allocate_until_lost(&mut self, question: &Question<'_>, lost: u64) -> Answer {
        self.answer(question, 0, lost)
    }

    fn answer(&mut self, question: &Question<'_>, plainly: u64, lost: u64) -> Answer {
        let problem = match prepare(self, question) {
            Ok(problem) => problem,
            Err(fatal) => {
                return Answer {
                    verdict: Verdict::Fatal(fatal),
                    steps: 0,
                };
            }
        };
        let (end, steps) = self.solve(&problem, question, plainly, lost);
        Answer {
            verdict: self.verdict(&problem, end),
            steps,
        }
    }

    /// As [`solve`], but where that takes long it looks whether some of several claims are refused
    /// by themselves: then all are, and no choice for the others need be gone through.
    fn solve(
        &mut self,
        problem: &Problem<'_>,
        question: &Question<'_>,
        plainly: u64,
        lost: u64,
    ) -> (End, u64) {
        let first = question.budget.min(plainly);
        let (end, mut steps) = search::run(problem, &mut Plain, Order::Combinations, first);
        if end != End::OutOfSteps || question.budget <= plainly {
            return (end, steps);
        }
        let mut pruner = Pruner::new(problem);
        let first = PART.min(lost).min(question.budget - steps);
        let (end, more) = search::run(problem, &mut pruner, Order::Combinations, first);
        steps += more;
        if end != End::OutOfSteps || steps >= question.budget {
            return (end, steps);
        }
        let free = pruner.is_free_of_errors(0..problem.slots.len());
        let mut hopeless = Vec::new();
        let mut fruitless = false;
        for part in parts(question.claims.len()) {
            // Where errors keep others apart there is still no solution without one for each part.
            if pruner.gives() || (!free && !pruner.is_monotone()) {
                break;
            }
            let claims: Vec<_> = part.iter().map(|claim| question.claims[*claim]).collect();
            let question = Question {
                claims: &claims,
                budget: PART.min(question.budget - steps),
                ..*question
            };
            let Ok(alone) = prepare(self, &question) else {
                continue;
            };
            let (end, more) = solve(&alone, question.budget);
            steps += more;
            if end != End::Nothing {
                continue;
            }
            fruitless = true;
            // Errors between two claims, or before them, are still to be found.
            let between = part.windows(2).flat_map(|pair| pair[0] + 1..pair[1]);
            let mut between = between.map(|claim| problem.claim_slots[claim].clone());
            if !free && !between.all(|slots| pruner.is_free_of_errors(slots)) {
                continue;
            }
            let start = problem.claim_slots[part[0]].start;
            if free || pruner.is_free_of_errors(0..start) {
                return (end, steps);
            }
            hopeless.push(start);
        }
        let mut pruner = Pruner::new(problem);
        if fruitless {
            pruner.expect_errors_only();
        }
        hopeless.into_iter().for_each(|slot| pruner.despair(slot));
        let budget = question.budget - steps;
        // Where nothing but an error is left to find, nobody comes to see one after so many steps.
        let ends_early = pruner.is_fruitless() && lost <= budget;
        let budget = if ends_early { lost } else { budget };
        match search::run(problem, &mut pruner, Order::Combinations, budget) {
            (End::OutOfSteps, more) if ends_early => (End::Nothing, steps + more),
            (end, more) => (end, steps + more),
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
        let (slice, device) = device_at(self, problem, place);
        let name = |text: &Text| text.clone();
        DeviceId {
            driver: name(&slice.driver),
            pool: name(&slice.pool.name),
            device: name(&device.name),
        }
    }
}

/// Each claim by itself, then, if they are few, each pair.
fn parts(claims: usize) -> Vec<Vec<usize>> {
    if claims < 2 {
        return Vec::new();
    }
    let mut parts: Vec<Vec<usize>> = (0..claims).map(|claim| vec![claim]).collect();
    if (3..=PAIRED).contains(&claims) {
        for one in 0..claims {
            parts.extend((one + 1..claims).map(|other| vec![one, other]));
        }
    }
    parts
}
