//! Regular expressions: RE2's syntax, which the `regex` crate shares but for a few escapes.

use crate::eval::Error;
use crate::value::Value;

use super::Evaluated;

/// Compiles a pattern.
pub fn compile(pattern: &str) -> Result<regex::Regex, Error> {
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 22)
        .build()
        .map_err(|_| Error::new(format!("error parsing regexp: {pattern}")))
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
    let compiled = match compile(pattern) {
        Ok(compiled) => compiled,
        Err(error) => return Some(Err(error)),
    };
    Some(Ok(match function {
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
    }))
}
