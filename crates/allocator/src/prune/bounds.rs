//! Bounds: what is left for the requests ahead, up to one that may raise an error, or to the end.
//!
//! Each bound says nothing if it sees no shortage, or the [conflict](super::conflict): the picks
//! that brought it about. It may be asked [supposing](Supposing) what devices have in common, or
//! which are left to others.

use std::borrow::Cow;
use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::bits::Bits;
use crate::constraints::Kind;
use crate::matching::{Demand, all_served, cheapest};
use crate::problem::Problem;
use crate::search::Spot;
use crate::state::State;

use super::conflict::none;
use super::narrow::has_values;
use super::{Pruner, column, packs};

/// What is supposed of the devices that are yet to be taken.
#[derive(Clone, Copy, Default)]
pub(super) struct Supposing<'s> {
    /// Constraints, with the element that the devices of each have in common.
    pub common: &'s [(usize, usize)],
    /// Devices that are left to others.
    pub kept: Option<&'s Bits>,
}

/// Demands, by slot, that are met by different devices.
type Group<'d> = Vec<&'d (usize, Demand)>;

impl Pruner<'_, '_> {
    /// Why the requests before `horizon` cannot all be met, if it can be seen from here.
    pub(super) fn shortage(
        &self,
        state: &State<'_, '_>,
        spot: Spot,
        horizon: usize,
        supposing: Supposing<'_>,
    ) -> Option<Bits> {
        let demands = match self.demands(state, spot, horizon, supposing) {
            Ok(demands) => demands,
            Err(conflict) => return Some(conflict),
        };
        if let Some(conflict) = self.lack(state, spot, &demands, supposing) {
            return Some(conflict);
        }
        if !self.can_differ(state, spot, horizon, supposing) {
            return Some(self.whatever_matters(state, spot));
        }
        if spot.have <= 1 {
            return self.disagreement(state, spot, horizon, supposing);
        }
        None
    }

    /// Why demands cannot all be met at once, if it can be seen.
    fn lack(
        &self,
        state: &State<'_, '_>,
        spot: Spot,
        demands: &[(usize, Demand)],
        supposing: Supposing<'_>,
    ) -> Option<Bits> {
        for group in self.groups(demands) {
            if let Err(short) = served(&group, self.problem.len()) {
                return Some(self.why_short(state, spot, &short, supposing));
            }
        }
        let counted = match self.left(state, supposing) {
            Some(left) => self.can_be_counted(&left, demands),
            None => false,
        };
        (!counted).then(|| self.whatever_matters(state, spot))
    }

