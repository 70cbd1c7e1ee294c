//! How long embedded JSON is. The API server counts the bytes it was sent, so this is the length of
//! what kubectl sends: compact, written by Go.

use serde_json::Value;

/// Bytes of `value` as Go's `encoding/json` writes it.
pub(super) fn length(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.to_string().len(),
            None => number.as_f64().map_or(0, float),
        },
        Value::String(text) => string(text),
        Value::Array(items) => {
            2 + items.len().saturating_sub(1) + items.iter().map(length).sum::<usize>()
        }
        Value::Object(members) => {
            2 + members.len().saturating_sub(1)
                + members
                    .iter()
                    .map(|(key, value)| string(key) + 1 + length(value))
                    .sum::<usize>()
        }
    }
}

fn string(text: &str) -> usize {
    2 + text
        .chars()
        .map(|c| match c {
            '"' | '\\' | '\u{8}' | '\u{c}' | '\n' | '\r' | '\t' => 2,
            // Go keeps JSON safe to embed in HTML and JavaScript.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
            c if c < ' ' => 6,
            c => c.len_utf8(),
        })
        .sum::<usize>()
}

fn float(number: f64) -> usize {
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return number.to_string().len();
    }
    let text = format!("{number:e}");
    // Go writes the sign of a positive exponent.
    text.len() + usize::from(!text.contains("e-"))
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn lengths_are_those_of_go() {
        for (text, go) in [
            (
                r#"{"a": [1, 2.50, -1e30], "b": null}"#,
                r#"{"a":[1,2.5,-1e+30],"b":null}"#,
            ),
            ("\"<ü>\\n\\u0001\"", r#""\u003cü\u003e\n\u0001""#),
            (
                "[1e-7, 0.0, 18446744073709551615, true, false]",
                "[1e-7,0,18446744073709552000,true,false]",
            ),
            ("{}", "{}"),
            ("[]", "[]"),
        ] {
            let value = serde_json::from_str(text).expect("good JSON");
            assert_eq!(length(&value), go.len(), "{text}");
        }
    }
}
