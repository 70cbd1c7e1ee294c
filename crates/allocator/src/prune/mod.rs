//! Which attempts are in vain: bounds, likeness, memory, and conflicts.
//!
//! An attempt is in vain if it holds neither a solution nor an error. [Bounds](bounds) look ahead to
//! the end, and to each request that may still raise an error, [supposing](outlook) that the devices
//! which the error needs are left to it. Devices that no solution can have are [known](narrow)
//! beforehand up to the first such request, the *horizon*. Otherwise an attempt is passed over if one
//! that is like it was seen to fail, or if what made another fail makes it fail as well.

mod bounds;
mod conflict;
mod memory;
mod narrow;
mod outlook;
mod packs;
mod raising;
mod reach;

use rustc_hash::FxHashMap;

use crate::bits::Bits;
use crate::classes::{Classes, IRRELEVANT};
use crate::problem::Problem;
use crate::search::{Guide, Spot};
use crate::state::{Pick, State};

use bounds::{Supposing, Tally};
use narrow::{Masks, Narrowing};
use packs::Pack;
use raising::{Raiser, Raising};
use reach::Reach;

/// How many states are remembered at most.
const MEMORY: usize = 1 << 18;

/// How many conflicts of a slot are remembered, and with how many picks, at most.
const CONFLICTS: usize = 64;
const PICKS: usize = 8;

/// A spot that the search is at.
struct Here {
    spot: Spot,
    /// Devices taken in vain.
    failed: Vec<usize>,
    /// Of what came after these.
    conflict: Bits,
    /// After this device nothing else need be tried here: its failure has nothing to do with it.
    over: Option<usize>,
    key: Box<[u64]>,
}

/// Where nothing was found before.
struct Seen {
    /// The first place that was looked at.
    start: usize,
    /// The conflict.
    picks: Box<[Pick]>,
}

/// See the module.
pub(crate) struct Pruner<'p, 'a> {
    problem: &'p Problem<'a>,
    classes: Classes,
    /// Options whose attempts may end in an error.
    raising: Vec<Raiser>,
    /// By option: devices at which a derived attribute fails. See [`raising::failing`].
    failing: Vec<Bits>,
    /// By slot: conflicts, each of which bars it and what follows.
    conflicts: Vec<Vec<Box<[Pick]>>>,
    /// Places of each option that can be part of a solution, as far as is known beforehand.
    live: Vec<Bits>,
    /// By constraint that wants a match: the elements that can be in common.
    viable: Vec<Vec<usize>>,
    masks: Masks,
    /// None where a device gives.
    tallies: Vec<Tally>,
    /// None where what is taken may make room.
    packs: Vec<Pack>,
    /// Devices that two may share with what is left of them.
    sharable: Bits,
    any_admin: bool,
    is_monotone: bool,
    gives: bool,
    /// Whether it is known that there is no solution: only errors are still to be found.
    is_fruitless: bool,
    here: Vec<Here>,
    /// The conflicts of the alternatives that failed, by prioritized list that the search is in.
    lists: Vec<Bits>,
    /// Why the last attempt failed.
    last: Bits,
    /// The slots after this one fail for this conflict, whatever is chosen for it: of its other
    /// alternatives only those that may raise an error are looked at.
    settled: Option<(usize, Bits)>,
    /// States with nothing to be found.
    vain: FxHashMap<Box<[u64]>, Seen>,
    buffer: Vec<u64>,
}

