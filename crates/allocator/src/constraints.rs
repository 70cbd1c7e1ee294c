//! Constraints over the devices of a claim: which value each device has, in numbers.
//!
//! Source: `matchAttributeConstraint`, `constraint.go` of upstream's allocator.

use std::hash::BuildHasher;
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::{SmallVec, smallvec};
use trainyard_model::Text;
use trainyard_model::claim;
use trainyard_model::features::Feature;
use trainyard_model::selector::Engine;

use crate::bits::Bits;
use crate::ground::Site;
use crate::inventory::{Element, Inventory, Value};
use crate::problem::Problem;

/// The device lacks the attribute.
pub(crate) const MISSING: u32 = u32::MAX;
/// The attribute is derived and its expression fails: the attempt ends when the device is tried.
pub(crate) const FAILS: u32 = u32::MAX - 1;

/// What a constraint wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All devices have an element in common.
    Match,
    /// No two devices have an element in common.
    Distinct,
}

/// Sets of elements.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    ends: Vec<u32>,
    members: Vec<u32>,
}

impl Sets {
    /// A set's members; `None`: no such set.
    pub fn get(&self, set: usize) -> Option<&[u32]> {
        let end = *self.ends.get(set)? as usize;
        let start = set
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        Some(&self.members[start..end])
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).filter_map(|set| self.get(set))
    }

    fn add(&mut self, members: &[u32]) -> u32 {
        self.members.extend_from_slice(members);
        self.ends.push(self.members.len() as u32);
        self.len() as u32 - 1
    }
}

/// One constraint of one claim.
#[derive(Debug)]
pub(crate) struct Constraint {
    pub claim: usize,
    pub kind: Kind,
    pub attribute: Text,
    pub values: Arc<Values>,
}

/// Which values of an attribute the devices have.
#[derive(Debug)]
pub(crate) struct Values {
    /// Set number by place. The first column is that of published attributes, the others are
    /// those of derived ones.
    pub columns: SmallVec<[Vec<u32>; 1]>,
    pub sets: Sets,
    /// What the elements are; `None`: of no known type.
    pub elements: Vec<Option<Element>>,
    /// Sets whose element is of no known type.
    pub unknown: Bits,
    /// How many words a set of elements takes.
    pub words: usize,
    /// The sets as bits, one after the other.
    bits: Vec<u64>,
}

impl Values {
    fn new(columns: SmallVec<[Vec<u32>; 1]>, table: Table) -> Values {
        let words = table.elements.len().div_ceil(64).max(1);
        let mut bits = vec![0u64; words * table.sets.len()];
        for (set, elements) in table.sets.iter().enumerate() {
            for element in elements {
                bits[set * words + (*element / 64) as usize] |= 1 << (element % 64);
            }
        }
        let mut unknown = Bits::new(table.sets.len());
        table
            .unknown
            .iter()
            .for_each(|set| unknown.insert(*set as usize));
        Values {
            columns,
            sets: table.sets,
            elements: table.elements,
            unknown,
            words,
            bits,
        }
    }

    /// The elements of a set.
    pub fn elements_of(&self, set: u32) -> &[u64] {
        let start = set as usize * self.words;
        &self.bits[start..start + self.words]
    }
}

impl Constraint {
    /// Converts a constraint of a claim whose options are all in `problem`.
    pub fn add<E: Engine>(
        inventory: &mut Inventory<E>,
        problem: &mut Problem<'_>,
        claim: usize,
        constraint: &claim::Constraint,
    ) {
        let (kind, attribute) = match &constraint.match_attribute {
            Some(attribute) => (Kind::Match, attribute),
            None => {
                let attribute = constraint.distinct_attribute.as_ref();
                (
                    Kind::Distinct,
                    attribute.expect("a constraint is not empty"),
                )
            }
        };
        let at = problem.constraints.len();
        let slots = problem.claim_slots[claim].clone();
        let options = problem.slots[slots]
            .iter()
            .flat_map(|slot| slot.options.clone());
        let mut derived = Vec::new();
        for option in options {
            let choice = &mut problem.options[option];
            if !applies(constraint, choice) {
                continue;
            }
            let own = choice.query.derived_attributes.iter();
            let own = own.rev().find(|derived| derived.name == *attribute);
            let column = match own {
                None => 0,
                Some(own) => {
                    derived.push((option, &own.expression));
                    derived.len()
                }
            };
            choice.constraints.push((at, column));
        }
        let site = &problem.site;
        let lists = problem.features.has(Feature::ListTypeAttributes);
        let published = |inventory: &Inventory<E>| {
            let mut table = Table::new(lists, site.ground.places.len());
            (
                published_column(inventory, site, attribute, &mut table),
                table,
            )
        };
        let values = if derived.is_empty() {
            inventory.values(site, attribute, |inventory| {
                let (column, table) = published(inventory);
                Values::new(smallvec![column], table)
            })
        } else {
            let (column, mut table) = published(inventory);
            let mut columns = smallvec![column];
            for (option, expression) in derived {
                columns.push(derive(inventory, problem, option, expression, &mut table));
            }
            Arc::new(Values::new(columns, table))
        };
        problem.constraints.push(Constraint {
            claim,
            kind,
            attribute: attribute.clone(),
            values,
        });
    }
}

fn applies(constraint: &claim::Constraint, choice: &crate::problem::Choice<'_>) -> bool {
    let names = &constraint.requests;
    names.is_empty()
        || names.contains(&choice.request.name)
        || (!choice.request.first_available.is_empty() && {
            let full = choice.name();
            names.iter().any(|name| **name == *full)
        })
}

