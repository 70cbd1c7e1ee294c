//! Whether everybody can be served when each thing serves one, and how cheaply.

use std::borrow::Borrow;

use crate::bits::Bits;

/// How many things somebody needs, and which would do.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    pub need: usize,
    pub suits: Bits,
}

const NOBODY: usize = usize::MAX;

/// Whether all demands can be met at once; if not, demands that together want more things than
/// would do for them. (Augmenting paths; Hall's condition by construction.)
pub(crate) fn all_served<D: Borrow<Demand>>(
    demands: &[D],
    things: usize,
) -> Result<(), Vec<usize>> {
    let mut owner = vec![NOBODY; things];
    for first in 0..demands.len() {
        for _ in 0..demands[first].borrow().need {
            serve(demands, &mut owner, first)?;
        }
    }
    Ok(())
}

/// Finds one more thing for `first`, moving others to other things if need be.
fn serve<D: Borrow<Demand>>(
    demands: &[D],
    owner: &mut [usize],
    first: usize,
) -> Result<(), Vec<usize>> {
    let mut seen = Bits::new(owner.len());
    // Who asked whom to give up which thing.
    let mut asked: Vec<Option<(usize, usize)>> = vec![None; demands.len()];
    let mut queue = vec![first];
    let mut head = 0;
    while let Some(who) = queue.get(head).copied() {
        head += 1;
        for thing in demands[who].borrow().suits.iter() {
            if seen.has(thing) {
                continue;
            }
            seen.insert(thing);
            let holder = owner[thing];
            if holder == NOBODY {
                let (mut who, mut thing) = (who, thing);
                loop {
                    owner[thing] = who;
                    match asked[who] {
                        Some((asker, given)) if who != first => (who, thing) = (asker, given),
                        _ => return Ok(()),
                    }
                }
            }
            if holder != first && asked[holder].is_none() {
                asked[holder] = Some((who, thing));
                queue.push(holder);
            }
        }
    }
    Err(queue)
}

/// The least that things cost which together meet all demands, of things with their costs, the
/// cheapest first; `None` if they cannot be met. (Things that can be matched are a transversal matroid:
/// the greedy choice is the cheapest.)
pub(crate) fn cheapest<D: Borrow<Demand>>(
    demands: &[D],
    things: usize,
    by_cost: impl IntoIterator<Item = (i128, usize)>,
) -> Option<i128> {
    let mut wanted = Bits::new(things);
    let mut missing = 0;
    for demand in demands {
        wanted.add(&demand.borrow().suits);
        missing += demand.borrow().need;
    }
    let mut owner = vec![NOBODY; things];
    let mut had = vec![0; demands.len()];
    let mut total = 0;
    for (cost, thing) in by_cost {
        if missing == 0 {
            break;
        }
        if wanted.has(thing) && place(demands, &mut owner, &mut had, thing) {
            total += cost;
            missing -= 1;
        }
    }
    (missing == 0).then_some(total)
}

/// Gives a thing to somebody who lacks one, moving others if need be.
fn place<D: Borrow<Demand>>(
    demands: &[D],
    owner: &mut [usize],
    had: &mut [usize],
    thing: usize,
) -> bool {
    // By whom a thing would be left for which other thing.
    let mut came: Vec<Option<usize>> = vec![None; demands.len()];
    let mut queue = vec![thing];
    let mut head = 0;
    while let Some(thing) = queue.get(head).copied() {
        head += 1;
        for who in 0..demands.len() {
            if came[who].is_some() || !demands[who].borrow().suits.has(thing) {
                continue;
            }
            came[who] = Some(thing);
            if had[who] < demands[who].borrow().need {
                had[who] += 1;
                let (mut who, mut thing) = (who, thing);
                loop {
                    let before = std::mem::replace(&mut owner[thing], who);
                    if before == NOBODY {
                        return true;
                    }
                    who = before;
                    thing = came[who].expect("whoever gives a thing up has been offered another");
                }
            }
            queue.extend((0..owner.len()).filter(|other| owner[*other] == who));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(need: usize, suits: &[usize]) -> Demand {
        let mut bits = Bits::new(8);
        suits.iter().for_each(|thing| bits.insert(*thing));
        Demand { need, suits: bits }
    }

    #[test]
    fn moves_others_out_of_the_way() {
        let demands = [demand(2, &[0, 1, 2]), demand(1, &[0]), demand(1, &[1])];
        assert_eq!(all_served(&demands, 8), Err(vec![2, 0, 1]));
        let demands = [demand(2, &[0, 1, 2, 3]), demand(1, &[0]), demand(1, &[1])];
        assert!(all_served(&demands, 8).is_ok());
    }

    #[test]
    fn is_halls_condition() {
        // Every family of three demands over four things, by brute force.
        let subsets: Vec<Vec<usize>> = (1..16usize)
            .map(|mask| (0..4).filter(|bit| mask & (1 << bit) != 0).collect())
            .collect();
        for a in &subsets {
            for b in &subsets {
                for c in &subsets {
                    let demands = [demand(1, a), demand(2, b), demand(1, c)];
                    let hall = (1..8usize).all(|family| {
                        let members = (0..3).filter(|index| family & (1 << index) != 0);
                        let mut union = Bits::new(8);
                        let mut need = 0;
                        for index in members {
                            union.add(&demands[index].suits);
                            need += demands[index].need;
                        }
                        union.len() >= need
                    });
                    assert_eq!(all_served(&demands, 8).is_ok(), hall, "{a:?} {b:?} {c:?}");
                }
            }
        }
    }

    #[test]
    fn the_cheapest_of_all_choices() {
        let subsets: Vec<Vec<usize>> = (1..32usize)
            .map(|mask| (0..5).filter(|bit| mask & (1 << bit) != 0).collect())
            .collect();
        let cost = |thing: usize| [4, 1, 3, 0, 2][thing];
        let by_cost = [3, 1, 4, 2, 0].map(|thing| (cost(thing), thing));
        for a in &subsets {
            for b in &subsets {
                let demands = [demand(2, a), demand(1, b)];
                let mut least: Option<i128> = None;
                for taken in (0..32usize).filter(|taken| taken.count_ones() == 3) {
                    let taken: Vec<usize> = (0..5).filter(|bit| taken & (1 << bit) != 0).collect();
                    let last = taken.iter().any(|last| {
                        let mut others = taken.iter().filter(|thing| *thing != last);
                        b.contains(last) && others.all(|thing| a.contains(thing))
                    });
                    let sum = taken.iter().map(|thing| cost(*thing)).sum();
                    if last && least.is_none_or(|least| sum < least) {
                        least = Some(sum);
                    }
                }
                assert_eq!(cheapest(&demands, 8, by_cost), least, "{a:?} {b:?}");
            }
        }
    }
}
