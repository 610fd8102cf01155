//! What is counted about one route.
//!
//! What flows, in health or in an outage, is counted with one atomic each; only rare outcomes go through a lock.

use std::time::Duration;

use failsoft_core::outcome::{Failure, MissCause};
use failsoft_core::replication::Unfit;
use failsoft_core::request::{Ending, Request};
use failsoft_core::{Outcome, Tier};

use super::counter::{Counter, CounterMap};
use super::histogram::Histogram;
use crate::apology::Code;
use crate::primitive::limit::{Basis, Decided};

/// How a request was routed in the end: the values of the label `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The primary answered, be it that it has no such value; or who is asked before it did: a coherent copy, or a replica
    /// that the route reads from first.
    PrimaryHit,
    /// A replica answered instead.
    PrimaryFailover,
    /// Local memory, the origin or the default answered instead.
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

    /// The status of `request`, which ended so.
    ///
    /// Loading what the primary said it does not have is a cache doing its work, not a fallback from the primary. Nor is a
    /// copy that answers in front of it, being what the primary would have said, or a replica that is asked first.
    pub fn of(request: &Request, ending: Ending) -> Self {
        let primary_answered = || request.trail().any(|(tier, outcome)| is_answer(tier, outcome));
        match ending {
            Ending::Value(tier) | Ending::Absent(tier) | Ending::PassOn(tier) => match tier {
                Tier::Primary => Self::PrimaryHit,
                Tier::Local if request.was_answered_in_front() => Self::PrimaryHit,
                Tier::Replica if request.outcome_of(Tier::Primary).is_none() => Self::PrimaryHit,
                Tier::Replica | Tier::Regional => Self::PrimaryFailover,
                Tier::Origin if primary_answered() => Self::PrimaryHit,
                Tier::Local | Tier::Origin | Tier::Default => Self::SecondaryFallback,
            },
            Ending::Unavailable(_) | Ending::Overloaded(_) | Ending::OutcomeUnknown(_) => Self::Error,
        }
    }
}

fn is_answer(tier: Tier, outcome: Outcome) -> bool {
    tier == Tier::Primary && matches!(outcome, Outcome::Hit | Outcome::Miss(_))
}

/// Whether the primary has brought the value and nobody was passed over before it.
pub fn was_answered_at_once(request: &Request, ending: Ending) -> bool {
    ending == Ending::Value(Tier::Primary) && request.outcome_of(Tier::Replica).is_none()
}

/// Outcomes that every request may have for minutes on end, and that must therefore not take a lock.
const FREQUENT: [Outcome; 16] = [
    Outcome::Miss(MissCause::Absent),
    Outcome::Miss(MissCause::NoSuchRow),
    Outcome::Miss(MissCause::TooOld),
    Outcome::Miss(MissCause::Leased),
    Outcome::Miss(MissCause::Filled),
    Outcome::Failed(Failure::CircuitOpen),
    Outcome::Failed(Failure::HeldOpen),
    Outcome::Failed(Failure::Shed),
    Outcome::Failed(Failure::Unfilled),
    Outcome::Failed(Failure::Replica(Unfit::Absent)),
    Outcome::Failed(Failure::Replica(Unfit::Unheard)),
    Outcome::Failed(Failure::Replica(Unfit::NotReplica)),
    Outcome::Failed(Failure::Replica(Unfit::CutOff)),
    Outcome::Failed(Failure::Replica(Unfit::Syncing)),
    Outcome::Failed(Failure::Replica(Unfit::Unmeasured)),
    Outcome::Failed(Failure::Replica(Unfit::Lagging)),
];
const CODES: [Code; 3] = [Code::Unavailable, Code::Overloaded, Code::OutcomeUnknown];

/// What came back from a tier: one of the five words, and the reason within it.
pub type Word = (&'static str, &'static str);

/// Counters of one route.
#[derive(Debug, Default)]
pub struct RouteStats {
    statuses: [Counter; Status::ALL.len()],
    answers: [Counter; Tier::ALL.len()],
    latency: Histogram,
    frequent: [[Counter; FREQUENT.len()]; Tier::ALL.len()],
    rare: [CounterMap<Word>; Tier::ALL.len()],
    errors: [Counter; CODES.len()],
    stale: Counter,
    mode_changes: Counter,
    /// Requests under a rate limit, by who decided about them: those that were refused and those that passed.
    limited: [[Counter; 2]; Basis::ALL.len()],
}

