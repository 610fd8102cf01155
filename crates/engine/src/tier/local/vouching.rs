//! Who vouches for local copies, and until when: two words that readers read, and one hand that writes them.
//!
//! The reading side is on the way of every near-cache hit, so it is two atomic loads. The order matters: the lease first,
//! then the epoch. A lease is published after its epoch, so whoever reads the lease of a later epoch also reads that
//! epoch, and takes no copy of an earlier one for vouched for.
//!
//! The writing side is the tracking connection. After a reload another one may take its place; a connection that has been
//! replaced can no longer vouch for anything, however late its task hears of it.

use std::sync::atomic::{AtomicU64, Ordering};

use failsoft_core::Time;
use failsoft_core::coherence::Epoch;
use parking_lot::Mutex;

/// The present epoch and its lease.
#[derive(Debug, Default)]
pub struct Vouching {
    until: AtomicU64,
    epoch: AtomicU64,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    holder: u64,
    latest: Epoch,
}

/// The right to vouch; it is void once somebody else has [taken over](Vouching::take_over).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder(u64);

impl Vouching {
    /// The epoch in which a value that is asked for from here on is obtained.
    pub fn epoch(&self) -> Epoch {
        Epoch::from_bits(self.epoch.load(Ordering::Acquire))
    }

    /// Whether a copy obtained in `epoch` is what the primary holds at `now`, within the bound of a lease.
    pub fn vouches_for(&self, epoch: Epoch, now: Time) -> bool {
        let until = Time::from_nanos(self.until.load(Ordering::Acquire));
        now <= until && self.epoch().vouches_for(epoch)
    }

    /// Whether anything obtained now would be vouched for.
    pub fn is_up(&self, now: Time) -> bool {
        self.vouches_for(self.epoch(), now)
    }

    /// Ends whatever epoch there is, and every earlier right to begin one.
    pub(crate) fn take_over(&self) -> Holder {
        let mut ledger = self.ledger.lock();
        ledger.holder += 1;
        self.end_epoch();
        Holder(ledger.holder)
    }

    /// Begins a new epoch: from here on every write is told of. Nothing is vouched for until the first lease.
    pub(crate) fn begin(&self, holder: Holder) {
        let mut ledger = self.ledger.lock();
        if ledger.holder == holder.0 {
            self.end_epoch();
            ledger.latest = ledger.latest.next();
            self.epoch.store(ledger.latest.to_bits(), Ordering::Release);
        }
    }

    /// Grants a lease.
    pub(crate) fn vouch_until(&self, holder: Holder, until: Time) {
        let ledger = self.ledger.lock();
        if ledger.holder == holder.0 && self.epoch() != Epoch::NONE {
            self.until.store(until.as_nanos(), Ordering::Release);
        }
    }

    /// Ends the epoch: a write may have passed untold.
    pub(crate) fn end(&self, holder: Holder) {
        let ledger = self.ledger.lock();
        if ledger.holder == holder.0 {
            self.end_epoch();
        }
    }

    fn end_epoch(&self) {
        self.epoch.store(Epoch::NONE.to_bits(), Ordering::Release);
        self.until.store(Time::ZERO.as_nanos(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Time = Time::from_millis(1_000);

    #[test]
    fn a_lease_ends_and_its_epoch_does_not_come_back() {
        let vouching = Vouching::default();
        let holder = vouching.take_over();
        vouching.begin(holder);
        let first = vouching.epoch();
        assert!(!vouching.vouches_for(first, Time::from_millis(1)), "no lease yet");
        vouching.vouch_until(holder, SOON);
        assert!(vouching.vouches_for(first, SOON) && vouching.is_up(SOON));
        assert!(!vouching.vouches_for(first, Time::from_millis(1_001)));
        vouching.end(holder);
        assert!(!vouching.vouches_for(first, SOON) && vouching.epoch() == Epoch::NONE);
        vouching.begin(holder);
        vouching.vouch_until(holder, SOON);
        assert!(!vouching.vouches_for(first, SOON) && vouching.is_up(SOON));
    }

    #[test]
    fn nothing_is_vouched_for_outside_an_epoch() {
        let vouching = Vouching::default();
        let holder = vouching.take_over();
        vouching.vouch_until(holder, SOON);
        assert!(!vouching.is_up(Time::ZERO) && !vouching.vouches_for(Epoch::NONE, Time::ZERO));
    }

    #[test]
    fn who_has_been_replaced_can_neither_begin_nor_prolong_nor_end() {
        let vouching = Vouching::default();
        let old = vouching.take_over();
        vouching.begin(old);
        vouching.vouch_until(old, SOON);
        let new = vouching.take_over();
        vouching.begin(old);
        vouching.vouch_until(old, SOON);
        assert!(!vouching.is_up(Time::ZERO));
        vouching.begin(new);
        vouching.vouch_until(new, SOON);
        vouching.end(old);
        assert!(vouching.is_up(SOON));
    }
}
