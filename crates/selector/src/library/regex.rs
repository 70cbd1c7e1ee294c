//! Regular expressions: RE2's syntax, translated to that of the `regex` crate.

use crate::eval::Error;
use crate::value::Value;

use super::{Evaluated, re2};

/// Memory that a compiled pattern may take. What cel-go accepts takes less but for the longest
/// patterns with the largest classes.
const LARGEST: usize = 1 << 26;

/// Groups in one another, each of which the translation may wrap twice.
const DEEPEST: u32 = 3000;

/// Compiles a pattern.
pub fn compile(pattern: &str) -> Result<regex::Regex, Error> {
    let wrong = || Error::new(format!("error parsing regexp: {pattern}"));
    let translated = re2::translate(pattern).ok_or_else(wrong)?;
    regex::RegexBuilder::new(&translated)
        .size_limit(LARGEST)
        .nest_limit(DEEPEST)
        .build()
        .map_err(|_| wrong())
}

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::{Int, String};
    let (text, pattern, most) = match arguments {
        [String(text), String(pattern)] => (text, pattern, -1),
        [String(text), String(pattern), Int(most)] if function == "findAll" => {
            (text, pattern, *most)
        }
        _ => return None,
    };
    if !matches!(function, "matches" | "find" | "findAll") {
        return None;
    }
    Some(compile(pattern).map(|compiled| search(function, &compiled, text, most)))
}

/// The same with a pattern that is compiled already.
pub(crate) fn call_compiled(
    function: &str,
    pattern: &regex::Regex,
    arguments: &[Value],
) -> Evaluated {
    let text = arguments.first().and_then(text);
    match (text, arguments) {
        (Some(text), [_, Value::String(_)]) => Ok(search(function, pattern, text, -1)),
        (Some(text), [_, _, Value::Int(most)]) if function == "findAll" => {
            Ok(search(function, pattern, text, *most))
        }
        _ => Err(Error::no_overload()),
    }
}

/// A text, be it the name of a type or in an optional: cel-go asks no more where the pattern is known.
fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) | Value::Type(text) => Some(text),
        Value::Optional(Some(inner)) => text(inner),
        _ => None,
    }
}

fn search(function: &str, compiled: &regex::Regex, text: &str, most: i64) -> Value {
    match function {
        "matches" => Value::Bool(compiled.is_match(text)),
        "find" => compiled.find(text).map_or("", |m| m.as_str()).into(),
        _ => {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let found: Vec<Value> = compiled
                .find_iter(text)
                .take(most)
                .map(|m| m.as_str().into())
                .collect();
            found.into()
        }
    }
}
