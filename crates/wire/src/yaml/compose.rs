//! From tokens to a tree: the grammar of libyaml, aliases unfolded, merge keys merged, keys told
//! apart.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::keys::{distinct, merge};
use super::scalar::{Scalar, resolve};
use super::scan::Scanner;
use super::tags::tagged;
use super::token::{Fault, Kind, Peeked, Style, Token};
use super::{Entry, Node, Value, Visitor};
use crate::problem::{self, Problem};

/// No Kubernetes object comes near this depth, and what walks the tree may recurse.
pub const DEEPEST: usize = 200;

/// Nodes that a document may hold under anchors, those of nested anchors counted again.
const MOST_ANCHORED: usize = 2_000_000;

/// Reads one document and gives it to the visitor, unless it is empty or broken.
/// `lines_before` is what stands before it in its source.
pub(super) fn compose(name: &Arc<str>, text: &str, lines_before: u32, visitor: &mut dyn Visitor) {
    let streamed = super::split::list_kind(text).is_some_and(|kind| visitor.opens(kind));
    let mut composer = Composer {
        name,
        lines_before,
        visitor,
        scanner: Scanner::new(text),
        anchors: BTreeMap::new(),
        entries: Vec::new(),
        items: Vec::new(),
        depth: 0,
        plain: false,
        streamed,
        at_items: false,
        nodes: 0,
        unfolded: 0,
        anchored: 0,
    };
    match composer.document() {
        Ok(root) if root.is_null() => {}
        Ok(root) => visitor.document(root),
        Err(problem) => visitor.problem(*problem),
    }
}

struct Composer<'a, 'v> {
    name: &'v Arc<str>,
    lines_before: u32,
    visitor: &'v mut dyn Visitor,
    scanner: Scanner<'a>,
    /// Anchored values with the number of nodes in each; `None`: not yet at its end.
    anchors: BTreeMap<&'a str, Option<(Node<'a>, usize)>>,
    /// Entries and items of all collections that are open, the innermost last: each gets a memory of
    /// just its size when it is closed.
    entries: Vec<Entry<'a>>,
    items: Vec<Node<'a>>,
    depth: usize,
    /// Whether the last node was a plain scalar without a tag.
    plain: bool,
    /// Whether the items of this list go to the visitor one by one.
    streamed: bool,
    at_items: bool,
    nodes: usize,
    unfolded: usize,
    anchored: usize,
}

type Step<T> = Result<T, Box<Problem>>;

enum Key<'a> {
    Name(Cow<'a, str>, u32),
    Merge,
    /// A key that JSON has not; reported, and its value dropped.
    Unusable,
}

/// A mapping that is being read.
struct Map<'a> {
    /// Its first entry in [`Composer::entries`].
    start: usize,
    /// Values of `<<`, each with the number of entries before it.
    merged: Vec<(usize, Node<'a>)>,
}

