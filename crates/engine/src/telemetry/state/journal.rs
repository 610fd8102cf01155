//! What Redis has not had of writes.

use serde::{Deserialize, Serialize};

use crate::journal::Journal;

/// What Redis has not had of writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalState {
    /// Keys that no node is asked for until their invalidation has been replayed.
    pub pending: u64,
    /// Keys whose invalidation has been replayed, and is once more when nothing comes late.
    pub settling: u64,
    /// Bytes that both take up.
    pub bytes: u64,
    /// The patterns of routes that are to be swept.
    pub stale: Vec<String>,
    /// Invalidations that were journalled.
    pub added: u64,
    /// Invalidations that a primary has carried out.
    pub replayed: u64,
    /// Times that there was no room.
    pub overflows: u64,
    /// Values kept in local memory because the primary could not take them.
    pub kept: u64,
}

impl JournalState {
    pub(super) fn of(journal: &Journal) -> Self {
        let (fill, stats) = (journal.fill(), journal.stats());
        Self {
            pending: fill.pending as u64,
            settling: fill.settling as u64,
            bytes: fill.bytes,
            stale: journal.stale(),
            added: stats.added.get(),
            replayed: stats.replayed.get(),
            overflows: stats.overflows.get(),
            kept: stats.kept.get(),
        }
    }
}
