//! How far the search can come at all: a request is looked at once those before it have been met, so
//! what follows one that nothing can meet raises no error either.

use crate::problem::Problem;

use super::narrow::Narrowing;

/// See the module.
pub(super) struct Reach {
    /// Slots from here on are never entered.
    pub end: usize,
    /// By option: whether it can be met, as far as it and those before it tell.
    pub met: Vec<bool>,
}

impl Reach {
    /// Everything.
    pub fn all(problem: &Problem<'_>) -> Reach {
        Reach {
            end: problem.slots.len(),
            met: vec![true; problem.options.len()],
        }
    }

    /// Finds it, narrowing as it goes.
    pub fn of(problem: &Problem<'_>, mut narrowing: Narrowing<'_, '_>) -> Reach {
        let mut reach = Reach::all(problem);
        for (slot, of) in problem.slots.iter().enumerate() {
            narrowing.narrow(slot + 1);
            for option in of.options.clone() {
                reach.met[option] = narrowing.can_meet(option);
            }
            if !reach.met[of.options.clone()].contains(&true) {
                reach.end = slot + 1;
                break;
            }
        }
        reach
    }
}
