//! From quotes, plain lines and blocks to texts: folding, chomping and escapes as in libyaml.

use std::borrow::Cow;

use super::scan::Scanner;
use super::token::Fault;

/// A line break and those that follow it, until it is known what they become.
#[derive(Default)]
struct Breaks {
    first: &'static str,
    more: String,
}

impl Breaks {
    fn add(&mut self, line_break: &str) {
        if self.first.is_empty() {
            self.first = match line_break {
                "\u{2028}" => "\u{2028}",
                "\u{2029}" => "\u{2029}",
                _ => "\n",
            };
        } else {
            self.more.push_str(line_break);
        }
    }

    /// One break becomes a space; of several, the first one vanishes.
    fn fold_into(&mut self, text: &mut String) {
        if self.first != "\n" {
            text.push_str(self.first);
            text.push_str(&self.more);
        } else if self.more.is_empty() {
            text.push(' ');
        } else {
            text.push_str(&self.more);
        }
        self.first = "";
        self.more.clear();
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn plain_scalar(&mut self) -> Result<Cow<'a, str>, Fault> {
        let indent = self.indent + 1;
        let flow = self.in_flow();
        let start = self.at;
        let mut end = start;
        // Only what spans lines has to be put together.
        let mut folded: Option<String> = None;
        let mut breaks = Breaks::default();
        let mut on_new_line = false;
        loop {
            if self.at_indicator() || self.byte(0) == b'#' {
                break;
            }
            let from = self.at;
            self.skip_plain(flow);
            if self.at > from {
                if on_new_line {
                    let text = folded.get_or_insert_with(|| self.text[start..end].to_owned());
                    breaks.fold_into(text);
                    text.push_str(&self.text[from..self.at]);
                    on_new_line = false;
                } else if let Some(text) = &mut folded {
                    text.push_str(&self.text[end..self.at]);
                }
                end = self.at;
            }
            if !self.is_blank(0) && self.break_length(0) == 0 {
                break;
            }
            loop {
                if self.is_blank(0) {
                    if on_new_line && self.byte(0) == b'\t' && (self.column() as isize) < indent {
                        let message = "found a tab character that violates indentation";
                        return self.fault(self.line, message);
                    }
                    self.at += 1;
                } else if self.break_length(0) > 0 {
                    let line_break = self.read_break();
                    breaks.add(line_break);
                    on_new_line = true;
                } else {
                    break;
                }
            }
            if !flow && (self.column() as isize) < indent {
                break;
            }
        }
        if on_new_line {
            self.key_allowed = true;
        }
        Ok(match folded {
            Some(text) => text.into(),
            None => self.text[start..end].into(),
        })
    }

    /// Goes to the end of a word.
    fn skip_plain(&mut self, flow: bool) {
        loop {
            match self.byte(0) {
                b' ' | b'\t' | b'\n' | b'\r' => return,
                b':' if self.is_blank_or_end(1) => return,
                b',' | b'?' | b'[' | b']' | b'{' | b'}' if flow => return,
                0 if self.at_end() => return,
                0xC2 | 0xE2 if self.break_length(0) > 0 => return,
                _ => self.at += 1,
            }
        }
    }

