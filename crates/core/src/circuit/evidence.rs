//! What has been seen of a place lately: calls, failures and slow calls in a sliding window.
//!
//! The window is a ring of a fixed number of buckets with a running total, so that recording and reading cost the
//! same however many calls there were, and nothing is allocated. It never counts evidence older than the window;
//! the price is that it forgets up to one bucket (a twentieth of the window) early. A fact whose time lies before
//! the newest bucket, which happens when several threads report, is counted in the newest.

use std::ops::{AddAssign, SubAssign};
use std::time::Duration;

use crate::time::{Time, nanos};

/// What one reported call says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It was answered in time.
    Success,
    /// It was answered, but took at least as long as the settings call slow.
    Slow,
    /// It failed, or nothing was heard.
    Failure,
    /// The permit came back unused or without a result: neither good nor bad.
    Abandoned,
}

/// Calls seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that were answered slowly.
    pub slow: u64,
}

impl Counts {
    pub(super) const FAILURE: Self = Self { calls: 1, failures: 1, slow: 0 };

    /// `count` answered calls, of which `slow` were slow.
    pub(super) fn answered(count: u32, slow: u32) -> Self {
        Self { calls: count.into(), failures: 0, slow: slow.min(count).into() }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.calls += more.calls;
        self.failures += more.failures;
        self.slow += more.slow;
    }
}

impl SubAssign for Counts {
    fn sub_assign(&mut self, less: Self) {
        self.calls -= less.calls;
        self.failures -= less.failures;
        self.slow -= less.slow;
    }
}

pub(super) const BUCKETS: usize = 20;

/// A sliding window of counts.
#[derive(Clone, Debug)]
pub(super) struct Window {
    bucket_nanos: u64,
    /// The number of the newest bucket since time zero; its slot is this modulo [`BUCKETS`].
    newest: u64,
    buckets: [Counts; BUCKETS],
    total: Counts,
}

impl Window {
    pub(super) fn new(span: Duration) -> Self {
        Self {
            bucket_nanos: (nanos(span) / BUCKETS as u64).max(1),
            newest: 0,
            buckets: [Counts::default(); BUCKETS],
            total: Counts::default(),
        }
    }

    pub(super) fn record(&mut self, counts: Counts, now: Time) {
        self.advance(now);
        self.buckets[slot(self.newest)] += counts;
        self.total += counts;
    }

    /// What the window holds at `now`.
    pub(super) fn counts(&self, now: Time) -> Counts {
        let newest = self.bucket_at(now);
        let gone = (newest - self.newest).min(BUCKETS as u64);
        let mut counts = self.total;
        for ahead in 1..=gone {
            counts -= self.buckets[slot(self.newest + ahead)];
        }
        counts
    }

    pub(super) fn clear(&mut self) {
        self.buckets = [Counts::default(); BUCKETS];
        self.total = Counts::default();
    }

    fn advance(&mut self, now: Time) {
        let newest = self.bucket_at(now);
        let gone = (newest - self.newest).min(BUCKETS as u64);
        for ahead in 1..=gone {
            self.total -= std::mem::take(&mut self.buckets[slot(self.newest + ahead)]);
        }
        self.newest = newest;
    }

    /// The number of the bucket `now` belongs to, never before the newest.
    fn bucket_at(&self, now: Time) -> u64 {
        (now.as_nanos() / self.bucket_nanos).max(self.newest)
    }
}

fn slot(bucket: u64) -> usize {
    // The remainder is below BUCKETS, so the cast loses nothing.
    (bucket % BUCKETS as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every fact with its bucket, summed anew at each question.
    #[derive(Default)]
    struct Reference(Vec<(u64, Counts)>);

    impl Reference {
        fn counts(&self, bucket: u64) -> Counts {
            let mut sum = Counts::default();
            for (at, counts) in &self.0 {
                if at + BUCKETS as u64 > bucket {
                    sum += *counts;
                }
            }
            sum
        }
    }

    const BUCKET_NANOS: u64 = 50;

    fn window() -> Window {
        Window::new(Duration::from_nanos(BUCKET_NANOS * BUCKETS as u64))
    }

    #[test]
    fn evidence_is_never_older_than_the_window() {
        let mut window = window();
        window.record(Counts::FAILURE, Time::from_nanos(49));
        assert_eq!(window.counts(Time::from_nanos(999)).failures, 1);
        assert_eq!(window.counts(Time::from_nanos(1000)).failures, 0);
    }

    #[test]
    fn a_late_fact_counts_in_the_newest_bucket() {
        let mut window = window();
        window.record(Counts::FAILURE, Time::from_nanos(5_000));
        window.record(Counts::answered(3, 9), Time::ZERO);
        assert_eq!(window.counts(Time::from_nanos(5_000)), Counts { calls: 4, failures: 1, slow: 3 });
    }

    #[test]
    fn the_end_of_time_is_a_time() {
        let mut window = Window::new(Duration::ZERO);
        window.record(Counts::FAILURE, Time::NEVER);
        assert_eq!(window.counts(Time::NEVER).failures, 1);
    }

    /// Steps that land on, just before and just after the borders of buckets and of the window.
    fn step() -> impl Strategy<Value = u64> {
        prop_oneof![
            3 => 0..3 * BUCKET_NANOS,
            3 => (0u64..45, -1i64..=1).prop_map(|(n, off)| (n * BUCKET_NANOS).saturating_add_signed(off)),
            1 => 0..100_000u64,
        ]
    }

    proptest! {
        #[test]
        fn the_ring_agrees_with_counting_everything_anew(
            facts in prop::collection::vec((step(), 0..2u32, 0..5u32, 0..5u32), 1..80),
        ) {
            let (mut window, mut reference, mut now) = (window(), Reference::default(), 0);
            for (wait, failures, answered, slow) in facts {
                now += wait;
                let mut counts = Counts::answered(answered, slow);
                (0..failures).for_each(|_| counts += Counts::FAILURE);
                prop_assert_eq!(window.counts(Time::from_nanos(now)), reference.counts(now / BUCKET_NANOS));
                window.record(counts, Time::from_nanos(now));
                reference.0.push((now / BUCKET_NANOS, counts));
                prop_assert_eq!(window.counts(Time::from_nanos(now)), reference.counts(now / BUCKET_NANOS));
            }
        }
    }
}
