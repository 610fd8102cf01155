//! What this instance lets through of rate limits by itself, and what it owes Redis for it.
//!
//! One table for the whole process, carried over by every reload. It is written to in health too, on routes that say
//! `on_outage = "local"`: each answer of Redis tells how full the bucket is, and that is where the share begins when
//! Redis goes.

use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::limit::{Limit, Verdict};
use failsoft_core::share::Share;

use super::table::{Table, Worth};

/// The shares of all keys.
#[derive(Default)]
pub(crate) struct Shares(Table<Kept>);

/// One key's.
struct Kept {
    /// The whole limit, as it was asked with last.
    limit: Limit,
    /// The fleet's size then.
    sharers: u32,
    share: Share,
}

/// A debt on its way to Redis; owed again if it is dropped before Redis is known to have heard of it.
pub(crate) struct Debt<'s> {
    shares: &'s Shares,
    key: &'s [u8],
    owed: u32,
}

impl Shares {
    /// Lets `cost` through if this instance's share allows it.
    pub(crate) fn request(&self, key: &[u8], limit: Limit, sharers: u32, cost: u32, now: Time) -> Verdict {
        let shared = limit.shared_by(sharers);
        self.with(key, limit, sharers, now, |share| share.request(&shared, cost, now))
    }

    /// Redis has said how long the bucket takes to run out.
    pub(crate) fn handle_answered(&self, key: &[u8], limit: Limit, sharers: u32, reset: Duration, now: Time) {
        let shared = limit.shared_by(sharers);
        self.with(key, limit, sharers, now, |share| share.handle_answered(&shared, reset, now));
    }

    /// Takes what is owed for `key`, to tell it.
    pub(crate) fn take_debt<'s>(&'s self, key: &'s [u8], now: Time) -> Debt<'s> {
        let owed = self.0.with_known(key, |kept| kept.share.take_debt(&kept.limit.shared_by(kept.sharers), now));
        Debt { shares: self, key, owed: owed.unwrap_or(0) }
    }

    /// Up to `most` of the `wanted` keys for which something is owed, with their limits.
    pub(crate) fn indebted(&self, most: usize, wanted: impl Fn(&[u8]) -> bool, now: Time) -> Vec<(Box<[u8]>, Limit)> {
        self.0.pick(most, |key, kept| (kept.owes(now) && wanted(key)).then_some(kept.limit))
    }

    /// Forgets the shares that nothing is left of.
    pub(crate) fn tidy(&self, now: Time) {
        self.0.tidy(|kept| kept.worth(now));
    }

    /// Keys remembered, and how many had to be forgotten.
    pub(crate) fn counts(&self) -> (usize, u64) {
        (self.0.len(), self.0.forgotten())
    }

    fn with<R>(&self, key: &[u8], limit: Limit, sharers: u32, now: Time, look: impl FnOnce(&mut Share) -> R) -> R {
        let begin = || Kept { limit, sharers, share: Share::default() };
        self.0.with(
            key,
            now,
            |kept| kept.worth(now),
            begin,
            |kept| {
                (kept.limit, kept.sharers) = (limit, sharers);
                look(&mut kept.share)
            },
        )
    }
}

impl Kept {
    fn worth(&self, now: Time) -> Worth {
        match self.share.is_forgettable(&self.limit.shared_by(self.sharers), now) {
            true => Worth::Forget,
            false => Worth::Keep,
        }
    }

    fn owes(&self, now: Time) -> bool {
        self.share.debt(&self.limit.shared_by(self.sharers), now) > 0
    }
}

impl Debt<'_> {
    /// How much.
    pub(crate) fn owed(&self) -> u32 {
        self.owed
    }

    /// Redis has heard of it.
    pub(crate) fn handle_told(mut self) {
        self.owed = 0;
    }
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        if self.owed > 0 {
            self.shares.0.with_known(self.key, |kept| kept.share.handle_untold(self.owed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(5_000);

    fn limit() -> Limit {
        Limit::new(10, Duration::from_secs(10), 10).unwrap()
    }

    #[test]
    fn a_debt_that_was_not_told_is_owed_again() {
        let shares = Shares::default();
        assert!(shares.request(b"k", limit(), 2, 3, NOW).allowed);
        assert_eq!(shares.indebted(9, |_| true, NOW), [(Box::from(&b"k"[..]), limit())]);
        let debt = shares.take_debt(b"k", NOW);
        assert_eq!((debt.owed(), shares.indebted(9, |_| true, NOW).len()), (3, 0));
        drop(debt);
        let debt = shares.take_debt(b"k", NOW);
        assert_eq!(debt.owed(), 3);
        debt.handle_told();
        assert_eq!(shares.take_debt(b"k", NOW).owed(), 0);
        assert!(shares.request(b"k", limit(), 2, 1, NOW).allowed);
        assert_eq!(shares.indebted(9, |_| false, NOW), []);
    }

    #[test]
    fn what_nothing_is_left_of_is_forgotten() {
        let shares = Shares::default();
        shares.request(b"k", limit(), 1, 1, NOW);
        shares.tidy(NOW);
        assert_eq!(shares.counts(), (1, 0));
        shares.tidy(NOW + Duration::from_secs(1));
        assert_eq!(shares.counts(), (0, 0));
    }
}