impl<'p, 'a> Pruner<'p, 'a> {
    pub fn new(problem: &'p Problem<'a>) -> Self {
        let masks = narrow::masks(problem);
        let mut narrowing = Narrowing::new(problem, &masks);
        let mut reach = Reach::all(problem);
        let mut raising = raising::find(problem, &masks, &reach);
        if !raising.choices.is_empty() {
            reach = Reach::of(problem, narrowing.clone());
            raising = raising::find(problem, &masks, &reach);
        }
        let Raising { choices, is_clear } = raising;
        narrowing.leave_out(|slot, option| raising::exceeds_always(problem, &reach, slot, option));
        let horizon = choices.iter().map(|raiser| raiser.slot).min();
        narrowing.narrow(horizon.unwrap_or(problem.slots.len()));
        let Narrowing { live, viable, .. } = narrowing;
        let is_monotone = conflict::is_monotone(problem);
        let gives = conflict::gives(problem);
        let mut pruner = Pruner {
            problem,
            classes: Classes::of(problem),
            raising: choices,
            failing: (0..problem.options.len())
                .map(|option| raising::failing(problem, option))
                .collect(),
            conflicts: vec![Vec::new(); problem.slots.len()],
            live,
            viable,
            masks,
            tallies: if gives {
                Vec::new()
            } else {
                Tally::all(problem)
            },
            packs: if is_monotone {
                packs::all(problem)
            } else {
                Vec::new()
            },
            sharable: sharable(problem),
            any_admin: problem.options.iter().any(|choice| choice.admin),
            is_monotone: is_monotone && is_clear,
            gives,
            is_fruitless: false,
            here: Vec::new(),
            lists: Vec::new(),
            last: conflict::none(problem),
            settled: None,
            vain: FxHashMap::default(),
            buffer: Vec::new(),
        };
        // Where there are no errors to be found, the first attempt shows as much.
        if let Some(first) = problem.slots.first().filter(|_| !pruner.raising.is_empty()) {
            let state = State::new(problem);
            let (slot, have, start) = (0, 0, 0);
            pruner.is_fruitless = first.options.clone().all(|option| {
                let spot = Spot {
                    slot,
                    option,
                    have,
                    start,
                };
                let nothing = Supposing::default();
                let short = pruner.shortage(&state, spot, problem.slots.len(), nothing);
                short.is_some()
            });
        }
        pruner
    }

    /// Whether no request of these slots can raise an error.
    pub fn is_free_of_errors(&self, mut slots: std::ops::Range<usize>) -> bool {
        slots.all(|slot| self.raising.iter().all(|raiser| raiser.slot != slot))
    }

    /// Whether it is certain that what is taken first never makes room for what comes later.
    pub fn is_monotone(&self) -> bool {
        self.is_monotone
    }

    /// Whether a claim may fit only because of what others have.
    pub fn gives(&self) -> bool {
        self.gives
    }

    /// Nothing can be found for this slot and some that follow, and no error: not even if nothing
    /// were taken before. See [`Pruner::is_monotone`].
    pub fn despair(&mut self, slot: usize) {
        self.conflicts[slot].push(Box::default());
        self.raising.retain(|raiser| raiser.slot < slot);
        self.is_fruitless = true;
    }

    /// Whether it is certain that there is no solution, though maybe an error.
    pub fn is_fruitless(&self) -> bool {
        self.is_fruitless
    }

    /// There is no solution, but maybe an error.
    pub fn expect_errors_only(&mut self) {
        self.is_fruitless = true;
    }

    fn raises(&self, slot: usize, option: usize) -> bool {
        let mut raising = self.raising.iter();
        raising.any(|raiser| (raiser.slot, raiser.option) == (slot, option))
    }

    /// An attempt failed for this conflict.
    fn fail(&mut self, state: &State<'_, '_>, conflict: Bits) {
        self.last = if self.is_monotone {
            conflict
        } else {
            self.everything(state)
        };
    }

    /// Keeps the conflict for which all of a slot failed.
    fn remember(&mut self, state: &State<'_, '_>, slot: usize) {
        let known = &mut self.conflicts[slot];
        if self.is_monotone && known.len() < CONFLICTS && self.last.len() <= PICKS {
            known.push(self.last.iter().map(|pick| state.picks[pick]).collect());
        }
    }

