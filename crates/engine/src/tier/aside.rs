//! The origin tier of a route whose callers make the values themselves (cache-aside): asking it finds out who of them goes
//! to the database.
//!
//! One caller per missing key leads: it is told that there is no value, loads it, and writes it. The others wait for that
//! write, for a bounded time. Who may lead, who waits and which keys nobody writes is decided by `Leases`; how many are
//! sent to the database in a second is decided by the guard behind the `Gate`, as it is for loads of failsoft's own.
//! Here is what neither knows: tasks that wait, and the words that wake them.
//!
//! Who has waited in vain is served an old copy if there is one, else is told that there is no value as long as the
//! database can bear it, and else is turned away. Somebody who holds an old copy does not wait for his turn at the database,
//! for whatever the client asked after this command waits with it.

mod stats;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use failsoft_core::guard::{GuardSettings, GuardStats, LoadResult, ShedReason};
use failsoft_core::leases::{Asker, LeaseStats, Leave, PassReason, Word};
use failsoft_core::outcome::{Failure, MissCause};
use failsoft_core::{Outcome, Time};
use tokio::time::timeout_at;

pub use self::stats::{AsideStats, WaitResult};
use self::table::{Boarding, Lease, Table};
use super::gate::Gate;
use crate::clock::Clock;
use crate::errand::PATIENCE_WITH_COPY;
use crate::node::Lane;
use crate::shutdown::Shutdown;

/// Leases of one route that may be held at once.
pub const MAX_LEASES: u32 = 65_536;
/// Callers that may wait for what others write, on one route.
pub const MAX_LEASE_WAITERS: u32 = 65_536;
/// Callers that may wait for their turn at the database, on one route.
pub const MAX_TURN_WAITERS: u32 = 16_384;
/// Why callers are told that there is no value although another makes it: he has not written it in time.
pub const LATE: &str = "late";
/// Why callers are turned away, beside the guard's reasons: who made the value was, and the budget has nothing left for
/// those who have waited in vain.
pub const SHED_BESIDE_GUARD: [&str; 2] = ["leader", "budget"];

const MAKES_IT: Outcome = Outcome::Miss(MissCause::Leased);
const FILLED: Outcome = Outcome::Miss(MissCause::Filled);
const TURNED_AWAY: Outcome = Outcome::Failed(Failure::Shed);

/// How long the callers of a route have, and how many of them may go to the database.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AsideSettings {
    /// How long a caller has to write what it was told to be missing.
    pub term: Duration,
    /// How long the others wait for that, and whoever has to wait for its turn at the database.
    pub wait: Duration,
    /// Callers a second that are told that there is no value, by the whole fleet; `None` is unlimited.
    pub max_misses: Option<f64>,
}

/// What there is to be served if nothing better comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InHand {
    /// Nothing.
    Nothing,
    /// An old copy.
    Copy,
}

/// The callers of one route, as the origin of its values.
pub struct Aside {
    settings: AsideSettings,
    table: Table,
    budget: Option<Arc<Gate>>,
    clock: Clock,
    /// The next to ask that is no connection.
    next_stranger: AtomicU64,
    shutdown: Shutdown,
    stats: AsideStats,
}

impl Aside {
    /// Nobody has asked for anything.
    pub fn new(settings: AsideSettings, clock: Clock) -> Self {
        let guard = |rate| GuardSettings {
            max_rate: Some(rate),
            queue: MAX_TURN_WAITERS,
            max_wait: settings.wait,
            ..GuardSettings::default()
        };
        Self {
            table: Table::new(settings.term, clock),
            budget: settings.max_misses.map(|rate| Arc::new(Gate::new(&guard(rate), clock))),
            settings,
            clock,
            next_stranger: AtomicU64::new(u64::MAX),
            shutdown: Shutdown::default(),
            stats: AsideStats::default(),
        }
    }

    /// What it was made from.
    pub fn settings(&self) -> &AsideSettings {
        &self.settings
    }

    /// What has been counted.
    pub fn stats(&self) -> &AsideStats {
        &self.stats
    }

    /// How full its tables are.
    pub fn lease_stats(&self) -> LeaseStats {
        self.table.stats()
    }

    /// How the miss budget is doing, where there is one.
    pub fn budget_stats(&self) -> Option<GuardStats> {
        self.budget.as_ref().map(|budget| budget.stats())
    }

    /// Who asks on `lane`: its client, or, where it has none, nobody who will be met again.
    pub fn asker(&self, lane: Lane) -> Asker {
        match lane {
            Lane(0) => Asker(self.next_stranger.fetch_sub(1, Ordering::Relaxed)),
            Lane(client) => Asker(client),
        }
    }

    /// `key` has been written: who waited for it has it.
    pub fn handle_written(&self, key: &[u8]) {
        self.table.handle_written(key);
    }

    /// `key` has been deleted: whoever makes it may be reading what the deletion was about.
    pub fn handle_deleted(&self, key: &[u8]) {
        self.table.handle_deleted(key);
    }