/// Numbers for elements and sets of them.
struct Table {
    lists: bool,
    /// By number; `None`: of no known type.
    elements: Vec<Option<Element>>,
    /// By an element's number: the set of it alone.
    singles: Vec<u32>,
    /// Where few elements are, by hash: one more than the number; nil: none.
    slots: [u8; SLOTS],
    /// Numbers by element, once there are many.
    numbers: FxHashMap<Element, u32>,
    known: FxHashMap<Vec<u32>, u32>,
    sets: Sets,
    unknown: Vec<u32>,
}

/// So many elements fit in the table's own slots.
const FEW: usize = SLOTS / 2;
const SLOTS: usize = 64;

impl Table {
    fn new(lists: bool, places: usize) -> Table {
        let expected = places.min(FEW);
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

    /// The number of an element.
    fn element(&mut self, element: Element) -> u32 {
        if self.numbers.is_empty() {
            let mut slot = (FxBuildHasher.hash_one(element) >> 32) as usize % SLOTS;
            while let Some(number) = self.slots[slot].checked_sub(1) {
                if self.elements[usize::from(number)] == Some(element) {
                    return number.into();
                }
                slot = (slot + 1) % SLOTS;
            }
            let number = self.add(Some(element));
            if self.elements.len() <= FEW {
                self.slots[slot] = number as u8 + 1;
                return number;
            }
            let known = self.elements.iter().zip(0..);
            let known = known.filter_map(|(element, number)| Some(((*element)?, number)));
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

    fn add(&mut self, element: Option<Element>) -> u32 {
        let number = self.elements.len() as u32;
        self.elements.push(element);
        self.singles.push(self.sets.add(&[number]));
        number
    }

    /// The set of an element alone.
    fn single(&mut self, element: Element) -> u32 {
        let number = self.element(element);
        self.singles[number as usize]
    }

    fn set(&mut self, value: &Value) -> u32 {
        match value {
            Value::One(element) => self.single(*element),
            Value::List(elements) if self.lists => {
                let mut numbers: Vec<u32> = elements
                    .iter()
                    .map(|element| self.element(*element))
                    .collect();
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
            _ if self.lists => MISSING,
            // Equal to nothing, not even to its like.
            _ => {
                let number = self.add(None);
                let set = self.singles[number as usize];
                self.unknown.push(set);
                set
            }
        }
    }
}

fn published_column<E: Engine>(
    inventory: &Inventory<E>,
    site: &Site,
    attribute: &str,
    table: &mut Table,
) -> Vec<u32> {
    let full = inventory.names.find(attribute);
    let split = attribute.split_once('/');
    let domain = split.and_then(|(domain, _)| inventory.names.find(domain));
    let bare = split.and_then(|(_, id)| inventory.names.find(id));
    let mut column = Vec::with_capacity(site.ground.places.len());
    for index in site.slices.iter() {
        let slice = inventory.slice(*index);
        let own = Some(slice.driver) == domain;
        // Most devices of a slice have the same attributes, in the same order.
        let mut last = 0;
        for device in slice.devices.iter() {
            let mut find = |name: Option<u32>| {
                let attributes = &device.attributes;
                let is_it = |(other, _): &(u32, Value)| Some(*other) == name;
                if !attributes.get(last).is_some_and(is_it) {
                    last = attributes.iter().position(is_it)?;
                }
                attributes.get(last).map(|(_, value)| value)
            };
            let value = match find(full) {
                None if own => find(bare),
                value => value,
            };
            column.push(value.map_or(MISSING, |value| table.set(value)));
        }
    }
    column
}

fn derive<E: Engine>(
    inventory: &mut Inventory<E>,
    problem: &Problem<'_>,
    option: usize,
    expression: &Text,
    table: &mut Table,
) -> Vec<u32> {
    let program = inventory
        .programs
        .derived(&mut inventory.engine, expression);
    let mut column = vec![MISSING; problem.len()];
    for at in problem.options[option].open.iter() {
        let device = problem.place(at).device as usize;
        let device = &inventory.slice(problem.slice_at(at)).devices[device];
        let value = match inventory.programs.get(program) {
            Ok(expression) => inventory.engine.derive(expression, &device.cel).ok(),
            Err(_) => None,
        };
        column[at] = match value {
            Some(value) => table.set(&Value::of(&value, &mut inventory.names)),
            None => FAILS,
        };
    }
    column
}

/// The error that a device raises whose derived attribute fails.
pub(crate) fn why_fails<E: Engine>(
    inventory: &mut Inventory<E>,
    problem: &Problem<'_>,
    option: usize,
    constraint: usize,
    place: usize,
) -> crate::Fatal {
    let attribute = problem.constraints[constraint].attribute.clone();
    let derived = problem.options[option].query.derived_attributes.iter();
    let derived = derived.rev().find(|derived| derived.name == attribute);
    let expression = &derived.expect("only derived attributes fail").expression;
    let program = inventory
        .programs
        .derived(&mut inventory.engine, expression);
    let slice = inventory.slice(problem.slice_at(place));
    let at = problem.place(place).device as usize;
    let device = &slice.devices[at];
    let message = match inventory.programs.get(program) {
        Err(error) => error.message.clone(),
        Ok(expression) => match inventory.engine.derive(expression, &device.cel) {
            Err(error) => error.message,
            Ok(_) => "evaluated differently the second time".into(),
        },
    };
    let source = &slice.source;
    crate::Fatal::Derived {
        attribute,
        device: format!(
            "{}/{}/{}",
            source.driver, source.pool.name, source.devices[at].name
        ),
        message,
    }
}
