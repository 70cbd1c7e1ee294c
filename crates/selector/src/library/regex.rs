//! Regular expressions: RE2's syntax, which the `regex` crate shares but for a few escapes that are
//! translated here.

use crate::eval::Error;
use crate::value::Value;

use super::Evaluated;

/// Compiles a pattern.
pub fn compile(pattern: &str) -> Result<regex::Regex, Error> {
    let wrong = || Error::new(format!("error parsing regexp: {pattern}"));
    if repeats_too_often(pattern) {
        return Err(wrong());
    }
    regex::RegexBuilder::new(&translate(pattern))
        .size_limit(1 << 22)
        .build()
        .map_err(|_| wrong())
}

/// RE2 repeats at most a thousand times.
fn repeats_too_often(pattern: &str) -> bool {
    pattern.split('{').skip(1).any(|after| {
        after.split_once('}').is_some_and(|(counts, _)| {
            let mut counts = counts.split(',').filter(|count| !count.is_empty());
            counts.any(|count| count.parse::<u32>().is_ok_and(|count| count > 1000))
        })
    })
}

/// RE2's `\d`, `\w` and `\s` are ASCII's, `\Q` and `\E` quote what is between them, and `&&` in a
/// class is two characters.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut class = false;
    while let Some(character) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix("\\Q").filter(|_| !class) {
            let (inner, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            out.push_str(&regex::escape(inner));
            rest = after;
            continue;
        }
        if character == '\\' {
            let escape: String = rest.chars().take(2).collect();
            let (inside, outside) = match escape.as_str() {
                "\\d" => ("0-9", "[0-9]"),
                "\\w" => ("0-9A-Za-z_", "[0-9A-Za-z_]"),
                "\\s" => ("\\t\\n\\f\\r ", "[\\t\\n\\f\\r ]"),
                "\\D" => ("", "[^0-9]"),
                "\\W" => ("", "[^0-9A-Za-z_]"),
                "\\S" => ("", "[^\\t\\n\\f\\r ]"),
                _ => ("", ""),
            };
            out.push_str(match (class, inside, outside) {
                (true, "", _) | (false, _, "") => &escape,
                (true, inside, _) => inside,
                (false, _, outside) => outside,
            });
            rest = &rest[escape.len()..];
            continue;
        }
        match character {
            '[' if !class => class = true,
            ']' if class => class = false,
            '&' if class => out.push('\\'),
            _ => {}
        }
        out.push(character);
        rest = &rest[character.len_utf8()..];
    }
    out
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
    match (function, arguments) {
        (_, [Value::String(text), Value::String(_)]) => Ok(search(function, pattern, text, -1)),
        ("findAll", [Value::String(text), _, Value::Int(most)]) => {
            Ok(search(function, pattern, text, *most))
        }
        _ => Err(Error::no_overload()),
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
