//! Whether a call may be repeated, and after how long a pause.
//!
//! The policy bounds one request: so many attempts, with a random pause between them, so that callers who failed
//! together do not come back together (full jitter, after "Exponential Backoff And Jitter", AWS, 2015). The budget
//! bounds all requests together: each pays in a tenth of a retry, so when everything fails, retries add a tenth to the
//! load and not its double (after Finagle's `RetryBudget`). A small floor a second lets a quiet process retry at all.
//! Whether repeating is *safe* is decided elsewhere, from the outcome.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::time::{Time, nanos};

/// How often one request may be attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included. Default 2.
    pub attempts: u8,
    /// Shortest pause. Default 1 ms.
    pub base: Duration,
    /// Longest pause. Default 10 ms.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 2, base: Duration::from_millis(1), cap: Duration::from_millis(10) }
    }
}

impl RetryPolicy {
    /// Whether another attempt may follow after `made` attempts.
    pub const fn allows_another(&self, made: u8) -> bool {
        made < self.attempts
    }

    /// The pause after attempt number `attempt` (the first is 1), between `base` and `cap`; `dice` is uniform.
    ///
    /// The last pause may be as long as `cap` and each before it up to half as long as its successor, so that the
    /// whole range is used however few attempts there are. Less than `base` it never is, and where `cap` is less,
    /// it is `base`.
    pub fn delay(&self, attempt: u8, dice: u64) -> Duration {
        let pauses_after = self.attempts.saturating_sub(1).saturating_sub(attempt.max(1));
        let longest = nanos(self.cap).checked_shr(pauses_after.into()).unwrap_or(0);
        let spread = longest.saturating_sub(nanos(self.base));
        let drawn = u128::from(spread) * u128::from(dice) / u128::from(u64::MAX);
        // A part of a u64, so the conversion cannot fail.
        self.base + Duration::from_nanos(u64::try_from(drawn).unwrap_or(spread))
    }
}

/// How many retries all requests together may make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudgetSettings {
    /// Retries each request pays in; from 0 to 1. Default 0.1.
    pub deposit: f64,
    /// Retries paid in each second whatever the traffic. Default 1.
    pub floor_per_second: u32,
    /// Most retries saved up. Default 100.
    pub capacity: u32,
}

impl Default for RetryBudgetSettings {
    fn default() -> Self {
        Self { deposit: 0.1, floor_per_second: 1, capacity: 100 }
    }
}

/// The budget is spent: the caller goes to the next tier, or gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryDenied;

impl RetryDenied {
    /// The name used in logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        "retry-budget-spent"
    }
}

impl fmt::Display for RetryDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Error for RetryDenied {}

/// A billionth of a retry: with this unit, a floor of one a second is one unit a nanosecond.
const RETRY: u64 = 1_000_000_000;

/// A purse of retries that every request pays into and every retry is paid from.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    deposit: u64,
    floor_per_second: u64,
    capacity: u64,
    balance: u64,
    settled: Time,
}

impl RetryBudget {
    /// A budget with one second's floor in it. Settings outside their ranges are taken for the nearest inside.
    pub fn new(settings: RetryBudgetSettings) -> Self {
        let (floor_per_second, capacity) = (u64::from(settings.floor_per_second), u64::from(settings.capacity) * RETRY);
        Self {
            // Between 0 and 1e9, and the cast takes a NaN for 0.
            deposit: (settings.deposit.clamp(0.0, 1.0) * RETRY as f64) as u64,
            floor_per_second,
            capacity,
            balance: (floor_per_second * RETRY).min(capacity),
            settled: Time::ZERO,
        }
    }

    /// A request was made (its first attempt, not its retries).
    pub fn handle_request(&mut self, now: Time) {
        self.settle(now);
        self.pay_in(self.deposit);
    }

    /// Asks for one retry, and pays for it.
    ///
    /// # Errors
    /// There is less than one retry left.
    pub fn request_retry(&mut self, now: Time) -> Result<(), RetryDenied> {
        self.settle(now);
        self.balance = self.balance.checked_sub(RETRY).ok_or(RetryDenied)?;
        Ok(())
    }

    /// Whole retries left, by what was paid in so far.
    pub fn left(&self) -> u64 {
        self.balance / RETRY
    }

    fn settle(&mut self, now: Time) {
        let passed = nanos(now.since(self.settled));
        self.pay_in(passed.saturating_mul(self.floor_per_second));
        self.settled = self.settled.max(now);
    }

