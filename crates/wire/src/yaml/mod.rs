//! What does a document say? YAML and JSON as a tree with positions, scalars read as kubectl reads
//! them: by `sigs.k8s.io/yaml` 1.6 on go-yaml v2, which is YAML 1.1 (`n` and `on` are booleans).
//!
//! Documents are cut apart at their `---` lines first, as kubectl does, so one that cannot be parsed
//! hides no other.
//!
//! Refuses to know: kinds and fields.

mod compose;
mod scalar;
mod split;

use std::sync::Arc;

pub use compose::{DEEPEST, compose};
pub use scalar::Scalar;

use crate::problem::{self, Problem};

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Line, from 1.
    pub line: u32,
}

/// The kinds of value that YAML and JSON have in common.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A quoted text, or a plain one that reads as nothing else.
    Text(Box<str>),
    /// A plain scalar that is no text, and how it was written.
    Plain(Scalar, Box<str>),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order in which it was written, each key once.
    Map(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// As JSON would have it: `1:` and `"1":` are the same key.
    pub key: Box<str>,
    /// Line of the key, from 1.
    pub line: u32,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|entry| &*entry.key == key)
                .map(|entry| &entry.value),
            _ => None,
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
        matches!(self.value, Value::Plain(Scalar::Null, _))
    }

    /// The same as JSON, as far as JSON has it (no infinities).
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) => serde_json::Value::String(text.to_string()),
            Value::Plain(scalar, _) => scalar.to_json(),
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

/// All documents of a source that hold anything, and what is wrong with the others.
pub fn read(name: &Arc<str>, bytes: &[u8], problems: &mut Vec<Problem>) -> Vec<Node> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()]
                .iter()
                .filter(|b| **b == b'\n')
                .count();
            let message = "not UTF-8 text".to_owned();
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            problems.push(Problem::fault(problem::ENCODING, name, line, message));
            return Vec::new();
        }
    };
    if let Some(at) =
        text.find(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}'))
    {
        let line = 1 + text[..at].matches('\n').count();
        let message = format!(
            "control character U+{:04X}: not a text file",
            u32::from(text[at..].chars().next().unwrap_or_default())
        );
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        problems.push(Problem::fault(problem::ENCODING, name, line, message));
        return Vec::new();
    }
    let before = problems.len();
    let mut documents = Vec::new();
    for (text, line) in split::documents(text) {
        documents.extend(compose(name, text, line, problems));
    }
    if documents.is_empty() && problems.len() == before {
        let message = "no document in it".to_owned();
        problems.push(Problem::fault(problem::EMPTY, name, 0, message));
    }
    documents
}
