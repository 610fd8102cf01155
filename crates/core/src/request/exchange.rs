//! What the machine and whoever carries it out say to each other: leave, steps, and how it ends.

use std::time::Duration;

use crate::circuit::{Denial, Permit};
use crate::outcome::Outcome;
use crate::stale::Acceptance;
use crate::{Tier, Time};

/// Leave to ask a tier, as given by the engine's circuits.
pub trait Admission {
    /// Leave to ask `tier` for the `turn`-th time (from 0) in this request.
    fn request_permit(&mut self, tier: Tier, turn: u8, now: Time) -> Result<Grant, Denial>;

    /// Leave to repeat a question, out of the budget for repeats.
    fn request_repeat(&mut self, now: Time) -> bool;
}

/// Leave to ask one node or origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which of the tier's nodes.
    pub node: u8,
    /// Its circuit's leave.
    pub permit: Permit,
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