impl<'a> Composer<'a, '_> {
    fn line(&self, line: u32) -> u32 {
        self.lines_before.saturating_add(line).saturating_add(1)
    }

    fn fault(
        &self,
        code: &'static str,
        line: u32,
        message: impl Into<Cow<'static, str>>,
    ) -> Box<Problem> {
        let message = message.into().into_owned();
        Box::new(Problem::fault(code, self.name, self.line(line), message))
    }

    fn syntax(&self, line: u32, message: impl Into<Cow<'static, str>>) -> Box<Problem> {
        self.fault(problem::SYNTAX, line, message)
    }

    fn unscannable(&self, fault: Fault) -> Box<Problem> {
        let help = match &*fault.message {
            "found unknown escape character" | "found invalid Unicode character escape code" => {
                Some("write the character itself, or \\u and four digits for those below U+10000")
            }
            "found character that cannot start any token"
            | "found a tab character that violates indentation" => {
                Some("indent with spaces, and quote what begins with @, ` or %")
            }
            "could not find expected ':'" => {
                Some("write `key: value`, with a space after the colon")
            }
            message if message.starts_with("found a directive") => {
                Some("delete the line: kubectl cuts a file at each `---` before it reads")
            }
            _ => None,
        };
        let mut problem = self.syntax(fault.line, fault.message);
        problem.help = help.map(str::to_owned);
        problem
    }

    /// What comes next, without its texts.
    fn peek(&mut self) -> Step<(Peeked, u32)> {
        match self.scanner.peek() {
            Ok(token) => Ok((Peeked::of(&token.kind), token.line)),
            Err(fault) => Err(self.unscannable(fault)),
        }
    }

    fn take(&mut self) -> Step<Token<'a>> {
        match self.scanner.take() {
            Ok(token) => Ok(token),
            Err(fault) => Err(self.unscannable(fault)),
        }
    }

    fn document(&mut self) -> Step<Node<'a>> {
        let (first, line) = self.peek()?;
        let explicit = first == Peeked::DocumentStart;
        if explicit {
            self.take()?;
        }
        let empty = match self.peek()?.0 {
            Peeked::StreamEnd => true,
            Peeked::DocumentEnd => explicit,
            _ => false,
        };
        let root = if empty {
            Node::null(self.line(line))
        } else {
            self.node(true, false)?
        };
        loop {
            match self.scanner.peek() {
                Ok(token) if token.kind == Kind::StreamEnd => return Ok(root),
                Ok(token) if token.kind == Kind::DocumentEnd => {
                    self.take()?;
                }
                rest => {
                    let line = match rest {
                        Ok(token) => token.line,
                        Err(fault) => fault.line,
                    };
                    let message = "more stands below the end of this document, which kubectl would drop in silence";
                    let mut problem = self.syntax(line, message);
                    problem.help = Some(
                        "write `---` between two documents, and begin all keys of one in the same column"
                            .to_owned(),
                    );
                    self.visitor.problem(*problem);
                    return Ok(root);
                }
            }
        }
    }

    /// One value. `block`: it may be a block collection; `indentless`: or a sequence whose `-` is
    /// in the column of the key.
    fn node(&mut self, block: bool, indentless: bool) -> Step<Node<'a>> {
        let mut anchor = None;
        let mut tag = None;
        let (mut next, mut line) = self.peek()?;
        if next == Peeked::Alias {
            let token = self.take()?;
            let Kind::Alias(name) = token.kind else {
                unreachable!("an alias was seen");
            };
            self.plain = false;
            return self.alias(name, token.line);
        }
        while (next == Peeked::Anchor && anchor.is_none()) || (next == Peeked::Tag && tag.is_none())
        {
            let token = self.take()?;
            match token.kind {
                Kind::Anchor(name) => anchor = Some(name),
                Kind::Tag(name) => tag = Some(name),
                _ => unreachable!("an anchor or a tag was seen"),
            }
            (next, line) = self.peek()?;
        }
        if let Some(name) = anchor {
            self.anchors.insert(name, None);
        }
        self.nodes += 1;
        let node = match next {
            Peeked::BlockEntry if indentless => self.block_sequence(line, true, anchor)?,
            Peeked::BlockSequenceStart if block => self.block_sequence(line, false, anchor)?,
            Peeked::FlowSequenceStart => self.flow_sequence(line, anchor)?,
            Peeked::BlockMappingStart if block => self.block_mapping(line)?,
            Peeked::FlowMappingStart => self.flow_mapping(line)?,
            Peeked::Scalar => {
                let token = self.take()?;
                let Kind::Scalar(text, style) = token.kind else {
                    unreachable!("a scalar was seen");
                };
                self.scalar(text, style, tag.as_deref(), token.line)?
            }
            _ if anchor.is_some() || tag.is_some() => {
                self.scalar("".into(), Style::Plain, tag.as_deref(), line)?
            }
            _ => return Err(self.syntax(line, "did not find expected node content")),
        };
        if let Some(name) = anchor {
            // What is anchored is copied: anchors inside of anchors must not add up without end.
            let size = size(&node);
            self.anchored += size;
            if self.anchored > MOST_ANCHORED {
                return Err(self.excessive(line));
            }
            self.anchors.insert(name, Some((node.clone(), size)));
        }
        Ok(node)
    }

    fn empty(&mut self, line: u32) -> Node<'a> {
        self.nodes += 1;
        self.plain = true;
        Node::null(self.line(line))
    }

    fn excessive(&self, line: u32) -> Box<Problem> {
        self.fault(
            problem::ALIASES,
            line,
            "document contains excessive aliasing",
        )
    }

    fn alias(&mut self, name: &str, line: u32) -> Step<Node<'a>> {
        let (node, size) = match self.anchors.get(name) {
            Some(Some(known)) => known,
            Some(None) => {
                let message = format!("anchor '{name}' value contains itself");
                return Err(self.syntax(line, message));
            }
            None => {
                let message = format!("unknown anchor '{name}' referenced");
                return Err(self.syntax(line, message));
            }
        };
        self.unfolded += size;
        self.nodes += size;
        // As go-yaml: small documents may consist of aliases, large ones may not.
        let most = if self.nodes <= 400_000 { 99 } else { 10 };
        if self.unfolded > 100 && self.nodes > 1000 && self.unfolded * 100 > self.nodes * most {
            return Err(self.excessive(line));
        }
        Ok(node.clone())
    }

    /// Goes one level in.
    fn enter(&mut self, line: u32) -> Step<()> {
        if self.depth >= DEEPEST {
            let message = format!("nested more than {DEEPEST} levels deep");
            return Err(self.fault(problem::NESTING, line, message));
        }
        self.depth += 1;
        Ok(())
    }

    /// Whether what is read now are the items of a list that the visitor wants one by one.
    fn streams(&self, anchor: Option<&str>) -> bool {
        self.at_items && self.depth == 2 && anchor.is_none()
    }

    fn block_sequence(
        &mut self,
        line: u32,
        indentless: bool,
        anchor: Option<&str>,
    ) -> Step<Node<'a>> {
        self.enter(line)?;
        let streams = self.streams(anchor);
        if !indentless {
            self.take()?;
        }
        let start = self.items.len();
        loop {
            let (next, at) = self.peek()?;
            match next {
                Peeked::BlockEntry => {
                    self.take()?;
                    let (next, _) = self.peek()?;
                    let empty = matches!(next, Peeked::BlockEntry | Peeked::BlockEnd)
                        || (indentless && matches!(next, Peeked::Key | Peeked::Value));
                    let item = if empty {
                        self.empty(at)
                    } else {
                        self.node(true, false)?
                    };
                    if streams {
                        self.visitor.item(item);
                    } else {
                        self.items.push(item);
                    }
                }
                _ if indentless => break,
                Peeked::BlockEnd => {
                    self.take()?;
                    break;
                }
                _ => return Err(self.syntax(at, "did not find expected '-' indicator")),
            }
        }
        self.depth -= 1;
        Ok(Node {
            value: Value::List(self.items.drain(start..).collect()),
            line: self.line(line),
        })
    }

    fn flow_sequence(&mut self, line: u32, anchor: Option<&str>) -> Step<Node<'a>> {
        self.enter(line)?;
        let streams = self.streams(anchor);
        self.take()?;
        let start = self.items.len();
        let mut first = true;
        loop {
            let (mut next, mut at) = self.peek()?;
            if next != Peeked::FlowSequenceEnd && !first {
                if next != Peeked::FlowEntry {
                    return Err(self.unclosed(at, line, b']'));
                }
                self.take()?;
                (next, at) = self.peek()?;
            }
            first = false;
            let item = match next {
                Peeked::FlowSequenceEnd => break,
                Peeked::Key => self.single_pair(at)?,
                _ => self.node(false, false)?,
            };
            if streams {
                self.visitor.item(item);
            } else {
                self.items.push(item);
            }
        }
        self.take()?;
        self.depth -= 1;
        Ok(Node {
            value: Value::List(self.items.drain(start..).collect()),
            line: self.line(line),
        })
    }

    /// `[a: b]` is a list of one mapping.
    fn single_pair(&mut self, line: u32) -> Step<Node<'a>> {
        self.enter(line)?;
        self.nodes += 1;
        self.take()?;
        let (next, at) = self.peek()?;
        let key = match next {
            Peeked::Value | Peeked::FlowEntry | Peeked::FlowSequenceEnd => {
                // libyaml goes past the token here.
                self.take()?;
                self.empty(at)
            }
            _ => self.node(false, false)?,
        };
        let key = self.key(key);
        let (mut next, at) = self.peek()?;
        if next == Peeked::Value {
            self.take()?;
            next = self.peek()?.0;
        } else {
            next = Peeked::FlowEntry;
        }
        let value = match next {
            Peeked::FlowEntry | Peeked::FlowSequenceEnd => self.empty(at),
            _ => self.node(false, false)?,
        };
        let mut map = self.map();
        self.add(&mut map, key, value);
        self.depth -= 1;
        self.close(map, line)
    }

    fn block_mapping(&mut self, line: u32) -> Step<Node<'a>> {
        self.enter(line)?;
        self.take()?;
        let mut map = self.map();
        loop {
            let (next, at) = self.peek()?;
            match next {
                Peeked::Key => {
                    self.take()?;
                    let (next, _) = self.peek()?;
                    let key = match next {
                        Peeked::Key | Peeked::Value | Peeked::BlockEnd => self.empty(at),
                        _ => self.node(true, true)?,
                    };
                    let key = self.key(key);
                    let (mut next, at) = self.peek()?;
                    if next == Peeked::Value {
                        self.take()?;
                        next = self.peek()?.0;
                    } else {
                        next = Peeked::Key;
                    }
                    self.look_for_items(&key);
                    let value = match next {
                        Peeked::Key | Peeked::Value | Peeked::BlockEnd => self.empty(at),
                        _ => self.node(true, true)?,
                    };
                    self.at_items = false;
                    self.add(&mut map, key, value);
                }
                Peeked::BlockEnd => {
                    self.take()?;
                    break;
                }
                _ => return Err(self.syntax(at, "did not find expected key")),
            }
        }
        self.depth -= 1;
        self.close(map, line)
    }

    fn look_for_items(&mut self, key: &Key<'_>) {
        self.at_items = self.streamed
            && self.depth == 1
            && matches!(key, Key::Name(name, _) if name == "items");
    }

    fn flow_mapping(&mut self, line: u32) -> Step<Node<'a>> {
        self.enter(line)?;
        self.take()?;
        let mut map = self.map();
        let mut first = true;
        loop {
            let (mut next, mut at) = self.peek()?;
            if next != Peeked::FlowMappingEnd && !first {
                if next != Peeked::FlowEntry {
                    return Err(self.unclosed(at, line, b'}'));
                }
                self.take()?;
                (next, at) = self.peek()?;
            }
            first = false;
            let (key, value) = match next {
                Peeked::FlowMappingEnd => break,
                Peeked::Key => {
                    self.take()?;
                    let (next, _) = self.peek()?;
                    let key = match next {
                        Peeked::Value | Peeked::FlowEntry | Peeked::FlowMappingEnd => {
                            self.empty(at)
                        }
                        _ => self.node(false, false)?,
                    };
                    let key = self.key(key);
                    let (mut next, at) = self.peek()?;
                    if next == Peeked::Value {
                        self.take()?;
                        next = self.peek()?.0;
                    } else {
                        next = Peeked::FlowEntry;
                    }
                    let value = match next {
                        Peeked::FlowEntry | Peeked::FlowMappingEnd => self.empty(at),
                        _ => self.node(false, false)?,
                    };
                    (key, value)
                }
                _ => {
                    let key = self.node(false, false)?;
                    (self.key(key), self.empty(at))
                }
            };
            self.add(&mut map, key, value);
        }
        self.take()?;
        self.depth -= 1;
        self.close(map, line)
    }

    fn unclosed(&self, at: u32, opened: u32, close: u8) -> Box<Problem> {
        let (open, close) = if close == b']' {
            ('[', ']')
        } else {
            ('{', '}')
        };
        let mut message = format!("did not find expected ',' or '{close}'");
        if at != opened {
            message.push_str(&format!(" for the '{open}' in line {}", self.line(opened)));
        }
        self.syntax(at, message)
    }

    /// What a node is as a key. To be asked right after the node was read.
    fn key(&mut self, node: Node<'a>) -> Key<'a> {
        let line = node.line;
        match node.value {
            Value::Text(text) if self.plain && text == "<<" => Key::Merge,
            Value::Text(text) => Key::Name(text, line),
            value => match value.scalar().and_then(Scalar::to_key) {
                Some(name) => Key::Name(name.into(), line),
                None => {
                    let message = "a key must be a text or a number".to_owned();
                    let problem = Problem::fault(problem::SYNTAX, self.name, line, message);
                    self.visitor.problem(problem);
                    Key::Unusable
                }
            },
        }
    }

    fn map(&self) -> Map<'a> {
        Map {
            start: self.entries.len(),
            merged: Vec::new(),
        }
    }

    fn add(&mut self, map: &mut Map<'a>, key: Key<'a>, value: Node<'a>) {
        match key {
            Key::Name(key, line) => self.entries.push(Entry { key, line, value }),
            Key::Merge => map.merged.push((self.entries.len() - map.start, value)),
            Key::Unusable => {}
        }
    }

    fn close(&mut self, map: Map<'a>, line: u32) -> Step<Node<'a>> {
        let entries = self.entries.drain(map.start..).collect();
        let entries = if map.merged.is_empty() {
            distinct(entries, self.name, self.visitor)
        } else {
            merge(entries, map.merged, self.name, self.visitor)?
        };
        // A mapping is no plain scalar, whatever the last one in it was.
        self.plain = false;
        Ok(Node {
            value: Value::Map(entries.into()),
            line: self.line(line),
        })
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: Style,
        tag: Option<&str>,
        line: u32,
    ) -> Step<Node<'a>> {
        self.plain = (style == Style::Plain && tag.is_none()) || tag == Some("!");
        let value = match tag {
            None if style == Style::Plain => match resolve(&text) {
                None => Value::Text(text),
                Some(Scalar::Float(number)) if !number.is_finite() => {
                    // Good as a key, but JSON has no such value.
                    let scalar = if self.becomes_key()? {
                        Scalar::Float(number)
                    } else {
                        let message = format!("JSON has no number {text}");
                        let problem = self.syntax(line, message).with_help(
                            "kubectl turns YAML into JSON: quote it if a text is meant".to_owned(),
                        );
                        self.visitor.problem(problem);
                        Scalar::Null
                    };
                    Value::Read(Box::new((scalar, text.into())))
                }
                Some(scalar) => match text {
                    Cow::Borrowed(text) => Value::Plain(text),
                    Cow::Owned(text) => Value::Read(Box::new((scalar, text.into()))),
                },
            },
            None => Value::Text(text),
            Some(tag) => tagged(text, tag).map_err(|message| self.syntax(line, message))?,
        };
        Ok(Node {
            value,
            line: self.line(line),
        })
    }

    fn becomes_key(&mut self) -> Step<bool> {
        Ok(self.peek()?.0 == Peeked::Value)
    }
}

fn size(node: &Node<'_>) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|e| 1 + size(&e.value)).sum::<usize>(),
        _ => 0,
    }
}