    /// The conflict that these picks are, if all of them were made.
    fn present(&self, state: &State<'_, '_>, picks: &[Pick]) -> Option<Bits> {
        let mut conflict = conflict::none(self.problem);
        for pick in picks {
            conflict.insert(state.picks.iter().position(|made| made == pick)?);
        }
        Some(conflict)
    }

    /// Why nothing was found at a spot where everything was tried.
    fn conclude(&mut self, state: &State<'_, '_>, here: &Here) {
        let problem = self.problem;
        let Spot {
            slot,
            option,
            have,
            start,
        } = here.spot;
        let choice = &problem.options[option];
        let classes = self.classes.at(slot);
        let mut conflict = here.conflict.clone();
        let is_last = have + 1 >= choice.need;
        let bounded = !self.raises(slot, option);
        let mut from = start;
        while let Some(place) = choice.open.next(from) {
            from = place + 1;
            if here.over.is_some_and(|over| place >= over) {
                break;
            }
            if here.failed.contains(&place)
                || self.failing[option].has(place)
                || (bounded && !self.live[option].has(place))
            {
                continue;
            }
            // Were it free, it would fail as its like did: with no more to choose from after it.
            let mut failed = here.failed.iter();
            if let Some(like) = failed
                .find(|failed| classes[**failed] == classes[place] && (is_last || **failed < place))
            {
                let shares = |place: usize| state.shares.get(place).is_some_and(|count| *count > 0);
                if shares(*like) || shares(place) {
                    conflict.add(&self.everything(state));
                }
                continue;
            }
            self.add_reason(state, option, place, &mut conflict);
        }
        // Tried even where nothing else need be.
        let mut from = start;
        while let Some(place) = self.failing[option].next(from) {
            self.add_reason(state, option, place, &mut conflict);
            from = place + 1;
        }
        let mut from = start;
        while let Some(place) = choice.broken.next(from) {
            let taker = self.taken_by(state, option, place);
            conflict.insert(taker.expect("a device that fails is passed over where it is taken"));
            from = place + 1;
        }
        self.fail(state, conflict);
    }
}

/// Devices of which the two smallest shares that are asked for fit into what is left.
fn sharable(problem: &Problem<'_>) -> Bits {
    let mut sharable = problem.multi().clone();
    for place in problem.multi().iter() {
        let options = problem
            .options
            .iter()
            .filter(|choice| choice.open.has(place));
        let mut least: Option<Vec<i128>> = None;
        for choice in options {
            let amounts = choice.amounts_at(place);
            match &mut least {
                None => least = Some(amounts.to_vec()),
                Some(least) => least
                    .iter_mut()
                    .zip(amounts)
                    .for_each(|(a, b)| *a = (*a).min(*b)),
            }
        }
        let mut twice = least.iter().flatten().zip(problem.room_at(place));
        if twice.any(|(least, room)| least.saturating_mul(2) > *room) {
            sharable.remove(place);
        }
    }
    sharable
}

/// The column of values that a constraint has for an option, if it applies to it.
fn column(problem: &Problem<'_>, option: usize, constraint: usize) -> Option<usize> {
    let constraints = &problem.options[option].constraints;
    let found = constraints.iter().find(|(index, _)| *index == constraint);
    found.map(|(_, column)| *column)
}

impl Guide for Pruner<'_, '_> {
    fn is_hopeless(&mut self, state: &State<'_, '_>, slot: usize) -> bool {
        let mut known = self.conflicts[slot].iter();
        let Some(conflict) = known.find_map(|picks| self.present(state, picks)) else {
            return false;
        };
        self.fail(state, conflict);
        true
    }

