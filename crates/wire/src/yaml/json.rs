//! JSON as Go reads it, for sources that begin with it: surrogate pairs, `\/`, and numbers that keep
//! their point.

use std::borrow::Cow;
use std::sync::Arc;

use super::compose::DEEPEST;
use super::keys::distinct;
use super::scalar::Scalar;
use super::{Entry, Node, Value, Visitor};
use crate::problem::{self, Problem};

/// Finds where values begin and end, without reading them.
pub(super) struct Skipper<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Closing brackets of what is open.
    open: Vec<u8>,
}

impl<'a> Skipper<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Skipper {
            bytes: text.as_bytes(),
            at: 0,
            open: Vec::new(),
        }
    }

    /// The range of the next value. `None`: there is no more, or it is no JSON.
    pub(super) fn skip_value(&mut self) -> Option<(usize, usize)> {
        self.skip_space();
        let start = self.at;
        self.open.clear();
        let mut at_value = true;
        loop {
            self.skip_space();
            if at_value {
                at_value = self.skip_beginning()?;
            } else {
                match (self.open.last(), self.bytes.get(self.at)) {
                    (None, _) => return Some((start, self.at)),
                    (Some(close), Some(byte)) if byte == close => {
                        self.at += 1;
                        self.open.pop();
                    }
                    (Some(close), Some(b',')) => {
                        self.at += 1;
                        if *close == b'}' {
                            self.skip_key()?;
                        }
                        at_value = true;
                    }
                    _ => return None,
                }
            }
            if self.open.is_empty() && !at_value {
                return Some((start, self.at));
            }
        }
    }

    /// Goes past a scalar or an opening bracket, and says whether a value follows.
    fn skip_beginning(&mut self) -> Option<bool> {
        match self.bytes.get(self.at)? {
            open @ (b'{' | b'[') => {
                let close = if *open == b'{' { b'}' } else { b']' };
                self.at += 1;
                self.open.push(close);
                self.skip_space();
                if self.bytes.get(self.at) == Some(&close) {
                    return Some(false);
                }
                if close == b'}' {
                    self.skip_key()?;
                }
                return Some(true);
            }
            b'"' => self.skip_string()?,
            b'-' | b'0'..=b'9' => self.skip_number()?,
            _ => {
                let word = [&b"true"[..], b"false", b"null"]
                    .into_iter()
                    .find(|word| self.bytes[self.at..].starts_with(word))?;
                self.at += word.len();
            }
        }
        Some(false)
    }

    fn skip_key(&mut self) -> Option<()> {
        self.skip_space();
        self.skip_string()?;
        self.skip_space();
        (self.bytes.get(self.at)? == &b':').then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        if self.bytes.get(self.at)? != &b'"' {
            return None;
        }
        self.at += 1;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => match self.bytes.get(self.at + 1)? {
                    b'u' => {
                        let digits = self.bytes.get(self.at + 2..self.at + 6)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        self.at += 6;
                    }
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
                    _ => return None,
                },
                ..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    fn skip_number(&mut self) -> Option<()> {
        self.at += usize::from(self.bytes[self.at] == b'-');
        match self.bytes.get(self.at)? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.skip_digits()?,
            _ => return None,
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.skip_digits()?;
        }
        Some(())
    }

    fn skip_digits(&mut self) -> Option<()> {
        let digits = self.bytes[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += digits;
        (digits > 0).then_some(())
    }
}

/// Reads one value that a [`Skipper`] found, and gives it to the visitor.
pub(super) fn read(name: &Arc<str>, text: &str, lines_before: u32, visitor: &mut dyn Visitor) {
    let mut reader = Reader {
        name,
        text,
        at: 0,
        line: lines_before + 1,
        depth: 0,
        visitor,
    };
    match reader.value() {
        Some(root) if root.is_null() => {}
        Some(root) => visitor.document(root),
        None => {
            let message = format!("nested more than {DEEPEST} levels deep");
            let problem = Problem::fault(problem::NESTING, name, reader.line, message);
            visitor.problem(problem);
        }
    }
}

struct Reader<'a, 'v> {
    name: &'v Arc<str>,
    text: &'a str,
    at: usize,
    line: u32,
    depth: usize,
    visitor: &'v mut dyn Visitor,
}

