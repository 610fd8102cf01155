//! A pacer: in no window of one second do more than `max_rate` start (loads, connections), wherever the window lies.
//!
//! A token bucket that refills at the cap lets up to twice the cap through in a second (a full bucket, then the
//! refill), and a counter per second does so across the border. This is the generic cell rate algorithm (ITU-T
//! I.371, virtual scheduling) with a twentieth of the cap as burst and the refill lowered by what the burst adds:
//! with a cap of `c` and a burst of `b`, starts are due `1 s / (c - b + 1)` apart and may run `b - 1` of those ahead.
//! Any half-open window of a second then holds at most `c` starts. The burst is there so that a timer that fires
//! a little late loses nothing; a cap below 20 has none and is perfectly even.

use std::time::Duration;

use crate::time::Time;

const SECOND_NANOS: u64 = 1_000_000_000;

/// One more start than this in a second would be more than one a nanosecond.
const HIGHEST_CAP: f64 = 1e9;

/// A cap below one start in this many seconds is treated as one in this many: some 31 years.
const SLOWEST_SECONDS: f64 = 1e9;

/// Says when the next may start.
#[derive(Clone, Debug)]
pub struct Pacer {
    interval: Duration,
    /// How far a start may run ahead of being due.
    tolerance: Duration,
    /// When the next start is due if none is to run ahead: the theoretical arrival time.
    due: Time,
}

impl Pacer {
    /// A pacer for `max_rate` starts a second. What is not a positive number is taken for the slowest pace there is.
    pub fn new(max_rate: f64) -> Self {
        let (interval, ahead) = if max_rate >= 1.0 {
            // Between 1 and 1e9, so the cast only drops the fraction.
            let cap = max_rate.min(HIGHEST_CAP) as u64;
            let ahead = cap / 20;
            (SECOND_NANOS.div_ceil(cap - ahead), ahead)
        } else {
            let seconds = (1.0 / max_rate.max(1.0 / SLOWEST_SECONDS)).min(SLOWEST_SECONDS);
            // At most 1e18, so the cast only drops the fraction.
            ((seconds * SECOND_NANOS as f64).ceil() as u64, 0)
        };
        Self {
            interval: Duration::from_nanos(interval),
            tolerance: Duration::from_nanos(interval * ahead),
            due: Time::ZERO,
        }
    }

    /// Lets `max_rate` start a second from here on. What has started counts as it did.
    pub fn set_max_rate(&mut self, max_rate: f64) {
        *self = Self { due: self.due, ..Self::new(max_rate) };
    }

    /// When the next may start.
    pub fn next_at(&self) -> Time {
        self.due - self.tolerance
    }

    /// When, at the soonest, one may start that lets `ahead` others go first.
    pub fn turn_at(&self, ahead: u32, now: Time) -> Time {
        let own_due = self.due.max(now) + self.interval.saturating_mul(ahead);
        (own_due - self.tolerance).max(now)
    }

    /// One starts at `now`.
    pub fn note_start(&mut self, now: Time) {
        self.due = self.due.max(now) + self.interval;
    }

    /// How many may start at once at `now`.
    pub fn tokens(&self, now: Time) -> u64 {
        let horizon = now + self.tolerance;
        let due = self.due.max(now);
        if due > horizon {
            return 0;
        }
        let more = horizon.since(due).as_nanos() / self.interval.as_nanos().max(1);
        u64::try_from(more).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pace_that_changes_forgets_no_start() {
        let mut pacer = Pacer::new(10.0);
        let now = Time::from_millis(1_000);
        pacer.note_start(now);
        pacer.set_max_rate(1.0);
        assert_eq!(pacer.next_at(), now + Duration::from_millis(100));
        pacer.note_start(pacer.next_at());
        assert_eq!(pacer.next_at(), now + Duration::from_millis(1_100));
    }

    /// Starts as often as the pacer lets it, asking at each of `asked`; the starts in order of time.
    fn starts(max_rate: f64, asked: &[u64]) -> Vec<u64> {
        let mut pacer = Pacer::new(max_rate);
        let mut started = Vec::new();
        for nanos in asked {
            let now = Time::from_nanos(*nanos);
            if pacer.next_at() <= now {
                pacer.note_start(now);
                started.push(*nanos);
            }
        }
        started.sort_unstable();
        started
    }

    /// The most starts in any half-open window of `width` nanoseconds.
    fn busiest(started: &[u64], width: u64) -> usize {
        let in_window = |(n, from): (usize, &u64)| started.partition_point(|at| *at < from + width) - n;
        started.iter().enumerate().map(in_window).max().unwrap_or(0)
    }

    /// Arrivals in bursts, evenly, after pauses, and a little out of order.
    fn arrivals() -> impl Strategy<Value = Vec<u64>> {
        let gap = prop_oneof![
            4 => Just(0),
            4 => 0..3_000_000u64,
            2 => 0..200_000_000u64,
            1 => 900_000_000..1_100_000_000u64,
        ];
        let late = prop_oneof![4 => Just(0), 1 => 0..50_000_000u64];
        prop::collection::vec((gap, late), 1..400).prop_map(|gaps| {
            gaps.into_iter()
                .scan(0u64, |now, (gap, late)| {
                    *now += gap;
                    Some(now.saturating_sub(late))
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn no_second_holds_more_than_the_cap(cap in 1.0..150.0f64, asked in arrivals()) {
            let most = busiest(&starts(cap, &asked), SECOND_NANOS);
            prop_assert!(most as f64 <= cap, "{} starts in a second, cap {}", most, cap);
        }

        #[test]
        fn a_cap_below_one_is_one_in_so_many_seconds(cap in 0.05..1.0f64, asked in arrivals()) {
            let width = (SECOND_NANOS as f64 / cap) as u64;
            prop_assert!(busiest(&starts(cap, &asked), width) <= 1);
        }

        #[test]
        fn tokens_and_turns_say_what_will_happen(cap in 1.0..500.0f64, asked in arrivals(), then in 0..2_000_000_000u64) {
            let mut pacer = Pacer::new(cap);
            for nanos in &asked {
                let now = Time::from_nanos(*nanos);
                if pacer.next_at() <= now {
                    pacer.note_start(now);
                }
            }
            let now = Time::from_nanos(asked.last().copied().unwrap_or(0) + then);
            let (tokens, mut started) = (pacer.tokens(now), 0);
            while pacer.next_at() <= now {
                prop_assert_eq!(pacer.turn_at(0, now), now);
                pacer.note_start(now);
                started += 1;
            }
            prop_assert_eq!(tokens, started);
            let third = pacer.turn_at(2, now);
            (0..2).for_each(|_| pacer.note_start(pacer.next_at()));
            prop_assert_eq!(pacer.next_at(), third);
        }
    }

    #[test]
    fn a_busy_pacer_gives_nearly_the_whole_cap() {
        let asked: Vec<u64> = (0..10_000).map(|millis| millis * 1_000_000).collect();
        assert_eq!(starts(10.0, &asked).len(), 100);
        assert!((4_750..=5_000).contains(&starts(500.0, &asked).len()));
    }

    #[test]
    fn nonsense_is_the_slowest_pace_and_not_the_fastest() {
        let asked: Vec<u64> = (0..1_000).map(|second| second * SECOND_NANOS).collect();
        for rate in [0.0, -5.0, f64::NAN] {
            assert_eq!(starts(rate, &asked).len(), 1, "{rate}");
        }
        assert_eq!(Pacer::new(f64::INFINITY).interval, Duration::from_nanos(2));
    }
}
