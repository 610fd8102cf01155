//! What becomes of a write to keys of role cache, by how the request ended.
//!
//! An application that fills or invalidates a cache is not helped by being told that the cache is away. So a value that the
//! primary cannot take now is kept here for a while, a deletion is remembered and carried out later, and the application
//! is told what Redis would have told it. What cannot be done without Redis (counters, conditions, scripts) is told as it
//! ended; but the keys may hold what they should not hold any more, so they are invalidated too.
//!
//! What a command was refused for in itself (a wrong type, no permission) is an answer like any other: nothing is kept
//! and nothing journalled, however sick the node.

use super::Lateness;
use crate::outcome::{Failure, Outcome};
use crate::plan::AuthPolicy;
use crate::refusal::{Health, Recourse, Refusal};
use crate::request::Ending;

/// What a command does to its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Gives each a new value, whatever it was.
    Set,
    /// Takes them away.
    Delete,
    /// Says when they go away.
    Expire,
    /// Anything else: what it does depends on what is there.
    Other,
}

/// Whether a write was in its turn when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing that its caller asked for later has been done.
    InOrder,
    /// It gave way to what its caller asked for later, and must not appear to come after it.
    GivenWay,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Redis has done it. A failover may still undo it.
    Done,
    /// Redis has answered, and has nothing that it should not have.
    Answered,
    /// Its caller is told how it ended, and what Redis holds of its keys is invalidated.
    Journalled(Lateness),
    /// Its caller is told that it was done: what it brought is kept here, and what Redis holds is invalidated.
    Kept(Lateness),
}

/// What becomes of a write that ended with `ending`, the primary having said `said`.
pub fn fate(change: Change, turn: Turn, ending: Ending, said: Option<Outcome>, auth: AuthPolicy) -> Fate {
    let missed = match ending {
        Ending::Value(_) | Ending::Absent(_) => return Fate::Done,
        Ending::OutcomeUnknown(_) => return kept_if(change, Turn::InOrder, Lateness::Possible),
        Ending::PassOn(_) => missed_by(said, auth),
        Ending::Unavailable(apology) => missed_by(Some(apology.because), auth),
        Ending::Overloaded(_) => Missed::Surely,
    };
    match missed {
        Missed::No => Fate::Answered,
        Missed::InDoubt => Fate::Journalled(Lateness::Never),
        Missed::Surely => kept_if(change, turn, Lateness::Never),
    }
}

/// Whether a write has missed the primary.
enum Missed {
    /// It was answered for what it was.
    No,
    /// It was not done, for a reason that is not an outage.
    InDoubt,
    /// The primary is not there for writes.
    Surely,
}

fn missed_by(said: Option<Outcome>, auth: AuthPolicy) -> Missed {
    match said {
        Some(Outcome::Refused(refusal)) => missed_by_refusal(refusal, auth),
        Some(Outcome::Failed(Failure::Handshake(refusal))) if refusal.health() == Health::Misconfigured => {
            missed_by_credentials(auth)
        }
        // Its keys are in the journal already.
        Some(Outcome::Failed(Failure::Unreplayed)) => Missed::No,
        Some(Outcome::Failed(_) | Outcome::Silent(_)) | None => Missed::Surely,
        Some(Outcome::Hit | Outcome::Miss(_)) => Missed::No,
    }
}

fn missed_by_refusal(refusal: Refusal, auth: AuthPolicy) -> Missed {
    match refusal {
        Refusal::ReadOnly | Refusal::OutOfMemory | Refusal::Misconfigured | Refusal::NoReplicas => Missed::Surely,
        other => match other.recourse() {
            Recourse::NextTier => Missed::Surely,
            Recourse::AsAuthPolicySays => missed_by_credentials(auth),
            // The node is well, and says that the keys are divided by a slot on the move: it is to be asked again.
            Recourse::Repeat | Recourse::PassOn => Missed::No,
        },
    }
}

/// Where refused credentials are an error to readers, what is kept here would not be found again.
fn missed_by_credentials(auth: AuthPolicy) -> Missed {
    match auth {
        AuthPolicy::Error => Missed::InDoubt,
        AuthPolicy::Fallback => Missed::Surely,
    }
}

