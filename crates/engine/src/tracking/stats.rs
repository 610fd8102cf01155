//! What is counted about being told of writes.

use failsoft_core::outcome::Failure;
use failsoft_core::refusal::Refusal;

use crate::telemetry::counter::{Counter, CounterMap};

/// Counters of the tracking connection; they outlive it and its successors.
#[derive(Debug, Default)]
pub struct TrackingStats {
    /// Times that Redis has agreed to tell: epochs.
    pub begun: Counter,
    /// Connections that were lost or could not be made, by reason.
    pub dropped: CounterMap,
    /// Keys told of.
    pub invalidations: Counter,
    /// Times that everything was told to have changed.
    pub flushes: Counter,
}

/// Why a tracking connection ended, or never came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// It could not be made.
    Unconnected(Failure),
    /// Redis refuses to tell (an older server, a user without the right to), or to give a sign of life (a script that has
    /// run for too long).
    Refused(Refusal),
    /// It was closed or reset.
    Lost,
    /// A sign of life did not come.
    Silent,
    /// What came could not be understood.
    Protocol,
    /// One message was larger than is waited for.
    TooLarge,
}

impl Dropped {
    /// The name used in logs and metric labels.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unconnected(failure) => failure.name(),
            Self::Refused(refusal) => refusal.name(),
            Self::Lost => "connection_lost",
            Self::Silent => "silent",
            Self::Protocol => "protocol_violation",
            Self::TooLarge => "message_too_large",
        }
    }
}
