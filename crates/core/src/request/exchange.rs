//! What the machine and whoever carries it out say to each other: leave, steps, and how it ends.

use std::time::Duration;

use crate::circuit::{Denial, Permit};
use crate::outcome::{Failure, Outcome};
use crate::stale::Acceptance;
use crate::{Tier, Time};

/// Leave to ask a tier, as given by the engine's circuits and by what is known of the deployment.
pub trait Admission {
    /// Leave to ask `tier` for the `turn`-th time (from 0) in this request.
    fn request_permit(&mut self, tier: Tier, turn: u8, now: Time) -> Result<Grant, Barred>;

    /// Leave to ask the node that the last answer of the primary has named instead of itself (`MOVED`, `ASK`), or that has
    /// taken its place (`READONLY`).
    fn request_redirected(&mut self, now: Time) -> Result<Grant, Astray> {
        let _ = now;
        Err(Astray::Nowhere)
    }

    /// Leave to repeat a question, out of the budget for repeats.
    fn request_repeat(&mut self, now: Time) -> bool;
}

/// No leave to ask a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barred {
    /// Why.
    pub because: Failure,
    /// When asking again may help; [`Time::NEVER`]: only news can change the answer.
    pub retry_at: Time,
}

impl From<Denial> for Barred {
    fn from(denial: Denial) -> Self {
        Self { because: denial.reason.into(), retry_at: denial.retry_at }
    }
}

/// Why a redirection is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Astray {
    /// The deployment has one primary, and nobody to be sent to: the refusal means what it says.
    Nowhere,
    /// Whom it names is not known as a primary: the map has to be learned anew.
    Unknown,
    /// It has sent the request away itself, and so has whoever names it: one of the two knows better by now, or will in a
    /// moment, and the map has to be learned anew.
    Back,
    /// It must not be followed: the node may not be spoken to.
    Refused,
    /// The named node's circuit does not let anybody through.
    Barred(Barred),
}

/// Leave to ask one node or origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which of the tier's nodes.
    pub node: u16,
    /// Its circuit's leave.
    pub permit: Permit,
    /// How it is asked.
    pub manner: Manner,
}

/// How a node is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// As the owner of the key.
    #[default]
    Plain,
    /// As the node that is taking the key's slot over: with `ASKING` before the command, for this once.
    Asking,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask a node or the origin, and bring back the outcome.
    Ask(Ask),
    /// Look in local memory, and bring back the outcome.
    Look(Acceptance),
    /// Do nothing until then, and poll again.
    Wait(Time),
    /// Learn anew which nodes there are, and poll again when that is done, then at the latest.
    Learn(Time),
    /// The request has ended.
    End(Ending),
}

/// A question to one tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Whom to ask.
    pub tier: Tier,
    /// Which node of it, and with whose leave.
    pub grant: Grant,
    /// After this moment the outcome is [`Outcome::Silent`] or [`Outcome::Failed`].
    pub by: Time,
}

impl Ask {
    /// This question of a request with this `deadline`, if it has had to wait for its turn until `now`: with the whole time
    /// that its tier has. `None`: it is not to be put any more.
    pub fn put_off(self, deadline: Time, timeout: Duration, now: Time) -> Option<Self> {
        (now < deadline).then_some(Self { by: deadline.min(now + timeout), ..self })
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The last value brought by this tier is the answer.
    Value(Tier),
    /// This tier has said that there is no such value.
    Absent(Tier),
    /// The error reply of this tier is the answer, in its own words.
    PassOn(Tier),
    /// Nothing was done; the caller may try again.
    Unavailable(Apology),
    /// Turned away to protect the origin; nothing was done.
    Overloaded(Apology),
    /// A write was sent and not answered.
    OutcomeUnknown(Apology),
}

/// What a caller who gets no answer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apology {
    /// The tier whose outcome decided.
    pub tier: Tier,
    /// Its outcome.
    pub because: Outcome,
    /// When trying again may be of use.
    pub retry_after: Duration,
}

/// What a caller is told to wait when no circuit knows better.
pub const RETRY_AFTER_DEFAULT: Duration = Duration::from_millis(100);
/// The shortest wait a caller is ever told.
pub const RETRY_AFTER_MIN: Duration = Duration::from_millis(1);
/// The longest: a background probe finds out long before a cooldown is over.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Permit, PermitKind};

    #[test]
    fn a_question_that_had_to_wait_has_its_whole_time_and_none_after_the_deadline() {
        let (deadline, timeout) = (Time::from_millis(1_000), Duration::from_millis(200));
        let by = |millis| Time::from_millis(millis);
        let grant = Grant { node: 0, permit: Permit { kind: PermitKind::Normal, epoch: 0 }, manner: Manner::Plain };
        let ask = Ask { tier: Tier::Primary, grant, by: by(200) };
        assert_eq!(ask.put_off(deadline, timeout, by(300)), Some(Ask { by: by(500), ..ask }));
        assert_eq!(ask.put_off(deadline, timeout, by(999)), Some(Ask { by: deadline, ..ask }));
        assert_eq!(ask.put_off(deadline, timeout, deadline), None);
    }
}
