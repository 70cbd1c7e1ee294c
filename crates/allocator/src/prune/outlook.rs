//! Whether an error may still be met ahead, for what was taken and is yet to be taken before it.
//!
//! Which requests may raise one at all is [known beforehand](super::raising). Here it is asked again
//! at a spot of the search: of all devices that a request wants, those before the error have to be
//! free, and somebody has to have, or to be able to take, what a constraint refuses it for.

use crate::bits::Bits;
use crate::search::Spot;
use crate::state::{Pick, State};

use super::Pruner;
use super::bounds::Supposing;
use super::conflict::none;
use super::raising::Raiser;

impl Pruner<'_, '_> {
    /// Why neither a solution nor an error can come of a spot, if it can be seen from here.
    pub(super) fn why_nothing(&self, state: &State<'_, '_>, spot: Spot) -> Option<Bits> {
        let mut conflict = none(self.problem);
        let ahead = |raiser: &&Raiser| raiser.slot > spot.slot;
        for raiser in self.raising.iter().filter(ahead) {
            let (kept, no_sooner) = self.first_error(state, spot, raiser);
            if let Some(kept) = &kept {
                let supposing = Supposing {
                    kept: Some(kept).filter(|_| self.is_monotone),
                    ..Supposing::default()
                };
                conflict.add(&self.shortage(state, spot, raiser.slot, supposing)?);
                if supposing.kept.is_none_or(Bits::is_empty) {
                    // The requests up to there cannot be met at all.
                    return Some(conflict);
                }
            }
            conflict.add(&no_sooner);
        }
        if !self.is_fruitless {
            let end = self.problem.slots.len();
            conflict.add(&self.shortage(state, spot, end, Supposing::default())?);
        }
        Some(conflict)
    }

    /// The devices that those before it have to leave an option for it to come to an error, as far as
    /// is known, or nothing if it cannot come to one any more; and why it does not with fewer.
    fn first_error(
        &self,
        state: &State<'_, '_>,
        spot: Spot,
        raiser: &Raiser,
    ) -> (Option<Bits>, Bits) {
        let problem = self.problem;
        let mut kept = Bits::new(problem.len());
        let mut conflict = none(problem);
        let Some(asked) = &raiser.asked else {
            return (Some(kept), conflict);
        };
        let here = problem.slots[spot.slot].claim;
        let claim = problem.slots[raiser.slot].claim;
        let made = &state.picks[state.claim_start..];
        let made = if claim == here { made } else { &[] };
        let mut ahead: Vec<(usize, Bits, Bits)> = Vec::new();
        for slot in spot.slot.max(problem.claim_slots[claim].start)..raiser.slot {
            for option in self.options(spot, slot) {
                let mut suits = self.live[option].clone();
                if slot == spot.slot {
                    suits.drop_below(spot.start);
                }
                let free = self.candidates(state, here, option, Supposing::default());
                ahead.push((option, suits, free));
            }
        }
        for next in asked {
            if self.is_gone(state, next.place) {
                self.add_reason(state, raiser.option, next.place, &mut conflict);
                break;
            }
            // What several may share is asked for even where no room is left.
            if !problem.multi().has(next.place) {
                kept.insert(next.place);
            }
            let clashes = |pick: &Pick| {
                let clashing = next.clashing(pick.option);
                clashing.is_some_and(|clashing| clashing.has(pick.place))
            };
            if next.always || made.iter().any(clashes) {
                return (Some(kept), conflict);
            }
            let mut no_clash = none(problem);
            for (option, suits, free) in &ahead {
                let Some(clashing) = next.clashing(*option) else {
                    continue;
                };
                let mut clashing = clashing.clone();
                clashing.keep(suits);
                clashing.drop(&kept);
                if clashing.common(free) > 0 {
                    return (Some(kept), conflict);
                }
                let places = clashing.iter();
                places.for_each(|place| self.add_reason(state, *option, place, &mut no_clash));
            }
            conflict.add(&no_clash);
            if claim == here {
                self.add_concerned(state, raiser.option, &mut conflict);
            }
        }
        (None, conflict)
    }

    /// Whether nobody without admin access can have a device any more, whatever else is taken.
    fn is_gone(&self, state: &State<'_, '_>, place: usize) -> bool {
        state.marks[place] > 0 || (self.is_monotone && !self.is_counted(state, place))
    }
}
