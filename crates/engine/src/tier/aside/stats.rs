//! What is counted about the callers of a route that make its values.

use crate::telemetry::counter::{Counter, CounterMap};

/// How waiting for what another caller writes ends, where it does not end with going to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitResult {
    /// It was written.
    Filled,
    /// It was not, and there is an old copy.
    Stale,
    /// It was not, and the database can bear one more.
    Late,
    /// It was not, and the database cannot.
    Shed,
}

impl WaitResult {
    /// Every result.
    pub const ALL: [Self; 4] = [Self::Filled, Self::Stale, Self::Late, Self::Shed];

    /// The value of the label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Filled => "filled",
            Self::Stale => "stale",
            Self::Late => "late",
            Self::Shed => "shed",
        }
    }
}

/// What has been counted.
#[derive(Debug, Default)]
pub struct AsideStats {
    /// Callers that were told that there is no value and had the lease.
    pub granted: Counter,
    /// Callers that were told so without one, by reason.
    pub passed: CounterMap,
    /// Callers that waited for another's write, by how that ended.
    pub waits: CounterMap,
    /// Callers turned away to protect the database, by reason.
    pub shed: CounterMap,
}
