//! How often somebody may: the generic cell rate algorithm (ITU-T I.371, virtual scheduling), in whole numbers.
//!
//! A limit of `rate` a period is one every `period / rate`, which is seldom a whole number of anything. So moments are
//! kept in `rate`ths of a nanosecond: whole, exact for ever, and in 128 bits too many to overflow. A rounded interval
//! would drift, and at high rates give away or take a good part of the limit.
//!
//! A [`Bucket`] knows one moment, when all it has let through will have been due. That may lie a burst ahead of now and no
//! further: what is read that lies further ahead (a clock was set back, a limit was lowered) is taken for a full burst,
//! which costs the caller one interval's wait instead of an hour's.
//!
//! The same arithmetic in Lua, on the server's microseconds, is the engine's `primitive/limit.lua`; a test holds the one
//! against the other.

use std::fmt;
use std::time::Duration;

use crate::Time;
use crate::time::nanos;

/// The greatest rate, burst and cost. With it every product in the Lua script is below 2^53, where doubles are exact.
pub const MOST_AT_ONCE: u32 = 10_000_000;
/// The longest period.
pub const LONGEST_PERIOD: Duration = Duration::from_secs(365 * 24 * 3600);
/// The longest that a whole burst may take to come back.
pub const LONGEST_REFILL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How often something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    rate: u32,
    period: Duration,
    burst: u32,
    sharers: u32,
}

/// Why there can be no such limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitError {
    /// The rate is zero or above [`MOST_AT_ONCE`].
    Rate,
    /// The period is zero, above [`LONGEST_PERIOD`], or not whole milliseconds.
    Period,
    /// The burst is zero or above [`MOST_AT_ONCE`].
    Burst,
    /// A burst would take longer than [`LONGEST_REFILL`] to come back.
    Refill,
    /// The cost is zero.
    NoCost,
    /// The cost is above the burst: it would never be allowed.
    Cost,
}

/// What was decided about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may pass.
    pub allowed: bool,
    /// What may pass at once after it.
    pub remaining: u32,
    /// After how long nothing would be left of what has passed.
    pub reset: Duration,
    /// After how long the same request would pass; zero if it has.
    pub retry: Duration,
}

/// What has been let through under one limit. A bucket that has never been asked is [`Bucket::default`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// The theoretical arrival time, in parts of a nanosecond.
    due: u128,
    /// How many such parts a nanosecond has: the rate it was last asked with.
    parts: u32,
}

impl Limit {
    /// `rate` in every `period`, of which up to `burst` at once.
    ///
    /// # Errors
    /// The first of the three that is out of its bounds.
    pub fn new(rate: u32, period: Duration, burst: u32) -> Result<Self, LimitError> {
        if rate == 0 || rate > MOST_AT_ONCE {
            return Err(LimitError::Rate);
        }
        if period.is_zero() || period > LONGEST_PERIOD || !period.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(LimitError::Period);
        }
        if burst == 0 || burst > MOST_AT_ONCE {
            return Err(LimitError::Burst);
        }
        if period.as_nanos() * u128::from(burst) > LONGEST_REFILL.as_nanos() * u128::from(rate) {
            return Err(LimitError::Refill);
        }
        Ok(Self { rate, period, burst, sharers: 1 })
    }

    /// What each of `sharers` may who do not hear of each other: an interval as many times as long, and a burst that is
    /// divided and rounded up, so that nobody's share is nothing for ever.
    ///
    /// All of them together let through what the limit allows, and in bursts at most `sharers - 1` more.
    #[must_use]
    pub fn shared_by(self, sharers: u32) -> Self {
        let sharers = sharers.max(1);
        Self { burst: self.burst.div_ceil(sharers), sharers, ..self }
    }

    /// Whether `cost` can be asked of it at all.
    ///
    /// # Errors
    /// Why not.
    pub fn allows_cost(&self, cost: u32) -> Result<(), LimitError> {
        match cost {
            0 => Err(LimitError::NoCost),
            cost if cost > self.burst => Err(LimitError::Cost),
            _ => Ok(()),
        }
    }

    /// How many in a period.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The period.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// How many at once.
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// How long a whole burst takes to come back, rounded up.
    pub fn refill(&self) -> Duration {
        self.whole(self.span(self.burst))
    }

    /// What is said of a request when nothing is known of those before it.
    pub fn first(&self, cost: u32) -> Verdict {
        let reset = self.whole(self.span(cost));
        Verdict { allowed: true, remaining: self.burst.saturating_sub(cost), reset, retry: Duration::ZERO }
    }

    /// How long `count` take, in parts.
    fn span(&self, count: u32) -> u128 {
        u128::from(nanos(self.period)) * u128::from(self.sharers) * u128::from(count)
    }

    fn parts(&self, now: Time) -> u128 {
        u128::from(now.as_nanos()) * u128::from(self.rate)
    }

    fn whole(&self, parts: u128) -> Duration {
        Duration::from_nanos(u64::try_from(parts.div_ceil(u128::from(self.rate))).unwrap_or(u64::MAX))
    }
}

