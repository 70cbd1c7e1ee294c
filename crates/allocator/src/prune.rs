//! Which attempts are in vain: bounds, likeness and memory.
//!
//! An attempt is in vain if it holds neither a solution nor an error. Errors are kept in sight by a
//! *horizon*: the first request that may raise one. Bounds look only at requests before it; past
//! it, only attempts that are like one seen to fail are passed over.

use rustc_hash::FxHashSet;

use crate::bits::Bits;
use crate::classes::{Classes, IRRELEVANT};
use crate::constraints::{FAILS, Kind};
use crate::matching::{Demand, all_served};
use crate::problem::Problem;
use crate::search::{Guide, Spot};
use crate::state::{Pick, State};

/// How many states are remembered at most.
const MEMORY: usize = 1 << 18;

/// A spot that the search is at.
struct Here {
    spot: Spot,
    /// Devices taken in vain.
    failed: Vec<usize>,
    key: Option<Box<[u64]>>,
}

/// See the module.
pub(crate) struct Pruner<'p, 'a> {
    problem: &'p Problem<'a>,
    classes: Classes,
    /// The first slot whose attempt may end in an error.
    horizon: usize,
    /// Slots and options whose attempts may.
    raising: Vec<(usize, usize)>,
    /// Places of each option that can be part of a solution, as far as is known beforehand.
    live: Vec<Bits>,
    /// By constraint that wants a match: the elements that can be in common.
    viable: Vec<Vec<usize>>,
    /// By constraint, column and element: the places that have it.
    masks: Vec<Vec<Vec<Bits>>>,
    /// Devices that two may share with what is left of them.
    sharable: Bits,
    any_admin: bool,
    slot_of: Vec<usize>,
    here: Vec<Here>,
    /// Set while the search goes back: a failure to which no slot after this one has contributed
    /// (`None`: none at all), so that other devices for those cannot help.
    retreat: Option<Option<usize>>,
    vain: FxHashSet<Box<[u64]>>,
    buffer: Vec<u64>,
}

impl<'p, 'a> Pruner<'p, 'a> {
    /// `None`: errors may turn up anywhere, so nothing can be passed over.
    pub fn new(problem: &'p Problem<'a>) -> Option<Self> {
        let columns = problem
            .constraints
            .iter()
            .flat_map(|constraint| &constraint.values.columns);
        if columns.flatten().any(|set| *set == FAILS) {
            return None;
        }
        let raises = |option: usize| {
            let choice = &problem.options[option];
            // Where all are wanted, a constraint that refuses one is an error; but a device that
            // cannot be had at all is found out before its constraints are asked.
            let first = choice.all.as_ref().and_then(|all| all.first());
            let asked = first.is_some_and(|first| choice.open.has(*first));
            !choice.broken.is_empty() || (asked && !choice.constraints.is_empty())
        };
        let slots = problem.slots.iter().enumerate();
        let raising: Vec<(usize, usize)> = slots
            .flat_map(|(index, slot)| slot.options.clone().map(move |option| (index, option)))
            .filter(|(_, option)| raises(*option))
            .collect();
        let horizon = raising.first().map(|(slot, _)| *slot);
        let mut pruner = Pruner {
            problem,
            classes: Classes::of(problem),
            horizon: horizon.unwrap_or(problem.slots.len()),
            raising,
            live: problem
                .options
                .iter()
                .map(|choice| choice.open.clone())
                .collect(),
            viable: Vec::new(),
            masks: Vec::new(),
            sharable: sharable(problem),
            any_admin: problem.options.iter().any(|choice| choice.admin),
            slot_of: Vec::new(),
            here: Vec::new(),
            retreat: None,
            vain: FxHashSet::default(),
            buffer: Vec::new(),
        };
        for (index, slot) in problem.slots.iter().enumerate() {
            pruner.slot_of.resize(slot.options.end, index);
        }
        pruner.find_masks();
        while pruner.narrow() {}
        Some(pruner)
    }

