//! Which requests may end the search in an error, so that an attempt at them is never in vain as far
//! as bounds can tell.

use crate::bits::Bits;
use crate::constraints::{FAILS, Kind, MISSING};
use crate::problem::{Problem, RESULTS};

use super::column;
use super::narrow::{Masks, obtainable};
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
    /// Where all devices are wanted and only constraints raise: those that are asked for, in order,
    /// up to the last at which there can be an error. `None`: it may come whatever was taken.
    pub asked: Option<Vec<Asked>>,
}

/// A device that is asked for. All before it have to be free for it to come to that.
pub(super) struct Asked {
    pub place: usize,
    /// Whether a constraint may refuse it whatever was taken.
    pub always: bool,
    /// By option of the claim's requests before: the devices because of which a constraint refuses
    /// this one.
    clashes: Vec<(usize, Bits)>,
}

impl Asked {
    /// The devices of an option because of which a constraint refuses this one.
    pub fn clashing(&self, option: usize) -> Option<&Bits> {
        let mut clashes = self.clashes.iter();
        clashes.find_map(|(of, clashing)| (*of == option).then_some(clashing))
    }
}

/// Finds them among what can be reached.
pub(super) fn find(problem: &Problem<'_>, masks: &Masks, reach: &Reach) -> Raising {
    let slots = problem.slots[..reach.end].iter().enumerate();
    let choices = slots.flat_map(|(slot, of)| of.options.clone().map(move |option| (slot, option)));
    let mut raises: Vec<Option<Option<Vec<Asked>>>> = choices
        .clone()
        .map(|(slot, option)| may_raise(problem, masks, reach, slot, option))
        .collect();
    let unclear = |claim: usize| {
        let own = problem.claim_slots[claim].clone();
        let mut raising = choices.clone().zip(&raises);
        let first = raising.find(|((slot, _), raises)| raises.is_some() && own.contains(slot));
        first.is_some_and(|((slot, _), _)| may_exceed_after(problem, reach, slot))
    };
    let unclear: Vec<bool> = (0..problem.claims.len()).map(unclear).collect();
    let found = choices
        .zip(&mut raises)
        .filter_map(|((slot, option), raises)| {
            let asked = if unclear[problem.slots[slot].claim] {
                None
            } else {
                raises.take()?
            };
            Some(Raiser {
                slot,
                option,
                asked,
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

/// Whether an attempt at an option can end in an error, and where. See [`Raiser::asked`].
fn may_raise(
    problem: &Problem<'_>,
    masks: &Masks,
    reach: &Reach,
    slot: usize,
    option: usize,
) -> Option<Option<Vec<Asked>>> {
    let choice = &problem.options[option];
    if exceeds_always(problem, reach, slot, option) {
        return None;
    }
    if !choice.broken.is_empty() || !failing(problem, option).is_empty() {
        return Some(None);
    }
    // Where all are wanted, a constraint that refuses one is an error; but a device that cannot be
    // had at all is found out before its constraints are asked.
    let all = choice.all.as_ref()?;
    let all = &all[..obtainable(problem, option, all)];
    let before = problem.claim_slots[choice.claim].start..slot;
    let before = before.flat_map(|slot| problem.slots[slot].options.clone());
    let before: Vec<usize> = before.collect();
    let mut asked: Vec<Asked> = Vec::with_capacity(all.len());
    asked.extend(all.iter().map(|place| Asked {
        place: *place,
        always: false,
        clashes: Vec::new(),
    }));
    for (constraint, column) in &choice.constraints {
        let of = &problem.constraints[*constraint];
        let single = |set: &[u32]| set.len() == 1;
        // Lists may have something in common two by two, but not all together.
        let pairwise = of.kind == Kind::Distinct || of.values.sets.iter().all(single);
        let others = if pairwise { &[][..] } else { &before };
        if let Some(at) = refused(problem, *constraint, *column, others, all) {
            asked.truncate(at + 1);
            if let Some(last) = asked.last_mut().filter(|last| last.place == all[at]) {
                last.always = true;
            }
        }
        let values = &of.values.columns[*column];
        let before = before.iter().filter(|_| pairwise);
        for other in before {
            let Some(theirs) = self::column(problem, *other, *constraint) else {
                continue;
            };
            for asked in asked.iter_mut().filter(|asked| !asked.always) {
                let set = values[asked.place];
                let clashing = clashing(problem, masks, (*constraint, theirs), *other, set);
                let mut known = asked.clashes.iter_mut();
                match known.find(|(of, _)| of == other) {
                    Some((_, known)) => known.add(&clashing),
                    None if clashing.is_empty() => {}
                    None => asked.clashes.push((*other, clashing)),
                }
            }
        }
    }
    let raises = |asked: &Asked| asked.always || !asked.clashes.is_empty();
    let last = asked.iter().rposition(raises)?;
    asked.truncate(last + 1);
    // With admin access it is given what others have.
    Some((!choice.admin).then_some(asked))
}

/// The first of `all` that a constraint may refuse, for those before it and whatever these options
/// take.
fn refused(
    problem: &Problem<'_>,
    constraint: usize,
    own: usize,
    others: &[usize],
    all: &[usize],
) -> Option<usize> {
    let of = &problem.constraints[constraint];
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
    for option in others {
        if let Some(column) = column(problem, *option, constraint) {
            let column = &of.values.columns[column];
            let places = problem.options[*option].open.iter();
            let known = |set: &u32| !matches!(*set, MISSING | FAILS);
            places
                .map(|place| column[place])
                .filter(known)
                .for_each(|set| {
                    add(set);
                });
        }
    }
    let own = &of.values.columns[own];
    let mut sets = all.iter().map(|place| own[*place]);
    sets.position(|set| matches!(set, MISSING | FAILS) || !add(set))
}

/// The devices that an option may take of which each is at odds with a set of values.
fn clashing(
    problem: &Problem<'_>,
    masks: &Masks,
    (constraint, column): (usize, usize),
    option: usize,
    set: u32,
) -> Bits {
    let of = &problem.constraints[constraint];
    let sets = &of.values.columns[column];
    let mut clashing = problem.options[option].open.clone();
    let lacks = |place: &usize| matches!(sets[*place], MISSING | FAILS);
    let lacking: Vec<usize> = clashing.iter().filter(lacks).collect();
    lacking.into_iter().for_each(|place| clashing.remove(place));
    if of.values.unknown.has(set as usize) {
        return clashing;
    }
    let mut meeting = Bits::new(problem.len());
    for element in of.values.sets.get(set as usize).into_iter().flatten() {
        meeting.add(&masks[constraint][column][*element as usize]);
    }
    match of.kind {
        Kind::Match => clashing.drop(&meeting),
        Kind::Distinct => clashing.keep(&meeting),
    }
    clashing
}
