//! Whether everybody can be served when each thing serves one.

use crate::bits::Bits;

/// How many things somebody needs, and which would do.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    pub need: usize,
    pub suits: Bits,
}

const NOBODY: usize = usize::MAX;

/// Whether all demands can be met at once. (Augmenting paths; Hall's condition by construction.)
pub(crate) fn all_served(demands: &[Demand], things: usize) -> bool {
    let mut owner = vec![NOBODY; things];
    for first in 0..demands.len() {
        for _ in 0..demands[first].need {
            if !serve(demands, &mut owner, first) {
                return false;
            }
        }
    }
    true
}

/// Finds one more thing for `first`, moving others to other things if need be.
fn serve(demands: &[Demand], owner: &mut [usize], first: usize) -> bool {
    let mut seen = Bits::new(owner.len());
    // Who asked whom to give up which thing.
    let mut asked: Vec<Option<(usize, usize)>> = vec![None; demands.len()];
    let mut queue = vec![first];
    let mut head = 0;
    while let Some(who) = queue.get(head).copied() {
        head += 1;
        for thing in demands[who].suits.iter() {
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
                        _ => return true,
                    }
                }
            }
            if holder != first && asked[holder].is_none() {
                asked[holder] = Some((who, thing));
                queue.push(holder);
            }
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
        assert!(!all_served(&demands, 8));
        let demands = [demand(2, &[0, 1, 2, 3]), demand(1, &[0]), demand(1, &[1])];
        assert!(all_served(&demands, 8));
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
                    assert_eq!(all_served(&demands, 8), hall, "{a:?} {b:?} {c:?}");
                }
            }
        }
    }
}
