//! One request, as a machine that asks one tier at a time and is told one of five words back.
//!
//! The order of asking is: primary, replica, regional, a fresh local copy, origin, a stale local copy, default. Three
//! rules bend it:
//!
//! * Where the plan has local memory in front, a coherent copy is looked for before anybody is asked: it costs no permit,
//!   no time and no circuit. Finding none says nothing, and the order is what it always is.
//! * A node that answered "absent" has answered. Copies of what it may have deleted are not asked any more, except to
//!   rescue a read whose origin then fails; without an origin, absent is the answer.
//! * A local copy beyond its time to live is looked at only after the origin could not answer, so that a healthy
//!   origin is never hidden by old values and an overloaded one never costs an answer.
//!
//! Where the callers make the values themselves, they are the origin: asking it means to find out who of them goes to the
//! database. Who does is told that there is no value; who has waited for another's value begins anew at the primary, which
//! has it by now, and does not ask that question a second time.
//!
//! A primary that says who owns the key instead is left for that node at once. Where that one has sent the request away
//! itself, a slot goes to and fro quicker than the request travels, or the two have not heard of each other yet: going on
//! at once would only be a circle, so that the map of the deployment is learned anew, which takes a moment, and decides.
//! All of this happens a few times at most. Where a primary names nobody who is known, the map is learned too, once. An
//! error reply means that nothing was done, so that this holds for writes.
//!
//! The machine is a few dozen bytes, never allocates, and knows neither values nor connections: the engine carries
//! out the steps and keeps what came back.

mod absence;
mod detour;
mod exchange;
mod giving_up;

use self::detour::Detour;
pub use self::exchange::{
    Admission, Apology, Ask, Astray, Barred, Ending, Grant, Manner, RETRY_AFTER_DEFAULT, RETRY_AFTER_MAX,
    RETRY_AFTER_MIN, Step,
};
use crate::circuit::DenialReason;
use crate::outcome::{Failure, MissCause, Outcome, Silence};
use crate::plan::{AuthPolicy, BeforeOrigin, Intent, LocalPlace, Plan, Voice};
use crate::refusal::{Health, Recourse, Refusal};
use crate::retry::RetryPolicy;
use crate::stale::Acceptance;
use crate::{Tier, TierSet, Time};

/// How often one request follows a redirection, or learns the map because it has been sent back. A key whose slot moves
/// takes one or two; more is a cluster that does not know itself.
pub const MOST_HOPS: u8 = 5;

/// The machine. Poll it with [`poll_step`](Self::poll_step), feed it with [`handle_outcome`](Self::handle_outcome).
#[derive(Clone, Copy, Debug)]
pub struct Request {
    deadline: Time,
    state: State,
    front: Front,
    asked: TierSet,
    absent: Option<Tier>,
    detour: Detour,
    retry_at: Time,
    trail: [Option<Outcome>; Tier::ALL.len()],
}

/// How far looking in local memory has got: before anybody is asked, and when all have failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    /// A coherent copy is to be looked for.
    Due,
    /// It is being looked for.
    Looking,
    /// It has brought the answer.
    Hit,
    /// That has been done, or the plan has none in front.
    Over,
    /// Nobody may answer before the primary.
    Passed,
    /// A copy of any age that may be served has been looked for too.
    Rescued,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The next tier is to be chosen.
    Choosing,
    /// A tier is to be asked again, not before a moment.
    Pausing { tier: Tier, turn: u8, until: Time },
    /// The node that the primary has named instead of itself is to be asked.
    Redirected { turn: u8, grant: Grant },
    /// The map is to be learned before the primary is asked again.
    Learning { turn: u8 },
    /// That has been asked for.
    AwaitingMap { turn: u8 },
    /// A tier has been asked for the `turn`-th time.
    Asking { tier: Tier, turn: u8 },
    /// Over.
    Ended(Ending),
}

impl Request {
    /// A request that begins at `now`.
    pub fn new(plan: &Plan, now: Time) -> Self {
        Self {
            deadline: now + plan.deadline,
            state: State::Choosing,
            front: match plan.local {
                LocalPlace::InFront => Front::Due,
                LocalPlace::Behind => Front::Over,
            },
            asked: TierSet::EMPTY,
            absent: None,
            detour: Detour::default(),
            retry_at: Time::NEVER,
            trail: [None; Tier::ALL.len()],
        }
    }

