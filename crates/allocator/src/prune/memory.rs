//! When two states of the search have the same future.

use crate::classes::IRRELEVANT;
use crate::search::Spot;
use crate::state::State;

use super::Pruner;

impl Pruner<'_, '_> {
    /// All that the future from `spot` on depends on.
    pub(super) fn key(&mut self, state: &State<'_, '_>, spot: Spot) -> Box<[u64]> {
        let problem = self.problem;
        let key = &mut self.buffer;
        key.clear();
        key.extend([spot.slot as u64, spot.option as u64, spot.have as u64]);
        key.push(state.claim_picks() as u64);
        let claim = problem.slots[spot.slot].claim;
        let slots = spot.slot..problem.claim_slots[claim].end;
        let options = slots.flat_map(|slot| problem.slots[slot].options.clone());
        let mut relevant: Vec<usize> = options
            .flat_map(|option| {
                problem.options[option]
                    .constraints
                    .iter()
                    .map(|(index, _)| *index)
            })
            .collect();
        relevant.sort_unstable();
        relevant.dedup();
        for index in relevant {
            let values = &state.values[index];
            match values
                .len()
                .checked_sub(problem.constraints[index].values.words)
            {
                None => key.push(0),
                Some(top) => {
                    key.push(1);
                    key.extend(&values[top..]);
                }
            }
        }
        let classes = self.classes.at(spot.slot);
        let mut counts: Vec<(u32, [u32; 4])> = Vec::new();
        let mut count = |class: u32, what: usize| match counts
            .binary_search_by_key(&class, |(class, _)| *class)
        {
            Ok(index) => counts[index].1[what] += 1,
            Err(index) => {
                let mut new = [0; 4];
                new[what] = 1;
                counts.insert(index, (class, new));
            }
        };
        for place in state.marked.iter() {
            if classes[place] != IRRELEVANT {
                count(classes[place], 0);
            }
        }
        if self.any_admin {
            for (number, pick) in state.picks.iter().enumerate() {
                if classes[pick.place] != IRRELEVANT {
                    // A device that is taken again takes from its counters again.
                    count(classes[pick.place], 1);
                    if number >= state.claim_start {
                        count(classes[pick.place], 3);
                    }
                }
            }
        }
        if spot.start > 0 {
            let choice = &problem.options[spot.option];
            let mut from = spot.start;
            while let Some(place) = choice.open.next(from) {
                if !state.is_taken(spot.option, place) {
                    let marked = u32::from(state.marks[place] > 0) << 31;
                    count(classes[place] | marked, 2);
                }
                from = place + 1;
            }
        }
        for (class, counts) in counts {
            key.push(class.into());
            key.extend(counts.map(u64::from));
        }
        let mut shares: Vec<Vec<u64>> = Vec::new();
        for (place, number) in state
            .shares
            .iter()
            .enumerate()
            .filter(|(_, number)| **number > 0)
        {
            let mut share = vec![classes[place].into(), u64::from(*number)];
            // A request takes a device once, so it matters which are still ahead.
            share.push(u64::from(spot.start > 0 && place >= spot.start));
            for taken in &state.taken[place] {
                share.extend([*taken as u64, (*taken >> 64) as u64]);
            }
            shares.push(share);
        }
        shares.sort_unstable();
        for share in shares {
            key.push(u64::MAX);
            key.extend(share);
        }
        key.as_slice().into()
    }

    /// Whether `slot` and all that follow it can tell two devices apart.
    pub(super) fn alike(
        &self,
        state: &State<'_, '_>,
        slot: usize,
        one: usize,
        other: usize,
    ) -> bool {
        let classes = self.classes.at(slot);
        // With admin access a device that others have costs them nothing.
        classes[one] == classes[other]
            && (state.marks[one] == 0) == (state.marks[other] == 0)
            && (!self.problem.multi().has(one) || {
                let taken = |place: usize| (state.shares[place], &state.taken[place]);
                state.shares[one] == 0 && state.shares[other] == 0 || taken(one) == taken(other)
            })
    }
}
