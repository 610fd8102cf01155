//! What a request ends with that nobody has answered: the words of Redis, or the error that says most.
//!
//! Where a node has refused, its own words go to callers whose plan wants them; a redirection never does once it has been
//! followed, since it is about a map that the caller does not see.

use super::{
    Apology, Ending, Failure, Intent, Outcome, Plan, RETRY_AFTER_DEFAULT, RETRY_AFTER_MAX, RETRY_AFTER_MIN, Recourse,
    Request, State, Tier, Time, Voice,
};

impl Request {
    /// Ends a request that has been sent elsewhere, and that waits until it is known who owns its key or has not been put
    /// to the node it was sent to: what was asked after it has been done, so that it may not be done any more.
    pub fn give_way(&mut self, plan: &Plan, now: Time) {
        let is_sent_elsewhere = self.detour.is_begun();
        match self.state {
            State::Learning { .. } | State::AwaitingMap { .. } | State::Redirected { .. } => {
                self.end(self.apologise(plan, now));
            }
            State::Asking { .. } if is_sent_elsewhere => self.end(self.apologise(plan, now)),
            State::Asking { .. } | State::Choosing | State::Pausing { .. } | State::Ended(_) => {}
        }
    }

    pub(super) fn refused_ending(&self, plan: &Plan, tier: Tier, now: Time) -> Ending {
        let Some(Outcome::Refused(refusal)) = self.trail[tier.index()] else {
            return self.apologise(plan, now);
        };
        if refusal.is_redirection() && self.detour.is_begun() {
            return self.apologise(plan, now);
        }
        match (refusal.recourse(), plan.voice) {
            (Recourse::PassOn, _) | (_, Voice::Redis) => Ending::PassOn(tier),
            (Recourse::NextTier | Recourse::Repeat | Recourse::AsAuthPolicySays, Voice::Failsoft) => {
                self.apologise(plan, now)
            }
        }
    }

    /// The error that says most: overload of the origin, else the first tier that could not answer.
    pub(super) fn apologise(&self, plan: &Plan, now: Time) -> Ending {
        if plan.intent == Intent::Read
            && let Some(shed @ Outcome::Failed(Failure::Shed | Failure::QueueFull)) = self.trail[Tier::Origin.index()]
        {
            return Ending::Overloaded(self.apology(Tier::Origin, shed, now));
        }
        let (tier, because) = self
            .trail()
            .find(|(_, outcome)| could_not_answer(*outcome))
            .unwrap_or((Tier::Primary, Outcome::Failed(Failure::DeadlineSpent)));
        Ending::Unavailable(self.apology(tier, because, now))
    }

    pub(super) fn apology(&self, tier: Tier, because: Outcome, now: Time) -> Apology {
        let retry_after = if self.retry_at == Time::NEVER { RETRY_AFTER_DEFAULT } else { self.retry_at.since(now) };
        Apology { tier, because, retry_after: retry_after.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX) }
    }
}

fn could_not_answer(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Hit | Outcome::Miss(_) => false,
        Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Silent(_) => true,
    }
}
