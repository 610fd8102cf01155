//! How many loads may be under way at once: a limit between 1 and the cap that follows what the origin can take.
//!
//! Latency moves it by gradient: each answer is compared with how long an unloaded origin takes, and the limit is
//! drawn towards `limit * gradient + sqrt(limit)`, where the gradient is below 1 once an answer takes twice that
//! (databases are noisy). Trouble moves it as it moves TCP Reno: multiplied down, at most once for all loads started
//! before the last cut, so that twenty loads failing together are one signal.
//!
//! What an unloaded origin takes is measured, at first and every half minute, by letting only a few loads run for
//! some twenty answers. This is the gradient controller of Envoy's adaptive concurrency filter, after Netflix'
//! concurrency-limits. The obvious other way, a long average of all answers (Netflix' Gradient2), follows a lasting
//! overload upwards until it takes it for normal, and an outage of Redis is a lasting overload. The price is a short
//! dip in each half minute, and that an origin which slows down by nature is held back until the next measurement.
//!
//! While less than half of the limit is used, nothing is learnt about it and it stays.

use std::time::Duration;

use crate::time::{Time, nanos};

/// Loads under way while measuring, and the limit to start from.
const FEW: f64 = 4.0;
const MEASURED_ANSWERS: u32 = 20;
const MEASURED_EVERY: Duration = Duration::from_secs(30);
const SMOOTHING: f64 = 0.2;
/// An answer may take this many times what an unloaded origin takes before it counts as having queued.
const NOISE: f64 = 2.0;
/// One outlier takes no more than half off the target.
const STEEPEST: f64 = 0.5;
/// The share of the newest answer in what a load typically takes.
const FRESHNESS: f64 = 0.1;

/// How much of the limit a kind of trouble leaves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// The origin answered with an error: it may have other causes than load.
    Failed,
    /// It did not answer in time.
    TimedOut,
}

impl Trouble {
    const fn leaves(self) -> f64 {
        match self {
            Self::Failed => 0.9,
            Self::TimedOut => 0.7,
        }
    }
}

/// A measurement under way: of loads started since it began, as those before it met a busier origin.
#[derive(Clone, Copy, Debug)]
struct Measurement {
    since: Time,
    answers: u32,
    sum_nanos: f64,
}

