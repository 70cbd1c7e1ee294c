//! How is an answer shown? One file a form; nothing here decides anything.

pub mod claims;
pub mod document;
pub mod picture;
pub mod problems;
pub mod proof;
pub mod text;

/// `1 pod`, `2 pods`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Names with runs of numbers drawn together: `neuron-device-0..3 neuron-device-7`.
pub fn ranges<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut runs: Vec<(&str, Option<(u64, u64)>)> = Vec::new();
    for name in names {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = name[stem.len()..].parse().ok();
        // A number of one digit or more that begins with zero is no number of a run.
        let number = number.filter(|n: &u64| format!("{stem}{n}") == name);
        if let (Some(number), Some((last, Some((_, end))))) = (number, runs.last_mut())
            && *last == stem
            && *end + 1 == number
        {
            *end = number;
            continue;
        }
        runs.push(match number {
            Some(number) => (stem, Some((number, number))),
            None => (name, None),
        });
    }
    let shown: Vec<String> = runs
        .into_iter()
        .map(|(stem, run)| match run {
            None => stem.to_owned(),
            Some((start, end)) if start == end => format!("{stem}{start}"),
            Some((start, end)) => format!("{stem}{start}..{end}"),
        })
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_drawn_together() {
        assert_eq!(ranges(["a-0", "a-1", "a-2", "b", "a-4"]), "a-0..2 b a-4");
        assert_eq!(
            ranges(["pci-0000-c9-00-0", "pci-0000-ca-00-0"]),
            "pci-0000-c9-00-0 pci-0000-ca-00-0"
        );
        assert_eq!(ranges(["a-01", "a-02"]), "a-01 a-02");
    }
}
