//! The leases of one route, and the tasks that wait for what others write.
//!
//! Whoever holds a lease of which it has not been told gives it up when it is dropped, and whoever waits leaves its seat:
//! a task may be dropped at any moment. Words go out after the lock has been given back.

use std::collections::HashMap;
use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::flights::Seat;
use failsoft_core::leases::{Asker, LeaseId, LeaseStats, Leases, Leave, PassReason, Word};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::{MAX_LEASE_WAITERS, MAX_LEASES};
use crate::clock::Clock;

pub(super) struct Table {
    inner: Mutex<Inner>,
    clock: Clock,
}

struct Inner {
    leases: Leases,
    seats: HashMap<Seat, oneshot::Sender<Word>>,
}

/// What becomes of one who is ready to wait.
pub(super) enum Boarding<'t> {
    Lead(Lease<'t>),
    Pass(PassReason),
    /// It has been written meanwhile.
    Filled,
    /// It waits, for no longer than the lease lasts.
    Wait(Place<'t>, Time),
}

/// A lease whose holder has not been told of it.
pub(super) struct Lease<'t> {
    table: &'t Table,
    id: Option<LeaseId>,
}

/// A place among those who wait for one lease to end.
pub(super) struct Place<'t> {
    table: &'t Table,
    lease: LeaseId,
    seat: Seat,
    word: oneshot::Receiver<Word>,
}

impl Table {
    pub(super) fn new(term: Duration, clock: Clock) -> Self {
        let leases = Leases::new(term, MAX_LEASES, MAX_LEASE_WAITERS);
        Self { inner: Mutex::new(Inner { leases, seats: HashMap::new() }), clock }
    }

    /// What becomes of `asker`, who will not wait: `None` if it would have to, for another or for its turn.
    pub(super) fn request_now(
        &self,
        key: &[u8],
        asker: Asker,
        since: Time,
        now: Time,
        take_turn: impl FnOnce() -> bool,
    ) -> Option<Leave> {
        let mut inner = self.inner.lock();
        let leave = inner.leases.request(key, asker, since, now);
        let goes = match leave {
            Leave::Lead(_) | Leave::Pass(_) => take_turn(),
            Leave::Wait(..) => false,
            Leave::Filled => true,
        };
        match leave {
            Leave::Lead(lease) if !goes => inner.leases.handle_given_up(lease, Word::Open, now),
            Leave::Wait(lease, seat, _) => inner.leases.handle_left(lease, seat),
            Leave::Lead(_) | Leave::Pass(_) | Leave::Filled => {}
        }
        Self::tell(inner);
        goes.then_some(leave)
    }

    /// What becomes of `asker`, who may wait.
    pub(super) fn board(&self, key: &[u8], asker: Asker, since: Time, now: Time) -> Boarding<'_> {
        let mut inner = self.inner.lock();
        let boarding = match inner.leases.request(key, asker, since, now) {
            Leave::Lead(lease) => Boarding::Lead(Lease { table: self, id: Some(lease) }),
            Leave::Pass(reason) => Boarding::Pass(reason),
            Leave::Filled => Boarding::Filled,
            Leave::Wait(lease, seat, until) => {
                let (sender, word) = oneshot::channel();
                inner.seats.insert(seat, sender);
                Boarding::Wait(Place { table: self, lease, seat, word }, until)
            }
        };
        Self::tell(inner);
        boarding
    }

    pub(super) fn handle_written(&self, key: &[u8]) {
        self.change(|leases, now| leases.handle_written(key, now));
    }

    pub(super) fn handle_deleted(&self, key: &[u8]) {
        self.change(|leases, now| leases.handle_deleted(key, now));
    }

    pub(super) fn stats(&self) -> LeaseStats {
        self.inner.lock().leases.stats(self.clock.now())
    }

    #[cfg(test)]
    pub(super) fn seats(&self) -> usize {
        self.inner.lock().seats.len()
    }

    fn change(&self, change: impl FnOnce(&mut Leases, Time)) {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        change(&mut inner.leases, now);
        Self::tell(inner);
    }

    fn tell(mut inner: MutexGuard<'_, Inner>) {
        let Inner { leases, seats, .. } = &mut *inner;
        let words = std::iter::from_fn(|| leases.poll_word());
        let told: Vec<_> = words.filter_map(|(seat, word)| Some((seats.remove(&seat)?, word))).collect();
        drop(inner);
        for (sender, word) in told {
            // Whoever has stopped waiting does not want to know.
            let _ = sender.send(word);
        }
    }
}

impl Lease<'_> {
    /// Its holder is told now: its term begins.
    pub(super) fn begin(mut self) {
        if let Some(id) = self.id.take() {
            self.table.change(|leases, now| leases.handle_told(id, now));
        }
    }

    /// Its holder is not told, and whoever waits is told `word`.
    pub(super) fn give_up(mut self, word: Word) {
        self.end(word);
    }

    fn end(&mut self, word: Word) {
        if let Some(id) = self.id.take() {
            self.table.change(|leases, now| leases.handle_given_up(id, word, now));
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.end(Word::Open);
    }
}

impl Place<'_> {
    /// What it is told.
    pub(super) async fn word(mut self) -> Word {
        // Its sender is in the table until it has been told.
        (&mut self.word).await.unwrap_or(Word::Open)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut inner = self.table.inner.lock();
        inner.seats.remove(&self.seat);
        inner.leases.handle_left(self.lease, self.seat);
    }
}