    fn is_vain(&mut self, state: &State<'_, '_>, spot: Spot) -> bool {
        if let Some((slot, conflict)) = &self.settled
            && (spot.slot > *slot || (spot.have == 0 && !self.raises(spot.slot, spot.option)))
        {
            self.last = conflict.clone();
            return true;
        }
        let key = self.key(state, spot);
        if let Some(seen) = self.vain.get(&key) {
            // There is as little now, but for the same reason only if there is no more to try.
            let present = self
                .present(state, &seen.picks)
                .filter(|_| seen.start <= spot.start);
            let conflict = present.unwrap_or_else(|| self.whatever_matters(state, spot));
            self.fail(state, conflict);
            return true;
        }
        if !self.raises(spot.slot, spot.option)
            && let Some(conflict) = self.why_nothing(state, spot)
        {
            self.fail(state, conflict);
            return true;
        }
        self.here.push(Here {
            spot,
            failed: Vec::new(),
            conflict: conflict::none(self.problem),
            over: None,
            key,
        });
        false
    }

    fn skips(&mut self, state: &State<'_, '_>, place: usize) -> bool {
        let here = self.here.last().expect("the search is somewhere");
        let spot = here.spot;
        if self.failing[spot.option].has(place) {
            return false;
        }
        here.over.is_some()
            || (!self.raises(spot.slot, spot.option) && !self.live[spot.option].has(place))
            || here
                .failed
                .iter()
                .any(|failed| self.alike(state, spot.slot, *failed, place))
    }

    fn failed(&mut self, state: &State<'_, '_>, place: usize) {
        let here = self.here.last_mut().expect("the search is somewhere");
        here.failed.push(place);
        let pick = state.picks.len();
        if self.last.has(pick) {
            self.last.remove(pick);
        } else {
            here.over = Some(place);
            let Spot {
                slot, option, have, ..
            } = here.spot;
            let is_last = have + 1 >= self.problem.options[option].need;
            let mut own = pick - have as usize..pick;
            if is_last
                && self.problem.slots[slot].listed
                && self.settled.is_none()
                && !own.any(|pick| self.last.has(pick))
            {
                self.settled = Some((slot, self.last.clone()));
            }
        }
        here.conflict.add(&self.last);
    }

    fn leave(&mut self, state: &State<'_, '_>, in_vain: bool) {
        let here = self.here.pop().expect("the search is somewhere");
        if !in_vain {
            self.last.remove(state.picks.len());
            return;
        }
        self.conclude(state, &here);
        let Spot { slot, have, .. } = here.spot;
        if have == 0 && !self.problem.slots[slot].listed {
            self.remember(state, slot);
        }
        if self.vain.len() < MEMORY {
            let picks = self.last.iter().map(|pick| state.picks[pick]).collect();
            let start = here.spot.start;
            self.vain.insert(here.key, Seen { start, picks });
        }
    }

    fn refuses(&mut self, state: &State<'_, '_>, option: usize, place: Option<usize>) {
        let mut conflict = conflict::none(self.problem);
        if let Some(place) = place {
            self.add_reason(state, option, place, &mut conflict);
        }
        self.fail(state, conflict);
    }

    fn gives_all_back(&mut self, state: &State<'_, '_>, option: usize) {
        self.last.remove(state.picks.len());
        // With others before it, a constraint might have refused one: an error.
        let mut conflict = std::mem::take(&mut self.last);
        self.add_concerned(state, option, &mut conflict);
        self.fail(state, conflict);
    }

    fn exceeds(&mut self, state: &State<'_, '_>) {
        let mut conflict = conflict::none(self.problem);
        (state.claim_start..state.picks.len()).for_each(|pick| conflict.insert(pick));
        self.fail(state, conflict);
    }

    fn enters_list(&mut self) {
        self.lists.push(conflict::none(self.problem));
    }

    fn alternative_failed(&mut self) {
        let list = self.lists.last_mut().expect("the search is in a list");
        list.add(&self.last);
    }

    fn list_failed(&mut self, state: &State<'_, '_>, slot: usize, exceeded: bool) {
        self.last = self.lists.pop().expect("the search is in a list");
        if self.settled.as_ref().is_some_and(|(of, _)| *of == slot) {
            self.settled = None;
        }
        if !exceeded {
            self.remember(state, slot);
        }
    }
}
