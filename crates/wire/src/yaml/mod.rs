//! What does a document say? YAML and JSON as a tree with positions, scalars read as kubectl reads
//! them: by `sigs.k8s.io/yaml` 1.6 on go-yaml v2, which is YAML 1.1 (`n` and `on` are booleans).
//!
//! A source is cut at its `---` lines first, as kubectl does, so a document that cannot be parsed
//! hides no other. What kubectl would drop in silence is a fault.
//!
//! Refuses to know: kinds and fields.

mod compose;
mod json;
mod keys;
mod scalar;
mod scan;
mod split;
mod tags;
mod text;
mod token;

use std::borrow::Cow;
use std::sync::Arc;

pub use compose::DEEPEST;
pub use scalar::Scalar;
use split::Part;

use crate::problem::{self, Problem};

/// A value and where it begins. Texts are borrowed from the source where nothing had to change.
#[derive(Debug, Clone, PartialEq)]
pub struct Node<'a> {
    /// What it is.
    pub value: Value<'a>,
    /// Line, from 1.
    pub line: u32,
}

/// The kinds of value that YAML and JSON have in common.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A quoted text, or a plain one that reads as nothing else.
    Text(Cow<'a, str>),
    /// A plain scalar that is no text, as it is written.
    Plain(&'a str),
    /// A scalar that is read in another way than its text says, and that text.
    Read(Box<(Scalar, Box<str>)>),
    /// A sequence.
    List(Box<[Node<'a>]>),
    /// A mapping, in the order in which it was written, each key once.
    Map(Box<[Entry<'a>]>),
}

/// One entry of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// As JSON would have it: `1:` and `"1":` are the same key.
    pub key: Cow<'a, str>,
    /// Line of the key, from 1.
    pub line: u32,
    /// Its value.
    pub value: Node<'a>,
}

/// What is told of a source while it is read.
pub trait Visitor {
    /// A document that holds anything.
    fn document(&mut self, document: Node<'_>);
    /// Whether the items of a list of this kind are wanted one by one, so that not all of them have
    /// to be held at once. They come before their document, whose `items` are then empty.
    fn opens(&mut self, kind: &str) -> bool;
    /// An item of the list that was opened last.
    fn item(&mut self, item: Node<'_>);
    /// What is wrong.
    fn problem(&mut self, problem: Problem);
}

impl Value<'_> {
    /// What it is, if it is a scalar but no text.
    pub fn scalar(&self) -> Option<Scalar> {
        match self {
            Value::Plain(text) => scalar::resolve(text),
            Value::Read(read) => Some(read.0),
            _ => None,
        }
    }
}

impl<'a> Node<'a> {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|entry| &*entry.key == key)
                .map(|entry| &entry.value),
            _ => None,
        }
    }

    /// Gives a key that this mapping has another value, of the line where the old one was.
    pub(crate) fn replace(&mut self, key: &str, value: Value<'a>) {
        if let Value::Map(entries) = &mut self.value
            && let Some(entry) = entries.iter_mut().find(|entry| &*entry.key == key)
        {
            entry.value.value = value;
        }
    }

    /// The text, if this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is nothing (`null`, `~` or an empty value).
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Plain(text) => matches!(*text, "" | "~" | "null" | "Null" | "NULL"),
            Value::Read(read) => read.0 == Scalar::Null,
            _ => false,
        }
    }

    pub(crate) fn null(line: u32) -> Self {
        let value = Value::Plain("");
        Node { value, line }
    }

    /// The same as JSON, as far as JSON has it (no infinities).
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) => serde_json::Value::String(text.to_string()),
            Value::Plain(_) | Value::Read(_) => self
                .value
                .scalar()
                .map_or(serde_json::Value::Null, Scalar::to_json),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.to_string(), entry.value.to_json()))
                    .collect(),
            ),
        }
    }
}

/// Whether a plain text stands for itself: every reader of YAML 1.1 takes it for a text. Timestamps
/// do not, although kubectl's reader hands them on as text.
pub fn reads_as_text(text: &str) -> bool {
    scalar::resolve(text).is_none() && !scalar::is_timestamp(text)
}