impl<'a> Reader<'a, '_> {
    /// The next byte that is no space, or a zero at the end.
    fn next(&mut self) -> u8 {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b'\n') => self.line += 1,
                Some(b' ' | b'\t' | b'\r') => {}
                Some(byte) => return *byte,
                None => return 0,
            }
            self.at += 1;
        }
    }

    /// `None`: it is nested too deep.
    fn value(&mut self) -> Option<Node<'a>> {
        let first = self.next();
        let line = self.line;
        let value = match first {
            b'{' | b'[' if self.depth >= DEEPEST => return None,
            b'{' => {
                self.depth += 1;
                let mut entries = Vec::new();
                while self.more(b'}') {
                    let line = self.line;
                    let key = self.string();
                    self.next();
                    self.at += 1;
                    let value = self.value()?;
                    entries.push(Entry { key, line, value });
                }
                self.depth -= 1;
                Value::Map(distinct(entries, self.name, self.visitor).into())
            }
            b'[' => {
                self.depth += 1;
                let mut items = Vec::new();
                while self.more(b']') {
                    items.push(self.value()?);
                }
                self.depth -= 1;
                Value::List(items.into())
            }
            b'"' => Value::Text(self.string()),
            _ => {
                let rest = &self.text[self.at..];
                let end = rest
                    .find([',', '}', ']', ' ', '\t', '\n', '\r'])
                    .unwrap_or(rest.len());
                self.at += end;
                word(&rest[..end])
            }
        };
        Some(Node { value, line })
    }

    /// Goes past an opening bracket, a comma or the closing bracket; false: it was that.
    fn more(&mut self, close: u8) -> bool {
        let found = self.next();
        let opening = matches!(found, b'{' | b'[');
        if found == close || opening || found == b',' {
            self.at += 1;
        }
        if opening && self.next() == close {
            self.at += 1;
            return false;
        }
        self.next();
        found != close
    }

    fn string(&mut self) -> Cow<'a, str> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = start;
        loop {
            match bytes[at] {
                b'"' => {
                    self.at = at + 1;
                    return self.text[start..at].into();
                }
                b'\\' => break,
                _ => at += 1,
            }
        }
        let mut text = self.text[start..at].to_owned();
        loop {
            let rest = &self.text[at..];
            let plain = rest.find(['"', '\\']).unwrap_or(rest.len());
            text.push_str(&rest[..plain]);
            at += plain;
            if bytes[at] == b'"' {
                self.at = at + 1;
                return text.into();
            }
            at += 2;
            match bytes[at - 1] {
                b'b' => text.push('\x08'),
                b'f' => text.push('\x0C'),
                b'n' => text.push('\n'),
                b'r' => text.push('\r'),
                b't' => text.push('\t'),
                b'u' => {
                    let high = self.hex(at);
                    at += 4;
                    let pair = (bytes[at..].starts_with(b"\\u"))
                        .then(|| [high, self.hex(at + 2)])
                        .and_then(|pair| char::decode_utf16(pair).next()?.ok())
                        .filter(|c| c.len_utf16() == 2);
                    at += if pair.is_some() { 6 } else { 0 };
                    // Go reads half a pair as the replacement character.
                    text.push(
                        pair.or(char::from_u32(high.into()))
                            .unwrap_or(char::REPLACEMENT_CHARACTER),
                    );
                }
                byte => text.push(char::from(byte)),
            }
        }
    }

    fn hex(&self, at: usize) -> u16 {
        u16::from_str_radix(&self.text[at..at + 4], 16).expect("the value was found to be JSON")
    }
}

fn word<'a>(text: &'a str) -> Value<'a> {
    let scalar = match text {
        "null" => return Value::Plain("null"),
        "true" => return Value::Plain("true"),
        "false" => return Value::Plain("false"),
        _ if text.contains(['.', 'e', 'E']) => None,
        _ => None
            .or_else(|| text.parse().map(Scalar::Int).ok())
            .or_else(|| text.parse().map(Scalar::Unsigned).ok()),
    };
    match scalar {
        Some(_) => Value::Plain(text),
        // JSON's `1.0` is no whole number to the API server, other than YAML's.
        None => Value::Read(Box::new((
            Scalar::Float(text.parse().unwrap_or(f64::INFINITY)),
            text.into(),
        ))),
    }
}
