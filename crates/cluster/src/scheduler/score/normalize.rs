//! Scores brought to the range from 0 to 100, as plugins normalise them.

/// The best that a plugin can give.
pub(super) const MAX: i64 = 100;

/// Each as a share of the greatest.
pub(super) fn share(mut scores: Vec<i64>) -> Vec<i64> {
    let most = scores.iter().copied().max().unwrap_or_default();
    if most > 0 {
        scores
            .iter_mut()
            .for_each(|score| *score = MAX * *score / most);
    }
    scores
}

/// Each by its place between the least and the greatest.
pub(super) fn between(mut scores: Vec<i64>) -> Vec<i64> {
    let least = scores.iter().copied().min().unwrap_or_default();
    let most = scores.iter().copied().max().unwrap_or_default();
    for score in &mut scores {
        *score = if most > least {
            (MAX as f64 * ((*score - least) as f64 / (most - least) as f64)) as i64
        } else {
            0
        };
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_normalised_as_upstream_does() {
        assert_eq!(share(vec![0, 0]), [0, 0]);
        assert_eq!(share(vec![1, 3, 2]), [33, 100, 66]);
        assert_eq!(between(vec![5, 5]), [0, 0]);
        assert_eq!(between(vec![-10, 20, 0]), [0, 100, 33]);
    }
}