/// Reads a source and tells the visitor what it holds.
pub fn read(name: &Arc<str>, bytes: &[u8], visitor: &mut dyn Visitor) {
    let mut counting = Counting {
        visitor,
        told: false,
    };
    read_text(name, bytes, &mut counting);
    if !counting.told {
        let message = "no document in it".to_owned();
        visitor.problem(Problem::fault(problem::EMPTY, name, 0, message));
    }
}

fn read_text(name: &Arc<str>, bytes: &[u8], visitor: &mut dyn Visitor) {
    let refuse =
        |line: u32, message: String| Problem::fault(problem::ENCODING, name, line, message);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let message = match bytes {
                [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "UTF-16, not UTF-8 text",
                _ => "not UTF-8 text",
            };
            visitor.problem(refuse(line_after(before), message.to_owned()));
            return;
        }
    };
    if let Some(at) = text
        .bytes()
        .position(|b| b < b' ' && !b"\t\n\r".contains(&b))
    {
        let message = control_character(text, at);
        visitor.problem(refuse(line_after(&bytes[..at]), message));
        return;
    }
    // kubectl ends the last line where its author did not.
    let text: Cow<'_, str> = if text.ends_with('\n') {
        text.into()
    } else {
        format!("{text}\n").into()
    };
    for part in split::parts(&text) {
        match part {
            Part::Json(text, line) => json::read(name, text, line, visitor),
            Part::Yaml(text, line) => {
                let text = text.strip_prefix('\u{feff}').unwrap_or(text);
                match forbidden(text) {
                    None => compose::compose(name, text, line, visitor),
                    Some(at) => {
                        let line = line + line_after(&text.as_bytes()[..at]);
                        visitor.problem(refuse(line, control_character(text, at)));
                    }
                }
            }
            Part::BadSeparator(more, line) => {
                let message = format!("invalid Yaml document separator: {}", shorten(more));
                visitor.problem(
                    Problem::fault(problem::SYNTAX, name, line + 1, message).with_help(
                        "kubectl takes nothing but a comment after ---: begin the document in the line below"
                            .to_owned(),
                    ),
                );
            }
            Part::NoMoreJson(line) => {
                let message = "kubectl takes nothing but JSON after two JSON documents".to_owned();
                visitor.problem(
                    Problem::fault(problem::SYNTAX, name, line + 1, message)
                        .with_help("put what follows into a file of its own".to_owned()),
                );
            }
        }
    }
}

/// Where the first character stands that YAML does not take. Those below U+0020 were looked for.
fn forbidden(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = bytes[from..]
        .iter()
        .position(|b| matches!(b, 0x7F | 0xC2 | 0xEF))
    {
        let at = from + found;
        match text[at..].chars().next() {
            Some('\u{85}') => {}
            Some('\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}') => return Some(at),
            _ => {}
        }
        from = at + 1;
    }
    None
}

fn control_character(text: &str, at: usize) -> String {
    let character = text[at..].chars().next().unwrap_or_default();
    format!(
        "control character U+{:04X}: not a text file",
        u32::from(character)
    )
}

/// The line in which `before` ends, from 1.
fn line_after(before: &[u8]) -> u32 {
    let lines = 1 + memchr::memchr_iter(b'\n', before).count();
    u32::try_from(lines).unwrap_or(u32::MAX)
}

/// What fits into a message.
pub(crate) fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

/// Notes whether anything was told.
struct Counting<'v> {
    visitor: &'v mut dyn Visitor,
    told: bool,
}

impl Visitor for Counting<'_> {
    fn document(&mut self, document: Node<'_>) {
        self.told = true;
        self.visitor.document(document);
    }
    fn opens(&mut self, kind: &str) -> bool {
        self.visitor.opens(kind)
    }
    fn item(&mut self, item: Node<'_>) {
        self.told = true;
        self.visitor.item(item);
    }
    fn problem(&mut self, problem: Problem) {
        self.told = true;
        self.visitor.problem(problem);
    }
}
