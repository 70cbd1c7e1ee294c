//! What a driver counts: numbers without a format or a server, which the program that runs the driver
//! adds.

use std::collections::BTreeMap;
use std::time::Duration;

/// Upper bounds of the buckets of a [`Histogram`], in seconds. Prepares take milliseconds; the last
/// bounds are for those that wait for something.
pub const BOUNDS: [f64; 14] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0,
];

/// How long calls took.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Calls by the first of [`BOUNDS`] that they did not exceed; the last are those beyond all.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// All of them together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Adds a call.
    pub fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        self.buckets[bucket] += 1;
        self.sum += seconds;
    }

    /// How many calls there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// What became of a call for one claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is done, now or already.
    Done,
    /// Trying again would not help.
    Refused,
    /// What may pass had not passed at the call's deadline.
    TimedOut,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 3] = [Outcome::Done, Outcome::Refused, Outcome::TimedOut];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::TimedOut => "timed_out",
        }
    }
}

/// The kubelet's calls, claim by claim. Every outcome is there from the start, so that a rate has a
/// zero to begin from.
#[derive(Debug, Clone, PartialEq)]
pub struct Calls {
    /// NodePrepareResources
    pub prepare: BTreeMap<Outcome, Histogram>,
    /// NodeUnprepareResources
    pub unprepare: BTreeMap<Outcome, Histogram>,
}

impl Default for Calls {
    fn default() -> Self {
        let none = || Outcome::ALL.map(|outcome| (outcome, Histogram::default()));
        Calls {
            prepare: none().into(),
            unprepare: none().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let mut histogram = Histogram::default();
        for millis in [0, 1, 2, 3, 60_000, 60_001] {
            histogram.observe(Duration::from_millis(millis));
        }
        assert_eq!(histogram.buckets[..4], [2, 1, 1, 0]);
        assert_eq!(histogram.buckets[13..], [1, 1]);
        assert_eq!(histogram.count(), 6);
    }
}
