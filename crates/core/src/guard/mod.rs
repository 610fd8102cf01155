//! The guard: what stands between an origin and everybody who would like to load from it at once.
//!
//! Three limits, each in its own file: starts a second, loads under way, and loads waiting. A load starts at once,
//! waits for its turn, or is shed at once when it could not have its turn before its deadline: a load that will
//! be too late only delays those behind it. Nobody overtakes: while somebody waits, a newcomer waits behind.
//!
//! A [`LoadPermit`] cannot be copied, so a load ends once. Whoever loses one keeps a place occupied for good; an
//! engine hands it back as abandoned when it drops the load. Time may arrive out of order: the limits hold all the same.

mod concurrency;
mod queue;
mod settings;

#[cfg(test)]
mod tests;

pub use queue::Ticket;
pub use settings::{GuardSettings, GuardSettingsError};

use std::fmt;
use std::time::Duration;

use concurrency::{Limit, Trouble};
use queue::Queue;

use crate::pacer::Pacer;
use crate::time::Time;

/// Leave for one load, under way since `started_at`.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a load that is not reported done occupies its place for good"]
pub struct LoadPermit {
    started_at: Time,
}

impl LoadPermit {
    /// When the load started.
    pub fn started_at(&self) -> Time {
        self.started_at
    }

    /// The end of the load, and of the permit.
    fn end(self) -> Time {
        self.started_at
    }
}

/// What becomes of a wish to load.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// Go.
    Start(LoadPermit),
    /// Wait for [`Guard::poll`] to call the ticket, by this estimate.
    Wait(Ticket, Time),
    /// Do not load.
    Shed(ShedReason),
}

/// Why a load is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShedReason {
    /// The line is full.
    QueueFull,
    /// Its turn would come after its deadline, or after the longest wait allowed.
    TooLate,
    /// Its deadline passed, before it asked or while it waited.
    Expired,
}

impl ShedReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::QueueFull, Self::TooLate, Self::Expired];

    /// The name used in logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::TooLate => "too_late",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for ShedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadResult {
    /// The origin answered, be it that there is no such thing.
    Answered,
    /// The origin failed.
    Failed,
    /// The origin did not answer in time.
    TimedOut,
    /// Nobody waited for the end: it says nothing about the origin.
    Abandoned,
}

/// What the guard wants done for one who waits.
#[derive(Debug, PartialEq, Eq)]
pub enum Want {
    /// Its turn has come.
    Start(Ticket, LoadPermit),
    /// Its turn will not come.
    Shed(Ticket, ShedReason),
}

/// How a guard is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardStats {
    /// Loads under way.
    pub in_flight: u32,
    /// Loads that may be under way at present.
    pub limit: u32,
    /// Loads that may ever be under way at once.
    pub max_concurrency: u32,
    /// Loads waiting.
    pub queued: u32,
    /// Loads that may wait.
    pub queue_bound: u32,
    /// Loads the rate lets start at this moment; `None` without a rate.
    pub tokens: Option<u64>,
    /// Loads started so far.
    pub started: u64,
    /// Waiters that left by themselves so far.
    pub cancelled: u64,
    /// Loads shed so far because the line was full.
    pub shed_queue_full: u64,
    /// Loads shed so far because their turn would have come too late.
    pub shed_too_late: u64,
    /// Loads shed so far because their deadline had passed.
    pub shed_expired: u64,
}

/// Protects one origin.
#[derive(Debug)]
pub struct Guard {
    pacer: Option<Pacer>,
    limit: Limit,
    max_concurrency: u32,
    queue: Queue,
    max_wait: Duration,
    in_flight: u32,
    totals: GuardStats,
}

impl Guard {
    /// A guard with nothing under way. Any settings are safe; [`GuardSettings::validate`] says which are sane.
    pub fn new(settings: &GuardSettings) -> Self {
        Self {
            pacer: settings.max_rate.map(Pacer::new),
            limit: Limit::new(settings.max_concurrency),
            max_concurrency: settings.max_concurrency,
            queue: Queue::new(settings.queue),
            max_wait: settings.max_wait,
            in_flight: 0,
            totals: GuardStats::default(),
        }
    }

    /// Lets `max_rate` loads start a second from here on, if there was a rate at all.
    pub fn set_max_rate(&mut self, max_rate: f64) {
        if let Some(pacer) = &mut self.pacer {
            pacer.set_max_rate(max_rate);
        }
    }

    /// Asks to load something that is of no use from `deadline` on.
    pub fn request_load(&mut self, now: Time, deadline: Time) -> Admission {
        if deadline <= now {
            return Admission::Shed(self.shed(ShedReason::Expired));
        }
        if self.queue.is_empty() && self.may_start(now) {
            return Admission::Start(self.start(now));
        }
        self.line_up(now, deadline)
    }

