//! What is counted about one route.

use std::time::Duration;

use failsoft_core::request::{Ending, Request};
use failsoft_core::{Outcome, Tier};

use super::counter::{Counter, CounterMap};
use super::histogram::Histogram;

/// How a request was routed in the end: the values of the label `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The primary answered.
    PrimaryHit,
    /// A replica answered instead.
    PrimaryFailover,
    /// Local memory, the origin or the default answered.
    SecondaryFallback,
    /// Nobody answered.
    Error,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::PrimaryHit, Self::PrimaryFailover, Self::SecondaryFallback, Self::Error];

    /// The value of the label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PrimaryHit => "primary_hit",
            Self::PrimaryFailover => "primary_failover",
            Self::SecondaryFallback => "secondary_fallback",
            Self::Error => "error",
        }
    }

    /// The status of a request that ended so.
    pub const fn of(ending: Ending) -> Self {
        match ending {
            Ending::Value(tier) | Ending::Absent(tier) | Ending::PassOn(tier) => match tier {
                Tier::Primary => Self::PrimaryHit,
                Tier::Replica | Tier::Regional => Self::PrimaryFailover,
                Tier::Local | Tier::Origin | Tier::Default => Self::SecondaryFallback,
            },
            Ending::Unavailable(_) | Ending::Overloaded(_) | Ending::OutcomeUnknown(_) => Self::Error,
        }
    }
}

/// Counters of one route.
#[derive(Debug, Default)]
pub struct RouteStats {
    statuses: [Counter; Status::ALL.len()],
    answers: [Counter; Tier::ALL.len()],
    latency: Histogram,
    outcomes: [CounterMap; Tier::ALL.len()],
    errors: CounterMap,
    stale: Counter,
}

impl RouteStats {
    /// Counts a request that has ended after `took`.
    pub fn handle_ended(&self, request: &Request, ending: Ending, took: Duration) {
        self.statuses[Status::of(ending) as usize].increment();
        self.latency.observe(took);
        match ending {
            Ending::Value(tier) | Ending::Absent(tier) | Ending::PassOn(tier) => {
                self.answers[tier.index()].increment();
                if tier == Tier::Primary && ending == Ending::Value(tier) {
                    return;
                }
            }
            Ending::Unavailable(_) => self.errors.increment("UNAVAILABLE"),
            Ending::Overloaded(_) => self.errors.increment("OVERLOADED"),
            Ending::OutcomeUnknown(_) => self.errors.increment("OUTCOMEUNKNOWN"),
        }
        for (tier, outcome) in request.trail() {
            if outcome != Outcome::Hit {
                self.outcomes[tier.index()].increment(outcome.reason());
            }
        }
    }

    /// Counts an answer that was older than its time to live.
    pub fn handle_stale(&self) {
        self.stale.increment();
    }

    /// Requests by how they were routed.
    pub fn status(&self, status: Status) -> u64 {
        self.statuses[status as usize].get()
    }

    /// Requests that `tier` answered.
    pub fn answers(&self, tier: Tier) -> u64 {
        self.answers[tier.index()].get()
    }

    /// What came back from `tier` other than values, by reason.
    pub fn outcomes(&self, tier: Tier) -> Vec<(&'static str, u64)> {
        self.outcomes[tier.index()].snapshot()
    }

    /// Requests that were answered with failsoft's own errors, by code.
    pub fn errors(&self) -> Vec<(&'static str, u64)> {
        self.errors.snapshot()
    }

    /// Answers that were older than their time to live.
    pub fn stale(&self) -> u64 {
        self.stale.get()
    }

    /// Time from asking to the answer.
    pub fn latency(&self) -> &Histogram {
        &self.latency
    }
}
