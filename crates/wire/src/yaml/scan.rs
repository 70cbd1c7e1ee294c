//! From text to tokens: the lexical rules of libyaml, which go-yaml v2 has. Tabs, simple keys and
//! indentation are judged as there; texts are borrowed wherever nothing in them has to change.

use std::collections::VecDeque;

use super::token::{Fault, Kind, Style, Token};

/// A token that turns out to be a key if a `:` follows it.
#[derive(Debug, Clone, Copy)]
struct SimpleKey {
    possible: bool,
    /// Nothing but a key can stand here.
    required: bool,
    token: usize,
    at: usize,
    column: usize,
    line: u32,
}

/// A simple key and its `:` lie in one line and within this many characters.
const LONGEST_KEY: usize = 1024;

pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) line: u32,
    /// Where the line begins; `at` less this is the column.
    pub(super) line_start: usize,
    /// Column of the innermost block collection; -1: there is none.
    pub(super) indent: isize,
    indents: Vec<isize>,
    tokens: VecDeque<Token<'a>>,
    /// How many tokens were taken.
    taken: usize,
    /// One for each flow collection around, and one for the block.
    keys: Vec<SimpleKey>,
    pub(super) key_allowed: bool,
}

const NO_KEY: SimpleKey = SimpleKey {
    possible: false,
    required: false,
    token: 0,
    at: 0,
    column: 0,
    line: 0,
};

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Scanner {
            text,
            bytes: text.as_bytes(),
            at: 0,
            line: 0,
            line_start: 0,
            indent: -1,
            indents: Vec::new(),
            tokens: VecDeque::with_capacity(16),
            taken: 0,
            keys: vec![NO_KEY],
            key_allowed: true,
        }
    }

    /// The next token, which stays.
    pub(super) fn peek(&mut self) -> Result<&Token<'a>, Fault> {
        self.fetch()?;
        Ok(self.tokens.front().expect("a token was fetched"))
    }

    /// Takes the next token. After the last one it is the last one again.
    pub(super) fn take(&mut self) -> Result<Token<'a>, Fault> {
        self.fetch()?;
        self.taken += 1;
        Ok(self.tokens.pop_front().expect("a token was fetched"))
    }

    /// Makes tokens until the first one is sure not to become a key.
    fn fetch(&mut self) -> Result<(), Fault> {
        loop {
            if !self.tokens.is_empty() {
                let taken = self.taken;
                let head = self
                    .keys
                    .iter()
                    .position(|k| k.possible && k.token == taken);
                match head {
                    Some(index) if self.still_possible(index)? => {}
                    _ => return Ok(()),
                }
            }
            self.fetch_one()?;
        }
    }

    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn column(&self) -> usize {
        self.at - self.line_start
    }

    pub(super) fn in_flow(&self) -> bool {
        self.keys.len() > 1
    }

    /// Length of the line break that stands `ahead`; 0: none does.
    pub(super) fn break_length(&self, ahead: usize) -> usize {
        match self.byte(ahead) {
            b'\n' => 1,
            b'\r' => 1 + usize::from(self.byte(ahead + 1) == b'\n'),
            0xC2 if self.byte(ahead + 1) == 0x85 => 2,
            0xE2 if self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xA8 | 0xA9) => {
                3
            }
            _ => 0,
        }
    }

    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    /// Whether a blank, a line break or the end stands `ahead`.
    pub(super) fn is_blank_or_end(&self, ahead: usize) -> bool {
        match self.byte(ahead) {
            b' ' | b'\t' | b'\n' | b'\r' => true,
            0 => self.at + ahead >= self.bytes.len(),
            0xC2 | 0xE2 => self.break_length(ahead) > 0,
            _ => false,
        }
    }

    /// Goes past a line break and gives it as YAML reads it.
    pub(super) fn read_break(&mut self) -> &'a str {
        let length = self.break_length(0);
        let text = &self.text[self.at..self.at + length];
        self.at += length;
        self.line += 1;
        self.line_start = self.at;
        if length == 3 { text } else { "\n" }
    }

    pub(super) fn fault<T>(&self, line: u32, message: &'static str) -> Result<T, Fault> {
        Err(Fault {
            line,
            message: message.into(),
        })
    }

    fn push(&mut self, kind: Kind<'a>, line: u32) {
        self.tokens.push_back(Token { kind, line });
    }

    fn fetch_one(&mut self) -> Result<(), Fault> {
        self.skip_to_token();
        let line = self.line;
        if self.at_end() {
            // The end is in the last line, not below it.
            if self.column() == 0 {
                self.line = line.saturating_sub(1);
            }
            self.unroll(-1);
            self.forget_key()?;
            self.key_allowed = false;
            self.push(Kind::StreamEnd, self.line);
            // Whatever could have become a key no longer can.
            self.line = line + 1;
            return Ok(());
        }
        self.unroll(self.column() as isize);
        let byte = self.byte(0);
        if self.column() == 0 {
            if byte == b'%' {
                return Err(Fault {
                    line,
                    message: "found a directive, but no document of its own below it".into(),
                });
            }
            if self.at_indicator() {
                self.unroll(-1);
                self.forget_key()?;
                self.key_allowed = false;
                self.at += 3;
                let kind = if byte == b'-' {
                    Kind::DocumentStart
                } else {
                    Kind::DocumentEnd
                };
                self.push(kind, line);
                return Ok(());
            }
        }
        let flow = self.in_flow();
        match byte {
            b'[' => self.open_flow(Kind::FlowSequenceStart),
            b'{' => self.open_flow(Kind::FlowMappingStart),
            b']' => self.close_flow(Kind::FlowSequenceEnd),
            b'}' => self.close_flow(Kind::FlowMappingEnd),
            b',' => {
                self.forget_key()?;
                self.key_allowed = true;
                self.at += 1;
                self.push(Kind::FlowEntry, line);
                Ok(())
            }
            b'-' if self.is_blank_or_end(1) => {
                if !flow {
                    if !self.key_allowed {
                        let message = "block sequence entries are not allowed in this context";
                        return self.fault(line, message);
                    }
                    self.roll(self.column(), None, Kind::BlockSequenceStart, line);
                }
                self.forget_key()?;
                self.key_allowed = true;
                self.at += 1;
                self.push(Kind::BlockEntry, line);
                Ok(())
            }
            b'?' if flow || self.is_blank_or_end(1) => {
                if !flow {
                    if !self.key_allowed {
                        return self.fault(line, "mapping keys are not allowed in this context");
                    }
                    self.roll(self.column(), None, Kind::BlockMappingStart, line);
                }
                self.forget_key()?;
                self.key_allowed = !flow;
                self.at += 1;
                self.push(Kind::Key, line);
                Ok(())
            }
            b':' if flow || self.is_blank_or_end(1) => self.value(),
            b'*' | b'&' => {
                self.save_key()?;
                self.key_allowed = false;
                let name = self.anchor()?;
                let kind = if byte == b'*' {
                    Kind::Alias(name)
                } else {
                    Kind::Anchor(name)
                };
                self.push(kind, line);
                Ok(())
            }
            b'!' => {
                self.save_key()?;
                self.key_allowed = false;
                let tag = self.tag()?;
                self.push(Kind::Tag(tag), line);
                Ok(())
            }
            b'|' | b'>' if !flow => {
                self.forget_key()?;
                self.key_allowed = true;
                let text = self.block_scalar(byte == b'|')?;
                self.push(Kind::Scalar(text, Style::Quoted), line);
                Ok(())
            }
            b'\'' | b'"' => {
                self.save_key()?;
                self.key_allowed = false;
                let text = self.quoted_scalar(byte)?;
                self.push(Kind::Scalar(text, Style::Quoted), line);
                Ok(())
            }
            b'%' | b'@' | b'`' | b'|' | b'>' | b'\t' | b'#' => {
                self.fault(line, "found character that cannot start any token")
            }
            _ => {
                self.save_key()?;
                self.key_allowed = false;
                let text = self.plain_scalar()?;
                self.push(Kind::Scalar(text, Style::Plain), line);
                Ok(())
            }
        }
    }

    /// Whether `---` or `...` stands here, in the first column.
    pub(super) fn at_indicator(&self) -> bool {
        self.column() == 0
            && (self.bytes[self.at..].starts_with(b"---")
                || self.bytes[self.at..].starts_with(b"..."))
            && self.is_blank_or_end(3)
    }

    fn skip_to_token(&mut self) {
        loop {
            while self.byte(0) == b' '
                || (self.byte(0) == b'\t' && (self.in_flow() || !self.key_allowed))
            {
                self.at += 1;
            }
            if self.byte(0) == b'#' {
                while !self.at_end() && self.break_length(0) == 0 {
                    self.at += 1;
                }
            }
            if self.break_length(0) == 0 {
                return;
            }
            self.read_break();
            if !self.in_flow() {
                self.key_allowed = true;
            }
        }
    }

    /// Whether a `:` here would make that token a key.
    fn still_possible(&mut self, index: usize) -> Result<bool, Fault> {
        let key = self.keys[index];
        if !key.possible {
            return Ok(false);
        }
        let length = self.at - key.at;
        let too_long = length > 4 * LONGEST_KEY
            || (length > LONGEST_KEY && self.text[key.at..self.at].chars().count() > LONGEST_KEY);
        if key.line < self.line || too_long {
            if key.required {
                return self.fault(key.line, "could not find expected ':'");
            }
            self.keys[index].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_key(&mut self) -> Result<(), Fault> {
        if !self.key_allowed {
            return Ok(());
        }
        self.forget_key()?;
        let key = SimpleKey {
            possible: true,
            required: !self.in_flow() && self.indent == self.column() as isize,
            token: self.taken + self.tokens.len(),
            at: self.at,
            column: self.column(),
            line: self.line,
        };
        *self.keys.last_mut().expect("the block's own key") = key;
        Ok(())
    }

    fn forget_key(&mut self) -> Result<(), Fault> {
        let key = self.keys.last_mut().expect("the block's own key");
        if key.possible && key.required {
            let line = key.line;
            return self.fault(line, "could not find expected ':'");
        }
        key.possible = false;
        Ok(())
    }

    /// Opens a block collection if this column is farther in than the one around.
    /// `before` is the token that it begins with; `None`: one that is yet to come.
    fn roll(&mut self, column: usize, before: Option<usize>, kind: Kind<'a>, line: u32) {
        let column = column as isize;
        if self.in_flow() || self.indent >= column {
            return;
        }
        self.indents.push(self.indent);
        self.indent = column;
        let token = Token { kind, line };
        match before {
            Some(number) => self.tokens.insert(number - self.taken, token),
            None => self.tokens.push_back(token),
        }
    }

    /// Closes the block collections that are farther in than this column.
    fn unroll(&mut self, column: isize) {
        if self.in_flow() {
            return;
        }
        while self.indent > column {
            self.push(Kind::BlockEnd, self.line);
            self.indent = self.indents.pop().expect("each indent was opened");
        }
    }

    fn open_flow(&mut self, kind: Kind<'a>) -> Result<(), Fault> {
        self.save_key()?;
        self.keys.push(NO_KEY);
        self.key_allowed = true;
        self.at += 1;
        self.push(kind, self.line);
        Ok(())
    }

    fn close_flow(&mut self, kind: Kind<'a>) -> Result<(), Fault> {
        self.forget_key()?;
        if self.in_flow() {
            self.keys.pop();
        }
        self.key_allowed = false;
        self.at += 1;
        self.push(kind, self.line);
        Ok(())
    }

    fn value(&mut self) -> Result<(), Fault> {
        let last = self.keys.len() - 1;
        let line = self.line;
        if self.still_possible(last)? {
            let key = self.keys[last];
            let token = Token {
                kind: Kind::Key,
                line: key.line,
            };
            self.tokens.insert(key.token - self.taken, token);
            self.roll(
                key.column,
                Some(key.token),
                Kind::BlockMappingStart,
                key.line,
            );
            self.keys[last].possible = false;
            self.key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.key_allowed {
                    return self.fault(line, "mapping values are not allowed in this context");
                }
                self.roll(self.column(), None, Kind::BlockMappingStart, line);
            }
            self.key_allowed = !self.in_flow();
        }
        self.at += 1;
        self.push(Kind::Value, line);
        Ok(())
    }

    fn anchor(&mut self) -> Result<&'a str, Fault> {
        self.at += 1;
        let start = self.at;
        while is_word(self.byte(0)) {
            self.at += 1;
        }
        let ends = self.is_blank_or_end(0)
            || matches!(
                self.byte(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if self.at == start || !ends {
            let message = "did not find expected alphabetic or numeric character";
            return self.fault(self.line, message);
        }
        Ok(&self.text[start..self.at])
    }

    fn tag(&mut self) -> Result<String, Fault> {
        const CORE: &str = "tag:yaml.org,2002:";
        let line = self.line;
        let tag = if self.byte(1) == b'<' {
            self.at += 2;
            let tag = self.tag_uri(String::new(), false)?;
            if self.byte(0) != b'>' {
                return self.fault(line, "did not find the expected '>'");
            }
            self.at += 1;
            tag
        } else {
            let start = self.at;
            self.at += 1;
            while is_word(self.byte(0)) {
                self.at += 1;
            }
            if self.byte(0) == b'!' {
                self.at += 1;
                let handle = &self.text[start..self.at];
                let suffix = self.tag_uri(String::new(), false)?;
                // `%TAG` cannot be used, so no other handle is ever defined.
                if handle != "!!" {
                    return self.fault(line, "found undefined tag handle");
                }
                format!("{CORE}{suffix}")
            } else {
                let head = self.text[start..self.at].to_owned();
                self.tag_uri(head, true)?
            }
        };
        if !self.is_blank_or_end(0) {
            return self.fault(line, "did not find expected whitespace or line break");
        }
        Ok(tag)
    }

    fn tag_uri(&mut self, mut uri: String, may_be_empty: bool) -> Result<String, Fault> {
        let start = self.at;
        loop {
            let byte = self.byte(0);
            if byte == b'%' {
                let escaped = self.uri_escape()?;
                uri.push(escaped);
            } else if is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) {
                uri.push(char::from(byte));
                self.at += 1;
            } else {
                break;
            }
        }
        if self.at == start && !may_be_empty {
            return self.fault(self.line, "did not find expected tag URI");
        }
        Ok(uri)
    }

    /// One character, written as `%` and two hexadecimal digits for each of its bytes.
    fn uri_escape(&mut self) -> Result<char, Fault> {
        let mut octets = Vec::with_capacity(4);
        loop {
            let digits = self.text.get(self.at + 1..self.at + 3);
            let octet = digits
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let (b'%', Some(octet)) = (self.byte(0), octet) else {
                return self.fault(self.line, "did not find URI escaped octet");
            };
            octets.push(octet);
            self.at += 3;
            match std::str::from_utf8(&octets) {
                Ok(text) => return Ok(text.chars().next().unwrap_or_default()),
                Err(error) if error.error_len().is_some() => {
                    return self.fault(self.line, "found an incorrect UTF-8 octet");
                }
                Err(_) => {}
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
