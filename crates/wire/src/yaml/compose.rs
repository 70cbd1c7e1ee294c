//! From the events of a parser to a tree: aliases unfolded, merge keys merged, keys told apart.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::scalar::{Scalar, resolve};
use super::{Entry, Node, Value};
use crate::problem::{self, Problem};

/// No Kubernetes object comes near this depth, and what walks the tree may recurse.
pub const DEEPEST: usize = 200;

/// Nodes that a document may hold under anchors, those of nested anchors counted again.
const MOST_ANCHORED: usize = 2_000_000;

/// A mapping or sequence that is not yet closed.
struct Open {
    line: u32,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// Values of `<<`, each with the number of entries before it.
        merged: Vec<(usize, Node)>,
        key: Option<Key>,
    },
}

enum Key {
    Name(Box<str>, u32),
    Merge,
    /// A key that JSON has not; reported, and its value dropped.
    Unusable,
}

/// Reads one document. `None`: it is empty, or so broken that nothing is left of it.
/// `lines_before` is what stands before it in its source.
pub fn compose(
    name: &Arc<str>,
    text: &str,
    lines_before: u32,
    problems: &mut Vec<Problem>,
) -> Option<Node> {
    let mut composer = Composer {
        name,
        lines_before,
        problems,
        stack: Vec::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
        unfolded: 0,
        anchored: 0,
        root: None,
    };
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => {
                let line = composer.line(span.start.line());
                composer.take(event, line)
            }
            Err(error) => {
                let line = composer.line(error.marker().line());
                Err(composer.fault(problem::SYNTAX, line, error.info().to_owned()))
            }
        };
        if let Err(problem) = step {
            composer.problems.push(*problem);
            return None;
        }
    }
    composer.root.filter(|root| !root.is_null())
}

struct Composer<'a> {
    name: &'a Arc<str>,
    lines_before: u32,
    problems: &'a mut Vec<Problem>,
    stack: Vec<Open>,
    /// Anchored values with the number of nodes in each.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    unfolded: usize,
    anchored: usize,
    root: Option<Node>,
}

