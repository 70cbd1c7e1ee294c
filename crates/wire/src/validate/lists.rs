//! Lists: how long they may be, that nothing is in them twice, and what is in them.
//!
//! Source: `pkg/apis/resource/validation/validation.go` v1.37.2.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::report::Report;
use crate::path::Path;

/// Whether length and uniqueness of a list have declared rules as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
    Yes,
    No,
}

/// A list of at most `most` entries. One that is too long is not looked into.
pub(super) fn slice<T>(
    report: &mut Report,
    items: &[T],
    most: usize,
    declared: Declared,
    at: &Path<'_>,
    mut item: impl FnMut(&mut Report, &T, &Path<'_>),
) {
    if too_many(report, items.len(), most, declared, at) {
        return;
    }
    for (index, entry) in items.iter().enumerate() {
        item(report, entry, &at.index(index));
    }
}

/// A list of at most `most` entries with different keys.
pub(super) fn set<T, K: Ord + Display>(
    report: &mut Report,
    items: &[T],
    most: usize,
    declared: Declared,
    at: &Path<'_>,
    key: impl Fn(&T) -> K,
    item: impl FnMut(&mut Report, &T, &Path<'_>),
) {
    if too_many(report, items.len(), most, declared, at) {
        return;
    }
    slice(report, items, usize::MAX, declared, at, item);
    let unique = |report: &mut Report| unique(report, items, at, key);
    match declared {
        Declared::Yes => report.covered(unique),
        Declared::No => unique(report),
    }
}

/// No key twice.
pub(super) fn unique<T, K: Ord + Display>(
    report: &mut Report,
    items: &[T],
    at: &Path<'_>,
    key: impl Fn(&T) -> K,
) {
    let mut seen = BTreeSet::new();
    for (index, entry) in items.iter().enumerate() {
        if !seen.insert(key(entry)) {
            report.duplicate(&at.index(index), key(entry).to_string().as_str());
        }
    }
}

fn too_many(
    report: &mut Report,
    count: usize,
    most: usize,
    declared: Declared,
    at: &Path<'_>,
) -> bool {
    if count <= most {
        return false;
    }
    match declared {
        Declared::Yes => report.covered(|report| report.too_many(at, count, most)),
        Declared::No => report.too_many(at, count, most),
    }
    true
}

/// How the API server shows a key of a map in a path: long ones without their middle.
pub(super) fn shortened(key: &str, most: usize) -> String {
    let most = most.max(16);
    if key.len() <= most {
        return key.to_owned();
    }
    let kept = most - 3;
    let bytes = key.as_bytes();
    let head = String::from_utf8_lossy(&bytes[..kept.div_ceil(2)]);
    let tail = String::from_utf8_lossy(&bytes[bytes.len() - kept / 2..]);
    format!("{head}...{tail}")
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn long_keys_lose_their_middle() {
        assert_eq!(shortened("0123456789abcdef", 10), "0123456789abcdef");
        assert_eq!(shortened("0123456789abcdefg", 10), "0123456...bcdefg");
    }
}