    /// The budget, if there is one, is shared with `sharers - 1` others from here on.
    pub(crate) fn set_sharers(&self, sharers: u32) {
        if let (Some(budget), Some(max_misses)) = (&self.budget, self.settings.max_misses) {
            budget.set_max_rate(max_misses / f64::from(sharers.max(1)));
        }
    }

    /// Nobody waits any more.
    pub fn close(&self) {
        self.shutdown.begin();
    }

    /// What `asker` is told that has found `key` to be missing at some moment after `since`, if that can be said at once.
    pub fn request_now(&self, key: &[u8], asker: Asker, since: Time, now: Time) -> Option<Outcome> {
        let leave = self.table.request_now(key, asker, since, now, || self.take_turn(now))?;
        match leave {
            Leave::Lead(_) => self.stats.granted.increment(),
            Leave::Pass(reason) => self.stats.passed.increment(reason.name()),
            Leave::Filled => return Some(FILLED),
            Leave::Wait(..) => return None,
        }
        Some(MAKES_IT)
    }

    /// What `asker` is told that has found `key` to be missing at some moment after `since`; it waits until `by` at the
    /// longest.
    pub async fn request(&self, key: &[u8], asker: Asker, since: Time, in_hand: InHand, by: Time) -> Outcome {
        tokio::select! {
            outcome = self.lead_or_wait(key, asker, since, in_hand, by.min(self.clock.now() + self.settings.wait)) => outcome,
            () = self.shutdown.begun() => self.wait_no_longer(in_hand, self.clock.now()),
        }
    }

    async fn lead_or_wait(&self, key: &[u8], asker: Asker, since: Time, in_hand: InHand, by: Time) -> Outcome {
        loop {
            let now = self.clock.now();
            if now >= by {
                return self.wait_no_longer(in_hand, now);
            }
            let (place, until) = match self.table.board(key, asker, since, now) {
                Boarding::Lead(lease) => return self.lead(lease, in_hand, now, by).await,
                Boarding::Pass(reason) => return self.pass(reason, in_hand, now, by).await,
                Boarding::Filled => return FILLED,
                Boarding::Wait(place, until) => (place, until),
            };
            match timeout_at(self.clock.instant(by.min(until)), place.word()).await {
                Ok(Word::Filled) => {
                    self.stats.waits.increment(WaitResult::Filled.name());
                    return FILLED;
                }
                Ok(Word::Shed) => {
                    self.stats.waits.increment(WaitResult::Shed.name());
                    return self.turn_away("leader");
                }
                // The lease is over without a write, or time is.
                Ok(Word::Open) | Err(_) => {}
            }
        }
    }

    async fn lead(&self, lease: Lease<'_>, in_hand: InHand, now: Time, by: Time) -> Outcome {
        match self.wait_for_turn(in_hand, now, by).await {
            Ok(()) => {
                lease.begin();
                self.stats.granted.increment();
                MAKES_IT
            }
            Err(reason) => {
                lease.give_up(Word::Shed);
                self.turn_away(reason.name())
            }
        }
    }

    async fn pass(&self, reason: PassReason, in_hand: InHand, now: Time, by: Time) -> Outcome {
        match self.wait_for_turn(in_hand, now, by).await {
            Ok(()) => {
                self.stats.passed.increment(reason.name());
                MAKES_IT
            }
            Err(reason) => self.turn_away(reason.name()),
        }
    }

    /// Whose wait is over without a value: an old copy is as good as can be had, and without one the database is asked by
    /// one more, if it can bear that.
    fn wait_no_longer(&self, in_hand: InHand, now: Time) -> Outcome {
        match in_hand {
            InHand::Copy => {
                self.stats.waits.increment(WaitResult::Stale.name());
                Outcome::Failed(Failure::Unfilled)
            }
            InHand::Nothing if self.take_turn(now) => {
                self.stats.waits.increment(WaitResult::Late.name());
                self.stats.passed.increment(LATE);
                MAKES_IT
            }
            InHand::Nothing => {
                self.stats.waits.increment(WaitResult::Shed.name());
                self.turn_away("budget")
            }
        }
    }

    fn turn_away(&self, reason: &'static str) -> Outcome {
        self.stats.shed.increment(reason);
        TURNED_AWAY
    }

    /// Whether one more may go to the database at once.
    fn take_turn(&self, now: Time) -> bool {
        self.budget.as_ref().is_none_or(|budget| budget.pass_now(now).is_some())
    }

    async fn wait_for_turn(&self, in_hand: InHand, now: Time, by: Time) -> Result<(), ShedReason> {
        let Some(budget) = &self.budget else { return Ok(()) };
        let by = match in_hand {
            InHand::Copy => by.min(now + PATIENCE_WITH_COPY),
            InHand::Nothing => by,
        };
        budget.pass(now, by).await.map(|passage| passage.end(LoadResult::Abandoned))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.close();
        }
    }
}

#[cfg(test)]
mod tests;
