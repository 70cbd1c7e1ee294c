//! Which sets of chips the Neuron runtime accepts, and which sizes of a logical NeuronCore.
//!
//! Sources: Neuron SDK documentation (`deploy/infrastructure/scheduler.rst`: allocation rules;
//! `logical-neuroncore-config.rst`), and the kernel driver, whose ioctls address chips relative to
//! the first one opened. The published DRA driver does not check sets; a scattered one fails only
//! when the container starts.

use std::collections::BTreeSet;

use crate::catalogue::{InstanceType, Shape};

/// What becomes of a set of chips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The runtime takes it.
    Accepted,
    /// No public rule forbids it, but the ids are not consecutive, which the runtime is documented
    /// to need on other types.
    Doubtful,
    /// The runtime refuses it.
    Refused,
}

/// Judges a set of chip ids of one node.
pub fn judge(kind: &InstanceType, chips: &BTreeSet<u32>) -> Verdict {
    let accepted = match kind.family() {
        "trn1" | "trn1n" => match chips.len() {
            0 | 1 => true,
            size @ (4 | 8 | 16) => aligned(chips, size),
            _ => false,
        },
        "inf2" => consecutive(chips) || (kind.shape == Shape::Ring && arc(chips, kind.chips)),
        _ if consecutive(chips) => true,
        _ => return Verdict::Doubtful,
    };
    if accepted {
        Verdict::Accepted
    } else {
        Verdict::Refused
    }
}

/// Whether the ids are one whole row, half or node.
fn aligned(chips: &BTreeSet<u32>, size: usize) -> bool {
    let first = chips.first().copied().unwrap_or_default() as usize;
    first.is_multiple_of(size) && consecutive(chips)
}

fn consecutive(chips: &BTreeSet<u32>) -> bool {
    match (chips.first(), chips.last()) {
        (Some(first), Some(last)) => (last - first) as usize + 1 == chips.len(),
        _ => true,
    }
}

/// Whether the ids are consecutive around a ring: at most one of them lacks its successor.
fn arc(chips: &BTreeSet<u32>, length: u32) -> bool {
    chips
        .iter()
        .filter(|chip| !chips.contains(&((**chip + 1) % length)))
        .count()
        <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(kind: &str, chips: &[u32]) -> Verdict {
        let kind = InstanceType::find(kind).expect("in the catalogue");
        judge(kind, &chips.iter().copied().collect())
    }

    #[test]
    fn trn1_takes_rows_halves_and_wholes() {
        for chips in [
            vec![5],
            vec![4, 5, 6, 7],
            (8..16).collect(),
            (0..16).collect(),
        ] {
            assert_eq!(
                verdict("trn1.32xlarge", &chips),
                Verdict::Accepted,
                "{chips:?}"
            );
        }
        for chips in [
            vec![0, 1],
            vec![1, 2, 3, 4],
            vec![0, 4, 8, 12],
            (4..12).collect(),
        ] {
            assert_eq!(
                verdict("trn1n.32xlarge", &chips),
                Verdict::Refused,
                "{chips:?}"
            );
        }
    }

    #[test]
    fn inf2_takes_neighbours() {
        assert_eq!(verdict("inf2.48xlarge", &[11, 0, 1]), Verdict::Accepted);
        assert_eq!(verdict("inf2.48xlarge", &[10, 0, 1]), Verdict::Refused);
        assert_eq!(verdict("inf2.24xlarge", &[5, 0]), Verdict::Refused);
        assert_eq!(verdict("inf2.24xlarge", &[3, 4, 5]), Verdict::Accepted);
    }

    #[test]
    fn trn2_has_no_rule() {
        assert_eq!(verdict("trn2.48xlarge", &[0, 5]), Verdict::Doubtful);
        assert_eq!(verdict("trn2.48xlarge", &[6, 7, 8]), Verdict::Accepted);
    }
}