    /// A request that began at `began` and in which `tier` has just been asked: the outcome is awaited.
    pub fn resume(plan: &Plan, began: Time, tier: Tier) -> Self {
        let mut request = Self::new(plan, began);
        request.asked = request.asked.with(tier);
        request.state = State::Asking { tier, turn: 0 };
        request.front = Front::Over;
        request
    }

    /// Keeps a request that has not been polled yet from being answered in front of the primary, or by a replica before
    /// it: the asker has a write under way that they may not show.
    pub fn pass_front(&mut self) {
        self.front = Front::Passed;
    }

    /// Ends a request that was going to be repeated after a pause, in which what was asked after it would overtake it.
    pub fn forgo_repeat(&mut self, plan: &Plan, now: Time) {
        if let State::Pausing { tier, .. } = self.state {
            self.end(self.refused_ending(plan, tier, now));
        }
    }

    /// Whether a coherent copy answered, in the primary's stead and not in its absence.
    pub fn was_answered_in_front(&self) -> bool {
        self.front == Front::Hit
    }

    /// When the whole request must have ended.
    pub fn deadline(&self) -> Time {
        self.deadline
    }

    /// What came back from each tier that was asked or passed over: why the answer is what it is.
    pub fn trail(&self) -> impl Iterator<Item = (Tier, Outcome)> + '_ {
        Tier::ALL.into_iter().filter_map(|tier| self.trail[tier.index()].map(|outcome| (tier, outcome)))
    }

    /// What came back from `tier`, if it was asked or passed over.
    pub fn outcome_of(&self, tier: Tier) -> Option<Outcome> {
        self.trail[tier.index()]
    }

    /// What is to be done next.
    pub fn poll_step(&mut self, plan: &Plan, admission: &mut impl Admission, now: Time) -> Step {
        loop {
            match self.state {
                State::Choosing if self.front == Front::Due => return self.look_in_front(),
                State::Choosing => match self.next_tier(plan) {
                    Some(tier) => {
                        if let Some(step) = self.approach(plan, admission, tier, 0, now) {
                            return step;
                        }
                    }
                    None => {
                        let ending = self.apologise(plan, now);
                        self.end(ending);
                    }
                },
                State::Pausing { until, .. } if now < until => return Step::Wait(until),
                State::Pausing { tier, turn, .. } => {
                    if let Some(step) = self.approach(plan, admission, tier, turn, now) {
                        return step;
                    }
                }
                State::Redirected { turn, grant } => return self.ask(plan, Tier::Primary, turn, grant, now),
                State::Learning { turn } => {
                    self.state = State::AwaitingMap { turn };
                    // What is learned is of use only if there is time left to go by it.
                    return Step::Learn(now + self.deadline.since(now) / 2);
                }
                State::AwaitingMap { turn } => {
                    if let Some(step) = self.approach(plan, admission, Tier::Primary, turn, now) {
                        return step;
                    }
                }
                State::Asking { tier, .. } => return polled_too_early(tier),
                State::Ended(ending) => return Step::End(ending),
            }
        }
    }

    /// Brings what came of the last [`Step::Ask`] or [`Step::Look`]. `dice` is a random number.
    pub fn handle_outcome(
        &mut self,
        plan: &Plan,
        admission: &mut impl Admission,
        outcome: Outcome,
        now: Time,
        dice: u64,
    ) {
        let State::Asking { tier, turn } = self.state else {
            return;
        };
        self.state = State::Choosing;
        if self.front == Front::Looking {
            return self.handle_front(outcome);
        }
        self.note(tier, outcome);
        match outcome {
            Outcome::Hit => self.end(Ending::Value(tier)),
            Outcome::Miss(cause) => self.handle_miss(plan, tier, cause),
            Outcome::Refused(refusal)
                if is_sent_elsewhere(plan, tier, refusal) && self.is_redirected(admission, turn, now) => {}
            Outcome::Refused(refusal) => match (plan.intent, refusal.recourse()) {
                (Intent::Write, Recourse::Repeat) => self.repeat_or_leave(plan, admission, tier, turn, now, dice),
                (Intent::Write, _) | (Intent::Read, Recourse::PassOn) => self.end(self.refused_ending(plan, tier, now)),
                (Intent::Read, Recourse::NextTier) => self.another_node_or_leave(plan, admission, tier, turn, now),
                (Intent::Read, Recourse::Repeat) => self.repeat_or_leave(plan, admission, tier, turn, now, dice),
                (Intent::Read, Recourse::AsAuthPolicySays) => match plan.auth_policy {
                    AuthPolicy::Error => self.end(Ending::PassOn(tier)),
                    AuthPolicy::Fallback => self.leave(plan, tier, now),
                },
            },
            Outcome::Failed(Failure::Handshake(refusal))
                if refusal.health() != Health::Sick && plan.auth_policy == AuthPolicy::Error =>
            {
                self.end(Ending::Unavailable(self.apology(tier, outcome, now)));
            }
            Outcome::Failed(_) => self.another_node_or_leave(plan, admission, tier, turn, now),
            Outcome::Silent(silence) => match (plan.intent, silence) {
                (Intent::Write, _) => self.end(Ending::OutcomeUnknown(self.apology(tier, outcome, now))),
                (Intent::Read, Silence::ConnectionLost) => {
                    self.repeat_or_leave(plan, admission, tier, turn, now, dice);
                }
                (Intent::Read, Silence::Timeout | Silence::ProtocolViolation) => {
                    self.another_node_or_leave(plan, admission, tier, turn, now);
                }
            },
        }
    }

    /// Whether the request goes on where it has been sent, or once it is known who owns the key.
    fn is_redirected(&mut self, admission: &mut impl Admission, turn: u8, now: Time) -> bool {
        if now >= self.deadline || self.detour.hops() >= MOST_HOPS {
            return false;
        }
        match admission.request_redirected(now) {
            Ok(grant) => {
                self.detour.handle_hop();
                self.state = State::Redirected { turn, grant };
                return true;
            }
            Err(Astray::Nowhere) => return false,
            Err(Astray::Unknown) if !self.detour.has_learned() => {
                self.detour.handle_learned();
                self.state = State::Learning { turn };
                return true;
            }
            Err(Astray::Back) => {
                self.detour.handle_hop();
                self.state = State::Learning { turn };
                return true;
            }
            Err(Astray::Barred(barred)) => self.retry_at = self.retry_at.min(barred.retry_at),
            Err(Astray::Unknown | Astray::Refused) => {}
        }
        self.detour.handle_astray();
        false
    }

    fn look_in_front(&mut self) -> Step {
        self.front = Front::Looking;
        self.state = State::Asking { tier: Tier::Local, turn: 0 };
        Step::Look(Acceptance::Coherent)
    }

    /// No coherent copy is no news, so the trail does not have it.
    fn handle_front(&mut self, outcome: Outcome) {
        self.front = Front::Over;
        match outcome {
            Outcome::Hit => {
                self.front = Front::Hit;
                self.note(Tier::Local, outcome);
                self.end(Ending::Value(Tier::Local));
            }
            Outcome::Miss(_) | Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Silent(_) => {}
        }
    }

    /// The tier to ask next, by what has been learned so far.
    fn next_tier(&self, plan: &Plan) -> Option<Tier> {
        let preferred = plan.preferred.filter(|tier| plan.tiers.contains(*tier) && self.front != Front::Passed);
        preferred
            .into_iter()
            .chain(plan.tiers.iter())
            .find(|tier| !self.asked.contains(*tier) && self.is_of_use(*tier))
            .or_else(|| self.rescue(plan))
    }

    /// Whether `tier` can add anything, its turn having come.
    fn is_of_use(&self, tier: Tier) -> bool {
        match tier {
            Tier::Primary | Tier::Origin => true,
            Tier::Replica | Tier::Regional | Tier::Local => self.absent.is_none(),
            // The default comes after the rescue, see below.
            Tier::Default => false,
        }
    }

    /// What is left when every tier has been asked: an old copy, then the default.
    fn rescue(&self, plan: &Plan) -> Option<Tier> {
        if plan.tiers.contains(Tier::Local) && self.front != Front::Rescued {
            Some(Tier::Local)
        } else if plan.tiers.contains(Tier::Default) && !self.asked.contains(Tier::Default) {
            Some(Tier::Default)
        } else {
            None
        }
    }

    /// Goes up to a tier: asks it, or notes why it is passed over.
    fn approach(
        &mut self,
        plan: &Plan,
        admission: &mut impl Admission,
        tier: Tier,
        turn: u8,
        now: Time,
    ) -> Option<Step> {
        self.state = State::Choosing;
        match tier {
            Tier::Local => Some(self.look(plan)),
            Tier::Default => {
                self.asked = self.asked.with(tier);
                self.note(tier, Outcome::Hit);
                self.end(Ending::Value(tier));
                None
            }
            Tier::Primary | Tier::Replica | Tier::Regional | Tier::Origin => {
                self.asked = self.asked.with(tier);
                self.knock(plan, admission, tier, turn, now)
            }
        }
    }

    fn look(&mut self, plan: &Plan) -> Step {
        let first = !self.asked.contains(Tier::Local) && self.absent.is_none();
        self.asked = self.asked.with(Tier::Local);
        self.state = State::Asking { tier: Tier::Local, turn: 0 };
        if first && plan.tiers.contains(Tier::Origin) && plan.before_origin == BeforeOrigin::Fresh {
            return Step::Look(Acceptance::Fresh);
        }
        self.front = Front::Rescued;
        Step::Look(Acceptance::StaleUpTo(plan.max_stale))
    }

    fn knock(&mut self, plan: &Plan, admission: &mut impl Admission, tier: Tier, turn: u8, now: Time) -> Option<Step> {
        if now >= self.deadline {
            self.note_unasked(tier, Failure::DeadlineSpent);
            return None;
        }
        match admission.request_permit(tier, turn, now) {
            Ok(grant) => Some(self.ask(plan, tier, turn, grant, now)),
            Err(barred) => {
                self.retry_at = self.retry_at.min(barred.retry_at);
                self.note_unasked(tier, barred.because);
                None
            }
        }
    }

    fn ask(&mut self, plan: &Plan, tier: Tier, turn: u8, grant: Grant, now: Time) -> Step {
        self.state = State::Asking { tier, turn };
        Step::Ask(Ask { tier, grant, by: self.deadline.min(now + plan.timeout(tier)) })
    }

    fn repeat_or_leave(
        &mut self,
        plan: &Plan,
        admission: &mut impl Admission,
        tier: Tier,
        turn: u8,
        now: Time,
        dice: u64,
    ) {
        let policy = RetryPolicy { attempts: plan.attempts, ..RetryPolicy::default() };
        let until = now + policy.delay(turn + 1, dice);
        self.ask_again_or_leave(plan, admission, tier, turn, until, now);
    }

    /// A replica that did not answer may have a sibling that does; asking it costs no pause.
    fn another_node_or_leave(&mut self, plan: &Plan, admission: &mut impl Admission, tier: Tier, turn: u8, now: Time) {
        match tier {
            Tier::Replica | Tier::Regional => self.ask_again_or_leave(plan, admission, tier, turn, now, now),
            Tier::Primary | Tier::Local | Tier::Origin | Tier::Default => self.leave(plan, tier, now),
        }
    }

    /// A pause that would outlast the deadline is not begun, and costs the budget for repeats nothing.
    fn ask_again_or_leave(
        &mut self,
        plan: &Plan,
        admission: &mut impl Admission,
        tier: Tier,
        turn: u8,
        until: Time,
        now: Time,
    ) {
        if turn + 1 < plan.attempts_at(tier) && until < self.deadline && admission.request_repeat(now) {
            self.state = State::Pausing { tier, turn: turn + 1, until };
        } else {
            self.leave(plan, tier, now);
        }
    }

    /// Gives a tier up. If it was the last, a refusal reaches the caller in the words the plan asks for.
    fn leave(&mut self, plan: &Plan, tier: Tier, now: Time) {
        if self.next_tier(plan).is_none() {
            self.end(self.refused_ending(plan, tier, now));
        }
    }

    fn note(&mut self, tier: Tier, outcome: Outcome) {
        self.trail[tier.index()] = Some(outcome);
    }

    /// What a tier has said weighs more than why it was not asked again.
    fn note_unasked(&mut self, tier: Tier, failure: Failure) {
        self.trail[tier.index()].get_or_insert(Outcome::Failed(failure));
    }

    fn end(&mut self, ending: Ending) {
        self.state = State::Ended(ending);
    }
}

/// Whether what the primary said means that somebody else is to be asked. A redirection to a replica's owner is not
/// followed: the next replica may know better, and the primary has been asked.
fn is_sent_elsewhere(plan: &Plan, tier: Tier, refusal: Refusal) -> bool {
    let is_demoted = refusal == Refusal::ReadOnly && plan.intent == Intent::Write;
    tier == Tier::Primary && (refusal.is_redirection() || is_demoted)
}

/// Polling for a step while one is under way is a defect of the caller; the only safe thing to say is "not yet".
fn polled_too_early(tier: Tier) -> Step {
    debug_assert!(false, "polled while {tier} is being asked");
    Step::Wait(Time::NEVER)
}

impl From<DenialReason> for Failure {
    fn from(reason: DenialReason) -> Self {
        match reason {
            DenialReason::HeldOpen => Self::HeldOpen,
            DenialReason::Open | DenialReason::Probing | DenialReason::Ramping => Self::CircuitOpen,
        }
    }
}

#[cfg(test)]
mod tests;
