//! What becomes of a rate limit while Redis is away, and what counts as away.
//!
//! The only role whose stance an operator chooses. Away is what says nothing about the caller: no answer, no
//! connection, a node that cannot or may not write now. An error that Redis would give in its best health is none:
//! a limit must not be had by being refused it, so credentials and permissions are never answered around.
//!
//! An increment that was sent and not answered may have counted in Redis. It is counted here all the same: what may be
//! counted twice restricts, and by one.

use std::fmt;

use crate::Outcome;
use crate::outcome::Failure;
use crate::refusal::{Health, Refusal};

/// What a rate limit does while Redis is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnOutage {
    /// Nobody may: the caller gets a retryable error.
    #[default]
    Closed,
    /// Everybody may.
    Open,
    /// Each instance enforces its share.
    Local,
}

impl OnOutage {
    /// The name used in settings and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for OnOutage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether what came of asking the primary means that it is away, as far as a rate limit is concerned.
pub const fn is_away(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Hit | Outcome::Miss(_) => false,
        Outcome::Refused(refusal) => is_away_by(refusal),
        Outcome::Failed(failure) => has_failed(failure),
        Outcome::Silent(_) => true,
    }
}

const fn is_away_by(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Loading
        | Refusal::Busy
        | Refusal::MasterDown
        | Refusal::ClusterDown
        | Refusal::SlotUnserved
        | Refusal::Moved
        | Refusal::Ask
        | Refusal::TryAgain
        | Refusal::ReadOnly
        | Refusal::OutOfMemory
        | Refusal::Misconfigured
        | Refusal::NoReplicas
        | Refusal::MaxClients => true,
        Refusal::CrossSlot
        | Refusal::NoAuth
        | Refusal::WrongPass
        | Refusal::NoPermission
        | Refusal::WrongType
        | Refusal::NoScript
        | Refusal::ExecAbort
        | Refusal::Other => false,
    }
}

const fn has_failed(failure: Failure) -> bool {
    match failure {
        Failure::Handshake(refusal) => matches!(refusal.health(), Health::Sick),
        Failure::ShuttingDown => false,
        Failure::ConnectRefused
        | Failure::ConnectTimeout
        | Failure::Unreachable
        | Failure::Forbidden
        | Failure::Tls(_)
        | Failure::Disconnected
        | Failure::CircuitOpen
        | Failure::HeldOpen
        | Failure::QueueFull
        | Failure::Shed
        | Failure::OriginError
        | Failure::OriginShape
        | Failure::OriginRefused
        | Failure::OriginTimeout
        | Failure::DeadlineSpent
        | Failure::Unowned
        | Failure::Minority
        | Failure::DeclaredDown
        | Failure::Unproven
        | Failure::Unreplayed
        | Failure::Unfilled
        | Failure::NotReplicated
        | Failure::LeaseSpent
        | Failure::Replica(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Silence;

    #[test]
    fn a_limit_is_not_had_by_being_refused_it() {
        for refusal in [Refusal::NoAuth, Refusal::WrongPass, Refusal::NoPermission, Refusal::WrongType, Refusal::Other]
        {
            assert!(!is_away(Outcome::Refused(refusal)), "{refusal}");
            assert!(!is_away(Outcome::Failed(Failure::Handshake(refusal))), "{refusal}");
        }
        assert!(!is_away(Outcome::Hit));
    }

    #[test]
    fn whatever_says_nothing_about_the_caller_is_an_outage() {
        for refusal in Refusal::ALL.into_iter().filter(|refusal| refusal.health() == Health::Sick) {
            assert!(is_away(Outcome::Refused(refusal)), "{refusal}");
        }
        // FAULTS 20, 21, 23 and 24: a node that may not write cannot count.
        for refusal in [Refusal::OutOfMemory, Refusal::ReadOnly, Refusal::NoReplicas, Refusal::Misconfigured] {
            assert!(is_away(Outcome::Refused(refusal)), "{refusal}");
        }
        for failure in [Failure::ConnectRefused, Failure::CircuitOpen, Failure::HeldOpen, Failure::Disconnected] {
            assert!(is_away(Outcome::Failed(failure)), "{}", failure.name());
        }
        assert!(is_away(Outcome::Silent(Silence::Timeout)));
    }
}
