//! From tokens to a tree, macros expanded.

use std::sync::Arc;

use crate::lex::{SyntaxError, Token, tokens};
use crate::macros;
use crate::syntax::{CallPlan, Entry, Expr, Field, Item, Kind};
use crate::value::Value;

/// Nesting beyond this is refused, as in cel-go; it also bounds the recursion of all that follows.
const DEEPEST: usize = 250;

/// Longer texts are refused, as in cel-go: code points.
const LONGEST: usize = 100_000;

/// Names that CEL keeps for itself.
const RESERVED: [&str; 19] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
    "__result__",
    "@result",
];

/// Parses an expression.
pub fn parse(text: &str) -> Result<Expr, SyntaxError> {
    let length = text.chars().count();
    if length > LONGEST {
        return Err(SyntaxError {
            message: format!(
                "expression code point size exceeds limit: size: {length}, limit {LONGEST}"
            ),
            at: 0,
        });
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
    };
    let expr = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => parser.unexpected(),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: usize,
}

type Parsed = Result<Expr, SyntaxError>;

fn call(function: &str, arguments: Vec<Expr>, at: usize) -> Expr {
    Expr {
        kind: Kind::Call {
            function: function.into(),
            arguments,
            method: false,
            plan: CallPlan::default(),
        },
        at,
        id: 0,
    }
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].0
    }

    fn at(&self) -> usize {
        self.tokens[self.next].1
    }

    fn take(&mut self) -> Token {
        let token = self.tokens[self.next].0.clone();
        if self.next + 1 < self.tokens.len() {
            self.next += 1;
        }
        token
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(s) if *s == symbol);
        if found {
            self.take();
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), SyntaxError> {
        if self.eat(symbol) {
            Ok(())
        } else {
            self.unexpected()
        }
    }

    fn unexpected<T>(&self) -> Result<T, SyntaxError> {
        let found = match self.peek() {
            Token::End => "<EOF>".to_owned(),
            Token::Symbol(symbol) => format!("'{symbol}'"),
            Token::Name(name) => format!("'{name}'"),
            Token::Quoted(name) => format!("'`{name}`'"),
            Token::Literal(_) | Token::MostNegative => "a literal".to_owned(),
        };
        self.error(self.at(), format!("syntax error: unexpected {found}"))
    }

    fn error<T>(&self, at: usize, message: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError {
            message: message.into(),
            at,
        })
    }

    fn deeper<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.error(
                self.at(),
                format!("expression recursion limit exceeded: {DEEPEST}"),
            );
        }
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn expression(&mut self) -> Parsed {
        self.deeper(|parser| {
            let condition = parser.or()?;
            let at = parser.at();
            if !parser.eat("?") {
                return Ok(condition);
            }
            let yes = parser.or()?;
            parser.expect(":")?;
            let no = parser.expression()?;
            Ok(call("_?_:_", vec![condition, yes, no], at))
        })
    }

    fn or(&mut self) -> Parsed {
        self.logic("||", "_||_", |parser| {
            parser.logic("&&", "_&&_", Parser::relation)
        })
    }

    /// Chains of one logical operator are balanced, so that long ones are not deep.
    fn logic(
        &mut self,
        symbol: &str,
        function: &str,
        mut operand: impl FnMut(&mut Self) -> Parsed,
    ) -> Parsed {
        let mut terms = vec![operand(self)?];
        let mut ats = Vec::new();
        loop {
            let at = self.at();
            if !self.eat(symbol) {
                break;
            }
            ats.push(at);
            terms.push(operand(self)?);
        }
        fn balance(terms: &mut Vec<Expr>, ats: &[usize], function: &str) -> Expr {
            if ats.is_empty() {
                return terms
                    .pop()
                    .expect("a term stands on either side of an operator");
            }
            let middle = ats.len() / 2;
            let mut right = terms.split_off(middle + 1);
            let left = balance(terms, &ats[..middle], function);
            let right = balance(&mut right, &ats[middle + 1..], function);
            call(function, vec![left, right], ats[middle])
        }
        Ok(balance(&mut terms, &ats, function))
    }

    fn binary(
        &mut self,
        operators: &[(&str, &str)],
        mut operand: impl FnMut(&mut Self) -> Parsed,
    ) -> Parsed {
        let mut left = operand(self)?;
        let mut length = 0;
        loop {
            let at = self.at();
            let Some((_, function)) = operators.iter().find(|(symbol, _)| self.eat(symbol)) else {
                return Ok(left);
            };
            length += 1;
            if self.depth + length > DEEPEST {
                return self.error(
                    at,
                    format!("expression recursion limit exceeded: {DEEPEST}"),
                );
            }
            let right = operand(self)?;
            left = call(function, vec![left, right], at);
        }
    }

    fn relation(&mut self) -> Parsed {
        const OPERATORS: [(&str, &str); 7] = [
            ("==", "_==_"),
            ("!=", "_!=_"),
            ("<=", "_<=_"),
            (">=", "_>=_"),
            ("<", "_<_"),
            (">", "_>_"),
            ("in", "@in"),
        ];
        self.binary(&OPERATORS, |parser| {
            parser.binary(&[("+", "_+_"), ("-", "_-_")], |parser| {
                parser.binary(&[("*", "_*_"), ("/", "_/_"), ("%", "_%_")], Parser::unary)
            })
        })
    }

    fn unary(&mut self) -> Parsed {
        let at = self.at();
        for (symbol, function) in [("!", "!_"), ("-", "-_")] {
            let mut count = 0;
            // A single minus before a number belongs to the number.
            if symbol == "-" && self.is_negative_number() {
                break;
            }
            while self.eat(symbol) {
                count += 1;
            }
            if count > 0 {
                let operand = self.member()?;
                return Ok(if count % 2 == 1 {
                    call(function, vec![operand], at)
                } else {
                    operand
                });
            }
        }
        self.member()
    }

    fn is_negative_number(&self) -> bool {
        matches!(self.peek(), Token::Symbol("-"))
            && matches!(
                self.tokens.get(self.next + 1).map(|(token, _)| token),
                Some(Token::Literal(Value::Int(_) | Value::Double(_)) | Token::MostNegative)
            )
    }

    fn member(&mut self) -> Parsed {
        let mut expr = self.primary()?;
        let mut length = 0;
        loop {
            let at = self.at();
            if self.eat(".") {
                let optional = self.eat("?");
                let quoted = matches!(self.peek(), Token::Quoted(_));
                let (Token::Name(field) | Token::Quoted(field)) = self.take() else {
                    self.next -= 1;
                    return self.unexpected();
                };
                if !optional && !quoted && self.eat("(") {
                    let arguments = self.list(")", Parser::expression)?;
                    expr = macros::method(expr, field, arguments, at)?;
                } else {
                    let operand = Box::new(expr);
                    expr = Expr {
                        kind: Kind::Select {
                            operand,
                            field,
                            optional,
                        },
                        at,
                        id: 0,
                    };
                }
            } else if self.eat("[") {
                let function = if self.eat("?") { "_[?_]" } else { "_[_]" };
                let index = self.expression()?;
                self.expect("]")?;
                expr = call(function, vec![expr, index], at);
            } else {
                return Ok(expr);
            }
            length += 1;
            if self.depth + length > DEEPEST {
                return self.error(
                    at,
                    format!("expression recursion limit exceeded: {DEEPEST}"),
                );
            }
        }
    }

    /// The name of a message, if one follows, with what is before its brace.
    fn message_name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut at = self.next;
        loop {
            let Some((Token::Name(part), _)) = self.tokens.get(at) else {
                return None;
            };
            name.push_str(part);
            match self.tokens.get(at + 1) {
                Some((Token::Symbol("."), _)) => name.push('.'),
                Some((Token::Symbol("{"), _)) => break,
                _ => return None,
            }
            at += 2;
        }
        self.next = at + 1;
        Some(name)
    }

    /// A message whose name was read.
    fn message(&mut self, name: String, at: usize) -> Parsed {
        self.expect("{")?;
        let fields = self.list("}", |parser| {
            let optional = parser.eat("?");
            let (Token::Name(name) | Token::Quoted(name)) = parser.take() else {
                parser.next -= 1;
                return parser.unexpected();
            };
            parser.expect(":")?;
            let value = parser.expression()?;
            Ok(Field {
                name,
                value,
                optional,
            })
        })?;
        let name = name.into();
        Ok(Expr {
            kind: Kind::Message { name, fields },
            at,
            id: 0,
        })
    }

    /// Items between commas up to `end`; a comma may stand at the end of lists and maps, but not of
    /// arguments.
    fn list<T>(
        &mut self,
        end: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, SyntaxError> {
        let mut items = Vec::new();
        // A comma may stand alone, too.
        if self.eat(end) || end != ")" && self.is_comma_before(end) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.eat(end) {
                return Ok(items);
            }
            self.expect(",")?;
            if end != ")" && self.eat(end) {
                return Ok(items);
            }
        }
    }

    fn is_comma_before(&mut self, end: &str) -> bool {
        let next = self.tokens.get(self.next + 1).map(|(token, _)| token);
        matches!(next, Some(Token::Symbol(symbol)) if *symbol == end)
            && self.eat(",")
            && self.eat(end)
    }

    fn primary(&mut self) -> Parsed {
        let at = self.at();
        let dot = matches!(self.peek(), Token::Symbol("."));
        let start = self.next;
        self.next += usize::from(dot);
        if let Some(name) = self.message_name() {
            return self.message(name, at);
        }
        self.next = start;
        match self.take() {
            Token::Literal(value) => Ok(Expr {
                kind: Kind::Constant(value),
                at,
                id: 0,
            }),
            Token::MostNegative => self.error(at, "invalid int literal"),
            Token::Symbol("-") => {
                let value = match self.take() {
                    Token::Literal(Value::Int(value)) => Value::Int(-value),
                    Token::Literal(Value::Double(value)) => Value::Double(-value),
                    Token::MostNegative => Value::Int(i64::MIN),
                    _ => {
                        self.next = self.next.saturating_sub(1);
                        return self.unexpected();
                    }
                };
                Ok(Expr {
                    kind: Kind::Constant(value),
                    at,
                    id: 0,
                })
            }
            Token::Symbol("(") => {
                let expr = self.expression()?;
                self.expect(")")?;
                Ok(expr)
            }
            Token::Symbol("[") => {
                let items = self.list("]", |parser| {
                    let optional = parser.eat("?");
                    let value = parser.expression()?;
                    Ok(Item { value, optional })
                })?;
                Ok(Expr {
                    kind: Kind::List(items),
                    at,
                    id: 0,
                })
            }
            Token::Symbol("{") => {
                let entries = self.list("}", |parser| {
                    let optional = parser.eat("?");
                    let key = parser.expression()?;
                    parser.expect(":")?;
                    let value = parser.expression()?;
                    Ok(Entry {
                        key,
                        value,
                        optional,
                    })
                })?;
                Ok(Expr {
                    kind: Kind::Map(entries),
                    at,
                    id: 0,
                })
            }
            Token::Symbol(".") => match self.take() {
                Token::Name(name) => self.name(name, true, at),
                _ => {
                    self.next = self.next.saturating_sub(1);
                    self.unexpected()
                }
            },
            Token::Name(name) => self.name(name, false, at),
            _ => {
                if self.next > 0 && !matches!(self.peek(), Token::End) {
                    self.next -= 1;
                }
                self.unexpected()
            }
        }
    }

    /// A name, after a dot or not: with it, it is none of the variables of macros, nor a macro.
    fn name(&mut self, name: Arc<str>, dot: bool, at: usize) -> Parsed {
        if RESERVED.contains(&&*name) {
            return self.error(at, format!("reserved identifier: {name}"));
        }
        if !self.eat("(") {
            return Ok(Expr {
                kind: Kind::Identifier(if dot { format!(".{name}").into() } else { name }),
                at,
                id: 0,
            });
        }
        let mut arguments = self.list(")", Parser::expression)?;
        if &*name == "has" && arguments.len() == 1 && !dot {
            return match arguments.pop().map(|argument| argument.kind) {
                Some(Kind::Select {
                    operand,
                    field,
                    optional: false,
                }) => Ok(Expr {
                    kind: Kind::Has { operand, field },
                    at,
                    id: 0,
                }),
                _ => self.error(at, "invalid argument to has() macro"),
            };
        }
        Ok(call(&name, arguments, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_nesting_are_bounded_as_upstream() {
        let text = |length: usize| format!("'{}'", "é".repeat(length - 2));
        assert!(parse(&text(LONGEST)).is_ok());
        let error = parse(&text(LONGEST + 1)).expect_err("too long");
        assert_eq!(
            error.message,
            "expression code point size exceeds limit: size: 100001, limit 100000"
        );
        let nested = "(".repeat(90_000);
        let error = parse(&nested).expect_err("too deep");
        assert_eq!(error.message, "expression recursion limit exceeded: 250");
    }
}
