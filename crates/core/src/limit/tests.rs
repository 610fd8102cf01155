//! The arithmetic by script, against `governor`, and against a leaky bucket that is as plain as can be.

use std::num::NonZeroU32;

use governor::clock::{Clock, FakeRelativeClock};
use governor::{Quota, RateLimiter};
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn limit(rate: u32, period: Duration, burst: u32) -> Limit {
    Limit::new(rate, period, burst).unwrap()
}

#[test]
fn a_burst_passes_at_once_and_then_one_an_interval() {
    let (limit, mut bucket) = (limit(10, SECOND, 3), Bucket::default());
    let start = Time::from_millis(5_000);
    let ms = Duration::from_millis;
    let verdict = |allowed, remaining, reset, retry| Verdict { allowed, remaining, reset: ms(reset), retry: ms(retry) };
    assert_eq!(bucket.request(&limit, 1, start), verdict(true, 2, 100, 0));
    assert_eq!(bucket.request(&limit, 2, start), verdict(true, 0, 300, 0));
    assert_eq!(bucket.request(&limit, 1, start), verdict(false, 0, 300, 100));
    assert_eq!(bucket.request(&limit, 2, start + ms(100)), verdict(false, 1, 200, 100));
    assert_eq!(bucket.request(&limit, 1, start + ms(100)), verdict(true, 0, 300, 0));
    assert_eq!(bucket.request(&limit, 3, start + ms(10_000)), verdict(true, 0, 300, 0));
}

/// A third of a second is no whole number of nanoseconds; a hundred thousand seconds later not one more or less has passed.
#[test]
fn an_interval_that_is_no_whole_number_does_not_drift() {
    let (limit, mut bucket) = (limit(3, SECOND, 2), Bucket::default());
    let begun = Time::from_millis(1);
    assert!(bucket.request(&limit, 2, begun).allowed);
    for third in 1..300_000_u64 {
        // The first nanosecond at which each is due, and the one before it.
        let due = begun + Duration::from_nanos((third * 1_000_000_000).div_ceil(3));
        assert!(!bucket.request(&limit, 1, due - Duration::from_nanos(1)).allowed, "{third}");
        assert!(bucket.request(&limit, 1, due).allowed, "{third}");
    }
}

#[test]
fn what_lies_further_ahead_than_the_limit_can_bring_is_a_full_burst() {
    let (limit, mut bucket) = (limit(10, SECOND, 5), Bucket::default());
    let (before, hour) = (Time::from_millis(7_200_000), Duration::from_secs(3600));
    assert!(bucket.request(&limit, 5, before).allowed);
    let after = before - hour;
    let verdict = bucket.request(&limit, 1, after);
    assert_eq!((verdict.allowed, verdict.retry), (false, Duration::from_millis(100)));
    assert!(bucket.request(&limit, 1, after + Duration::from_millis(100)).allowed);
}

#[test]
fn a_limit_that_is_lowered_counts_at_once() {
    let (many, few) = (limit(100, SECOND, 100), limit(2, SECOND, 2));
    let (mut bucket, now) = (Bucket::default(), Time::from_millis(1_000));
    assert!(bucket.request(&many, 100, now).allowed);
    assert_eq!(bucket.request(&few, 1, now).retry, Duration::from_millis(500));
    assert_eq!(bucket.outstanding(&few, now), 2);
    assert!(!bucket.request(&many, 1, now).allowed);
}

#[test]
fn what_passed_elsewhere_counts_but_never_for_more_than_a_burst() {
    let (limit, mut bucket, now) = (limit(10, SECOND, 4), Bucket::default(), Time::from_millis(50));
    bucket.charge(&limit, 3, now);
    assert_eq!(bucket.outstanding(&limit, now), 3);
    assert_eq!(bucket.request(&limit, 1, now).remaining, 0);
    bucket.charge(&limit, 1_000, now);
    assert_eq!(bucket.outstanding(&limit, now), 4);
    assert_eq!(bucket.outstanding(&limit, now + Duration::from_millis(250)), 2);
    let mut told = Bucket::default();
    told.handle_reset(&limit, Duration::from_millis(250), now);
    assert_eq!(told.outstanding(&limit, now), 3);
    told.handle_reset(&limit, Duration::ZERO, now);
    assert_eq!(told.outstanding(&limit, now), 3, "who knows less does not make it less");
    told.handle_reset(&limit, Duration::from_secs(3600), now);
    assert_eq!(told.outstanding(&limit, now), 4);
}

#[test]
fn limits_out_of_bounds_are_refused_each_by_its_name() {
    let cases = [
        (0, SECOND, 1, LimitError::Rate),
        (MOST_AT_ONCE + 1, SECOND, 1, LimitError::Rate),
        (1, Duration::ZERO, 1, LimitError::Period),
        (1, Duration::from_micros(1_500), 1, LimitError::Period),
        (1, LONGEST_PERIOD + Duration::from_millis(1), 1, LimitError::Period),
        (1, SECOND, 0, LimitError::Burst),
        (1, SECOND, MOST_AT_ONCE + 1, LimitError::Burst),
        (1, LONGEST_PERIOD, 11, LimitError::Refill),
    ];
    for (rate, period, burst, error) in cases {
        assert_eq!(Limit::new(rate, period, burst), Err(error), "{rate} {period:?} {burst}");
    }
    let limit = limit(1, LONGEST_PERIOD, 10);
    assert_eq!(limit.refill(), LONGEST_REFILL);
    assert_eq!(limit.allows_cost(0), Err(LimitError::NoCost));
    assert_eq!(limit.allows_cost(10), Ok(()));
    assert_eq!(limit.allows_cost(11), Err(LimitError::Cost));
}

