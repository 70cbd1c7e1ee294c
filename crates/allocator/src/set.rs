//! Sets of numbers: devices, and values of an attribute.

use std::marker::PhantomData;

use smallvec::{SmallVec, smallvec};

use crate::ids::{DeviceIndex, Id};

/// A set of numbers below a limit that is fixed when it is made. Most nodes have fewer than 128
/// devices, so most sets need no allocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Set<I> {
    words: SmallVec<[u64; 2]>,
    of: PhantomData<I>,
}

/// A set of devices.
pub(crate) type Devices = Set<DeviceIndex>;

impl<I: Id> Set<I> {
    /// The empty set of numbers below `limit`.
    pub fn new(limit: usize) -> Self {
        Set {
            words: smallvec![0; limit.div_ceil(64)],
            of: PhantomData,
        }
    }

    /// All numbers below `limit`.
    pub fn all(limit: usize) -> Self {
        let mut all = Set::new(limit);
        all.words.fill(u64::MAX);
        if let Some(last) = all.words.last_mut() {
            *last >>= (64 - limit % 64) % 64;
        }
        all
    }

    pub fn insert(&mut self, id: I) {
        self.words[id.number() / 64] |= 1 << (id.number() % 64);
    }

    pub fn remove(&mut self, id: I) {
        self.words[id.number() / 64] &= !(1 << (id.number() % 64));
    }

    /// Removes all members.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Keeps the members for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(I) -> bool) {
        let mut from = 0;
        while let Some(id) = self.next(from) {
            if !keep(id) {
                self.remove(id);
            }
            from = id.number() + 1;
        }
    }

    pub fn has(&self, id: I) -> bool {
        self.words[id.number() / 64] & (1 << (id.number() % 64)) != 0
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub fn len(&self) -> usize {
        let words = self.words.iter();
        words.map(|word| word.count_ones() as usize).sum()
    }

    /// The smallest member that is not below `from`.
    pub fn next(&self, from: usize) -> Option<I> {
        let mut index = from / 64;
        let mut word = *self.words.get(index)? & (u64::MAX << (from % 64));
        while word == 0 {
            index += 1;
            word = *self.words.get(index)?;
        }
        Some(I::new(index * 64 + word.trailing_zeros() as usize))
    }

    /// The members that are not below `from`, in order.
    pub fn iter_from(&self, mut from: usize) -> impl Iterator<Item = I> + '_ {
        std::iter::from_fn(move || {
            let found = self.next(from)?;
            from = found.number() + 1;
            Some(found)
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = I> + '_ {
        self.iter_from(0)
    }

    /// Removes all members below `start`.
    pub fn drop_below(&mut self, start: usize) {
        for (index, word) in self.words.iter_mut().enumerate() {
            let first = index * 64;
            if first + 64 <= start {
                *word = 0;
            } else if first < start {
                *word &= u64::MAX << (start - first);
            }
        }
    }

    /// Keeps what is in `other`, too.
    pub fn keep(&mut self, other: &Set<I>) {
        let words = self.words.iter_mut().zip(&other.words);
        words.for_each(|(a, b)| *a &= b);
    }

    /// Removes what is in `other`.
    pub fn drop(&mut self, other: &Set<I>) {
        let words = self.words.iter_mut().zip(&other.words);
        words.for_each(|(a, b)| *a &= !b);
    }

    /// Adds what is in `other`.
    pub fn add(&mut self, other: &Set<I>) {
        let words = self.words.iter_mut().zip(&other.words);
        words.for_each(|(a, b)| *a |= b);
    }

    /// Adds the members of `other`, each higher by `offset`; all must stay below the limit.
    pub fn add_from(&mut self, other: &Set<I>, offset: usize) {
        let (skip, shift) = (offset / 64, offset % 64);
        let words = other.words.iter().enumerate();
        for (at, word) in words.filter(|(_, word)| **word != 0) {
            self.words[skip + at] |= word << shift;
            let carry = (word >> 1) >> (63 - shift);
            if carry != 0 {
                self.words[skip + at + 1] |= carry;
            }
        }
    }

    /// How many members `other` has, too.
    pub fn common(&self, other: &Set<I>) -> usize {
        let both = self.words.iter().zip(&other.words);
        both.map(|(a, b)| (a & b).count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Devices;
    use crate::ids::Id as _;

    #[test]
    fn sets_are_added_wherever_words_begin() {
        for (count, offset) in [
            (0, 0),
            (1, 63),
            (16, 16),
            (64, 1),
            (65, 63),
            (130, 62),
            (3, 200),
        ] {
            let mut set = Devices::new(count + offset + 1);
            set.insert(crate::ids::DeviceIndex::new(count + offset));
            let mut other = Devices::all(count);
            if count > 2 {
                other.remove(crate::ids::DeviceIndex::new(1));
            }
            set.add_from(&other, offset);
            let expected: Vec<usize> = (0..count)
                .filter(|index| count <= 2 || *index != 1)
                .map(|index| index + offset)
                .chain([count + offset])
                .collect();
            let found: Vec<usize> = set.iter().map(|id| id.number()).collect();
            assert_eq!(found, expected, "{count} at {offset}");
        }
    }
}
