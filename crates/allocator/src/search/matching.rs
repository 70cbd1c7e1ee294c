//! Whether all demands can be met at once, if each device or value serves one.

use crate::ids::Id;
use crate::set::Set;

/// How many things are needed, and which would do.
#[derive(Debug, Clone)]
pub(super) struct Demand<I> {
    pub count: usize,
    pub domain: Set<I>,
}

const FREE: usize = usize::MAX;

/// Whether all demands can be met at once, by maximum bipartite matching with augmenting paths.
/// `things` is a limit to their numbers.
pub(super) fn can_all_be_met<I: Id>(demands: &[&Demand<I>], things: usize) -> bool {
    let mut owner = vec![FREE; things];
    let mut wanted =
        (0..demands.len()).flat_map(|demand| (0..demands[demand].count).map(move |_| demand));
    wanted.all(|demand| serve(demands, &mut owner, demand))
}

/// Finds one more thing for `first`, moving other demands to other things if need be.
fn serve<I: Id>(demands: &[&Demand<I>], owner: &mut [usize], first: usize) -> bool {
    let mut seen = Set::<I>::new(owner.len());
    // By demand: from which demand the path comes, and over which thing.
    let mut from: Vec<Option<(usize, I)>> = vec![None; demands.len()];
    let mut queue = vec![first];
    let mut head = 0;
    while let Some(demand) = queue.get(head).copied() {
        head += 1;
        for thing in demands[demand].domain.iter() {
            if seen.has(thing) {
                continue;
            }
            seen.insert(thing);
            let holder = owner[thing.number()];
            if holder == FREE {
                let (mut demand, mut thing) = (demand, thing);
                loop {
                    owner[thing.number()] = demand;
                    match from[demand] {
                        Some((before, given)) if demand != first => {
                            (demand, thing) = (before, given)
                        }
                        _ => return true,
                    }
                }
            }
            if holder != first && from[holder].is_none() {
                from[holder] = Some((demand, thing));
                queue.push(holder);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::DeviceIndex;
    use crate::set::Devices;

    fn demand(count: usize, things: &[usize]) -> Demand<DeviceIndex> {
        let mut domain = Devices::new(8);
        let things = things.iter();
        things.for_each(|thing| domain.insert(DeviceIndex::new(*thing)));
        Demand { count, domain }
    }

    fn can_be_met(demands: &[Demand<DeviceIndex>]) -> bool {
        can_all_be_met(&demands.iter().collect::<Vec<_>>(), 8)
    }

    #[test]
    fn moves_others_out_of_the_way() {
        let demands = [demand(2, &[0, 1, 2]), demand(1, &[0]), demand(1, &[1])];
        assert!(!can_be_met(&demands));
        let demands = [demand(2, &[0, 1, 2, 3]), demand(1, &[0]), demand(1, &[1])];
        assert!(can_be_met(&demands));
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
                        let mut union = Devices::new(8);
                        let mut count = 0;
                        for index in members {
                            union.add(&demands[index].domain);
                            count += demands[index].count;
                        }
                        union.len() >= count
                    });
                    assert_eq!(can_be_met(&demands), hall, "{a:?} {b:?} {c:?}");
                }
            }
        }
    }
}