impl RouteStats {
    /// Counts a request that has ended after `took`.
    pub fn handle_ended(&self, request: &Request, ending: Ending, took: Duration) {
        self.statuses[Status::of(request, ending) as usize].increment();
        self.latency.observe(took);
        match ending {
            Ending::Value(tier) | Ending::Absent(tier) | Ending::PassOn(tier) => {
                self.answers[tier.index()].increment();
                if was_answered_at_once(request, ending) || request.was_answered_in_front() {
                    return;
                }
            }
            Ending::Unavailable(_) => self.errors[Code::Unavailable as usize].increment(),
            Ending::Overloaded(_) => self.errors[Code::Overloaded as usize].increment(),
            Ending::OutcomeUnknown(_) => self.errors[Code::OutcomeUnknown as usize].increment(),
        }
        for (tier, outcome) in request.trail() {
            self.handle_outcome(tier, outcome);
        }
    }

    /// Counts `count` requests that the primary answered with a value, each after `took`.
    pub fn handle_values_of_primary(&self, took: Duration, count: u64) {
        self.statuses[Status::PrimaryHit as usize].add(count);
        self.latency.observe_many(took, count);
        self.answers[Tier::Primary.index()].add(count);
    }

    fn handle_outcome(&self, tier: Tier, outcome: Outcome) {
        if outcome == Outcome::Hit {
            return;
        }
        match FREQUENT.iter().position(|frequent| *frequent == outcome) {
            Some(index) => self.frequent[tier.index()][index].increment(),
            None => self.rare[tier.index()].increment((outcome.word(), outcome.reason())),
        }
    }

    /// Counts an answer that was older than its time to live.
    pub fn handle_stale(&self) {
        self.stale.increment();
    }

    /// Counts a switch of the route's mode.
    pub fn handle_mode_changed(&self) {
        self.mode_changes.increment();
    }

    /// Switches of the route's mode.
    pub fn mode_changes(&self) -> u64 {
        self.mode_changes.get()
    }

    /// Counts a request under a rate limit that was `decided` on a basis.
    pub fn handle_limited(&self, basis: Basis, decided: Decided) {
        self.limited[basis as usize][decided as usize].increment();
    }

    /// Requests under a rate limit of which it was `decided` so on this basis.
    pub fn limited(&self, basis: Basis, decided: Decided) -> u64 {
        self.limited[basis as usize][decided as usize].get()
    }

    /// Requests by how they were routed.
    pub fn status(&self, status: Status) -> u64 {
        self.statuses[status as usize].get()
    }

    /// Requests that `tier` answered.
    pub fn answers(&self, tier: Tier) -> u64 {
        self.answers[tier.index()].get()
    }

    /// What came back from `tier` other than values, and how often; what never came is left out.
    pub fn outcomes(&self, tier: Tier) -> Vec<(Word, u64)> {
        let frequent = FREQUENT.iter().zip(&self.frequent[tier.index()]);
        let frequent = frequent.map(|(outcome, count)| ((outcome.word(), outcome.reason()), count.get()));
        let mut outcomes: Vec<_> = frequent.filter(|(_, count)| *count > 0).collect();
        outcomes.extend(self.rare[tier.index()].snapshot());
        outcomes
    }

    /// Requests that were answered with failsoft's own errors, for each code.
    pub fn errors(&self) -> [(&'static str, u64); CODES.len()] {
        CODES.map(|code| (code.word(), self.errors[code as usize].get()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_and_rare_outcomes_are_told_alike() {
        let stats = RouteStats::default();
        let open = Outcome::Failed(Failure::CircuitOpen);
        let outcomes = [FREQUENT[0], open, Outcome::Failed(Failure::Disconnected), Outcome::Hit, open];
        outcomes.into_iter().for_each(|outcome| stats.handle_outcome(Tier::Primary, outcome));
        let expected = [(("miss", "absent"), 1), (("failed", "circuit_open"), 2), (("failed", "disconnected"), 1)];
        assert_eq!(stats.outcomes(Tier::Primary), expected);
        assert_eq!(stats.outcomes(Tier::Local), []);
    }
}
