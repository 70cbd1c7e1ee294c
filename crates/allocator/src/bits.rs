//! Sets of small numbers: places, and values of an attribute.

use smallvec::{SmallVec, smallvec};

/// A set of numbers below a limit that is set once. Most nodes have fewer than 128 devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Bits(SmallVec<[u64; 2]>);

impl Bits {
    /// The empty set of numbers below `limit`.
    pub fn new(limit: usize) -> Self {
        Bits(smallvec![0; limit.div_ceil(64)])
    }

    /// All numbers below `limit`.
    pub fn all(limit: usize) -> Self {
        let mut all = Bits(smallvec![u64::MAX; limit.div_ceil(64)]);
        if let Some(last) = all.0.last_mut() {
            *last >>= (64 - limit % 64) % 64;
        }
        all
    }

    pub fn insert(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    pub fn remove(&mut self, index: usize) {
        self.0[index / 64] &= !(1 << (index % 64));
    }

    /// Removes all members.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    pub fn has(&self, index: usize) -> bool {
        self.0[index / 64] & (1 << (index % 64)) != 0
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The smallest member that is not below `from`.
    pub fn next(&self, from: usize) -> Option<usize> {
        let mut index = from / 64;
        let mut word = *self.0.get(index)? & (u64::MAX << (from % 64));
        while word == 0 {
            index += 1;
            word = *self.0.get(index)?;
        }
        Some(index * 64 + word.trailing_zeros() as usize)
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let found = self.next(from)?;
            from = found + 1;
            Some(found)
        })
    }

    /// Removes all members below `start`.
    pub fn drop_below(&mut self, start: usize) {
        for (index, word) in self.0.iter_mut().enumerate() {
            let first = index * 64;
            if first + 64 <= start {
                *word = 0;
            } else if first < start {
                *word &= u64::MAX << (start - first);
            }
        }
    }

    /// Keeps what is in `other`, too.
    pub fn keep(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= b);
    }

    /// Removes what is in `other`.
    pub fn drop(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= !b);
    }

    /// Adds what is in `other`.
    pub fn add(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    /// Adds the members of `other`, each so much higher; all must stay below the limit.
    pub fn add_from(&mut self, other: &Bits, offset: usize) {
        let (skip, shift) = (offset / 64, offset % 64);
        for (at, word) in other.0.iter().enumerate().filter(|(_, word)| **word != 0) {
            self.0[skip + at] |= word << shift;
            let carry = (word >> 1) >> (63 - shift);
            if carry != 0 {
                self.0[skip + at + 1] |= carry;
            }
        }
    }

    /// How many members `other` has, too.
    pub fn common(&self, other: &Bits) -> usize {
        let both = self.0.iter().zip(&other.0);
        both.map(|(a, b)| (a & b).count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

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
            let mut set = Bits::new(count + offset + 1);
            set.insert(count + offset);
            let mut other = Bits::all(count);
            if count > 2 {
                other.remove(1);
            }
            set.add_from(&other, offset);
            let expected: Vec<usize> = (0..count)
                .filter(|index| count <= 2 || *index != 1)
                .map(|index| index + offset)
                .chain([count + offset])
                .collect();
            assert_eq!(
                set.iter().collect::<Vec<_>>(),
                expected,
                "{count} at {offset}"
            );
        }
    }
}
