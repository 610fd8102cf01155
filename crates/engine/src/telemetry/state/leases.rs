//! Who makes values, on routes whose callers do it themselves.

use failsoft_core::leases::{Ended, MOST_UNSET};
use serde::{Deserialize, Serialize};

use super::Counts;
use super::view::{counts, millis};
use crate::tier::aside::Aside;

/// Leases: one caller per missing key makes the value, the others wait for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaseState {
    /// How long a caller has to write what it was told to be missing.
    pub term_ms: f64,
    /// How long the others wait for it.
    pub wait_ms: f64,
    /// Callers a second that the whole fleet may tell so; null without a bound.
    pub max_misses: Option<f64>,
    /// Leases held now.
    pub held: u32,
    /// Leases that may be.
    pub max_held: u32,
    /// Callers that wait for what others write.
    pub waiting: u32,
    /// Callers that may.
    pub max_waiting: u32,
    /// Callers that wait for their turn at the database.
    pub queued: u32,
    /// Keys known that nobody writes.
    pub uncacheable_keys: u64,
    /// Keys of which that can be known.
    pub max_uncacheable_keys: u64,
    /// Callers that were told that there is no value and had the lease.
    pub granted: u64,
    /// Callers that were told so without one, by reason.
    pub passed: Counts,
    /// Callers that waited, by how that ended.
    pub waits: Counts,
    /// Callers turned away, by reason.
    pub shed: Counts,
    /// Leases that have ended, by how.
    pub ended: Counts,
}

pub(super) fn lease_state(aside: &Aside) -> LeaseState {
    let (settings, stats, tables) = (aside.settings(), aside.stats(), aside.lease_stats());
    LeaseState {
        term_ms: millis(settings.term),
        wait_ms: millis(settings.wait),
        max_misses: settings.max_misses,
        held: tables.held,
        max_held: tables.max_held,
        waiting: tables.waiting,
        max_waiting: tables.max_waiting,
        queued: aside.budget_stats().map_or(0, |budget| budget.queued),
        uncacheable_keys: tables.unset as u64,
        max_uncacheable_keys: MOST_UNSET as u64,
        granted: stats.granted.get(),
        passed: counts(stats.passed.snapshot()),
        waits: counts(stats.waits.snapshot()),
        shed: counts(stats.shed.snapshot()),
        ended: counts(Ended::ALL.iter().zip(tables.ended).map(|(how, count)| (how.name(), count))),
    }
}