impl Measurement {
    const fn begun(since: Time) -> Self {
        Self { since, answers: 0, sum_nanos: 0.0 }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Limit {
    most: f64,
    limit: f64,
    measurement: Option<Measurement>,
    next_measurement: Time,
    unloaded_nanos: f64,
    typical_nanos: f64,
    last_cut: Option<Time>,
}

impl Limit {
    pub(super) fn new(max_concurrency: u32) -> Self {
        let most = f64::from(max_concurrency.max(1));
        Self {
            most,
            limit: FEW.min(most),
            measurement: Some(Measurement::begun(Time::ZERO)),
            next_measurement: Time::ZERO,
            unloaded_nanos: 0.0,
            typical_nanos: 0.0,
            last_cut: None,
        }
    }

    /// How many loads may be under way.
    pub(super) fn get(&self) -> u32 {
        let limit = if self.measurement.is_some() { self.limit.min(FEW) } else { self.limit };
        // Between 1 and a u32, so the cast only drops the fraction.
        limit as u32
    }

    /// How long a load takes lately; zero as long as none was answered.
    pub(super) fn typical(&self) -> Duration {
        Duration::from_nanos(self.typical_nanos as u64)
    }

    /// A load started at `started_at` was answered, while `in_flight` (itself among them) were under way.
    pub(super) fn note_answer(&mut self, started_at: Time, now: Time, in_flight: u32) {
        let took = nanos(now.since(started_at)).max(1) as f64;
        self.note_typical(took);
        match self.measurement {
            Some(measurement) => self.measure(measurement, started_at, now, took),
            None if now >= self.next_measurement => self.measurement = Some(Measurement::begun(now)),
            None => self.follow(took, in_flight),
        }
    }

    /// A load started at `started_at` came to trouble.
    pub(super) fn note_trouble(&mut self, trouble: Trouble, started_at: Time, now: Time) {
        if self.last_cut.is_some_and(|cut| started_at < cut) {
            return;
        }
        self.last_cut = Some(now);
        self.set(self.limit * trouble.leaves());
    }

    fn note_typical(&mut self, took: f64) {
        let fresh = if self.typical_nanos == 0.0 { 1.0 } else { FRESHNESS };
        self.typical_nanos += (took - self.typical_nanos) * fresh;
    }

    fn measure(&mut self, mut measurement: Measurement, started_at: Time, now: Time, took: f64) {
        if started_at < measurement.since {
            return;
        }
        measurement.answers += 1;
        measurement.sum_nanos += took;
        if measurement.answers < MEASURED_ANSWERS {
            self.measurement = Some(measurement);
        } else {
            self.measurement = None;
            self.next_measurement = now + MEASURED_EVERY;
            self.unloaded_nanos = measurement.sum_nanos / f64::from(MEASURED_ANSWERS);
        }
    }

    fn follow(&mut self, took: f64, in_flight: u32) {
        if f64::from(in_flight) < self.limit / 2.0 {
            return;
        }
        let gradient = (NOISE * self.unloaded_nanos / took).clamp(STEEPEST, 1.0);
        let target = self.limit * gradient + self.limit.sqrt();
        self.set(self.limit * (1.0 - SMOOTHING) + target * SMOOTHING);
    }

    fn set(&mut self, limit: f64) {
        self.limit = limit.clamp(1.0, self.most);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: Duration = Duration::from_millis(10);

    /// A limit and the time, moved on by each answer.
    struct Origin {
        limit: Limit,
        now: Time,
    }

    impl Origin {
        fn new(max_concurrency: u32) -> Self {
            Self { limit: Limit::new(max_concurrency), now: Time::ZERO }
        }

        /// So many answers one after the other, each after as long as `took` says for that many loads under way.
        fn answer(&mut self, answers: u32, took: impl Fn(u32) -> Duration) {
            for _ in 0..answers {
                let (started_at, in_flight) = (self.now, self.limit.get());
                self.now = self.now + took(in_flight);
                self.limit.note_answer(started_at, self.now, in_flight);
            }
        }

        /// An origin that does five things at once: beyond that, each waits in proportion.
        fn five_at_once(in_flight: u32) -> Duration {
            BASE.mul_f64((f64::from(in_flight) / 5.0).max(1.0))
        }
    }

    #[test]
    fn a_quick_origin_is_soon_given_the_whole_cap() {
        let mut origin = Origin::new(20);
        assert_eq!(origin.limit.get(), 4);
        origin.answer(60, |_| BASE);
        assert_eq!(origin.limit.get(), 20);
    }

    #[test]
    fn an_idle_guard_learns_nothing_about_the_limit() {
        let mut origin = Origin::new(20);
        origin.answer(60, |_| BASE);
        for _ in 0..50 {
            origin.limit.note_answer(Time::ZERO, origin.now, 9);
        }
        assert_eq!(origin.limit.get(), 20);
        origin.limit.note_answer(Time::ZERO, origin.now, 10);
        assert!(origin.limit.get() < 20);
    }

    #[test]
    fn queueing_lowers_the_limit_and_its_end_raises_it() {
        let mut origin = Origin::new(100);
        origin.answer(150, |_| BASE);
        assert_eq!(origin.limit.get(), 100);
        origin.answer(30, |_| BASE * 20);
        assert!(origin.limit.get() < 20, "{}", origin.limit.get());
        origin.answer(150, |_| BASE);
        assert_eq!(origin.limit.get(), 100);
    }

    #[test]
    fn a_lasting_overload_is_not_taken_for_normal() {
        let mut origin = Origin::new(200);
        origin.answer(200, Origin::five_at_once);
        for _ in 0..5_000 {
            origin.answer(1, Origin::five_at_once);
            assert!((4..=16).contains(&origin.limit.get()), "{} at {:?}", origin.limit.get(), origin.now);
        }
        assert!(origin.now > Time::ZERO + MEASURED_EVERY, "the overload outlasted a measurement");
    }

    #[test]
    fn an_origin_that_became_slow_by_nature_gets_its_places_back() {
        let mut origin = Origin::new(20);
        origin.answer(60, |_| BASE);
        origin.answer(100, |_| BASE * 10);
        assert!(origin.limit.get() < 10, "{}", origin.limit.get());
        origin.answer(400, |_| BASE * 10);
        assert_eq!(origin.limit.get(), 20);
    }

    #[test]
    fn a_measurement_does_not_listen_to_loads_from_before() {
        let mut origin = Origin::new(20);
        origin.answer(60, |_| BASE);
        origin.now = origin.now + MEASURED_EVERY;
        let before = origin.now - BASE * 9;
        origin.limit.note_answer(before, origin.now, 20);
        assert_eq!(origin.limit.get(), 4);
        (0..100).for_each(|_| origin.limit.note_answer(before, origin.now, 20));
        origin.answer(MEASURED_ANSWERS, |_| BASE);
        assert_eq!((origin.limit.get(), origin.limit.unloaded_nanos), (20, 1e7));
    }

    #[test]
    fn loads_that_fail_together_are_one_signal() {
        let mut origin = Origin::new(20);
        origin.answer(60, |_| BASE);
        let at = |millis: u64| Time::from_millis(10_000 + millis);
        (0..20).for_each(|n| origin.limit.note_trouble(Trouble::TimedOut, at(n), at(1_000)));
        assert_eq!(origin.limit.get(), 14);
        origin.limit.note_trouble(Trouble::Failed, at(1_000), at(1_001));
        assert_eq!(origin.limit.get(), 12);
    }

    #[test]
    fn trouble_never_takes_the_last_place() {
        let mut origin = Origin::new(20);
        origin.answer(60, |_| BASE);
        (0..100).for_each(|n| origin.limit.note_trouble(Trouble::TimedOut, Time::NEVER, Time::from_millis(n)));
        assert_eq!(origin.limit.get(), 1);
        origin.answer(100, |_| BASE);
        assert_eq!(origin.limit.get(), 20);
    }

    proptest! {
        #[test]
        fn the_limit_stays_between_one_and_the_cap(
            cap: u32,
            facts in prop::collection::vec((0..3u8, any::<u64>(), any::<u64>(), any::<u32>()), 1..200),
        ) {
            let mut limit = Limit::new(cap);
            for (kind, started_at, now, in_flight) in facts {
                let (started_at, now) = (Time::from_nanos(started_at), Time::from_nanos(now));
                match kind {
                    0 => limit.note_answer(started_at, now, in_flight),
                    1 => limit.note_trouble(Trouble::Failed, started_at, now),
                    _ => limit.note_trouble(Trouble::TimedOut, started_at, now),
                }
                prop_assert!((1..=cap.max(1)).contains(&limit.get()));
            }
        }
    }
}