    /// Whether no request can raise an error.
    pub fn is_free_of_errors(&self) -> bool {
        !self.has_horizon()
    }

    fn find_masks(&mut self) {
        let places = self.problem.len();
        for constraint in &self.problem.constraints {
            let used = constraint.values.elements.len();
            let masks = constraint.values.columns.iter().map(|column| {
                let mut masks = vec![Bits::new(places); used];
                for (place, set) in column.iter().enumerate() {
                    let set = constraint.values.sets.get(*set as usize);
                    for element in set.into_iter().flatten() {
                        masks[*element as usize].insert(place);
                    }
                }
                masks
            });
            self.masks.push(masks.collect());
            self.viable.push(match constraint.kind {
                Kind::Match => (0..used).collect(),
                Kind::Distinct => Vec::new(),
            });
        }
    }

    /// Drops values that cannot be in common and devices that have none but those. Returns
    /// whether anything was dropped.
    fn narrow(&mut self) -> bool {
        let problem = self.problem;
        let mut narrowed = false;
        for (index, constraint) in problem.constraints.iter().enumerate() {
            if constraint.kind != Kind::Match {
                continue;
            }
            let slots = problem.claim_slots[constraint.claim].clone();
            let slots = slots.start..slots.end.min(self.horizon);
            let viable = std::mem::take(&mut self.viable[index]);
            let before = viable.len();
            let viable: Vec<usize> = viable
                .into_iter()
                .filter(|element| {
                    slots.clone().all(|slot| {
                        let mut options = problem.slots[slot].options.clone();
                        options.any(|option| self.has_enough(option, index, *element))
                    })
                })
                .collect();
            narrowed |= viable.len() < before;
            for option in slots.flat_map(|slot| problem.slots[slot].options.clone()) {
                let Some(column) = column(problem, option, index) else {
                    continue;
                };
                let mut allowed = Bits::new(problem.len());
                for element in &viable {
                    allowed.add(&self.masks[index][column][*element]);
                }
                let before = self.live[option].len();
                self.live[option].keep(&allowed);
                narrowed |= self.live[option].len() < before;
            }
            self.viable[index] = viable;
        }
        narrowed
    }

    fn has_enough(&self, option: usize, constraint: usize, element: usize) -> bool {
        let need = usize::try_from(self.problem.options[option].need).unwrap_or(0);
        let Some(column) = column(self.problem, option, constraint) else {
            return self.live[option].len() >= need;
        };
        need == 0 || self.live[option].common(&self.masks[constraint][column][element]) >= need
    }

    /// The devices that an option could still take, if `common` is what a constraint's devices
    /// have in common.
    fn candidates(
        &self,
        state: &State<'_, '_>,
        claim: usize,
        option: usize,
        common: Option<(usize, usize)>,
    ) -> Bits {
        let problem = self.problem;
        let choice = &problem.options[option];
        let mut suits = self.live[option].clone();
        if !choice.admin {
            suits.drop(&state.marked);
        }
        for (place, _) in &choice.amounts {
            if state.shares.get(*place).is_some_and(|shares| *shares > 0)
                && !state.has_room(option, *place)
            {
                suits.remove(*place);
            }
        }
        for (constraint, column) in &choice.constraints {
            let masks = &self.masks[*constraint][*column];
            if let Some((of, element)) = common
                && of == *constraint
            {
                match masks.get(element) {
                    Some(mask) => suits.keep(mask),
                    None => return Bits::new(problem.len()),
                }
            }
            if choice.claim != claim {
                continue;
            }
            let values = &state.values[*constraint];
            let words = problem.constraints[*constraint].values.words;
            let Some(top) = values.len().checked_sub(words) else {
                continue;
            };
            let mut with = Bits::new(problem.len());
            for (element, mask) in masks.iter().enumerate() {
                if values[top + element / 64] & (1 << (element % 64)) != 0 {
                    with.add(mask);
                }
            }
            match problem.constraints[*constraint].kind {
                Kind::Match => suits.keep(&with),
                Kind::Distinct => suits.drop(&with),
            }
        }
        suits
    }

