//! How many devices fit onto a counter set together.
//!
//! Amounts alone say little where each set leaves an odd rest: what the cheapest devices take may be
//! there in sum, but not on one set.

use crate::bits::Bits;
use crate::problem::Problem;

/// The devices of a counter set. One that takes from several is of the first.
pub(super) struct Pack {
    places: Bits,
    /// By counter: what each of these devices takes of it, the least first.
    amounts: Vec<(u32, Vec<(i128, usize)>)>,
}

/// The devices of each set.
pub(super) fn all(problem: &Problem<'_>) -> Vec<Pack> {
    let names = &problem.counters.names;
    let set = |counter: u32| {
        let name = &names[counter as usize];
        (name.pool, &name.set)
    };
    let mut packs = Vec::new();
    let mut start = 0u32;
    while (start as usize) < names.len() {
        let end = (start..names.len() as u32)
            .find(|counter| set(*counter) != set(start))
            .unwrap_or(names.len() as u32);
        let taken = |place: usize| {
            let taken = problem.counters.consumption(place);
            taken.filter(|_| !problem.multi().has(place))
        };
        let mut places = Bits::new(problem.len());
        for place in 0..problem.len() {
            let first = taken(place).and_then(|taken| taken.amounts.first());
            if first.is_some_and(|(counter, _)| (start..end).contains(counter)) {
                places.insert(place);
            }
        }
        let amounts = (start..end).map(|counter| {
            let amount = |place: usize| {
                let taken = taken(place).into_iter().flat_map(|taken| &taken.amounts);
                let own = taken.filter(|(other, _)| *other == counter);
                own.map(|(_, amount)| *amount).sum::<i128>()
            };
            let mut amounts: Vec<_> = places.iter().map(|place| (amount(place), place)).collect();
            amounts.sort_unstable();
            (counter, amounts)
        });
        let amounts = amounts.collect();
        if !places.is_empty() {
            packs.push(Pack { places, amounts });
        }
        start = end;
    }
    packs
}

/// How many of these devices can be taken at most, of what is left of the counters.
pub(super) fn fitting(packs: &[Pack], left: &[i128], suits: &Bits) -> usize {
    let kept = packs.iter().map(|pack| {
        let own = pack.places.common(suits);
        let fitting = pack.amounts.iter().map(|(counter, amounts)| {
            let mut left = left[*counter as usize];
            let suiting = amounts.iter().filter(|(_, place)| suits.has(*place));
            let fitting = suiting.take_while(|(amount, _)| {
                left -= amount;
                *amount <= 0 || left >= 0
            });
            fitting.count()
        });
        own - fitting.min().unwrap_or(own)
    });
    suits.len() - kept.sum::<usize>()
}
