//! What one side has come to so far, phase by phase, for the line that is shown while it runs.

use std::sync::atomic::{AtomicU64, Ordering};

use super::plan::Phase;
use super::reader::Answer;

/// Counts of one side.
#[derive(Debug, Default)]
pub(super) struct Live([Counts; Phase::COUNT]);

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    answered: AtomicU64,
}

impl Live {
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
    pub(super) fn answered_percent(&self, phase: Phase) -> Option<f64> {
        let counts = &self.0[phase.index()];
        let (reads, answered) = (counts.reads.load(Ordering::Relaxed), counts.answered.load(Ordering::Relaxed));
        (reads > 0).then(|| answered.min(reads) as f64 * 100.0 / reads as f64)
    }
}