    /// What is left of each counter, if it is enough for the devices that are left to others.
    fn left<'s>(
        &self,
        state: &'s State<'_, '_>,
        supposing: Supposing<'_>,
    ) -> Option<Cow<'s, [i128]>> {
        let mut left = Cow::Borrowed(&*state.left);
        for place in supposing.kept.into_iter().flat_map(Bits::iter) {
            let taken = self.problem.counters.consumption(place);
            for (counter, amount) in taken.into_iter().flat_map(|taken| &taken.amounts) {
                let left = &mut left.to_mut()[*counter as usize];
                *left -= amount;
                if *left < 0 {
                    return None;
                }
            }
        }
        Some(left)
    }

    /// Demands of which no two are met by one device: all those without admin access; and those of a
    /// claim with it, together with those without it that come later. Admin access is given what
    /// others took before, but nobody without it is given what it took, nor is its own claim.
    fn groups<'d>(&self, demands: &'d [(usize, Demand)]) -> Vec<Group<'d>> {
        let problem = self.problem;
        if !self.any_admin {
            return vec![demands.iter().collect()];
        }
        let claim = |(slot, _): &(usize, Demand)| problem.slots[*slot].claim;
        let is_admin = |(slot, _): &(usize, Demand)| {
            let options = problem.slots[*slot].options.clone();
            problem.options[options].iter().any(|choice| choice.admin)
        };
        let without = demands.iter().filter(|demand| !is_admin(demand));
        let mut groups: Vec<Group<'d>> = vec![without.collect()];
        let with = demands.iter().filter(|demand| is_admin(demand));
        let mut claims: Vec<usize> = with.map(claim).collect();
        claims.dedup();
        groups.extend(claims.into_iter().map(|of| {
            let group = demands
                .iter()
                .filter(|demand| claim(demand) == of || (claim(demand) > of && !is_admin(demand)));
            group.collect()
        }));
        groups
    }

    /// The demands of each claim.
    fn claims<'d>(&self, demands: &'d [(usize, Demand)]) -> Vec<Group<'d>> {
        let claim = |(slot, _): &(usize, Demand)| self.problem.slots[*slot].claim;
        let claims = demands.chunk_by(|one, other| claim(one) == claim(other));
        claims.map(|demands| demands.iter().collect()).collect()
    }

    /// The options that a slot ahead may still be met by.
    pub(super) fn options(&self, spot: Spot, slot: usize) -> std::ops::Range<usize> {
        if slot == spot.slot {
            spot.option..spot.option + 1
        } else {
            self.problem.slots[slot].options.clone()
        }
    }

    /// The devices that an option could still take.
    pub(super) fn candidates(
        &self,
        state: &State<'_, '_>,
        claim: usize,
        option: usize,
        supposing: Supposing<'_>,
    ) -> Bits {
        let problem = self.problem;
        let choice = &problem.options[option];
        let mut suits = self.live[option].clone();
        if let Some(kept) = supposing.kept {
            suits.drop(kept);
        }
        if !choice.admin {
            suits.drop(&state.marked);
        } else if choice.claim == claim {
            let own = state.picks[state.claim_start..].iter();
            let taken = own.filter(|pick| state.is_taken(option, pick.place));
            taken.for_each(|pick| suits.remove(pick.place));
        }
        for (place, _) in &choice.amounts {
            if state.shares.get(*place).is_some_and(|shares| *shares > 0)
                && !state.has_room(option, *place)
            {
                suits.remove(*place);
            }
        }
        if problem.counters.matter() {
            let uncounted = suits.iter().filter(|place| !self.is_counted(state, *place));
            let uncounted: Vec<usize> = uncounted.collect();
            uncounted.into_iter().for_each(|place| suits.remove(place));
        }
        for (constraint, column) in &choice.constraints {
            let masks = &self.masks[*constraint][*column];
            let mut common = supposing.common.iter();
            if let Some((_, element)) = common.find(|(of, _)| of == constraint) {
                match masks.get(*element) {
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

    /// Whether a device's counter sets may still admit it and have enough for it.
    pub(super) fn is_counted(&self, state: &State<'_, '_>, place: usize) -> bool {
        let taken = self.problem.counters.consumption(place);
        taken.is_none_or(|taken| {
            let short = |(counter, amount): &(u32, i128)| state.left[*counter as usize] < *amount;
            state.rides_along(place)
                || (taken.is_admitted(&state.common)
                    && (self.gives || !taken.amounts.iter().any(short)))
        })
    }

    /// What each request from `spot` on needs at least, and of which devices. The smallest conflict
    /// if some by themselves cannot have enough.
    fn demands(
        &self,
        state: &State<'_, '_>,
        spot: Spot,
        horizon: usize,
        supposing: Supposing<'_>,
    ) -> Result<Vec<(usize, Demand)>, Bits> {
        let problem = self.problem;
        let claim = problem.slots[spot.slot].claim;
        let mut demands = Vec::new();
        let mut short: Option<Bits> = None;
        for slot in spot.slot..horizon {
            let mut least: Option<Demand> = None;
            for option in self.options(spot, slot) {
                let choice = &problem.options[option];
                let have = if slot == spot.slot { spot.have } else { 0 };
                let need = usize::try_from(choice.need - have).unwrap_or(0);
                let mut suits = self.candidates(state, claim, option, supposing);
                if slot == spot.slot {
                    suits.drop_below(spot.start);
                }
                if choice.all.is_some() && need == 0
                    || suits.len() < need
                    || !has_values(problem, &self.masks, option, &suits, need)
                {
                    continue;
                }
                // Devices that several may share take nothing from others.
                let free = suits.common(&self.sharable).min(need);
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
                None => {
                    let none = Demand {
                        need: 0,
                        suits: Bits::new(problem.len()),
                    };
                    let conflict = self.why_short(state, spot, &[(slot, none)], supposing);
                    let better = |other: &Bits| conflict.len() < other.len();
                    if short.as_ref().is_none_or(better) {
                        short = Some(conflict);
                    }
                }
                Some(demand) if demand.need > 0 => demands.push((slot, demand)),
                Some(_) => {}
            }
        }
        short.map_or(Ok(demands), Err)
    }

    /// The picks that keep devices from the requests of these slots, as many as it takes.
    fn why_short(
        &self,
        state: &State<'_, '_>,
        spot: Spot,
        short: &[(usize, Demand)],
        supposing: Supposing<'_>,
    ) -> Bits {
        let problem = self.problem;
        let claim = problem.slots[spot.slot].claim;
        let mut conflict = none(problem);
        let mut together = BTreeMap::new();
        let mut all = Bits::new(problem.len());
        for (slot, demand) in short {
            all.add(&demand.suits);
            for option in self.options(spot, *slot) {
                let choice = &problem.options[option];
                let have = if *slot == spot.slot { spot.have } else { 0 };
                let need = usize::try_from(choice.need - have).unwrap_or(0);
                let mut live = self.live[option].clone();
                if *slot == spot.slot {
                    live.drop_below(spot.start);
                }
                if let Some(kept) = supposing.kept {
                    live.drop(kept);
                }
                for (of, element) in supposing.common {
                    let Some(column) = column(problem, option, *of) else {
                        continue;
                    };
                    match self.masks[*of][column].get(*element) {
                        Some(mask) => live.keep(mask),
                        None => live.clear(),
                    }
                }
                let mut suits = self.candidates(state, claim, option, supposing);
                live.drop(&suits);
                if *slot == spot.slot {
                    suits.drop_below(spot.start);
                }
                let mut alone = BTreeMap::new();
                // Any of them might have the value that is missing.
                let few = !has_values(problem, &self.masks, option, &suits, need);
                let missing = need.saturating_sub(suits.len()).max(few.into());
                let reasons = if missing > 0 {
                    &mut alone
                } else {
                    &mut together
                };
                for place in live.iter() {
                    let reason = reasons.entry(place).or_insert_with(|| none(problem));
                    self.add_reason(state, option, place, reason);
                }
                add_needed(alone, missing, &mut conflict);
            }
        }
        together.retain(|place, reason| {
            // Could serve several of them.
            if problem.multi().has(*place) {
                conflict.add(reason);
            }
            // What already counts for one of them would be no gain to another.
            !problem.multi().has(*place) && !all.has(*place)
        });
        let wanted: usize = short.iter().map(|(_, demand)| demand.need).sum();
        add_needed(together, wanted.saturating_sub(all.len()), &mut conflict);
        conflict
    }

    /// Why no elements are left that the devices of some claim could have in common.
    fn disagreement(
        &self,
        state: &State<'_, '_>,
        spot: Spot,
        horizon: usize,
        supposing: Supposing<'_>,
    ) -> Option<Bits> {
        let problem = self.problem;
        let first = problem.slots[spot.slot].claim;
        (first..problem.claims.len()).find_map(|claim| {
            let slots = problem.claim_slots[claim].clone();
            let slots = slots.start.max(spot.slot)..slots.end.min(horizon);
            let constraints = problem.constraints.iter().enumerate();
            let constraints = constraints.filter(|(index, constraint)| {
                // Requests with an alternative that the constraint spares need no element.
                let spared = |slot: usize| {
                    let mut options = self.options(spot, slot);
                    options.any(|option| column(problem, option, *index).is_none())
                };
                constraint.kind == Kind::Match
                    && constraint.claim == claim
                    && !slots.clone().all(spared)
            });
            let constraints: Vec<usize> = constraints.map(|(index, _)| index).collect();
            self.discord(state, spot, horizon, supposing, &constraints)
        })
    }

    /// Why there are not elements for all of these constraints of a claim.
    fn discord(
        &self,
        state: &State<'_, '_>,
        spot: Spot,
        horizon: usize,
        supposing: Supposing<'_>,
        constraints: &[usize],
    ) -> Option<Bits> {
        let (index, others) = constraints.split_first()?;
        let constraint = &self.problem.constraints[*index];
        let values = &state.values[*index];
        let top = values.len().checked_sub(constraint.values.words);
        let top = top.filter(|_| constraint.claim == self.problem.slots[spot.slot].claim);
        let fixed = top.map(|top| &values[top..]);
        let mut conflict = none(self.problem);
        if fixed.is_some() {
            self.add_constrained(state, *index, &mut conflict);
        }
        let open = |element: &&usize| {
            fixed.is_none_or(|words| words[**element / 64] & (1 << (**element % 64)) != 0)
        };
        for element in self.viable[*index].iter().filter(open) {
            let mut common: SmallVec<[(usize, usize); 2]> = supposing.common.into();
            common.push((*index, *element));
            let supposing = Supposing {
                common: &common,
                ..supposing
            };
            let short = match self.demands(state, spot, horizon, supposing) {
                Err(conflict) => conflict,
                Ok(demands) => match self.lack(state, spot, &demands, supposing) {
                    Some(conflict) => conflict,
                    None if others.is_empty() => return None,
                    None => self.discord(state, spot, horizon, supposing, others)?,
                },
            };
            conflict.add(&short);
        }
        Some(conflict)
    }

    /// Whether constraints that want different values leave enough of them.
    fn can_differ(
        &self,
        state: &State<'_, '_>,
        spot: Spot,
        horizon: usize,
        supposing: Supposing<'_>,
    ) -> bool {
        let problem = self.problem;
        let claim = problem.slots[spot.slot].claim;
        let mut constraints = problem.constraints.iter().enumerate();
        constraints.all(|(index, constraint)| {
            if constraint.kind != Kind::Distinct || constraint.claim < claim {
                return true;
            }
            let elements = self.masks[index].first().map_or(0, Vec::len);
            let slots = problem.claim_slots[constraint.claim].clone();
            let mut demands = Vec::new();
            for slot in slots.start.max(spot.slot)..slots.end.min(horizon) {
                let have = if slot == spot.slot { spot.have } else { 0 };
                let mut least = usize::MAX;
                let mut values = Bits::new(elements);
                for option in self.options(spot, slot) {
                    let need = usize::try_from(problem.options[option].need - have).unwrap_or(0);
                    let Some(column) = column(problem, option, index) else {
                        least = 0;
                        continue;
                    };
                    least = least.min(need);
                    let suits = self.candidates(state, claim, option, supposing);
                    for (element, mask) in self.masks[index][column].iter().enumerate() {
                        if mask.common(&suits) > 0 {
                            values.insert(element);
                        }
                    }
                }
                demands.push(Demand {
                    need: least,
                    suits: values,
                });
            }
            all_served(&demands, elements).is_ok()
        })
    }

    /// Demands, in groups of which each takes from counters besides the others.
    fn ways<'d>(&self, demands: &'d [(usize, Demand)]) -> Vec<Vec<Group<'d>>> {
        let groups = self.groups(demands).into_iter();
        let mut ways: Vec<Vec<Group<'_>>> = groups.map(|group| vec![group]).collect();
        // What different claims take may be the same devices, and is taken again.
        if ways.len() > 1 {
            ways.push(self.claims(demands));
        }
        ways
    }

    /// Demands, and how many things there are for them: where the devices of a request are to have
    /// different values, each value is a demand of its own, and those that are left over are met by
    /// things that are no devices.
    fn differing<'d>(&self, demands: &'d [(usize, Demand)]) -> (Cow<'d, [(usize, Demand)]>, usize) {
        let problem = self.problem;
        let by_value = |(slot, demand): &(usize, Demand)| {
            let option = problem.slots[*slot].options.start;
            let choice = &problem.options[option];
            let mut constraints = choice.constraints.iter();
            let distinct =
                |(of, _): &&(usize, usize)| problem.constraints[*of].kind == Kind::Distinct;
            let (of, column) = constraints.find(distinct)?;
            if problem.slots[*slot].listed || choice.all.is_some() {
                return None;
            }
            let with = self.masks[*of][*column].iter().map(|mask| {
                let mut suits = demand.suits.clone();
                suits.keep(mask);
                suits
            });
            let values: Vec<Bits> = with.filter(|suits| !suits.is_empty()).collect();
            Some((values.len().checked_sub(demand.need)?, values))
        };
        let values: Vec<_> = demands.iter().map(by_value).collect();
        if values.iter().all(Option::is_none) {
            return (demands.into(), problem.len());
        }
        let spare = values.iter().flatten().map(|(spare, _)| spare);
        let things = problem.len() + spare.sum::<usize>();
        let mut from = problem.len();
        let mut differing = Vec::new();
        for ((slot, demand), values) in demands.iter().zip(values) {
            let (need, spare, values) = match values {
                None => (demand.need, 0, vec![demand.suits.clone()]),
                Some((spare, values)) => (1, spare, values),
            };
            for own in values {
                let mut suits = Bits::new(things);
                suits.add(&own);
                (from..from + spare).for_each(|thing| suits.insert(thing));
                differing.push((*slot, Demand { need, suits }));
            }
            from += spare;
        }
        (differing.into(), things)
    }

    /// Whether each counter, and all of one name in a pool together, are enough for the devices
    /// that take least of them.
    fn can_be_counted(&self, left: &[i128], demands: &[(usize, Demand)]) -> bool {
        let problem = self.problem;
        if !problem.counters.matter() {
            return true;
        }
        let ways = self.ways(demands);
        let fits = |way: &[Group<'_>]| {
            let demands = way.iter().flatten();
            let need: usize = demands.map(|(_, demand)| demand.need).sum();
            let wanted = way.iter().map(|group| {
                let mut wanted = Bits::new(problem.len());
                group
                    .iter()
                    .for_each(|(_, demand)| wanted.add(&demand.suits));
                wanted
            });
            let wanted: Vec<Bits> = wanted.collect();
            need <= packs::fitting(&self.packs, left, &wanted)
        };
        let alone = |(_, demand): &(usize, Demand)| {
            let suits = std::slice::from_ref(&demand.suits);
            demand.need <= packs::fitting(&self.packs, left, suits)
        };
        if !ways.iter().all(|way| fits(way)) || !demands.iter().all(alone) {
            return false;
        }
        let (demands, things) = self.differing(demands);
        let ways = self.ways(&demands);
        self.tallies.iter().all(|tally| {
            let counters = tally.counters.iter();
            // A counter that is overdrawn bars only those who take from its pool.
            let left = counters.map(|counter| left[*counter as usize].max(0));
            let left = left.sum();
            let least = |group: &Group<'_>| {
                let demands: Vec<&Demand> = group.iter().map(|(_, demand)| demand).collect();
                let no_devices = (problem.len()..things).map(|thing| (0, thing));
                let by_cost = no_devices.chain(tally.by_cost.iter().copied());
                cheapest(&demands, things, by_cost)
            };
            ways.iter().all(|way| {
                let least: Option<i128> = way.iter().map(least).sum();
                least.is_none_or(|least| least <= left)
            })
        })
    }
}

