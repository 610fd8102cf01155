//! A counter that an application keeps in Redis to limit something, kept here while Redis is away.
//!
//! Applications count by themselves: `INCR`, compare with the limit, `EXPIRE`. failsoft does not know the limit, so it
//! cannot divide it; it multiplies what it tells instead. One of `F` instances that has counted `n` before tells the
//! next caller `n * F + 1`: the first gets 1, upon which applications set the time to live; and the comparison fails
//! after a share of the limit, rounded up. All instances together let through the limit and at most `F - 1` more.
//!
//! What was written down as a value (`SET`, what a countdown starts with) is told as it is; only what was counted since
//! is multiplied. What is counted here is told to Redis on return, as it was counted and not multiplied.

use std::fmt;

use crate::Time;

/// What one instance has counted under one key while Redis is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// What was written before it was counted on.
    base: Option<i64>,
    /// What was counted since.
    counted: i64,
    /// As much of it as Redis has been told.
    told: i64,
    /// Whether Redis has been told the base.
    base_told: bool,
    expires: Expiry,
    /// Whether what Redis holds is to go before it is told.
    voids: Voids,
    exists: bool,
}

/// When a counter ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Nobody has said: what Redis holds keeps its own.
    #[default]
    Unsaid,
    /// Never.
    Never,
    /// Then.
    At(Time),
}

/// What becomes of what Redis holds when it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Voids {
    /// It is counted on.
    #[default]
    Nothing,
    /// It was written over, or deleted, here.
    All,
}

/// Which keys a `SET` may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Any.
    Always,
    /// One that is not there (`NX`).
    Absent,
    /// One that is there (`XX`).
    Present,
}

/// The result does not fit into 64 bits with a sign, as in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// What Redis is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Telling {
    /// What becomes of what it holds.
    pub voids: Voids,
    /// What is written where nothing is.
    pub base: Option<i64>,
    /// What is counted on.
    pub counted: i64,
    /// When it ends.
    pub expires: Expiry,
}

impl Counter {
    /// Whether there is a value at `now`.
    pub fn exists(&self, now: Time) -> bool {
        self.exists && !matches!(self.expires, Expiry::At(at) if at <= now)
    }

    /// Counts `by` and says what the caller is told, the fleet having `sharers`.
    ///
    /// # Errors
    /// Nothing has been counted if it does not fit.
    pub fn add(&mut self, by: i64, sharers: u32, now: Time) -> Result<i64, Overflow> {
        self.begin(now);
        let told = self.told(sharers).and_then(|told| told.checked_add(by)).ok_or(Overflow)?;
        self.counted = self.counted.checked_add(by).ok_or(Overflow)?;
        self.exists = true;
        Ok(told)
    }

    /// What the value is said to be.
    pub fn value(&self, sharers: u32, now: Time) -> Option<i64> {
        self.exists(now).then(|| self.told(sharers).unwrap_or(i64::MAX))
    }

    /// Writes `value`, if the condition holds; whether it did.
    pub fn write(&mut self, value: i64, expires: Expiry, condition: Condition, now: Time) -> bool {
        let may = match condition {
            Condition::Always => true,
            Condition::Absent => !self.exists(now),
            Condition::Present => self.exists(now),
        };
        if may {
            let voids = if condition == Condition::Absent { self.voids } else { Voids::All };
            *self = Self { base: Some(value), expires, voids, exists: true, ..Self::default() };
        }
        may
    }

    /// Deletes it; whether it was there.
    pub fn delete(&mut self, now: Time) -> bool {
        let existed = self.exists(now);
        *self = Self { voids: Voids::All, ..Self::default() };
        existed
    }

    /// Has it end then; whether it is there. A moment that has passed deletes it.
    pub fn expire(&mut self, expires: Expiry, now: Time) -> bool {
        if !self.exists(now) {
            return false;
        }
        match expires {
            Expiry::At(at) if at <= now => self.delete(now),
            Expiry::At(_) | Expiry::Never | Expiry::Unsaid => {
                self.expires = expires;
                true
            }
        }
    }

    /// When it ends, if it is there.
    pub fn expiry(&self, now: Time) -> Option<Expiry> {
        self.exists(now).then_some(self.expires)
    }

    /// What Redis is to be told, if there is anything: a counter that has ended need not be told of.
    pub fn telling(&self, now: Time) -> Option<Telling> {
        let told = match self.exists(now) {
            true => Telling {
                voids: self.voids,
                base: self.base.filter(|_| !self.base_told),
                counted: self.counted.saturating_sub(self.told),
                expires: self.expires,
            },
            false => Telling { voids: self.voids, base: None, counted: 0, expires: Expiry::Unsaid },
        };
        let is_news = told.voids == Voids::All || told.base.is_some() || told.counted != 0;
        is_news.then_some(told)
    }

    /// Redis has been told. Where it is known when the counter ends it is counted on from here if Redis goes once more.
    pub fn handle_told(&mut self, telling: &Telling) {
        match self.expires {
            Expiry::At(_) if self.exists => {
                self.told = self.told.saturating_add(telling.counted);
                self.base_told = true;
                self.voids = Voids::Nothing;
            }
            Expiry::At(_) | Expiry::Never | Expiry::Unsaid => *self = Self::default(),
        }
    }

    /// Redis may have been told. What it holds by now may have been counted since, so it is not voided again.
    pub fn handle_unheard(&mut self) {
        self.voids = Voids::Nothing;
    }

    /// Takes up a value that has ended.
    fn begin(&mut self, now: Time) {
        if !self.exists(now) {
            *self = Self { voids: self.voids, ..Self::default() };
        }
    }

    fn told(&self, sharers: u32) -> Option<i64> {
        let multiplied = self.counted.checked_mul(i64::from(sharers.max(1)))?;
        self.base.unwrap_or(0).checked_add(multiplied)
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("increment or decrement would overflow")
    }
}

