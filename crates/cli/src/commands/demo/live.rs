//! What one side has come to so far, phase by phase, for the line that is shown while it runs.

use std::sync::atomic::{AtomicU64, Ordering};

use super::reader::Answer;

/// Counts of one side.
#[derive(Debug)]
pub(super) struct Live(Vec<Counts>);

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    answered: AtomicU64,
}

impl Live {
    /// Of a play of so many phases.
    pub(super) fn new(phases: usize) -> Self {
        Self((0..phases).map(|_| Counts::default()).collect())
    }

    pub(super) fn phases(&self) -> usize {
        self.0.len()
    }

    /// `phase` is the place of its phase in the play.
    pub(super) fn count(&self, phase: usize, answer: &Answer) {
        let counts = &self.0[phase];
        counts.reads.fetch_add(1, Ordering::Relaxed);
        let answered = match answer {
            Answer::Right | Answer::Default | Answer::Wrong(_) => 1,
            Answer::Unanswered(_) => 0,
        };
        counts.answered.fetch_add(answered, Ordering::Relaxed);
    }

    /// The share of the phase's reads that were answered, in percent; `None` before the first came back.
    pub(super) fn answered_percent(&self, phase: usize) -> Option<f64> {
        let counts = &self.0[phase];
        let (reads, answered) = (counts.reads.load(Ordering::Relaxed), counts.answered.load(Ordering::Relaxed));
        (reads > 0).then(|| answered.min(reads) as f64 * 100.0 / reads as f64)
    }
}