    /// Asks to load something now or not at all; nobody who waits is overtaken. A refusal is not counted as shed.
    pub fn request_now(&mut self, now: Time) -> Option<LoadPermit> {
        (self.queue.is_empty() && self.may_start(now)).then(|| self.start(now))
    }

    /// A load ended.
    pub fn handle_done(&mut self, permit: LoadPermit, result: LoadResult, now: Time) {
        let started_at = permit.end();
        match result {
            LoadResult::Answered => self.limit.note_answer(started_at, now, self.in_flight),
            LoadResult::Failed => self.limit.note_trouble(Trouble::Failed, started_at, now),
            LoadResult::TimedOut => self.limit.note_trouble(Trouble::TimedOut, started_at, now),
            LoadResult::Abandoned => {}
        }
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// One who waits no longer does. A ticket already called or shed is nobody's and changes nothing.
    pub fn handle_cancel(&mut self, ticket: Ticket) {
        if self.queue.leave(ticket) {
            self.totals.cancelled += 1;
        }
    }

    /// The next thing to do for one who waits; ask until there is none after every other call.
    pub fn poll(&mut self, now: Time) -> Option<Want> {
        let first = self.queue.first()?;
        if first.deadline <= now {
            self.queue.take_first();
            return Some(Want::Shed(first.ticket, self.shed(ShedReason::Expired)));
        }
        if !self.may_start(now) {
            return None;
        }
        self.queue.take_first();
        Some(Want::Start(first.ticket, self.start(now)))
    }

    /// When [`Self::poll`] has something to say although nothing else happened; `None` if it never does.
    pub fn next_timer(&self) -> Option<Time> {
        let first = self.queue.first()?;
        if self.in_flight >= self.ceiling() {
            return Some(first.deadline);
        }
        let turn = self.pacer.as_ref().map_or(Time::ZERO, Pacer::next_at);
        Some(first.deadline.min(turn))
    }

    /// How it is doing at `now`.
    pub fn stats(&self, now: Time) -> GuardStats {
        GuardStats {
            in_flight: self.in_flight,
            limit: self.ceiling(),
            max_concurrency: self.max_concurrency,
            queued: self.queue.len(),
            queue_bound: self.queue.bound(),
            tokens: self.pacer.as_ref().map(|pacer| pacer.tokens(now)),
            ..self.totals
        }
    }

    fn line_up(&mut self, now: Time, deadline: Time) -> Admission {
        if self.queue.is_full() {
            return Admission::Shed(self.shed(ShedReason::QueueFull));
        }
        let deadline = deadline.min(now + self.max_wait);
        let turn = self.turn_at(now);
        if turn >= deadline {
            return Admission::Shed(self.shed(ShedReason::TooLate));
        }
        match self.queue.join(deadline) {
            Some(ticket) => Admission::Wait(ticket, turn),
            None => Admission::Shed(self.shed(ShedReason::QueueFull)),
        }
    }

    fn may_start(&self, now: Time) -> bool {
        self.in_flight < self.ceiling() && self.pacer.as_ref().is_none_or(|pacer| pacer.next_at() <= now)
    }

    fn start(&mut self, now: Time) -> LoadPermit {
        self.in_flight += 1;
        self.totals.started += 1;
        if let Some(pacer) = &mut self.pacer {
            pacer.note_start(now);
        }
        LoadPermit { started_at: now }
    }

    /// The adaptive limit, which knows no zero, under the cap, which may be one.
    fn ceiling(&self) -> u32 {
        self.limit.get().min(self.max_concurrency)
    }

    /// When somebody who joined the line would have its turn: by the rate, and by as many rounds of typical loads as
    /// it takes to let those ahead go first, whichever is later.
    fn turn_at(&self, now: Time) -> Time {
        let ahead = self.queue.len();
        let by_rate = self.pacer.as_ref().map_or(now, |pacer| pacer.turn_at(ahead, now));
        let ceiling = self.ceiling().max(1);
        let before = self.in_flight.saturating_add(ahead);
        let rounds = before.saturating_add(1).div_ceil(ceiling) - 1;
        by_rate.max(now + self.limit.typical().saturating_mul(rounds))
    }

    fn shed(&mut self, reason: ShedReason) -> ShedReason {
        match reason {
            ShedReason::QueueFull => self.totals.shed_queue_full += 1,
            ShedReason::TooLate => self.totals.shed_too_late += 1,
            ShedReason::Expired => self.totals.shed_expired += 1,
        }
        reason
    }
}