    /// Whether the requests from `spot` on can each have enough devices, no device serving two.
    fn can_be_served(
        &self,
        state: &State<'_, '_>,
        spot: Spot,
        common: Option<(usize, usize)>,
    ) -> bool {
        let problem = self.problem;
        let claim = problem.slots[spot.slot].claim;
        let mut demands = Vec::new();
        for slot in spot.slot..self.horizon {
            let mut least: Option<Demand> = None;
            let options = if slot == spot.slot {
                spot.option..spot.option + 1
            } else {
                problem.slots[slot].options.clone()
            };
            for option in options {
                let choice = &problem.options[option];
                let have = if slot == spot.slot { spot.have } else { 0 };
                let need = usize::try_from(choice.need - have).unwrap_or(0);
                let mut suits = self.candidates(state, claim, option, common);
                if slot == spot.slot {
                    suits.drop_below(spot.start);
                }
                if choice.all.is_some() && need == 0 || suits.len() < need {
                    continue;
                }
                // Devices that several may share, and admin access, take nothing from others.
                let free = if choice.admin {
                    need
                } else {
                    suits.common(&self.sharable).min(need)
                };
                suits.drop(&self.sharable);
                let need = need - free;
                match &mut least {
                    None => least = Some(Demand { need, suits }),
                    Some(least) => {
                        least.need = least.need.min(need);
                        least.suits.add(&suits);
                    }
                }
            }
            match least {
                None => return false,
                Some(demand) if demand.need > 0 => demands.push(demand),
                Some(_) => {}
            }
        }
        all_served(&demands, problem.len())
    }

    /// Whether every constraint that wants a match has an element left with which the requests
    /// can be served.
    fn can_agree(&self, state: &State<'_, '_>, spot: Spot) -> bool {
        let problem = self.problem;
        let claim = problem.slots[spot.slot].claim;
        problem
            .constraints
            .iter()
            .enumerate()
            .all(|(index, constraint)| {
                if constraint.kind != Kind::Match || constraint.claim < claim {
                    return true;
                }
                let last = problem.claim_slots[constraint.claim].end.min(self.horizon);
                let slots = spot.slot.max(problem.claim_slots[constraint.claim].start)..last;
                // Requests with an alternative that the constraint spares need no element.
                let spared = |slot: usize| {
                    let mut options = if slot == spot.slot {
                        spot.option..spot.option + 1
                    } else {
                        problem.slots[slot].options.clone()
                    };
                    options.any(|option| column(problem, option, index).is_none())
                };
                if slots.clone().all(spared) {
                    return true;
                }
                let values = &state.values[index];
                let top = values.len().checked_sub(constraint.values.words);
                let top = top.filter(|_| constraint.claim == claim);
                let fixed = top.map(|top| &values[top..]);
                let mut open = self.viable[index].iter().filter(|element| {
                    fixed.is_none_or(|words| words[**element / 64] & (1 << (**element % 64)) != 0)
                });
                open.any(|element| self.can_be_served(state, spot, Some((index, *element))))
            })
    }

    /// Whether constraints that want different values leave enough of them.
    fn can_differ(&self, state: &State<'_, '_>, spot: Spot) -> bool {
        let problem = self.problem;
        let claim = problem.slots[spot.slot].claim;
        problem
            .constraints
            .iter()
            .enumerate()
            .all(|(index, constraint)| {
                if constraint.kind != Kind::Distinct || constraint.claim < claim {
                    return true;
                }
                let elements = self.masks[index].first().map_or(0, Vec::len);
                let slots = problem.claim_slots[constraint.claim].clone();
                let mut demands = Vec::new();
                for slot in slots.start.max(spot.slot)..slots.end.min(self.horizon) {
                    let option = if slot == spot.slot {
                        spot.option
                    } else {
                        let options = &problem.slots[slot].options;
                        if options.len() > 1 {
                            continue;
                        }
                        options.start
                    };
                    let Some(column) = column(problem, option, index) else {
                        continue;
                    };
                    let have = if slot == spot.slot { spot.have } else { 0 };
                    let need = usize::try_from(problem.options[option].need - have).unwrap_or(0);
                    let suits = self.candidates(state, claim, option, None);
                    let mut values = Bits::new(elements);
                    for (element, mask) in self.masks[index][column].iter().enumerate() {
                        if mask.common(&suits) > 0 {
                            values.insert(element);
                        }
                    }
                    demands.push(Demand {
                        need,
                        suits: values,
                    });
                }
                all_served(&demands, elements)
            })
    }