    fn pay_in(&mut self, amount: u64) {
        self.balance = self.balance.saturating_add(amount).min(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn drained(settings: RetryBudgetSettings) -> RetryBudget {
        let mut budget = RetryBudget::new(settings);
        while budget.request_retry(Time::ZERO).is_ok() {}
        budget
    }

    #[test]
    fn two_attempts_are_one_retry() {
        let policy = RetryPolicy::default();
        assert_eq!([0, 1, 2, 3].map(|made| policy.allows_another(made)), [true, true, false, false]);
    }

    #[test]
    fn the_default_pause_is_one_to_ten_milliseconds() {
        let policy = RetryPolicy::default();
        assert_eq!((policy.delay(1, 0), policy.delay(1, u64::MAX)), (MILLI, MILLI * 10));
    }

    #[test]
    fn longest_pauses_double_up_to_the_cap() {
        let policy = RetryPolicy { attempts: 5, cap: MILLI * 16, ..RetryPolicy::default() };
        let longest: Vec<_> = (1..=6).map(|attempt| policy.delay(attempt, u64::MAX).as_millis()).collect();
        assert_eq!(longest, [2, 4, 8, 16, 16, 16]);
    }

    #[test]
    fn ten_requests_pay_for_one_retry() {
        let mut budget = drained(RetryBudgetSettings { floor_per_second: 0, ..Default::default() });
        (0..9).for_each(|_| budget.handle_request(Time::ZERO));
        assert_eq!(budget.request_retry(Time::ZERO), Err(RetryDenied));
        budget.handle_request(Time::ZERO);
        assert_eq!(budget.request_retry(Time::ZERO), Ok(()));
        assert_eq!(budget.request_retry(Time::ZERO), Err(RetryDenied));
    }

    #[test]
    fn the_floor_lets_a_quiet_process_retry() {
        let mut budget = drained(RetryBudgetSettings { deposit: 0.0, floor_per_second: 2, capacity: 3 });
        assert_eq!(budget.request_retry(Time::from_millis(499)), Err(RetryDenied));
        assert_eq!(budget.request_retry(Time::from_millis(500)), Ok(()));
        for millis in [0, 500] {
            let again = budget.request_retry(Time::from_millis(millis));
            assert_eq!(again, Err(RetryDenied), "time that went back and came again was paid for twice");
        }
        budget.handle_request(Time::from_millis(3_600_000));
        assert_eq!(budget.left(), 3);
    }

    #[test]
    fn settings_outside_their_ranges_are_harmless() {
        let nothing = RetryBudgetSettings { deposit: f64::NAN, floor_per_second: 0, capacity: u32::MAX };
        let mut budget = RetryBudget::new(nothing);
        budget.handle_request(Time::NEVER);
        assert_eq!(budget.request_retry(Time::NEVER), Err(RetryDenied));
        let too_much = RetryBudgetSettings { deposit: 99.0, floor_per_second: u32::MAX, capacity: 1 };
        assert_eq!(RetryBudget::new(too_much).left(), 1);
    }

    proptest! {
        #[test]
        fn a_pause_is_between_base_and_cap(attempts: u8, attempt: u8, dice: u64, base in 0..1_000u64, more: u32) {
            let base = Duration::from_nanos(base);
            let policy = RetryPolicy { attempts, base, cap: base + Duration::from_nanos(more.into()) };
            prop_assert!((policy.base..=policy.cap).contains(&policy.delay(attempt, dice)));
        }

        #[test]
        fn retries_never_exceed_what_was_paid_in(
            capacity in 0..20u32,
            floor_per_second in 0..5u32,
            steps in prop::collection::vec((0..2_000u64, 0..30u32, 0..30u32), 1..60),
        ) {
            let mut budget = RetryBudget::new(RetryBudgetSettings { deposit: 0.1, floor_per_second, capacity });
            let (mut millis, mut requests, mut retries) = (0, 0, 0);
            for (wait, asked, failed) in steps {
                millis += wait;
                let now = Time::from_millis(millis);
                (0..asked).for_each(|_| budget.handle_request(now));
                let granted = (0..failed).filter(|_| budget.request_retry(now).is_ok()).count();
                prop_assert!(granted <= capacity as usize);
                requests += u64::from(asked);
                retries += granted as u64;
                let floor = u64::from(floor_per_second);
                prop_assert!(retries * 10_000 <= floor * 10_000 + floor * millis * 10 + requests * 1_000);
            }
        }
    }
}
