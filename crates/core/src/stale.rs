//! How old a value is and whether it may still be served.
//!
//! Every kept value carries when it was obtained and for how long it counts as fresh; the route says how far beyond
//! that it may be served when nothing better answers. Being old and being wrong are different things: a value that
//! was invalidated is removed, not judged here.

use std::time::Duration;

use crate::Time;

/// When a value was obtained, and for how long it is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When the value was obtained from an authoritative tier.
    pub obtained: Time,
    /// For how long after that it is fresh.
    pub fresh_for: Duration,
}

/// How old a value the asker is content with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Only within its time to live, and only while it is known to be what the primary holds: see
    /// [`coherence`](crate::coherence).
    Coherent,
    /// Only within its time to live.
    Fresh,
    /// Up to this long beyond its time to live.
    StaleUpTo(Duration),
}

/// The judgement over one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Within its time to live.
    Fresh {
        /// Time since the value was obtained.
        age: Duration,
    },
    /// Beyond its time to live, within the asker's budget.
    Stale {
        /// Time since the value was obtained.
        age: Duration,
    },
    /// Older than the asker accepts.
    TooOld,
}

impl Stamp {
    /// Whether a value with this stamp may be served at `now`.
    pub fn judge(self, acceptance: Acceptance, now: Time) -> Freshness {
        let age = now.since(self.obtained);
        if age <= self.fresh_for {
            return Freshness::Fresh { age };
        }
        match acceptance {
            Acceptance::StaleUpTo(budget) if age <= self.fresh_for.saturating_add(budget) => Freshness::Stale { age },
            Acceptance::StaleUpTo(_) | Acceptance::Fresh | Acceptance::Coherent => Freshness::TooOld,
        }
    }

    /// When the value can no longer be served to anybody with the given budget.
    pub fn worthless_at(self, budget: Duration) -> Time {
        self.obtained + self.fresh_for + budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { obtained: Time::from_millis(1_000), fresh_for: Duration::from_secs(30) };
    const BUDGET: Acceptance = Acceptance::StaleUpTo(Duration::from_secs(10));

    #[test]
    fn fresh_at_its_time_to_live_and_stale_one_nanosecond_past_it() {
        let border = Time::from_millis(31_000);
        assert_eq!(STAMP.judge(Acceptance::Fresh, border), Freshness::Fresh { age: Duration::from_secs(30) });
        let past = border + Duration::from_nanos(1);
        assert_eq!(STAMP.judge(Acceptance::Fresh, past), Freshness::TooOld);
        assert!(matches!(STAMP.judge(BUDGET, past), Freshness::Stale { .. }));
    }

    #[test]
    fn the_budget_ends() {
        let border = Time::from_millis(41_000);
        assert!(matches!(STAMP.judge(BUDGET, border), Freshness::Stale { .. }));
        assert_eq!(STAMP.judge(BUDGET, border + Duration::from_nanos(1)), Freshness::TooOld);
        assert_eq!(STAMP.worthless_at(Duration::from_secs(10)), border);
    }
}
