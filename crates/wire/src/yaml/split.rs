//! Where does one document end? As kubectl has it: JSON values one after another for as long as the
//! source is JSON, else at the lines that begin with `---`, whatever they stand in.

use super::json;

/// A part of a source, and the number of lines before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// One JSON value.
    Json(&'a str, u32),
    /// One YAML document, or none.
    Yaml(&'a str, u32),
    /// More after a document's `---` than a comment: kubectl refuses it.
    BadSeparator(&'a str, u32),
    /// Something else after several JSON values: kubectl refuses it. It comes as parts of its own.
    NoMoreJson(u32),
}

/// The parts of a source.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut line = 0;
    if text.trim_start().starts_with('{') {
        let mut scanner = json::Skipper::new(text);
        let mut end = 0;
        while let Some((start, stop)) = scanner.skip_value() {
            let before = count_lines(&text[end..start]);
            parts.push(Part::Json(&text[start..stop], line + before));
            line += count_lines(&text[end..stop]);
            end = stop;
        }
        rest = &text[end..];
        if rest.trim_start().is_empty() {
            return parts;
        }
        if parts.len() > 1 {
            let blank = rest.len() - rest.trim_start().len();
            parts.push(Part::NoMoreJson(line + count_lines(&rest[..blank])));
        }
        // kubectl eats blanks here, at most to the end of the line.
        let blank = rest.len() - rest.trim_start().len();
        match rest[..blank].find('\n') {
            Some(at) => {
                rest = &rest[at + 1..];
                line += 1;
            }
            None => rest = &rest[blank..],
        }
    }
    yaml_parts(rest, line, &mut parts);
    parts
}

fn yaml_parts<'a>(text: &'a str, lines_before: u32, parts: &mut Vec<Part<'a>>) {
    let mut start = 0;
    let mut first_line = lines_before;
    let mut line = lines_before;
    let mut refused = false;
    let mut at = 0;
    loop {
        if let Some(rest) = text[at..].strip_prefix("---") {
            let row = rest.split('\n').next().unwrap_or_default();
            let after = (at + "---".len() + row.len() + 1).min(text.len());
            let more = row.trim();
            let good = more.is_empty() || more.starts_with('#');
            // Where nothing stands before a separator, it belongs to what follows.
            let ends = at > start;
            if ends && !refused {
                parts.push(Part::Yaml(&text[start..at], first_line));
            }
            if !good {
                parts.push(Part::BadSeparator(more, line));
            }
            refused = !good;
            (start, first_line) = if ends { (after, line + 1) } else { (at, line) };
        }
        match find_line(&text[at..]) {
            Some((length, lines)) => {
                at += length;
                line += lines;
            }
            None => break,
        }
    }
    if !refused {
        parts.push(Part::Yaml(&text[start..], first_line));
    }
}

/// The way to the next line that begins with `-`, in bytes and in lines.
fn find_line(text: &str) -> Option<(usize, u32)> {
    let mut at = 0;
    let mut lines = 0;
    while let Some(length) = memchr::memchr(b'\n', &text.as_bytes()[at..]) {
        at += length + 1;
        lines += 1;
        if text.as_bytes().get(at) == Some(&b'-') {
            return Some((at, lines));
        }
    }
    None
}

fn count_lines(text: &str) -> u32 {
    let lines = memchr::memchr_iter(b'\n', text.as_bytes()).count();
    u32::try_from(lines).unwrap_or(u32::MAX)
}

/// The kind of a document, if it says only once, and plainly, that it is a list.
pub(super) fn list_kind(text: &str) -> Option<&str> {
    const KEY: &str = "\nkind:";
    let mut found = text.strip_prefix(KEY.trim_start());
    for at in memchr::memmem::find_iter(text.as_bytes(), KEY) {
        if found.replace(&text[at + KEY.len()..]).is_some() {
            return None;
        }
    }
    found?
        .lines()
        .next()
        .map(|kind| kind.trim().trim_matches(['"', '\'']))
        .filter(|kind| kind.ends_with("List"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(&'static str, &str, u32)> {
        parts(text)
            .into_iter()
            .map(|part| match part {
                Part::Json(text, line) => ("json", text, line),
                Part::Yaml(text, line) => ("yaml", text, line),
                Part::BadSeparator(text, line) => ("separator", text, line),
                Part::NoMoreJson(line) => ("no json", "", line),
            })
            .collect()
    }

    #[test]
    fn yaml_is_cut_at_separators() {
        assert_eq!(
            cut("a: 1\n---\nb: 2\n"),
            [("yaml", "a: 1\n", 0), ("yaml", "b: 2\n", 2)]
        );
        assert_eq!(
            cut("---\na: |\n  ---\n"),
            [("yaml", "---\na: |\n  ---\n", 0)]
        );
        assert_eq!(
            cut("--- # one\n----\na: 1\n--- \nb: 2"),
            [
                ("yaml", "--- # one\n", 0),
                ("separator", "-", 1),
                ("yaml", "b: 2", 4)
            ]
        );
    }

    #[test]
    fn json_is_cut_between_values() {
        assert_eq!(
            cut("\n{\"a\": \"}{\"}\n{} [1]"),
            [
                ("json", "{\"a\": \"}{\"}", 1),
                ("json", "{}", 2),
                ("json", "[1]", 2)
            ]
        );
        assert_eq!(
            cut("{\"a\": 1} \n---\nb: 2\n"),
            [("json", "{\"a\": 1}", 0), ("yaml", "---\nb: 2\n", 1)]
        );
        assert_eq!(
            cut("{}\n{}\n---\nb: 2\n"),
            [
                ("json", "{}", 0),
                ("json", "{}", 1),
                ("no json", "", 2),
                ("yaml", "---\nb: 2\n", 2)
            ]
        );
    }

    #[test]
    fn yaml_that_looks_like_json_is_yaml() {
        for text in ["{a: '}', b: '{'}\n", "{a: 1} # {b}\n", "{\"a\": 1,}\n"] {
            assert_eq!(cut(text), [("yaml", text, 0)]);
        }
        assert_eq!(
            cut("{\"a\": 1} # {b}\n"),
            [("json", "{\"a\": 1}", 0), ("yaml", "# {b}\n", 0)]
        );
    }

    #[test]
    fn lists_are_known_by_their_kind() {
        assert_eq!(list_kind("items: []\nkind: List\n"), Some("List"));
        assert_eq!(list_kind("kind: \"PodList\"\n"), Some("PodList"));
        assert_eq!(list_kind("kind: Pod\n"), None);
        assert_eq!(list_kind("kind: List\nkind: List\n"), None);
        assert_eq!(list_kind("a:\n  kind: List\n"), None);
    }
}