    /// Whether the counters are enough for the devices that take least of them.
    fn can_be_counted(&self, state: &State<'_, '_>, spot: Spot) -> bool {
        let problem = self.problem;
        if !problem.counters.matter() {
            return true;
        }
        let claim = problem.slots[spot.slot].claim;
        let mut least = vec![0i128; state.left.len()];
        let mut amounts: Vec<i128> = Vec::new();
        for slot in spot.slot..self.horizon {
            let options = if slot == spot.slot {
                spot.option..spot.option + 1
            } else {
                problem.slots[slot].options.clone()
            };
            if options.len() > 1 {
                continue;
            }
            let option = options.start;
            let have = if slot == spot.slot { spot.have } else { 0 };
            let need = usize::try_from(problem.options[option].need - have).unwrap_or(0);
            let mut suits = self.candidates(state, claim, option, None);
            if slot == spot.slot {
                suits.drop_below(spot.start);
            }
            let touched = suits
                .iter()
                .filter_map(|place| problem.counters.consumption(place));
            let mut counters: Vec<u32> = touched
                .flat_map(|taken| taken.amounts.iter().map(|(counter, _)| *counter))
                .collect();
            counters.sort_unstable();
            counters.dedup();
            for counter in counters {
                amounts.clear();
                amounts.extend(suits.iter().map(|place| {
                    let taken = problem.counters.consumption(place);
                    let taken = taken.filter(|_| !problem.multi().has(place));
                    let taken = taken.into_iter().flat_map(|taken| &taken.amounts);
                    let own = taken.filter(|(other, _)| *other == counter);
                    own.map(|(_, amount)| *amount).sum::<i128>()
                }));
                amounts.sort_unstable();
                least[counter as usize] += amounts.iter().take(need).sum::<i128>();
            }
        }
        // A counter that is overdrawn bars only those who take from its pool.
        least
            .iter()
            .zip(&state.left)
            .all(|(least, left)| *least == 0 || least <= left)
    }

