//! What the reads of one side came to in one phase: every read counts, and every latency is kept.
//!
//! Some hundred thousand numbers are little memory, and percentiles of all of them need no estimate.

use std::time::Duration;

use super::reader::Answer;

/// Reads of one phase.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    pub(super) right: u64,
    pub(super) by_default: u64,
    pub(super) wrong: u64,
    pub(super) unanswered: u64,
    /// The first wrong answer, in words.
    pub(super) first_wrong: Option<String>,
    /// The first error, in words.
    pub(super) first_error: Option<String>,
    latencies: Vec<Duration>,
}

impl Tally {
    /// Counts one read. `latency` is counted from when the read was due, whatever it came to.
    pub(super) fn count(&mut self, answer: Answer, latency: Duration) {
        self.latencies.push(latency);
        match answer {
            Answer::Right => self.right += 1,
            Answer::Default => self.by_default += 1,
            Answer::Wrong(what) => {
                self.wrong += 1;
                self.first_wrong.get_or_insert(what);
            }
            Answer::Unanswered(why) => {
                self.unanswered += 1;
                self.first_error.get_or_insert(why);
            }
        }
    }

    pub(super) fn reads(&self) -> u64 {
        self.right + self.by_default + self.wrong + self.unanswered
    }

    /// Reads that got a value, default and wrong ones included.
    pub(super) fn answered(&self) -> u64 {
        self.reads() - self.unanswered
    }

    /// From 0 to 1. Where nothing was read, nothing was promised: 1.
    pub(super) fn answered_share(&self) -> f64 {
        if self.reads() == 0 { 1.0 } else { self.answered() as f64 / self.reads() as f64 }
    }

    /// The latency that `per_mille` of a thousand reads did not exceed (nearest rank).
    pub(super) fn latency(&self, per_mille: usize) -> Option<Duration> {
        let mut sorted = self.latencies.clone();
        let rank = (sorted.len() * per_mille).div_ceil(1000).checked_sub(1)?;
        Some(*sorted.select_nth_unstable(rank).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_read_counts_once_and_defaults_are_answers() {
        let mut tally = Tally::default();
        let none = Duration::ZERO;
        tally.count(Answer::Right, none);
        tally.count(Answer::Default, none);
        tally.count(Answer::Wrong("first".into()), none);
        tally.count(Answer::Wrong("second".into()), none);
        tally.count(Answer::Unanswered("why".into()), none);
        assert_eq!((tally.reads(), tally.answered(), tally.wrong, tally.by_default), (5, 4, 2, 1));
        assert_eq!((tally.first_wrong.as_deref(), tally.first_error.as_deref()), (Some("first"), Some("why")));
        assert!((tally.answered_share() - 0.8).abs() < 1e-9);
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut tally = Tally::default();
        assert_eq!(tally.latency(500), None);
        (1..=200).rev().for_each(|ms| tally.count(Answer::Right, Duration::from_millis(ms)));
        assert_eq!(tally.latency(500), Some(Duration::from_millis(100)));
        assert_eq!(tally.latency(990), Some(Duration::from_millis(198)));
        assert_eq!(tally.latency(1000), Some(Duration::from_millis(200)));
    }
}
