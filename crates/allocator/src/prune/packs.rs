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

/// How many of these devices can be taken at most, of what is left of the counters. A device that is
/// in several of the sets is taken for each.
pub(super) fn fitting(packs: &[Pack], left: &[i128], suits: &[Bits]) -> usize {
    let kept = packs.iter().map(|pack| {
        let own = suits.iter().map(|suits| pack.places.common(suits)).sum();
        let fitting = pack.amounts.iter().map(|(counter, amounts)| {
            let mut left = left[*counter as usize];
            let suiting = amounts.iter().flat_map(|(amount, place)| {
                let suiting = suits.iter().filter(|suits| suits.has(*place));
                suiting.map(|_| *amount)
            });
            let fitting = suiting.take_while(|amount| {
                left -= amount;
                *amount <= 0 || left >= 0
            });
            fitting.count()
        });
        own - fitting.min().unwrap_or(own)
    });
    let all: usize = suits.iter().map(Bits::len).sum();
    all - kept.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sets with places for four devices each, of which each takes `amount`.
    fn packs(amount: i128) -> Vec<Pack> {
        let pack = |set: u32| {
            let mut places = Bits::new(8);
            let own = set as usize * 4..set as usize * 4 + 4;
            own.clone().for_each(|place| places.insert(place));
            let amounts = vec![(set, own.map(|place| (amount, place)).collect())];
            Pack { places, amounts }
        };
        vec![pack(0), pack(1)]
    }

    #[test]
    fn an_odd_rest_on_each_set_is_no_device_together() {
        let all = [Bits::all(8)];
        assert_eq!(fitting(&packs(2), &[7, 7], &all), 6, "the sum has seven");
        assert_eq!(fitting(&packs(2), &[8, 7], &all), 7);
        assert_eq!(fitting(&packs(2), &[-1, 7], &all), 3, "overdrawn");
        assert_eq!(fitting(&packs(0), &[-1, 0], &all), 8, "it takes nothing");
        let mut some = Bits::new(8);
        [0, 1, 4].into_iter().for_each(|place| some.insert(place));
        let one = [some.clone()];
        assert_eq!(fitting(&packs(2), &[2, 7], &one), 2, "of those that suit");
        assert_eq!(fitting(&[], &[], &one), 3, "nothing is counted");
        let twice = [some.clone(), some];
        assert_eq!(
            fitting(&packs(2), &[7, 3], &twice),
            4,
            "each is taken twice"
        );
    }
}
