//! Which keys does a mapping have? Those that stand twice, and those that `<<` merges.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Entry, Node, Value, Visitor};
use crate::problem::{self, Problem};

/// Reports keys that stand twice, and keeps the first of each.
pub(super) fn distinct<'a>(
    entries: Vec<Entry<'a>>,
    name: &Arc<str>,
    visitor: &mut dyn Visitor,
) -> Vec<Entry<'a>> {
    // What a machine wrote is in order, and most mappings are small.
    let ordered = entries.windows(2).all(|pair| pair[0].key < pair[1].key);
    let few = entries.len() <= 8
        && entries
            .iter()
            .enumerate()
            .all(|(at, entry)| entries[..at].iter().all(|known| known.key != entry.key));
    if ordered || few {
        return entries;
    }
    let mut first: BTreeMap<Cow<'a, str>, u32> = BTreeMap::new();
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        match first.get(&entry.key) {
            Some(line) => visitor.problem(duplicate(&entry, *line, name)),
            None => {
                first.insert(entry.key.clone(), entry.line);
                kept.push(entry);
            }
        }
    }
    kept
}

fn duplicate(entry: &Entry<'_>, first: u32, name: &Arc<str>) -> Problem {
    let message = format!("key {:?} stands in line {first} already", entry.key);
    Problem::fault(problem::DUPLICATE_KEY, name, entry.line, message)
        .with_help("kubectl keeps one of the two in silence: delete the other".to_owned())
}

/// `<<`: a mapping or a list of mappings, whose keys count where they stand. Of equal keys the
/// last one wins, as in go-yaml: what is written out below a merge, or merged below what is
/// written out. In a list of mappings the first one wins.
pub(super) fn merge<'a>(
    entries: Vec<Entry<'a>>,
    merged: Vec<(usize, Node<'a>)>,
    name: &Arc<str>,
    visitor: &mut dyn Visitor,
) -> Result<Vec<Entry<'a>>, Box<Problem>> {
    let mut result = Merged::default();
    let mut merged = merged.into_iter().peekable();
    let mut written: BTreeMap<Cow<'_, str>, u32> = BTreeMap::new();
    for (place, entry) in entries.into_iter().enumerate() {
        while let Some((_, node)) = merged.next_if(|(before, _)| *before <= place) {
            result.put_merged(node, name)?;
        }
        match written.get(&entry.key) {
            Some(line) => visitor.problem(duplicate(&entry, *line, name)),
            None => {
                written.insert(entry.key.clone(), entry.line);
                result.put(entry);
            }
        }
    }
    for (_, node) in merged {
        result.put_merged(node, name)?;
    }
    Ok(result.entries)
}

/// A mapping into which others are merged.
#[derive(Default)]
struct Merged<'a> {
    entries: Vec<Entry<'a>>,
    places: BTreeMap<Cow<'a, str>, usize>,
}

impl<'a> Merged<'a> {
    /// Adds an entry in place of the one with its key.
    fn put(&mut self, entry: Entry<'a>) {
        match self.places.get(&entry.key) {
            Some(place) => self.entries[*place] = entry,
            None => {
                self.places.insert(entry.key.clone(), self.entries.len());
                self.entries.push(entry);
            }
        }
    }
    fn put_merged(&mut self, node: Node<'a>, name: &Arc<str>) -> Result<(), Box<Problem>> {
        let line = node.line;
        let maps = match node.value {
            Value::Map(_) => vec![node],
            Value::List(items) => items.into_vec(),
            _ => Vec::new(),
        };
        if maps.is_empty() || maps.iter().any(|m| !matches!(m.value, Value::Map(_))) {
            let message = "map merge requires map or sequence of maps as the value".to_owned();
            let problem = Problem::fault(problem::SYNTAX, name, line, message);
            return Err(Box::new(problem));
        }
        for map in maps.into_iter().rev() {
            if let Value::Map(entries) = map.value {
                for entry in entries {
                    self.put(entry);
                }
            }
        }
        Ok(())
    }
}
