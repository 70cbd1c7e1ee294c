//! From text to tokens: literals with their escapes, names, operators.

use std::sync::Arc;

use crate::value::Value;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A number, text, bytes, `true`, `false` or `null`.
    Literal(Value),
    /// A whole number beyond the signed ones, good only after a minus: `9223372036854775808`.
    MostNegative,
    /// A name.
    Name(Arc<str>),
    /// A name in backquotes, which may hold dots, dashes and slashes; good only after a dot.
    Quoted(Arc<str>),
    /// An operator or bracket.
    Symbol(&'static str),
    /// The end.
    End,
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Byte offset.
    pub at: usize,
}

const SYMBOLS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "?", ":", "<", ">", "+", "-", "*", "/", "%", "!", ".", ",",
    "(", ")", "[", "]", "{", "}",
];

/// Cuts a text into tokens, each with its offset; [`Token::End`] comes last.
pub fn tokens(text: &str) -> Result<Vec<(Token, usize)>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip();
        let at = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((token, at));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error<T>(&self, at: usize, message: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError {
            message: message.into(),
            at,
        })
    }

    fn skip(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']);
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn token(&mut self) -> Result<Token, SyntaxError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Token::End);
        };
        if let Some(token) = self.text_literal()? {
            return Ok(token);
        }
        let digit_follows = rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        if first.is_ascii_digit() || (first == '.' && digit_follows) {
            return self.number();
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let length = rest
                .bytes()
                .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
                .count();
            self.at += length;
            return Ok(match &rest[..length] {
                "true" => Token::Literal(Value::Bool(true)),
                "false" => Token::Literal(Value::Bool(false)),
                "null" => Token::Literal(Value::Null),
                "in" => Token::Symbol("in"),
                name => Token::Name(name.into()),
            });
        }
        if let Some(inner) = rest.strip_prefix('`')
            && let Some((name, _)) = inner.split_once('`')
            && !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.-/ ".contains(&b))
        {
            self.at += name.len() + 2;
            return Ok(Token::Quoted(name.into()));
        }
        match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => {
                self.at += symbol.len();
                Ok(Token::Symbol(symbol))
            }
            None => self.error(self.at, format!("token recognition error at: '{first}'")),
        }
    }

    fn number(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        let rest = self.rest();
        if let Some(hex) = rest.strip_prefix("0x") {
            let length = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
            if length > 0 {
                self.at += 2 + length;
                return self.whole(start, &hex[..length], 16);
            }
        }
        let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
        let mut length = digits(rest);
        let mut float = false;
        if let Some(fraction) = rest[length..].strip_prefix('.') {
            let more = digits(fraction);
            if more > 0 {
                float = true;
                length += 1 + more;
            }
        }
        if let Some(exponent) = rest[length..].strip_prefix(['e', 'E']) {
            let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let more = digits(unsigned);
            if more > 0 {
                float = true;
                length += 1 + (exponent.len() - unsigned.len()) + more;
            }
        }
        self.at += length;
        let text = &rest[..length];
        if !float {
            return self.whole(start, text, 10);
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Token::Literal(Value::Double(value))),
            _ => self.error(start, "invalid double literal"),
        }
    }

    fn whole(&mut self, start: usize, digits: &str, radix: u32) -> Result<Token, SyntaxError> {
        let value = u64::from_str_radix(digits, radix);
        if self.rest().starts_with(['u', 'U']) {
            self.at += 1;
            return match value {
                Ok(value) => Ok(Token::Literal(Value::Uint(value))),
                Err(_) => self.error(start, "invalid uint literal"),
            };
        }
        let Ok(value) = value else {
            return self.error(start, "invalid int literal");
        };
        match i64::try_from(value) {
            Ok(value) => Ok(Token::Literal(Value::Int(value))),
            Err(_) if value == i64::MIN.unsigned_abs() => Ok(Token::MostNegative),
            Err(_) => self.error(start, "invalid int literal"),
        }
    }

    fn text_literal(&mut self) -> Result<Option<Token>, SyntaxError> {
        let start = self.at;
        let rest = self.rest();
        let prefix = rest
            .bytes()
            .take_while(|b| b"rRbB".contains(b))
            .count()
            .min(2);
        let letters = rest[..prefix].to_ascii_lowercase();
        if !matches!(letters.as_str(), "" | "r" | "b" | "br") {
            return Ok(None);
        }
        let after = &rest[prefix..];
        let Some(quote) = ["\"\"\"", "'''", "\"", "'"]
            .into_iter()
            .find(|quote| after.starts_with(quote))
        else {
            return Ok(None);
        };
        let (raw, bytes) = (letters.contains('r'), letters.contains('b'));
        self.at += prefix + quote.len();
        let mut out = Vec::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.at += quote.len();
                break;
            }
            let Some(next) = rest.chars().next() else {
                return self.error(start, "unterminated string literal");
            };
            if quote.len() == 1 && matches!(next, '\n' | '\r') {
                return self.error(start, "unterminated string literal");
            }
            if next == '\\' && !raw {
                self.escape(bytes, &mut out)?;
                continue;
            }
            if next == '\r' {
                // The end of a line is a line feed, whatever it is in the file.
                self.at += 1 + usize::from(rest.starts_with("\r\n"));
                out.push(b'\n');
                continue;
            }
            let mut buffer = [0; 4];
            out.extend_from_slice(next.encode_utf8(&mut buffer).as_bytes());
            self.at += next.len_utf8();
        }
        let value = if bytes {
            Value::Bytes(out.into())
        } else {
            match String::from_utf8(out) {
                Ok(text) => Value::String(text.into()),
                Err(_) => return self.error(start, "invalid UTF-8 in string literal"),
            }
        };
        Ok(Some(Token::Literal(value)))
    }

    fn escape(&mut self, bytes: bool, out: &mut Vec<u8>) -> Result<(), SyntaxError> {
        let start = self.at;
        self.at += 1;
        let Some(letter) = self.rest().chars().next() else {
            return self.error(start, "unterminated string literal");
        };
        let simple = match letter {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            '\\' | '\'' | '"' | '`' | '?' => letter as u8,
            _ => 0,
        };
        if simple > 0 {
            self.at += 1;
            out.push(simple);
            return Ok(());
        }
        let (skip, digits, radix) = match letter {
            'x' | 'X' => (1, 2, 16),
            'u' if !bytes => (1, 4, 16),
            'U' if !bytes => (1, 8, 16),
            '0'..='3' => (0, 3, 8),
            _ => return self.error(start, format!("invalid escape sequence: \\{letter}")),
        };
        let from = self.at + skip;
        let code = self
            .text
            .get(from..from + digits)
            .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|text| u32::from_str_radix(text, radix).ok());
        let Some(code) = code else {
            return self.error(start, "invalid escape sequence");
        };
        self.at = from + digits;
        if bytes {
            out.push(u8::try_from(code).unwrap_or_default());
            return Ok(());
        }
        let Some(character) = char::from_u32(code) else {
            return self.error(start, "invalid unicode code point");
        };
        let mut buffer = [0; 4];
        out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        Ok(())
    }
}
