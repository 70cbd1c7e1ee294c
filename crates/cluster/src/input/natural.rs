//! The order of names for people: digits count as numbers, so `node-2` comes before `node-10`.

use std::cmp::Ordering;

/// Compares two names. Names that differ in leading zeros only are told apart by their bytes.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        let (x, y) = (digits(left), digits(right));
        if x > 0 && y > 0 {
            let order = number(&left[..x], &right[..y]);
            if order.is_ne() {
                return order;
            }
            (left, right) = (&left[x..], &right[y..]);
            continue;
        }
        match (left.split_first(), right.split_first()) {
            (Some((l, rest)), Some((r, others))) if l == r => (left, right) = (rest, others),
            (None, None) => return a.cmp(b),
            (l, r) => return l.map(|(byte, _)| byte).cmp(&r.map(|(byte, _)| byte)),
        }
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Compares digit strings of any length by value.
fn number(a: &[u8], b: &[u8]) -> Ordering {
    let strip = |digits: &'_ [u8]| digits.iter().take_while(|digit| **digit == b'0').count();
    let (a, b) = (&a[strip(a)..], &b[strip(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_count_as_numbers() {
        let mut names = vec![
            "n10",
            "n2",
            "n02",
            "n",
            "m99",
            "n2a",
            "n2-10",
            "n2-9",
            "n123456789012345678901234567890",
        ];
        names.sort_by(|a, b| compare(a, b));
        assert_eq!(
            names,
            [
                "m99",
                "n",
                "n02",
                "n2",
                "n2-9",
                "n2-10",
                "n2a",
                "n10",
                "n123456789012345678901234567890"
            ]
        );
    }
}