impl std::error::Error for Overflow {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const NOW: Time = Time::from_millis(1_000);

    /// How many of `asked` requests one instance lets through that compares so.
    fn admitted(asked: u32, mut compare: impl FnMut(&mut Counter) -> bool) -> u32 {
        let mut counter = Counter::default();
        (0..asked).filter(|_| compare(&mut counter)).count() as u32
    }

    proptest! {
        #[test]
        fn a_fleet_that_counts_up_keeps_the_limit(limit in 1..1_000_u32, fleet in 1..50_u32) {
            let one = admitted(2_000, |counter| counter.add(1, fleet, NOW).unwrap() <= i64::from(limit));
            prop_assert_eq!(one, limit.div_ceil(fleet));
            prop_assert!(one * fleet < limit + fleet);
        }

        #[test]
        fn so_does_one_that_looks_before_it_counts(limit in 1..1_000_u32, fleet in 1..50_u32) {
            let one = admitted(2_000, |counter| {
                let may = counter.value(fleet, NOW).unwrap_or(0) < i64::from(limit);
                may && counter.add(1, fleet, NOW).is_ok()
            });
            prop_assert_eq!(one, limit.div_ceil(fleet));
        }

        #[test]
        fn so_does_one_that_counts_down(limit in 1..1_000_u32, fleet in 1..50_u32) {
            let one = admitted(2_000, |counter| {
                counter.write(i64::from(limit), Expiry::Never, Condition::Absent, NOW);
                counter.add(-1, fleet, NOW).unwrap() >= 0
            });
            prop_assert_eq!(one, limit.div_ceil(fleet));
        }
    }

    #[test]
    fn a_window_ends_and_the_next_begins_at_one() {
        let mut counter = Counter::default();
        assert_eq!(counter.add(1, 10, NOW), Ok(1));
        let end = NOW + Duration::from_secs(60);
        assert!(counter.expire(Expiry::At(end), NOW));
        assert_eq!(counter.add(1, 10, NOW), Ok(11));
        assert_eq!(counter.expiry(NOW), Some(Expiry::At(end)));
        assert_eq!(counter.telling(end), None, "what has ended need not be told");
        assert_eq!((counter.value(10, end), counter.expiry(end)), (None, None));
        assert_eq!(counter.add(1, 10, end), Ok(1));
        assert_eq!(counter.expiry(end), Some(Expiry::Unsaid));
    }

    #[test]
    fn redis_is_told_what_was_counted_and_what_was_written_over() {
        let mut counter = Counter::default();
        counter.add(3, 10, NOW).unwrap();
        let unsaid = Expiry::Unsaid;
        let telling = |voids, base, counted, expires| Some(Telling { voids, base, counted, expires });
        assert_eq!(counter.telling(NOW), telling(Voids::Nothing, None, 3, unsaid));
        assert!(counter.delete(NOW));
        assert!(!counter.delete(NOW));
        assert_eq!(counter.telling(NOW), telling(Voids::All, None, 0, unsaid));
        counter.add(2, 10, NOW).unwrap();
        assert_eq!(counter.telling(NOW), telling(Voids::All, None, 2, unsaid));
        assert!(counter.write(7, Expiry::Never, Condition::Present, NOW));
        assert!(!counter.write(9, Expiry::Never, Condition::Absent, NOW));
        assert_eq!(counter.value(10, NOW), Some(7));
        counter.add(-1, 10, NOW).unwrap();
        assert_eq!(counter.telling(NOW), telling(Voids::All, Some(7), -1, Expiry::Never));
    }

    #[test]
    fn a_window_that_redis_has_been_told_of_is_counted_on_if_redis_goes_once_more() {
        let mut counter = Counter::default();
        counter.write(5, Expiry::At(NOW + Duration::from_secs(9)), Condition::Always, NOW);
        counter.add(2, 10, NOW).unwrap();
        counter.handle_unheard();
        let telling = counter.telling(NOW).unwrap();
        assert_eq!((telling.voids, telling.base, telling.counted), (Voids::Nothing, Some(5), 2));
        counter.handle_told(&telling);
        assert_eq!((counter.telling(NOW), counter.value(10, NOW)), (None, Some(25)));
        counter.add(1, 10, NOW).unwrap();
        let telling = counter.telling(NOW).unwrap();
        assert_eq!((telling.base, telling.counted), (None, 1));
        assert_eq!(counter.telling(NOW + Duration::from_secs(9)), None);
    }

    #[test]
    fn one_without_an_end_is_forgotten_once_redis_has_been_told() {
        let mut counter = Counter::default();
        counter.add(4, 10, NOW).unwrap();
        let telling = counter.telling(NOW).unwrap();
        counter.handle_told(&telling);
        assert_eq!(counter, Counter::default());
    }

    #[test]
    fn what_does_not_fit_is_not_counted() {
        let mut counter = Counter::default();
        counter.write(i64::MAX, Expiry::Never, Condition::Always, NOW);
        assert_eq!(counter.add(1, 1, NOW), Err(Overflow));
        assert_eq!(counter.value(1, NOW), Some(i64::MAX));
        assert_eq!(Counter::default().add(i64::MIN, 1, NOW), Ok(i64::MIN));
    }

    #[test]
    fn a_moment_that_has_passed_ends_it() {
        let mut counter = Counter::default();
        assert!(!counter.expire(Expiry::Never, NOW));
        counter.add(1, 1, NOW).unwrap();
        assert!(counter.expire(Expiry::At(NOW), NOW));
        assert!(!counter.exists(NOW));
        assert_eq!(counter.telling(NOW).unwrap().voids, Voids::All);
    }
}
