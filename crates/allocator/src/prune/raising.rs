//! Which requests may end the search in an error, so that an attempt at them is never in vain as far
//! as bounds can tell.

use crate::bits::Bits;
use crate::constraints::{FAILS, Kind, MISSING};
use crate::problem::{Problem, RESULTS};

use super::column;
use super::narrow::obtainable;
use super::reach::Reach;

/// See the module.
pub(super) struct Raising {
    /// In order.
    pub choices: Vec<Raiser>,
    /// Whether no claim that may raise an error may also come to have too many devices after it:
    /// that is found out without looking at all that precedes it, so errors there may never be met.
    /// All of such a claim counts as raising.
    pub is_clear: bool,
}

/// An option that may raise an error.
pub(super) struct Raiser {
    pub slot: usize,
    pub option: usize,
    /// Devices that have to be free, all of them, for it to come to that.
    pub first: Vec<usize>,
}

/// Finds them among what can be reached.
pub(super) fn find(problem: &Problem<'_>, reach: &Reach) -> Raising {
    let slots = problem.slots[..reach.end].iter().enumerate();
    let choices = slots.flat_map(|(slot, of)| of.options.clone().map(move |option| (slot, option)));
    let raises: Vec<Option<Vec<usize>>> = choices
        .clone()
        .map(|(slot, option)| may_raise(problem, reach, slot, option))
        .collect();
    let unclear = |claim: usize| {
        let own = problem.claim_slots[claim].clone();
        let mut raising = choices.clone().zip(&raises);
        let first = raising.find(|((slot, _), raises)| raises.is_some() && own.contains(slot));
        first.is_some_and(|((slot, _), _)| may_exceed_after(problem, reach, slot))
    };
    let unclear: Vec<bool> = (0..problem.claims.len()).map(unclear).collect();
    let found = choices.zip(&raises).filter_map(|((slot, option), raises)| {
        let first = if unclear[problem.slots[slot].claim] {
            Vec::new()
        } else {
            raises.clone()?
        };
        Some(Raiser {
            slot,
            option,
            first,
        })
    });
    Raising {
        choices: found.collect(),
        is_clear: !unclear.contains(&true),
    }
}

/// Whether all alternatives of some request of the claim after this one may be too many devices at
/// once.
fn may_exceed_after(problem: &Problem<'_>, reach: &Reach, first: usize) -> bool {
    let own = problem.claim_slots[problem.slots[first].claim].clone();
    let mut before = 0;
    (own.start..own.end.min(reach.end)).any(|slot| {
        let options = problem.slots[slot].options.clone();
        let need = |option: usize| problem.options[option].need.max(0);
        let least = options.clone().map(need).min();
        let exceeds = least.is_some_and(|least| least > RESULTS - before);
        let met = options
            .filter(|option| reach.met[*option] && !exceeds_always(problem, reach, slot, *option));
        before = RESULTS.min(before + met.map(need).max().unwrap_or(0));
        exceeds && slot > first
    })
}

/// Whether an option is too many devices with the least that can come before it in its claim.
pub(super) fn exceeds_always(
    problem: &Problem<'_>,
    reach: &Reach,
    slot: usize,
    option: usize,
) -> bool {
    let claim = problem.slots[slot].claim;
    let before = (problem.claim_slots[claim].start..slot).map(|slot| {
        let options = problem.slots[slot].options.clone();
        let met = options.filter(|option| reach.met[*option]);
        met.map(|option| problem.options[option].need.max(0)).min()
    });
    problem.options[option].need > RESULTS - before.flatten().sum::<i64>()
}

/// Devices at which a derived attribute fails, if nothing that was taken is in the way of that. Where
/// all are wanted, what a constraint refuses is an error anyway.
pub(super) fn failing(problem: &Problem<'_>, option: usize) -> Bits {
    let choice = &problem.options[option];
    let mut failing = Bits::new(problem.len());
    let one_by_one = choice.open.iter().filter(|_| choice.all.is_none());
    for place in one_by_one {
        let mut sets = choice.constraints.iter().map(|(constraint, column)| {
            problem.constraints[*constraint].values.columns[*column][place]
        });
        // The first to have no value tells.
        if sets.find(|set| matches!(*set, MISSING | FAILS)) == Some(FAILS) {
            failing.insert(place);
        }
    }
    failing
}

/// The devices that have to be free for an attempt at an option to end in an error; `None`: it cannot.
fn may_raise(
    problem: &Problem<'_>,
    reach: &Reach,
    slot: usize,
    option: usize,
) -> Option<Vec<usize>> {
    let choice = &problem.options[option];
    if exceeds_always(problem, reach, slot, option) {
        return None;
    }
    if !choice.broken.is_empty() || !failing(problem, option).is_empty() {
        return Some(Vec::new());
    }
    // Where all are wanted, a constraint that refuses one is an error; but a device that cannot be
    // had at all is found out before its constraints are asked.
    let all = choice.all.as_ref()?;
    let asked = &all[..obtainable(problem, option, all)];
    let before = problem.claim_slots[choice.claim].start..slot;
    let before = before.flat_map(|slot| problem.slots[slot].options.clone());
    let refused = choice.constraints.iter().filter_map(|(constraint, own)| {
        let of = &problem.constraints[*constraint];
        // What all that may come before have in common, or have at all.
        let mut common: Option<Vec<u64>> = None;
        let mut add = |set: u32| {
            let elements = of.values.elements_of(set);
            let Some(common) = &mut common else {
                common = Some(elements.to_vec());
                return true;
            };
            let fits = !of.values.unknown.has(set as usize)
                && common.iter().zip(elements).any(|(a, b)| a & b != 0) == (of.kind == Kind::Match);
            let both = common.iter_mut().zip(elements);
            match of.kind {
                Kind::Match => both.for_each(|(a, b)| *a &= b),
                Kind::Distinct => both.for_each(|(a, b)| *a |= b),
            }
            fits
        };
        for option in before.clone() {
            if let Some(column) = column(problem, option, *constraint) {
                let column = &of.values.columns[column];
                let sets = problem.options[option]
                    .open
                    .iter()
                    .map(|place| column[place]);
                let known = |set: &u32| !matches!(*set, MISSING | FAILS);
                sets.filter(known).for_each(|set| {
                    add(set);
                });
            }
        }
        let own = &of.values.columns[*own];
        let mut sets = asked.iter().map(|place| own[*place]);
        sets.position(|set| matches!(set, MISSING | FAILS) || !add(set))
    });
    let first = refused.min()?;
    // With admin access it is given what others have.
    let first = asked.get(..=first)?;
    Some(if choice.admin {
        Vec::new()
    } else {
        first.to_vec()
    })
}
