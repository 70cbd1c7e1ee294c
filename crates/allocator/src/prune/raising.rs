//! Which requests may end the search in an error, so that an attempt at them is never in vain as far
//! as bounds can tell.

use crate::constraints::{Kind, MISSING};
use crate::problem::{Problem, RESULTS};

use super::column;
use super::conflict::is_monotone;

/// See the module.
pub(super) struct Raising {
    /// Slots and options, in order.
    pub choices: Vec<(usize, usize)>,
    /// Whether no claim that may raise an error may also come to have too many devices: that is
    /// found out without looking at all that precedes it, so errors there may never be met. All of
    /// such a claim counts as raising.
    pub is_clear: bool,
}

/// Finds them.
pub(super) fn find(problem: &Problem<'_>) -> Raising {
    let slots = problem.slots.iter().enumerate();
    let choices = slots.flat_map(|(slot, of)| of.options.clone().map(move |option| (slot, option)));
    let raises: Vec<bool> = choices
        .clone()
        .map(|(slot, option)| may_raise(problem, slot, option))
        .collect();
    let unclear = |claim: usize| {
        let own = problem.claim_slots[claim].clone();
        let mut raising = choices.clone().zip(&raises).filter(|(_, raises)| **raises);
        may_exceed(problem, claim) && raising.any(|((slot, _), _)| own.contains(&slot))
    };
    let unclear: Vec<bool> = (0..problem.claims.len()).map(unclear).collect();
    let found = choices
        .zip(&raises)
        .filter(|((slot, _), raises)| **raises || unclear[problem.slots[*slot].claim]);
    Raising {
        choices: found.map(|(choice, _)| choice).collect(),
        is_clear: !unclear.contains(&true),
    }
}

/// Whether some alternatives of a claim's requests together are too many devices, those aside that
/// are so whatever is chosen before them.
fn may_exceed(problem: &Problem<'_>, claim: usize) -> bool {
    let most = problem.claim_slots[claim].clone().map(|slot| {
        let options = problem.slots[slot].options.clone();
        let possible = options.filter(|option| !exceeds(problem, slot, *option));
        possible
            .map(|option| problem.options[option].need.max(0))
            .max()
    });
    most.flatten().sum::<i64>() > RESULTS
}

/// Whether an option is too many devices with the least that come before it in its claim.
fn exceeds(problem: &Problem<'_>, slot: usize, option: usize) -> bool {
    let claim = problem.slots[slot].claim;
    let before = (problem.claim_slots[claim].start..slot).map(|slot| {
        let options = &problem.options[problem.slots[slot].options.clone()];
        options.iter().map(|choice| choice.need.max(0)).min()
    });
    problem.options[option].need > RESULTS - before.flatten().sum::<i64>()
}

/// Whether an attempt at an option may end in an error.
fn may_raise(problem: &Problem<'_>, slot: usize, option: usize) -> bool {
    let choice = &problem.options[option];
    if exceeds(problem, slot, option) {
        return false;
    }
    if !choice.broken.is_empty() {
        return true;
    }
    // Where all are wanted, a constraint that refuses one is an error; but a device that cannot be
    // had at all is found out before its constraints are asked.
    let Some(all) = &choice.all else {
        return false;
    };
    let mut left = problem.counters.available.clone();
    let counts = is_monotone(problem);
    let all_before = all.iter().take_while(|place| {
        let taken = problem.counters.consumption(**place).filter(|_| counts);
        let mut amounts = taken.into_iter().flat_map(|taken| &taken.amounts);
        choice.open.has(**place)
            && amounts.all(|(counter, amount)| {
                left[*counter as usize] -= amount;
                left[*counter as usize] >= 0
            })
    });
    let all_before: Vec<usize> = all_before.copied().collect();
    let asked = all_before.iter();
    let before = problem.claim_slots[choice.claim].start..slot;
    let before = before.flat_map(|slot| problem.slots[slot].options.clone());
    choice.constraints.iter().any(|(constraint, own)| {
        if before
            .clone()
            .any(|option| column(problem, option, *constraint).is_some())
        {
            return asked.clone().next().is_some();
        }
        let of = &problem.constraints[*constraint];
        let mut common: Option<Vec<u64>> = None;
        for place in asked.clone() {
            let set = of.values.columns[*own][*place];
            if set == MISSING {
                return true;
            }
            let elements = of.values.elements_of(set);
            common = Some(match common {
                None => elements.to_vec(),
                Some(_) if of.values.unknown.has(set as usize) => return true,
                Some(common) => {
                    let mut both = common.iter().zip(elements);
                    if both.any(|(a, b)| a & b != 0) != (of.kind == Kind::Match) {
                        return true;
                    }
                    let both = common.iter().zip(elements);
                    match of.kind {
                        Kind::Match => both.map(|(a, b)| a & b).collect(),
                        Kind::Distinct => both.map(|(a, b)| a | b).collect(),
                    }
                }
            });
        }
        false
    })
}