impl Bucket {
    /// Lets `cost` through, if the limit allows it at `now`.
    ///
    /// A cost above the burst (of a share: [`Limit::allows_cost`] is for whole limits) never passes.
    pub fn request(&mut self, limit: &Limit, cost: u32, now: Time) -> Verdict {
        let (due, now) = (self.due_at(limit, now), limit.parts(now));
        let horizon = now + limit.span(limit.burst);
        let after = due + limit.span(cost);
        let allowed = after <= horizon;
        self.set(limit, if allowed { after } else { due });
        Verdict {
            allowed,
            remaining: u32::try_from((horizon - self.due) / limit.span(1)).unwrap_or(u32::MAX),
            reset: limit.whole(self.due - now),
            retry: limit.whole(after.saturating_sub(horizon)),
        }
    }

    /// Has `cost` pass that has passed already, elsewhere or before: of what is more than a burst the rest is forgotten.
    pub fn charge(&mut self, limit: &Limit, cost: u32, now: Time) {
        let horizon = limit.parts(now) + limit.span(limit.burst);
        self.set(limit, (self.due_at(limit, now) + limit.span(cost)).min(horizon));
    }

    /// Takes up that somebody who knows more has said `reset`: it takes at least so long until nothing is left.
    pub fn handle_reset(&mut self, limit: &Limit, reset: Duration, now: Time) {
        let told = limit.parts(now + reset).min(limit.parts(now) + limit.span(limit.burst));
        self.set(limit, self.due_at(limit, now).max(told));
    }

    /// How many of those that have passed still count, rounded up.
    pub fn outstanding(&self, limit: &Limit, now: Time) -> u32 {
        let still = self.due_at(limit, now) - limit.parts(now);
        u32::try_from(still.div_ceil(limit.span(1))).unwrap_or(u32::MAX)
    }

    /// When all that has passed will have been due, in parts of this limit: not before now, and not after a full burst.
    fn due_at(&self, limit: &Limit, now: Time) -> u128 {
        let (now, own) = (limit.parts(now), u128::from(self.parts.max(1)));
        let due = match self.parts == limit.rate {
            true => self.due,
            false => (self.due * u128::from(limit.rate)).div_ceil(own),
        };
        due.clamp(now, now + limit.span(limit.burst))
    }

    fn set(&mut self, limit: &Limit, due: u128) {
        *self = Self { due, parts: limit.rate };
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate => write!(f, "rate must be between 1 and {MOST_AT_ONCE}"),
            Self::Period => {
                write!(f, "period must be between 1 and {} milliseconds", LONGEST_PERIOD.as_millis())
            }
            Self::Burst => write!(f, "burst must be between 1 and {MOST_AT_ONCE}"),
            Self::Refill => f.write_str("a burst must come back within ten years (burst * period / rate)"),
            Self::NoCost => write!(f, "cost must be between 1 and {MOST_AT_ONCE}"),
            Self::Cost => f.write_str("cost is above the burst and would never be allowed"),
        }
    }
}

impl std::error::Error for LimitError {}

#[cfg(test)]
mod tests;
