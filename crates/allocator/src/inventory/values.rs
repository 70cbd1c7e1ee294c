//! Which values of an attribute the devices of a node have, as numbers.
//!
//! Each different value is an *element*; what one device has is a *set* of elements, of one member
//! unless the attribute is a list. Sets are numbered, and a *column* has the number of each device's
//! set. Example: sixteen devices with `devicegroup8_id` have two elements, two sets, and one column
//! of eight zeros and eight ones.

use std::hash::BuildHasher;

use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::devices::{Element, Value};
use crate::ids::{ColumnIndex, DeviceIndex, ElementIndex, Id};
use crate::set::Set;

/// The number of a set of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SetId(u32);

impl SetId {
    /// The device lacks the attribute.
    pub const MISSING: SetId = SetId(u32::MAX);
    /// The attribute is derived and its expression fails: an error when the device is tried.
    pub const FAILS: SetId = SetId(u32::MAX - 1);

    /// Whether it is a set at all.
    pub fn is_known(self) -> bool {
        self != SetId::MISSING && self != SetId::FAILS
    }

    /// For keys that tell sets apart.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Sets of elements.
#[derive(Debug, Default)]
struct Sets {
    ends: Vec<u32>,
    members: Vec<ElementIndex>,
}

impl Sets {
    fn get(&self, set: SetId) -> Option<&[ElementIndex]> {
        let end = *self.ends.get(set.0 as usize)? as usize;
        let start = set.0.checked_sub(1);
        let start = start.map_or(0, |before| self.ends[before as usize] as usize);
        Some(&self.members[start..end])
    }

