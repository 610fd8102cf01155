//! `[journal]`: how many invalidations are remembered that Redis has not had.

use super::units::{WrittenDuration, WrittenSize};
use failsoft_core::journal::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is remembered of writes to cache routes that Redis could not take, until they have been replayed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenJournal {
    /// Keys whose invalidation may wait to be replayed. With one more, the route with the most of them is swept instead once
    /// Redis is back, and until then no node is believed about the keys of it that were given up.
    #[schemars(range(min = 1, max = 100_000_000))]
    max_entries: u32,
    /// Bytes that they may take up, each with a little for its place.
    #[schemars(extend("x-min" = "64KiB", "x-max" = "64GiB"))]
    capacity: WrittenSize,
    /// After a failover, the keys that the lost primary had changed in this last while are invalidated once more: its
    /// successor may not have had it. As many as `max_entries` and `capacity` allow, for each primary.
    #[schemars(extend("x-min" = "0s", "x-max" = "10min"))]
    window: WrittenDuration,
}

impl Default for WrittenJournal {
    fn default() -> Self {
        Self { max_entries: 100_000, capacity: WrittenSize::mib(16), window: WrittenDuration::secs(10) }
    }
}

/// What is remembered of writes that Redis could not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    limits: Limits,
    window: Duration,
}

impl Journal {
    pub(crate) fn mean(written: &WrittenJournal) -> Self {
        let limits = Limits { max_entries: written.max_entries as usize, capacity: written.capacity.0 };
        Self { limits, window: written.window.0 }
    }

    /// How much may be remembered.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How far back what a lost primary has changed is not trusted to have reached its successor.
    pub fn window(&self) -> Duration {
        self.window
    }
}
