//! Constraints over the devices of a claim: which value each device has, in numbers.
//!
//! Source: `matchAttributeConstraint`, `constraint.go` of upstream's allocator.

use rustc_hash::FxHashMap;
use trainyard_model::Text;
use trainyard_model::claim;
use trainyard_model::features::Feature;
use trainyard_model::selector::Engine;

use crate::bits::Bits;
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
    /// Set number by place. The first column is that of published attributes, the others are
    /// those of derived ones.
    pub columns: Vec<Vec<u32>>,
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

impl Constraint {
    /// The elements of a set.
    pub fn elements_of(&self, set: u32) -> &[u64] {
        let start = set as usize * self.words;
        &self.bits[start..start + self.words]
    }

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
        let mut table = Table {
            lists: problem.features.has(Feature::ListTypeAttributes),
            elements: FxHashMap::with_capacity_and_hasher(48, Default::default()),
            ..Table::default()
        };
        let at = problem.constraints.len();
        let mut columns = vec![Vec::new()];
        let slots = problem.claim_slots[claim].clone();
        let options = problem.slots[slots]
            .iter()
            .flat_map(|slot| slot.options.clone());
        let mut published = Bits::new(problem.places.len());
        for option in options {
            let choice = &problem.options[option];
            if !applies(constraint, choice) {
                continue;
            }
            let derived = choice.query.derived_attributes.iter();
            let derived = derived.rev().find(|derived| derived.name == *attribute);
            let column = match derived {
                None => {
                    choice.open.iter().for_each(|place| published.insert(place));
                    0
                }
                Some(derived) => {
                    columns.push(derive(
                        inventory,
                        problem,
                        option,
                        &derived.expression,
                        &mut table,
                    ));
                    columns.len() - 1
                }
            };
            problem.options[option].constraints.push((at, column));
        }
        columns[0] = published_column(inventory, problem, attribute, &published, &mut table);
        let words = table.next.div_ceil(64).max(1) as usize;
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
        let mut elements = vec![None; table.next as usize];
        for (element, (number, _)) in &table.elements {
            elements[*number as usize] = Some(*element);
        }
        problem.constraints.push(Constraint {
            elements,
            claim,
            kind,
            attribute: attribute.clone(),
            columns,
            sets: table.sets,
            unknown,
            words,
            bits,
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
#[derive(Default)]
struct Table {
    lists: bool,
    next: u32,
    elements: FxHashMap<Element, (u32, u32)>,
    known: FxHashMap<Vec<u32>, u32>,
    sets: Sets,
    unknown: Vec<u32>,
}

impl Table {
    fn element(&mut self, element: Element) -> u32 {
        self.single(element).0
    }

    /// The number of an element, and that of the set of it alone.
    fn single(&mut self, element: Element) -> (u32, u32) {
        let (next, sets) = (&mut self.next, &mut self.sets);
        *self.elements.entry(element).or_insert_with(|| {
            *next += 1;
            (*next - 1, sets.add(&[*next - 1]))
        })
    }

    fn set(&mut self, value: &Value) -> u32 {
        match value {
            Value::One(element) => self.single(*element).1,
            Value::List(elements) if self.lists => {
                let mut numbers: Vec<u32> = elements
                    .iter()
                    .map(|element| self.element(*element))
                    .collect();
                numbers.sort_unstable();
                numbers.dedup();
                if let [_] = *numbers {
                    return self.single(elements[0]).1;
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
                let set = self.sets.add(&[self.next]);
                self.next += 1;
                self.unknown.push(set);
                set
            }
        }
    }
}

fn published_column<E: Engine>(
    inventory: &Inventory<E>,
    problem: &Problem<'_>,
    attribute: &str,
    places: &Bits,
    table: &mut Table,
) -> Vec<u32> {
    let full = inventory.names.find(attribute);
    let split = attribute.split_once('/');
    let domain = split.and_then(|(domain, _)| inventory.names.find(domain));
    let bare = split.and_then(|(_, id)| inventory.names.find(id));
    let mut column = vec![MISSING; problem.places.len()];
    for at in places.iter() {
        let place = problem.places[at];
        let slice = inventory.slice(place.slice);
        let attributes = &slice.devices[place.device as usize].attributes;
        let find = |name: Option<u32>| {
            let found = attributes.iter().find(|(other, _)| Some(*other) == name);
            found.map(|(_, value)| value)
        };
        let own = Some(slice.driver) == domain;
        let value = find(full).or_else(|| if own { find(bare) } else { None });
        if let Some(value) = value {
            column[at] = table.set(value);
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
    let mut column = vec![MISSING; problem.places.len()];
    for at in problem.options[option].open.iter() {
        let place = problem.places[at];
        let device = &inventory.slice(place.slice).devices[place.device as usize];
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
    let at = problem.places[place];
    let slice = inventory.slice(at.slice);
    let device = &slice.devices[at.device as usize];
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
            source.driver, source.pool.name, source.devices[at.device as usize].name
        ),
        message,
    }
}