    fn add(&mut self, members: &[ElementIndex]) -> SetId {
        self.members.extend_from_slice(members);
        self.ends.push(self.members.len() as u32);
        SetId(self.ends.len() as u32 - 1)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Values {
    /// The first column is that of the published attribute, the others are those of derived ones.
    columns: SmallVec<[Vec<SetId>; 1]>,
    sets: Sets,
    /// The value that each element stands for; `None` where constraints cannot compare its type.
    elements: Vec<Option<Element>>,
    /// By set: whether its element is of no type that constraints know, and so equal to nothing.
    unknown: Set<ElementIndex>,
    /// How many words a set of elements takes.
    pub words: usize,
    /// The sets as bits, one after the other.
    bits: Vec<u64>,
}

impl Values {
    pub fn new(columns: SmallVec<[Vec<SetId>; 1]>, table: Table) -> Values {
        let sets = table.sets.ends.len();
        let words = table.elements.len().div_ceil(64).max(1);
        let mut bits = vec![0u64; words * sets];
        for set in 0..sets {
            let elements = table.sets.get(SetId(set as u32)).into_iter().flatten();
            for element in elements {
                bits[set * words + element.number() / 64] |= 1 << (element.number() % 64);
            }
        }
        let mut unknown = Set::new(sets);
        let all = table.unknown.iter();
        all.for_each(|set| unknown.insert(ElementIndex::new(set.0 as usize)));
        Values {
            columns,
            sets: table.sets,
            elements: table.elements,
            unknown,
            words,
            bits,
        }
    }

    /// What a device has.
    pub fn set(&self, column: ColumnIndex, device: DeviceIndex) -> SetId {
        self.columns[column.number()][device.number()]
    }

    /// What every device has, by column.
    pub fn columns(&self) -> impl Iterator<Item = &[SetId]> {
        self.columns.iter().map(Vec::as_slice)
    }

    /// The elements of a set; none of [`SetId::MISSING`] or [`SetId::FAILS`].
    pub fn elements_of(&self, set: SetId) -> &[ElementIndex] {
        self.sets.get(set).unwrap_or_default()
    }

    /// The elements of a set as bits.
    pub fn bits_of(&self, set: SetId) -> &[u64] {
        let start = set.0 as usize * self.words;
        &self.bits[start..start + self.words]
    }

    /// Whether a set is of one value of no type that constraints know.
    pub fn is_unknown(&self, set: SetId) -> bool {
        self.unknown.has(ElementIndex::new(set.0 as usize))
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// All elements, and what they are.
    pub fn elements(&self) -> impl Iterator<Item = (ElementIndex, Option<&Element>)> {
        let elements = self.elements.iter().enumerate();
        elements.map(|(number, element)| (ElementIndex::new(number), element.as_ref()))
    }
}

/// Numbers elements, and sets of them, as they are found.
pub(crate) struct Table {
    /// Whether lists have a meaning: `DRAListTypeAttributes`.
    lists: bool,
    elements: Vec<Option<Element>>,
    /// By element: the set of it alone.
    singles: Vec<SetId>,
    /// While there are few elements: a hash table of one more than their numbers; nil: free.
    slots: [u8; SLOTS],
    /// Numbers by element, once there are many.
    numbers: FxHashMap<Element, ElementIndex>,
    known: FxHashMap<Vec<ElementIndex>, SetId>,
    sets: Sets,
    unknown: Vec<SetId>,
}

/// So many elements fit in the table's own slots.
const FEW: usize = SLOTS / 2;
const SLOTS: usize = 64;

impl Table {
    pub fn new(lists: bool, devices: usize) -> Table {
        let expected = devices.min(FEW);
        Table {
            lists,
            elements: Vec::with_capacity(expected),
            singles: Vec::with_capacity(expected),
            slots: [0; SLOTS],
            numbers: FxHashMap::default(),
            known: FxHashMap::default(),
            sets: Sets {
                ends: Vec::with_capacity(expected),
                members: Vec::with_capacity(expected),
            },
            unknown: Vec::new(),
        }
    }

    fn element(&mut self, element: Element) -> ElementIndex {
        if self.numbers.is_empty() {
            let mut slot = (FxBuildHasher.hash_one(element) >> 32) as usize % SLOTS;
            while let Some(number) = self.slots[slot].checked_sub(1) {
                if self.elements[usize::from(number)] == Some(element) {
                    return ElementIndex::new(number.into());
                }
                slot = (slot + 1) % SLOTS;
            }
            let number = self.add(Some(element));
            if self.elements.len() <= FEW {
                self.slots[slot] = number.number() as u8 + 1;
                return number;
            }
            let known = self.elements.iter().enumerate();
            let known = known.filter_map(|(at, known)| Some(((*known)?, ElementIndex::new(at))));
            self.numbers = known.collect();
            return number;
        }
        if let Some(number) = self.numbers.get(&element) {
            return *number;
        }
        let number = self.add(Some(element));
        self.numbers.insert(element, number);
        number
    }

    fn add(&mut self, element: Option<Element>) -> ElementIndex {
        let number = ElementIndex::new(self.elements.len());
        self.elements.push(element);
        self.singles.push(self.sets.add(&[number]));
        number
    }

    /// The set of an element alone.
    fn single(&mut self, element: Element) -> SetId {
        let number = self.element(element);
        self.singles[number]
    }

    /// The set that a value is.
    pub fn set(&mut self, value: &Value) -> SetId {
        match value {
            Value::One(element) => self.single(*element),
            Value::List(elements) if self.lists => {
                let numbers = elements.iter().map(|element| self.element(*element));
                let mut numbers: Vec<ElementIndex> = numbers.collect();
                numbers.sort_unstable();
                numbers.dedup();
                if let [_] = *numbers {
                    return self.single(elements[0]);
                }
                if let Some(set) = self.known.get(&numbers) {
                    return *set;
                }
                let set = self.sets.add(&numbers);
                self.known.insert(numbers, set);
                set
            }
            _ if self.lists => SetId::MISSING,
            // Equal to nothing, not even to another value of the same text.
            _ => {
                let number = self.add(None);
                let set = self.singles[number];
                self.unknown.push(set);
                set
            }
        }
    }
}