/// A bucket with a hole: what has passed runs out of it steadily. Nothing but a level and when it was last looked at, in
/// parts so small that all is whole.
struct Leaky {
    level: u128,
    at: u64,
}

impl Leaky {
    fn request(&mut self, limit: &Limit, cost: u32, now: u64) -> bool {
        let each = limit.period.as_nanos() * u128::from(limit.sharers);
        let run_out = u128::from(now - self.at) * u128::from(limit.rate);
        (self.level, self.at) = (self.level.saturating_sub(run_out), now);
        let fits = self.level + u128::from(cost) * each <= u128::from(limit.burst) * each;
        self.level += if fits { u128::from(cost) * each } else { 0 };
        fits
    }
}

/// A limit, by how many it is shared, and requests: each some nanoseconds after the one before it, with its cost.
fn any_run() -> impl Strategy<Value = (Limit, u32, Vec<(u64, u32)>)> {
    (1..1_000_u32, 1..100_000_u64, 1..50_u32, 1..12_u32).prop_flat_map(|(rate, period, burst, sharers)| {
        let limit = limit(rate, Duration::from_millis(period), burst);
        let interval = period * 1_000_000 / u64::from(rate) + 1;
        let gap = prop_oneof![Just(0), 0..interval, 0..interval * u64::from(burst) * 3];
        (Just(limit), Just(sharers), prop::collection::vec((gap, 1..burst + 1), 1..80))
    })
}

proptest! {
    #[test]
    fn it_decides_as_a_leaky_bucket_does((limit, sharers, run) in any_run()) {
        let limit = limit.shared_by(sharers);
        let (mut bucket, mut leaky) = (Bucket::default(), Leaky { level: 0, at: 0 });
        let mut now = 0;
        for (gap, cost) in run {
            now += gap;
            let at = Time::from_nanos(now);
            let (before, verdict) = (bucket, bucket.request(&limit, cost, at));
            prop_assert_eq!(verdict.allowed, leaky.request(&limit, cost, now));
            prop_assert_eq!(verdict.retry.is_zero(), verdict.allowed);
            let (mut rest, mut more) = (bucket, bucket);
            prop_assert!(verdict.remaining == 0 || rest.request(&limit, verdict.remaining, at).allowed);
            prop_assert!(!more.request(&limit, verdict.remaining + 1, at).allowed);
            prop_assert_eq!(bucket.outstanding(&limit, at + verdict.reset), 0);
            if !verdict.allowed && cost <= limit.burst {
                // To the nanosecond: not before, and then.
                let (mut early, mut due) = (before, before);
                prop_assert!(!early.request(&limit, cost, at + verdict.retry - Duration::from_nanos(1)).allowed);
                prop_assert!(due.request(&limit, cost, at + verdict.retry).allowed);
            }
        }
    }

    #[test]
    fn it_decides_as_governor_does(
        interval in 1..500_u64,
        rate in 1..200_u32,
        burst in 1..50_u32,
        run in prop::collection::vec((0..2_000_u64, 1..60_u32), 1..80),
    ) {
        let interval = Duration::from_millis(interval);
        let ours = limit(rate, interval * rate, burst);
        let quota = Quota::with_period(interval).unwrap().allow_burst(NonZeroU32::new(burst).unwrap());
        let clock = FakeRelativeClock::default();
        let governor = RateLimiter::direct_with_clock(quota, clock.clone());
        let mut bucket = Bucket::default();
        for (gap, cost) in run {
            clock.advance(Duration::from_millis(gap));
            let now = Time::from_nanos(clock.now().as_u64());
            let theirs = matches!(governor.check_n(NonZeroU32::new(cost).unwrap()), Ok(Ok(())));
            prop_assert_eq!(bucket.request(&ours, cost, now).allowed, theirs);
        }
    }

    /// Over any window, shares let through together no more than a burst, the rounding, and what the window earns.
    #[test]
    fn shares_together_keep_the_limit(
        (limit, sharers, run) in any_run(),
        whose in prop::collection::vec(0..12_usize, 80),
    ) {
        let share = limit.shared_by(sharers);
        prop_assert!(share.burst >= 1);
        let mut buckets = [Bucket::default(); 12];
        let (mut now, mut passed) = (0, Vec::new());
        for ((gap, _), who) in run.into_iter().zip(whose) {
            now += gap;
            if buckets[who % sharers as usize].request(&share, 1, Time::from_nanos(now)).allowed {
                passed.push(now);
            }
        }
        for (first, begun) in passed.iter().enumerate() {
            for (last, ended) in passed.iter().enumerate().skip(first) {
                let earned = u128::from(ended - begun) * u128::from(limit.rate) / limit.period.as_nanos();
                let most = u128::from(limit.burst + sharers - 1) + earned;
                prop_assert!((last - first + 1) as u128 <= most, "{} in {}", last - first + 1, ended - begun);
            }
        }
    }
}