fn kept_if(change: Change, turn: Turn, lateness: Lateness) -> Fate {
    match (change, turn) {
        (Change::Set | Change::Delete | Change::Expire, Turn::InOrder) => Fate::Kept(lateness),
        (Change::Other, _) | (_, Turn::GivenWay) => Fate::Journalled(lateness),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Tier;
    use crate::outcome::Silence;
    use crate::request::Apology;

    const CHANGES: [Change; 4] = [Change::Set, Change::Delete, Change::Expire, Change::Other];

    fn apology(because: Outcome) -> Apology {
        Apology { tier: Tier::Primary, because, retry_after: Duration::from_millis(1) }
    }

    fn unavailable(change: Change, failure: Failure) -> Fate {
        let because = Outcome::Failed(failure);
        fate(change, Turn::InOrder, Ending::Unavailable(apology(because)), Some(because), AuthPolicy::Error)
    }

    fn refused(change: Change, refusal: Refusal) -> Fate {
        let said = Some(Outcome::Refused(refusal));
        fate(change, Turn::InOrder, Ending::PassOn(Tier::Primary), said, AuthPolicy::Error)
    }

    #[test]
    fn what_the_primary_could_not_take_is_kept_and_what_needs_it_is_told_and_invalidated() {
        for failure in [Failure::ConnectRefused, Failure::CircuitOpen, Failure::HeldOpen, Failure::DeclaredDown] {
            assert_eq!(unavailable(Change::Set, failure), Fate::Kept(Lateness::Never));
            assert_eq!(unavailable(Change::Delete, failure), Fate::Kept(Lateness::Never));
            assert_eq!(unavailable(Change::Other, failure), Fate::Journalled(Lateness::Never));
        }
    }

    #[test]
    fn what_was_sent_and_not_answered_may_come_late() {
        let because = Outcome::Silent(Silence::Timeout);
        let of = |change, turn| {
            fate(change, turn, Ending::OutcomeUnknown(apology(because)), Some(because), AuthPolicy::Error)
        };
        assert_eq!(of(Change::Set, Turn::InOrder), Fate::Kept(Lateness::Possible));
        assert_eq!(of(Change::Other, Turn::InOrder), Fate::Journalled(Lateness::Possible));
    }

    #[test]
    fn a_node_that_refuses_writes_or_everything_could_not_take_it() {
        let sick = Refusal::ALL.into_iter().filter(|refusal| refusal.health() == Health::Sick);
        let writes = [Refusal::ReadOnly, Refusal::OutOfMemory, Refusal::Misconfigured, Refusal::NoReplicas];
        for refusal in sick.chain(writes) {
            assert_eq!(refused(Change::Set, refusal), Fate::Kept(Lateness::Never), "{refusal}");
            assert_eq!(refused(Change::Other, refusal), Fate::Journalled(Lateness::Never), "{refusal}");
        }
    }

    #[test]
    fn what_a_command_is_refused_for_in_itself_is_an_answer() {
        let own = [
            Refusal::TryAgain,
            Refusal::WrongType,
            Refusal::NoPermission,
            Refusal::Other,
            Refusal::CrossSlot,
            Refusal::ExecAbort,
        ];
        for (refusal, change) in own.into_iter().flat_map(|refusal| CHANGES.map(|change| (refusal, change))) {
            assert_eq!(refused(change, refusal), Fate::Answered, "{refusal}");
        }
    }

    #[test]
    fn refused_credentials_keep_nothing_unless_readers_may_fall_back() {
        let because = Outcome::Failed(Failure::Handshake(Refusal::WrongPass));
        let of = |auth| fate(Change::Set, Turn::InOrder, Ending::Unavailable(apology(because)), Some(because), auth);
        assert_eq!(of(AuthPolicy::Error), Fate::Journalled(Lateness::Never));
        assert_eq!(of(AuthPolicy::Fallback), Fate::Kept(Lateness::Never));
    }

    #[test]
    fn what_gave_way_must_not_appear_to_come_after_what_overtook_it() {
        let because = Outcome::Refused(Refusal::Moved);
        let ending = Ending::Unavailable(apology(because));
        for change in CHANGES {
            let fate = fate(change, Turn::GivenWay, ending, Some(because), AuthPolicy::Error);
            assert_eq!(fate, Fate::Journalled(Lateness::Never));
        }
    }

    #[test]
    fn what_was_barred_by_the_journal_is_in_it() {
        assert_eq!(unavailable(Change::Other, Failure::Unreplayed), Fate::Answered);
    }
}
