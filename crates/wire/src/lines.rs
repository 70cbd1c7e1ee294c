//! In which line does a field stand? Asked of a tree, or of the little that is kept of one.

use crate::yaml::{Node, Value};

/// The lines of all fields of an object, without what stands in them.
#[derive(Debug, Clone)]
pub(crate) struct Lines(Box<[Place]>);

/// A value; those inside of it follow.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Digest of its key, or its number in a list.
    key: u32,
    line: u32,
    /// How many places are its own, itself among them; the highest bit says that it is a list.
    size: u32,
}

const LIST: u32 = 1 << 31;

impl Lines {
    pub(crate) fn of(tree: &Node<'_>) -> Self {
        let mut places = Vec::new();
        note(0, tree.line, tree, &mut places);
        Lines(places.into())
    }

    /// The line of a field such as `spec.containers[0].name`, or of the nearest one around it.
    pub(crate) fn line_of(&self, path: &str) -> u32 {
        let mut at = 0;
        for step in steps(path) {
            let list = self.0[at].size & LIST > 0;
            let key = if list {
                step.parse().ok()
            } else {
                Some(digest(step))
            };
            let end = at + (self.0[at].size & !LIST) as usize;
            let mut child = at + 1;
            while child < end && Some(self.0[child].key) != key {
                child += (self.0[child].size & !LIST) as usize;
            }
            if child >= end {
                break;
            }
            at = child;
        }
        self.0[at].line
    }
}

fn note(key: u32, line: u32, node: &Node<'_>, places: &mut Vec<Place>) {
    let at = places.len();
    places.push(Place { key, line, size: 0 });
    let mut list = 0;
    match &node.value {
        Value::List(items) => {
            list = LIST;
            for (index, item) in (0..).zip(items) {
                note(index, item.line, item, places);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                note(digest(&entry.key), entry.line, &entry.value, places);
            }
        }
        _ => {}
    }
    let size = u32::try_from(places.len() - at).unwrap_or(0) & !LIST;
    places[at].size = size | list;
}

/// Enough to tell the keys of one mapping apart; where not, a message names a neighbour's line.
fn digest(key: &str) -> u32 {
    key.bytes().fold(0x811C_9DC5, |digest, byte| {
        (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The line of a field in a tree, or of the nearest one around it.
pub(crate) fn line_of(tree: &Node<'_>, path: &str) -> u32 {
    let mut node = tree;
    let mut line = tree.line;
    for step in steps(path) {
        let next = match (&node.value, step) {
            (Value::Map(entries), key) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| (entry.line, &entry.value)),
            (Value::List(items), index) => index
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index))
                .map(|item| (item.line, item)),
            _ => None,
        };
        let Some((at, inner)) = next else { break };
        line = at;
        node = inner;
    }
    line
}

/// The steps of a path: names between dots, and what stands in brackets.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if let Some(inner) = rest.strip_prefix('[') {
            let end = inner.find(']')?;
            rest = &inner[end + 1..];
            return Some(&inner[..end]);
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let step = &rest[..end];
        rest = &rest[end..];
        (!step.is_empty()).then_some(step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Entry;

    #[test]
    fn what_is_kept_knows_the_lines_of_the_tree() {
        let scalar = |line| Node {
            value: Value::Text("x".into()),
            line,
        };
        let map = |line, entries: Vec<(&'static str, u32, Node<'static>)>| Node {
            value: Value::Map(
                entries
                    .into_iter()
                    .map(|(key, line, value)| Entry {
                        key: key.into(),
                        line,
                        value,
                    })
                    .collect(),
            ),
            line,
        };
        let list = |line, items: Vec<Node<'static>>| Node {
            value: Value::List(items.into()),
            line,
        };
        let first = map(4, vec![("name", 4, scalar(4)), ("image", 5, scalar(6))]);
        let second = map(7, vec![("a.b/c", 7, scalar(7)), ("name", 8, scalar(8))]);
        let tree = map(
            1,
            vec![
                ("kind", 1, scalar(1)),
                ("list", 2, list(4, vec![first, second])),
                ("last", 9, scalar(9)),
            ],
        );
        let lines = Lines::of(&tree);
        for (path, line) in [
            ("", 1),
            ("kind", 1),
            ("list", 2),
            ("list[0]", 4),
            ("list[0].image", 5),
            ("list[1].name", 8),
            ("list[1][a.b/c]", 7),
            ("list[2].name", 2),
            ("list[1].nothing", 7),
            ("last", 9),
            ("nothing", 1),
        ] {
            assert_eq!(lines.line_of(path), line, "{path}");
            assert_eq!(line_of(&tree, path), line, "{path}");
        }
    }
}