impl Composer<'_> {
    fn line(&self, line: usize) -> u32 {
        self.lines_before
            .saturating_add(u32::try_from(line.max(1)).unwrap_or(u32::MAX))
    }

    fn fault(&self, code: &'static str, line: u32, message: String) -> Box<Problem> {
        Box::new(Problem::fault(code, self.name, line, message))
    }

    fn take(&mut self, event: Event<'_>, line: u32) -> Result<(), Box<Problem>> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(text, style, tag.as_deref(), line)?;
                self.nodes += 1;
                self.add(Node { value, line }, anchor, 1)
            }
            Event::SequenceStart(anchor, _) => self.open(line, anchor, Content::List(Vec::new())),
            Event::MappingStart(anchor, _) => self.open(
                line,
                anchor,
                Content::Map {
                    entries: Vec::new(),
                    merged: Vec::new(),
                    key: None,
                },
            ),
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.stack.pop().expect("the parser closes what it opened");
                let anchor = open.anchor;
                let node = self.close(open)?;
                let size = if anchor > 0 { size(&node) } else { 0 };
                self.add(node, anchor, size)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    let message = "an alias inside of the value it stands for".to_owned();
                    return Err(self.fault(problem::SYNTAX, line, message));
                };
                self.unfolded += size;
                self.nodes += size;
                // As go-yaml: small documents may consist of aliases, large ones may not.
                let most = if self.nodes <= 400_000 { 99 } else { 10 };
                if self.unfolded > 100
                    && self.nodes > 1000
                    && self.unfolded * 100 > self.nodes * most
                {
                    let message = "document contains excessive aliasing".to_owned();
                    return Err(self.fault(problem::ALIASES, line, message));
                }
                let node = node.clone();
                self.add(node, 0, 0)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, line: u32, anchor: usize, content: Content) -> Result<(), Box<Problem>> {
        if self.stack.len() >= DEEPEST {
            let message = format!("nested more than {DEEPEST} levels deep");
            return Err(self.fault(problem::NESTING, line, message));
        }
        self.nodes += 1;
        self.stack.push(Open {
            line,
            anchor,
            content,
        });
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Box<Problem>> {
        if anchor > 0 {
            // What is anchored is copied: anchors inside of anchors must not add up without end.
            self.anchored += size;
            if self.anchored > MOST_ANCHORED {
                let message = "document contains excessive aliasing".to_owned();
                return Err(self.fault(problem::ALIASES, node.line, message));
            }
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.stack.last_mut() else {
            // A second document in a part without `---`: `...` alone ended the first.
            self.root.get_or_insert(node);
            return Ok(());
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map {
                entries,
                merged,
                key,
            } => match key.take() {
                Some(Key::Name(name, line)) => entries.push(Entry {
                    key: name,
                    line,
                    value: node,
                }),
                Some(Key::Merge) => merged.push((entries.len(), node)),
                Some(Key::Unusable) => {}
                None => {
                    let line = node.line;
                    *key = Some(match node.value {
                        Value::Text(text) if &*text == MERGE => Key::Merge,
                        Value::Text(text) => Key::Name(
                            text.strip_prefix(QUOTED_MERGE)
                                .map_or(text.clone(), Box::from),
                            line,
                        ),
                        Value::Plain(scalar, _) if scalar.to_key().is_some() => {
                            Key::Name(scalar.to_key().unwrap_or_default().into(), line)
                        }
                        _ => Key::Unusable,
                    });
                    if matches!(key, Some(Key::Unusable)) {
                        let message = "a key must be a text or a number".to_owned();
                        let problem = self.fault(problem::SYNTAX, line, message);
                        self.problems.push(*problem);
                    }
                }
            },
        }
        Ok(())
    }

    fn close(&mut self, open: Open) -> Result<Node, Box<Problem>> {
        let line = open.line;
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Map {
                entries, merged, ..
            } => Value::Map(self.merge(entries, merged)?),
        };
        Ok(Node { value, line })
    }

    /// Reports keys that stand twice, and keeps the first of each.
    fn distinct(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut first: BTreeMap<Box<str>, u32> = BTreeMap::new();
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            match first.get(&entry.key) {
                Some(line) => {
                    let message = format!("key {:?} stands in line {line} already", entry.key);
                    let problem = self
                        .fault(problem::DUPLICATE_KEY, entry.line, message)
                        .with_help(
                            "kubectl keeps one of the two in silence: delete the other".to_owned(),
                        );
                    self.problems.push(problem);
                }
                None => {
                    first.insert(entry.key.clone(), entry.line);
                    kept.push(entry);
                }
            }
        }
        kept
    }

    /// `<<`: a mapping or a list of mappings, whose keys count where they stand. Of equal keys the
    /// last one wins, as in go-yaml: what is written out below a merge, or merged below what is
    /// written out. In a list of mappings the first one wins.
    fn merge(
        &mut self,
        entries: Vec<Entry>,
        merged: Vec<(usize, Node)>,
    ) -> Result<Vec<Entry>, Box<Problem>> {
        if merged.is_empty() {
            return Ok(self.distinct(entries));
        }
        let written = entries.len();
        let mut places: Vec<usize> = merged.iter().map(|(place, _)| *place).collect();
        places.push(written);
        let mut result: Vec<Entry> = Vec::new();
        let mut rest = self.distinct(entries).into_iter().peekable();
        // Duplicates were reported; what is left keeps its order.
        let mut taken = 0;
        let mut merged = merged.into_iter();
        for place in places {
            while taken < place && rest.peek().is_some() {
                put(&mut result, rest.next());
                taken += 1;
            }
            if let Some((_, node)) = merged.next() {
                for entry in self.merged_entries(node)? {
                    put(&mut result, Some(entry));
                }
            }
        }
        for entry in rest {
            put(&mut result, Some(entry));
        }
        Ok(result)
    }

    fn merged_entries(&self, node: Node) -> Result<Vec<Entry>, Box<Problem>> {
        let line = node.line;
        let maps = match node.value {
            Value::Map(_) => vec![node],
            Value::List(items) => items,
            _ => Vec::new(),
        };
        if maps.is_empty() || maps.iter().any(|m| !matches!(m.value, Value::Map(_))) {
            let message = "map merge requires map or sequence of maps as the value".to_owned();
            return Err(self.fault(problem::SYNTAX, line, message));
        }
        let mut entries: Vec<Entry> = Vec::new();
        for map in maps.into_iter().rev() {
            if let Value::Map(more) = map.value {
                for entry in more {
                    put(&mut entries, Some(entry));
                }
            }
        }
        Ok(entries)
    }

    fn scalar(
        &self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        line: u32,
    ) -> Result<Value, Box<Problem>> {
        let is_key = matches!(
            self.stack.last(),
            Some(Open {
                content: Content::Map { key: None, .. },
                ..
            })
        );
        let core = tag.and_then(|tag| {
            let long = format!("{}{}", tag.handle, tag.suffix);
            let short = long
                .strip_prefix("tag:yaml.org,2002:")
                .or_else(|| long.strip_prefix("!!"));
            short.map(str::to_owned)
        });
        let plain = style == ScalarStyle::Plain;
        let resolved = match (tag, core.as_deref()) {
            (None, _) if plain => resolve(&text),
            (None, _) => None,
            (Some(_), Some("str" | "binary")) => None,
            (Some(_), Some(wanted @ ("int" | "float" | "bool" | "null"))) => {
                let found = resolve(&text);
                match (wanted, found) {
                    ("int", Some(Scalar::Int(_) | Scalar::Unsigned(_)))
                    | ("bool", Some(Scalar::Bool(_)))
                    | ("null", Some(Scalar::Null))
                    | ("float", Some(Scalar::Float(_))) => found,
                    ("float", Some(Scalar::Int(value))) => Some(Scalar::Float(value as f64)),
                    _ => {
                        let message = format!("cannot decode `{text}` as a !!{wanted}");
                        return Err(self.fault(problem::SYNTAX, line, message));
                    }
                }
            }
            (Some(_), _) => None,
        };
        Ok(match resolved {
            Some(scalar) => Value::Plain(scalar, text.into()),
            None if is_key && plain && tag.is_none() && text == MERGE => Value::Text(MERGE.into()),
            // A quoted "<<" is a key like any other: told apart until it is one.
            None if is_key && text == MERGE => Value::Text(format!("{QUOTED_MERGE}{MERGE}").into()),
            None => Value::Text(text.into()),
        })
    }
}

/// Adds an entry in place of the one with its key.
fn put(entries: &mut Vec<Entry>, entry: Option<Entry>) {
    let Some(entry) = entry else { return };
    match entries.iter_mut().find(|known| known.key == entry.key) {
        Some(known) => *known = entry,
        None => entries.push(entry),
    }
}

const MERGE: &str = "<<";
/// Cannot stand in a text file, see [`super::read`].
const QUOTED_MERGE: char = '\u{0}';

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|e| 1 + size(&e.value)).sum::<usize>(),
        _ => 0,
    }
}
