//! Objects as kubectl prints them: keys in order, block style, and a text in quotes wherever a
//! reader of YAML 1.1 would take it for something else.

use std::fmt::Write as _;

use serde_json::Value;

use crate::yaml::reads_as_text;

/// A value as a YAML document.
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => write_map(map, 0, false, &mut out),
        Value::Array(items) if !items.is_empty() => write_list(items, 0, &mut out),
        other => {
            write_scalar(other, &mut out);
            out.push('\n');
        }
    }
    out
}

/// Writes a mapping. `inline`: its first key follows a `- ` on the same line.
fn write_map(map: &serde_json::Map<String, Value>, indent: usize, inline: bool, out: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 || !inline {
            pad(indent, out);
        }
        write_text(key, out);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                write_map(inner, indent + 2, false, out);
            }
            // kubectl puts the dashes of a list below its key, not further in.
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                write_list(items, indent, out);
            }
            Value::String(text) if text.contains('\n') && is_block(text) => {
                write_block(text, indent + 2, out);
            }
            other => {
                out.push(' ');
                write_scalar(other, out);
                out.push('\n');
            }
        }
    }
}

fn write_list(items: &[Value], indent: usize, out: &mut String) {
    for item in items {
        pad(indent, out);
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => write_map(map, indent + 2, true, out),
            Value::Array(inner) if !inner.is_empty() => {
                // A list in a list begins on a line of its own.
                out.truncate(out.len() - 1);
                out.push('\n');
                write_list(inner, indent + 2, out);
            }
            Value::String(text) if text.contains('\n') && is_block(text) => {
                out.truncate(out.len() - 1);
                write_block(text, indent + 2, out);
            }
            other => {
                write_scalar(other, out);
                out.push('\n');
            }
        }
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Whether a text of several lines can stand as a literal block.
fn is_block(text: &str) -> bool {
    !text.starts_with([' ', '\n', '\t'])
        && text.chars().all(|c| c == '\n' || !c.is_control())
        && text.lines().all(|line| !line.ends_with(' '))
}

fn write_block(text: &str, indent: usize, out: &mut String) {
    out.push_str(match (text.ends_with('\n'), text.ends_with("\n\n")) {
        (_, true) => " |+\n",
        (true, _) => " |\n",
        _ => " |-\n",
    });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            pad(indent, out);
        }
        out.push_str(line);
        out.push('\n');
    }
}

fn write_scalar(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => write_text(text, out),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => write!(out, "{other}").expect("a String takes everything"),
    }
}

fn write_text(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else {
        // JSON's quoting is YAML's double quoting.
        let quoted = Value::String(text.to_owned());
        write!(out, "{quoted}").expect("a String takes everything");
    }
}

/// Whether a text reads as itself without quotes, in YAML 1.1 and 1.2.
fn is_plain(text: &str) -> bool {
    let starts_well = |c: char| !"-?:,[]{}#&*!|>'\"%@`=<".contains(c) && !c.is_whitespace();
    text.chars().next().is_some_and(starts_well)
        && !text.ends_with(char::is_whitespace)
        && !text.ends_with(':')
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(char::is_control)
        && reads_as_text(text)
        && !looks_sexagesimal(text)
}

/// `1:30`: a number to some readers of YAML 1.1, though not to kubectl's.
fn looks_sexagesimal(text: &str) -> bool {
    text.contains(':')
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'+' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn looks_as_kubectl_prints() {
        let value = json!({
            "kind": "List",
            "items": [{"a": 1, "b": {"c": ["x", "y"]}}, [], {}, [["n"]]],
            "texts": ["", "n", "on", "1", "1e3", "0x1", "a: b", "- a", "# a", "1:30", "2006-01-02", "a b"],
            "block": "one\ntwo\n",
        });
        let expected = r##"block: |
  one
  two
items:
- a: 1
  b:
    c:
    - x
    - "y"
- []
- {}
-
  -
    - "n"
kind: List
texts:
- ""
- "n"
- "on"
- "1"
- "1e3"
- "0x1"
- "a: b"
- "- a"
- "# a"
- "1:30"
- "2006-01-02"
- a b
"##;
        assert_eq!(yaml(&value), expected);
    }
}