/// Counters that are looked at together.
pub(super) struct Tally {
    counters: Vec<u32>,
    /// What each place takes of them, the least first.
    by_cost: Vec<(i128, usize)>,
}

impl Tally {
    /// Each counter, and those of one name in all sets of a pool.
    pub fn all(problem: &Problem<'_>) -> Vec<Tally> {
        if !problem.counters.matter() {
            return Vec::new();
        }
        let names = &problem.counters.names;
        let numbers = 0..names.len() as u32;
        let mut tallies: Vec<Tally> = numbers
            .clone()
            .map(|number| Tally::of(problem, vec![number]))
            .collect();
        let same = |one: &u32, other: &u32| {
            let (one, other) = (&names[*one as usize], &names[*other as usize]);
            one.pool == other.pool && one.counter == other.counter
        };
        for number in numbers.clone() {
            let counters: Vec<u32> = numbers
                .clone()
                .filter(|other| same(&number, other))
                .collect();
            if counters.len() > 1 && counters[0] == number {
                tallies.push(Tally::of(problem, counters));
            }
        }
        tallies
    }

    fn of(problem: &Problem<'_>, counters: Vec<u32>) -> Tally {
        let amount = |place: usize| {
            let taken = problem.counters.consumption(place);
            let taken = taken.filter(|_| !problem.multi().has(place));
            let taken = taken.into_iter().flat_map(|taken| &taken.amounts);
            let own = taken.filter(|(counter, _)| counters.contains(counter));
            own.map(|(_, amount)| *amount).sum::<i128>()
        };
        let mut by_cost: Vec<_> = (0..problem.len()).map(|at| (amount(at), at)).collect();
        by_cost.sort_unstable();
        Tally { counters, by_cost }
    }
}

/// The slots that together cannot have enough, if there are such.
fn served(demands: &[&(usize, Demand)], things: usize) -> Result<(), Vec<(usize, Demand)>> {
    let alone: Vec<&Demand> = demands.iter().map(|(_, demand)| demand).collect();
    let short = |short: Vec<usize>| short.into_iter().map(|at| demands[at].clone()).collect();
    all_served(&alone, things).map_err(short)
}

/// Adds why devices are missing, of which so many are: where more are kept away than that, the
/// reasons that keep few of them need not be named.
fn add_needed(reasons: BTreeMap<usize, Bits>, missing: usize, conflict: &mut Bits) {
    let mut spare = missing.saturating_sub(1);
    let mut groups: Vec<(usize, Bits)> = Vec::new();
    for reason in reasons.into_values().filter(|reason| !reason.is_empty()) {
        match groups.iter_mut().find(|(_, other)| *other == reason) {
            Some((count, _)) => *count += 1,
            None => groups.push((1, reason)),
        }
    }
    groups.sort_by_key(|(count, _)| *count);
    for (count, reason) in groups {
        if count <= spare {
            spare -= count;
        } else {
            conflict.add(&reason);
        }
    }
}
