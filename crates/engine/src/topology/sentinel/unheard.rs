//! Why who was asked has given no usable answer.
//!
//! Who was asked is not named in the sentence: who asked knows it.

use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::refusal::Refusal;
use failsoft_core::sentinel::Unreadable;

/// There is no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// There is no connection.
    #[error("cannot be connected to: {}", .0.name())]
    Failed(Failure),
    /// There is a connection, and no whole answer came over it.
    #[error("does not answer: {}", .0.name())]
    Silent(Silence),
    /// It will not say.
    #[error("refuses to answer: {0}")]
    Refused(Refusal),
    /// What it says cannot be read.
    #[error("does not answer like a sentinel: {0}")]
    Unreadable(#[from] Unreadable),
}

impl Unheard {
    /// The name used in logs, metric labels and error details.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed(failure) => failure.name(),
            Self::Silent(silence) => silence.name(),
            Self::Refused(refusal) => refusal.name(),
            Self::Unreadable(_) => "unreadable",
        }
    }
}