    /// All that the future from `spot` on depends on.
    fn key(&mut self, state: &State<'_, '_>, spot: Spot) -> Box<[u64]> {
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
        let mut counts: Vec<(u32, [u32; 3])> = Vec::new();
        let mut count = |class: u32, what: usize| match counts
            .binary_search_by_key(&class, |(class, _)| *class)
        {
            Ok(index) => counts[index].1[what] += 1,
            Err(index) => {
                let mut new = [0; 3];
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
            for pick in &state.picks[state.claim_start..] {
                if classes[pick.place] != IRRELEVANT {
                    count(classes[pick.place], 1);
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

    /// After nothing was found for a slot and those that follow: goes back to the last slot whose
    /// devices matter to them.
    fn go_back(&mut self, state: &State<'_, '_>, spot: Spot) {
        let problem = self.problem;
        let is_last = spot.option + 1 == problem.slots[spot.slot].options.end;
        if self.retreat.is_some() || spot.have > 0 || !is_last || self.has_horizon() {
            return;
        }
        let classes = self.classes.at(spot.slot);
        let claim = problem.slots[spot.slot].claim;
        let slots = spot.slot..problem.claim_slots[claim].end;
        let own = problem.claim_slots[claim].clone();
        let listed = problem.slots[own].iter().any(|slot| slot.listed);
        let matters = |pick: &&Pick| {
            let choice = &problem.options[pick.option];
            let counted = problem.counters.consumption(pick.place).is_some();
            let constrained = || {
                let mut options = slots
                    .clone()
                    .flat_map(|slot| problem.slots[slot].options.clone());
                options.any(|option| {
                    let mut constraints = choice.constraints.iter();
                    constraints.any(|(index, _)| column(problem, option, *index).is_some())
                })
            };
            classes[pick.place] != IRRELEVANT
                || counted
                || (choice.claim == claim && (listed || constrained()))
        };
        let last = state.picks.iter().rev().find(matters);
        self.retreat = Some(last.map(|pick| self.slot_of[pick.option]));
    }

    fn retreats_past(&self, slot: usize) -> bool {
        self.retreat.is_some_and(|to| to.is_none_or(|to| slot > to))
    }

    /// Whether a slot ahead wants all of certain devices, of which the first is taken: it can have
    /// nothing and raise nothing, and so can no other, as far as errors go.
    fn is_spent(&self, state: &State<'_, '_>, spot: Spot) -> bool {
        let is_spent = |option: usize| {
            let choice = &self.problem.options[option];
            let first = choice.all.as_ref().and_then(|all| all.first());
            choice.broken.is_empty()
                && !choice.admin
                && first.is_some_and(|first| state.marks[*first] > 0)
        };
        let mut ahead = self
            .raising
            .iter()
            .filter(|(slot, _)| *slot >= spot.slot)
            .peekable();
        ahead.peek().is_some_and(|(slot, _)| {
            *slot > spot.slot && self.problem.slots[*slot].options.clone().all(is_spent)
        }) && ahead.all(|(_, option)| is_spent(*option))
    }

    fn has_horizon(&self) -> bool {
        self.horizon < self.problem.slots.len()
    }

    fn alike(&self, state: &State<'_, '_>, slot: usize, one: usize, other: usize) -> bool {
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
    fn is_vain(&mut self, state: &State<'_, '_>, spot: Spot) -> bool {
        if self.retreats_past(spot.slot) {
            return true;
        }
        if self.is_spent(state, spot) {
            return true;
        }
        let key = self.key(state, spot);
        if self.vain.contains(&key) {
            self.go_back(state, spot);
            return true;
        }
        let bounded = spot.slot < self.horizon
            && (!self.can_be_served(state, spot, None)
                || !self.can_be_counted(state, spot)
                || !self.can_differ(state, spot)
                || (spot.have <= 1 && !self.can_agree(state, spot)));
        if bounded {
            self.go_back(state, spot);
            return true;
        }
        self.here.push(Here {
            spot,
            failed: Vec::new(),
            key: Some(key),
        });
        false
    }

    fn turns_to_next_option(&mut self, slot: usize) {
        if !self.retreats_past(slot) {
            self.retreat = None;
        }
    }

    fn skips(&mut self, state: &State<'_, '_>, place: usize) -> bool {
        let here = self.here.last().expect("the search is somewhere");
        let spot = here.spot;
        self.retreats_past(spot.slot)
            || (spot.slot < self.horizon && !self.live[spot.option].has(place))
            || here
                .failed
                .iter()
                .any(|failed| self.alike(state, spot.slot, *failed, place))
    }

    fn failed(&mut self, _: &State<'_, '_>, place: usize) {
        let here = self.here.last_mut().expect("the search is somewhere");
        here.failed.push(place);
        let slot = here.spot.slot;
        if !self.retreats_past(slot) {
            self.retreat = None;
        }
    }

    fn leave(&mut self, state: &State<'_, '_>, in_vain: bool) {
        let here = self.here.pop().expect("the search is somewhere");
        if in_vain {
            self.go_back(state, here.spot);
        }
        if in_vain && self.vain.len() < MEMORY {
            self.vain.extend(here.key);
        }
    }
}
