//! What is known of an answer besides its bytes: who gave it, how old it is, and why nobody above did.
//!
//! Small and copied, never shared, so that it can be kept for the last answer of every client. Of a command on several
//! keys it is what is known of the key that fared worst: an error before an answer, a lower tier before a higher one.

use std::cmp::Ordering;
use std::time::Duration;

use failsoft_core::request::{Ending, Request};
use failsoft_core::{Outcome, Tier};

use crate::apology::Code;

/// What is known of an answer besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// How the request ended; `None` if it never was one, because failsoft answered by itself.
    pub ending: Option<Ending>,
    /// How long ago a local copy was obtained; zero for what any other tier has said.
    pub age: Duration,
    /// Whether it was older than its time to live.
    pub is_stale: bool,
    trail: [Option<Outcome>; Tier::ALL.len()],
}

/// An answer, and what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The reply as RESP.
    pub reply: Vec<u8>,
    /// What is known of it.
    pub facts: Facts,
}

impl Facts {
    /// Of what the primary has answered at once.
    pub const OF_PRIMARY: Self = Self {
        ending: Some(Ending::Value(Tier::Primary)),
        age: Duration::ZERO,
        is_stale: false,
        trail: [Some(Outcome::Hit), None, None, None, None, None],
    };

    pub(crate) fn of(request: &Request, ending: Ending) -> Self {
        let mut facts = Self { ending: Some(ending), ..Self::default() };
        request.trail().for_each(|(tier, outcome)| facts.trail[tier.index()] = Some(outcome));
        facts
    }

    /// Of an answer of which no more is known.
    pub fn of_ending(ending: Ending) -> Self {
        Self { ending: Some(ending), ..Self::default() }
    }

    /// The same of an answer that is a copy of this age.
    #[must_use]
    pub fn aged(self, age: Duration, fresh_for: Duration) -> Self {
        Self { age, is_stale: age > fresh_for, ..self }
    }

    /// Who has answered; nobody if the answer is one of failsoft's own errors, or needed no tier.
    pub fn tier(&self) -> Option<Tier> {
        match self.ending? {
            Ending::Value(tier) | Ending::Absent(tier) | Ending::PassOn(tier) => Some(tier),
            Ending::Unavailable(_) | Ending::Overloaded(_) | Ending::OutcomeUnknown(_) => None,
        }
    }

    /// Which of failsoft's own errors the answer is, if it is one.
    pub fn code(&self) -> Option<Code> {
        match self.ending? {
            Ending::Value(_) | Ending::Absent(_) | Ending::PassOn(_) => None,
            Ending::Unavailable(_) => Some(Code::Unavailable),
            Ending::Overloaded(_) => Some(Code::Overloaded),
            Ending::OutcomeUnknown(_) => Some(Code::OutcomeUnknown),
        }
    }

    /// The tiers that did not give the answer although it was their turn, each with what came of it.
    pub fn passed_over(&self) -> impl Iterator<Item = (Tier, Outcome)> + '_ {
        let told = Tier::ALL.into_iter().filter_map(|tier| Some((tier, self.trail[tier.index()]?)));
        told.filter(|(tier, outcome)| Some(*tier) != self.tier() && *outcome != Outcome::Hit)
    }

    /// Of two keys of one command, what is known of the one that fared worse.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        if other.badness().cmp(&self.badness()) == Ordering::Greater { other } else { self }
    }

    fn badness(&self) -> (bool, Option<usize>, bool, Duration) {
        (self.code().is_some(), self.tier().map(Tier::index), self.is_stale, self.age)
    }
}

impl From<Vec<u8>> for Answered {
    /// What failsoft says by itself.
    fn from(reply: Vec<u8>) -> Self {
        Self { reply, facts: Facts::default() }
    }
}

#[cfg(test)]
mod tests {
    use failsoft_core::outcome::Failure;
    use failsoft_core::request::Apology;

    use super::*;

    fn ended(ending: Ending) -> Facts {
        Facts::of_ending(ending)
    }

    #[test]
    fn of_several_keys_the_worst_is_told() {
        let because = Outcome::Failed(Failure::CircuitOpen);
        let sorry = Apology { tier: Tier::Primary, because, retry_after: Duration::from_millis(1) };
        let old = ended(Ending::Value(Tier::Local)).aged(Duration::from_secs(9), Duration::from_secs(8));
        let inorder = [
            Facts::default(),
            Facts::OF_PRIMARY,
            ended(Ending::Value(Tier::Local)),
            old,
            ended(Ending::Absent(Tier::Origin)),
            ended(Ending::Unavailable(sorry)),
        ];
        for pair in inorder.windows(2) {
            assert_eq!((pair[0].or_worse(pair[1]), pair[1].or_worse(pair[0])), (pair[1], pair[1]));
        }
    }

    #[test]
    fn who_has_answered_has_not_been_passed_over() {
        let mut facts = ended(Ending::Absent(Tier::Origin));
        facts.trail[Tier::Primary.index()] = Some(Outcome::Failed(Failure::CircuitOpen));
        facts.trail[Tier::Origin.index()] = Some(Outcome::Miss(failsoft_core::outcome::MissCause::NoSuchRow));
        let passed: Vec<_> = facts.passed_over().collect();
        assert_eq!(passed, [(Tier::Primary, Outcome::Failed(Failure::CircuitOpen))]);
    }
}