    pub(super) fn quoted_scalar(&mut self, quote: u8) -> Result<Cow<'a, str>, Fault> {
        let line = self.line;
        self.at += 1;
        let start = self.at;
        self.skip_quoted(quote);
        if self.byte(0) == quote && !(quote == b'\'' && self.byte(1) == quote) {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(text.into());
        }
        // Begin anew: blanks before a line break vanish.
        self.at = start;
        let mut text = String::new();
        let mut breaks = Breaks::default();
        loop {
            if self.at_indicator() {
                return self.fault(line, "found unexpected document indicator");
            }
            if self.at_end() {
                return self.fault(line, "found unexpected end of stream");
            }
            let mut on_new_line = false;
            while !self.is_blank_or_end(0) {
                let byte = self.byte(0);
                if byte == b'\'' && quote == b'\'' && self.byte(1) == quote {
                    text.push('\'');
                    self.at += 2;
                } else if byte == quote {
                    break;
                } else if byte == b'\\' && quote == b'"' {
                    if self.break_length(1) > 0 {
                        self.at += 1;
                        self.read_break();
                        on_new_line = true;
                        break;
                    }
                    self.escape(&mut text)?;
                } else {
                    let from = self.at;
                    self.at += 1;
                    while !self.text.is_char_boundary(self.at) {
                        self.at += 1;
                    }
                    text.push_str(&self.text[from..self.at]);
                }
            }
            if self.byte(0) == quote {
                self.at += 1;
                return Ok(text.into());
            }
            let from = self.at;
            loop {
                if self.is_blank(0) {
                    self.at += 1;
                } else if self.break_length(0) > 0 {
                    let line_break = self.read_break();
                    // After an escaped break, all others stay.
                    if on_new_line && breaks.first.is_empty() {
                        breaks.more.push_str(line_break);
                    } else {
                        breaks.add(line_break);
                    }
                    on_new_line = true;
                } else {
                    break;
                }
            }
            if !on_new_line {
                text.push_str(&self.text[from..self.at]);
            } else if breaks.first.is_empty() {
                text.push_str(&breaks.more);
                breaks.more.clear();
            } else {
                breaks.fold_into(&mut text);
            }
        }
    }

    /// Goes to the first place where what is written is not what is meant, or to the end.
    fn skip_quoted(&mut self, quote: u8) {
        loop {
            match self.byte(0) {
                b'\n' | b'\r' => return,
                b'\\' if quote == b'"' => return,
                0 if self.at_end() => return,
                0xC2 | 0xE2 if self.break_length(0) > 0 => return,
                byte if byte == quote => return,
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), Fault> {
        let line = self.line;
        let mut digits = 0;
        match self.byte(1) {
            b'0' => text.push('\0'),
            b'a' => text.push('\x07'),
            b'b' => text.push('\x08'),
            b't' | b'\t' => text.push('\t'),
            b'n' => text.push('\n'),
            b'v' => text.push('\x0B'),
            b'f' => text.push('\x0C'),
            b'r' => text.push('\r'),
            b'e' => text.push('\x1B'),
            byte @ (b' ' | b'"' | b'\'' | b'\\') => text.push(char::from(byte)),
            b'N' => text.push('\u{85}'),
            b'_' => text.push('\u{a0}'),
            b'L' => text.push('\u{2028}'),
            b'P' => text.push('\u{2029}'),
            b'x' => digits = 2,
            b'u' => digits = 4,
            b'U' => digits = 8,
            _ => return self.fault(line, "found unknown escape character"),
        }
        self.at += 2;
        if digits == 0 {
            return Ok(());
        }
        let mut value: u32 = 0;
        for ahead in 0..digits {
            let Some(digit) = char::from(self.byte(ahead)).to_digit(16) else {
                return self.fault(line, "did not find expected hexdecimal number");
            };
            value = value << 4 | digit;
        }
        let Some(character) = char::from_u32(value) else {
            return self.fault(line, "found invalid Unicode character escape code");
        };
        text.push(character);
        self.at += digits;
        Ok(())
    }

    pub(super) fn block_scalar(&mut self, literal: bool) -> Result<Cow<'a, str>, Fault> {
        let line = self.line;
        self.at += 1;
        let mut chomp = None;
        let mut increment = 0;
        for _ in 0..2 {
            match self.byte(0) {
                sign @ (b'+' | b'-') if chomp.is_none() => chomp = Some(sign),
                b'0' if increment == 0 => {
                    return self.fault(line, "found an indentation indicator equal to 0");
                }
                digit @ b'1'..=b'9' if increment == 0 => increment = isize::from(digit - b'0'),
                _ => break,
            }
            self.at += 1;
        }
        while self.is_blank(0) {
            self.at += 1;
        }
        if self.byte(0) == b'#' {
            self.skip_line();
        }
        if self.break_length(0) > 0 {
            self.read_break();
        } else if !self.at_end() {
            return self.fault(line, "did not find expected comment or line break");
        }
        let mut indent = match increment {
            0 => 0,
            _ => self.indent.max(0) + increment,
        };
        let mut text = String::new();
        let mut trailing = String::new();
        let mut last_break = "";
        let mut after_blank = false;
        self.block_breaks(&mut indent, &mut trailing)?;
        while self.column() as isize == indent && !self.at_end() {
            let blank = self.is_blank(0);
            if !literal && !after_blank && !blank && last_break == "\n" {
                if trailing.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(last_break);
            }
            text.push_str(&trailing);
            trailing.clear();
            after_blank = blank;
            let from = self.at;
            self.skip_line();
            text.push_str(&self.text[from..self.at]);
            last_break = match self.break_length(0) {
                0 => "",
                _ => self.read_break(),
            };
            self.block_breaks(&mut indent, &mut trailing)?;
        }
        if chomp != Some(b'-') {
            text.push_str(last_break);
        }
        if chomp == Some(b'+') {
            text.push_str(&trailing);
        }
        Ok(text.into())
    }

    fn skip_line(&mut self) {
        while !self.at_end() && self.break_length(0) == 0 {
            self.at += 1;
        }
    }

    /// Goes past empty lines and the indentation of the next one, which decides if none is given.
    fn block_breaks(&mut self, indent: &mut isize, breaks: &mut String) -> Result<(), Fault> {
        let mut deepest = 0;
        loop {
            let inside = |scanner: &Self| *indent == 0 || (scanner.column() as isize) < *indent;
            while self.byte(0) == b' ' && inside(self) {
                self.at += 1;
            }
            deepest = deepest.max(self.column() as isize);
            if self.byte(0) == b'\t' && inside(self) {
                let message = "found a tab character where an indentation space is expected";
                return self.fault(self.line, message);
            }
            if self.break_length(0) == 0 {
                break;
            }
            let line_break = self.read_break();
            breaks.push_str(line_break);
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent + 1).max(1);
        }
        Ok(())
    }
}
