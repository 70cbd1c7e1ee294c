//! Where does one document end? At lines that begin with `---`, and in JSON where a value ends.

/// The documents of a source, each with the number of lines before it.
pub(super) fn documents(text: &str) -> Vec<(&str, u32)> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut first_line = 0;
    let mut at = 0;
    for (line, row) in (0..).zip(text.split_inclusive('\n')) {
        if is_separator(row) && at > start {
            push(&text[start..at], first_line, &mut documents);
            start = at;
            first_line = line;
        }
        at += row.len();
    }
    push(&text[start..], first_line, &mut documents);
    documents
}

fn is_separator(row: &str) -> bool {
    row.strip_prefix("---")
        .is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace))
}

/// A part between separators is one YAML document, or any number of JSON values.
fn push<'a>(part: &'a str, line: u32, documents: &mut Vec<(&'a str, u32)>) {
    if !part.trim_start().starts_with('{') {
        documents.push((part, line));
        return;
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let (mut start, mut line, mut first_line) = (0, line, line);
    for (at, byte) in part.bytes().enumerate() {
        match byte {
            b'\n' => line += 1,
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => {
                // A value begins where nothing but space and commas-free text stands before.
                if depth == 0 && at > start && !part[start..at].trim().is_empty() {
                    documents.push((&part[start..at], first_line));
                    (start, first_line) = (at, line);
                }
                depth += 1;
            }
            b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    documents.push((&part[start..], first_line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_separators_and_between_json_values() {
        let cut = |text| {
            documents(text)
                .into_iter()
                .map(|(part, line)| (part.trim(), line))
                .collect::<Vec<_>>()
        };
        assert_eq!(cut("a: 1\n---\nb: 2\n"), [("a: 1", 0), ("---\nb: 2", 1)]);
        assert_eq!(cut("---\na: |\n  ---\n"), [("---\na: |\n  ---", 0)]);
        assert_eq!(
            cut("{\"a\": \"}{\"}\n{}"),
            [("{\"a\": \"}{\"}", 0), ("{}", 1)]
        );
        assert_eq!(cut("--- # one\n----\n"), [("--- # one\n----", 0)]);
    }
}
