//! The request told as a story from top to bottom, without states: slower, plainer, and written from the promises
//! rather than from the machine. For every plan and fate both must end alike, at the same moment.

use std::time::Duration;

use crate::circuit::DenialReason;
use crate::outcome::{Failure, MissCause, Outcome, Silence};
use crate::plan::{AuthPolicy, BeforeOrigin, Intent, LocalPlace, Plan, Voice};
use crate::refusal::{Health, Recourse, Refusal};
use crate::request::{Apology, Ending, RETRY_AFTER_DEFAULT, RETRY_AFTER_MAX, RETRY_AFTER_MIN};
use crate::retry::RetryPolicy;
use crate::{Tier, Time};

/// What would come of asking a tier for the n-th time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) denied: Option<(DenialReason, Time)>,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
    pub(super) dice: u64,
}

/// What is bound to happen, whoever asks: the machine's world and the model's.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    pub(super) turns: [Vec<Turn>; Tier::ALL.len()],
    pub(super) repeats: u8,
}

impl Fate {
    pub(super) fn turn(&self, tier: Tier, turn: usize) -> Turn {
        self.turns[tier.index()][turn]
    }
}

/// How the request must end, and when.
pub(super) fn ending(plan: &Plan, fate: &Fate) -> (Ending, Time) {
    let began = Time::ZERO;
    let mut story = Story {
        plan,
        fate,
        now: began,
        deadline: began + plan.deadline,
        repeats: fate.repeats,
        denials: vec![],
        said: vec![],
    };
    let ending = story.tell();
    (ending, story.now)
}

struct Story<'a> {
    plan: &'a Plan,
    fate: &'a Fate,
    now: Time,
    deadline: Time,
    repeats: u8,
    denials: Vec<Time>,
    said: Vec<(Tier, Outcome)>,
}

/// What came of asking the origin.
enum Load {
    Ended(Ending),
    /// Somebody has written the value.
    Filled,
    Nothing,
}

impl Story<'_> {
    fn tell(&mut self) -> Ending {
        let has = |tier| self.plan.tiers.contains(tier);
        let (has_local, has_origin, has_default) = (has(Tier::Local), has(Tier::Origin), has(Tier::Default));
        let looked_in_front = self.plan.local == LocalPlace::InFront;
        if looked_in_front && let Some(ending @ Ending::Value(_)) = self.look(0) {
            return ending;
        }
        let mut looked = usize::from(looked_in_front);
        let looks_for_old = self.plan.before_origin == BeforeOrigin::LastKnown;
        let mut has_looked_for_old = false;
        let absent = match self.ask_nodes(has_origin) {
            Ok(absent) => absent,
            Err(ending) => return ending,
        };
        if has_local && has_origin && absent.is_none() {
            if let Some(ending) = self.look(looked) {
                return ending;
            }
            looked += 1;
            has_looked_for_old = looks_for_old;
        }
        if has_origin {
            match self.load(absent) {
                Load::Ended(ending) => return ending,
                Load::Nothing => {}
                Load::Filled => {
                    self.said.retain(|(tier, _)| *tier == Tier::Origin);
                    if let Err(ending) = self.ask_nodes(false) {
                        return ending;
                    }
                    if has_local && let Some(ending) = self.look(looked) {
                        return ending;
                    }
                    looked += usize::from(has_local);
                    has_looked_for_old = looks_for_old;
                }
            }
        }
        if has_local
            && !has_looked_for_old
            && let Some(ending) = self.look(looked)
        {
            return ending;
        }
        if has_default { Ending::Value(Tier::Default) } else { self.give_up() }
    }

    /// Asks one node after the other. Who says that there is no such value has the last word, unless somebody makes it.
    fn ask_nodes(&mut self, is_made: bool) -> Result<Option<Tier>, Ending> {
        for tier in [Tier::Primary, Tier::Replica, Tier::Regional] {
            if !self.plan.tiers.contains(tier) {
                continue;
            }
            match self.ask_node(tier) {
                Some(Ending::Absent(_)) if is_made => return Ok(Some(tier)),
                Some(ending) => return Err(ending),
                None => {}
            }
        }
        Ok(None)
    }

    /// Asks a node, and its siblings, until one answers, or it is time to go on to the next tier.
    fn ask_node(&mut self, tier: Tier) -> Option<Ending> {
        for turn in 0..self.plan.attempts {
            let outcome = self.ask(tier, turn)?;
            if let Some(ending) = self.settled(tier, outcome) {
                return Some(ending);
            }
            let pause = match outcome {
                Outcome::Silent(Silence::ConnectionLost) | Outcome::Refused(Refusal::TryAgain) => {
                    let policy = RetryPolicy { attempts: self.plan.attempts, ..RetryPolicy::default() };
                    policy.delay(turn + 1, self.fate.turn(tier, turn.into()).dice)
                }
                Outcome::Silent(_) | Outcome::Failed(_) if tier != Tier::Primary => Duration::ZERO,
                Outcome::Refused(refusal) if tier != Tier::Primary && refusal.recourse() == Recourse::NextTier => {
                    Duration::ZERO
                }
                Outcome::Silent(_) | Outcome::Failed(_) | Outcome::Refused(_) | Outcome::Hit | Outcome::Miss(_) => {
                    return self.refused_at_last(tier, outcome);
                }
            };
            if turn + 1 == self.plan.attempts || self.now + pause >= self.deadline || self.repeats == 0 {
                return self.refused_at_last(tier, outcome);
            }
            self.repeats -= 1;
            self.now = self.now + pause;
        }
        None
    }

    /// Whether what a node brought ends the request at once.
    fn settled(&self, tier: Tier, outcome: Outcome) -> Option<Ending> {
        let reads = self.plan.intent == Intent::Read;
        let strict = self.plan.auth_policy == AuthPolicy::Error;
        let credentials = |refusal| matches!(refusal, Refusal::NoAuth | Refusal::WrongPass);
        match outcome {
            Outcome::Hit => Some(Ending::Value(tier)),
            Outcome::Miss(_) => Some(Ending::Absent(tier)),
            Outcome::Silent(_) if !reads => Some(Ending::OutcomeUnknown(self.apology(tier, outcome))),
            Outcome::Refused(refusal) if refusal.recourse() == Recourse::PassOn => Some(Ending::PassOn(tier)),
            Outcome::Refused(refusal) if !reads && refusal != Refusal::TryAgain => {
                Some(self.in_the_plans_voice(tier, outcome))
            }
            Outcome::Refused(refusal) if credentials(refusal) && strict => Some(Ending::PassOn(tier)),
            Outcome::Failed(Failure::Handshake(refusal)) if refusal.health() != Health::Sick && strict => {
                Some(Ending::Unavailable(self.apology(tier, outcome)))
            }
            Outcome::Failed(_) if !reads => Some(Ending::Unavailable(self.apology(tier, outcome))),
            Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Silent(_) => None,
        }
    }

    /// A refusal by the very last tier reaches the caller.
    fn refused_at_last(&self, tier: Tier, outcome: Outcome) -> Option<Ending> {
        let is_last = self.plan.tiers.iter().last() == Some(tier);
        let refused = matches!(outcome, Outcome::Refused(_));
        (is_last && refused && self.plan.voice == Voice::Redis).then_some(Ending::PassOn(tier))
    }

    fn in_the_plans_voice(&self, tier: Tier, outcome: Outcome) -> Ending {
        match self.plan.voice {
            Voice::Redis => Ending::PassOn(tier),
            Voice::Failsoft => Ending::Unavailable(self.apology(tier, outcome)),
        }
    }

    fn load(&mut self, absent: Option<Tier>) -> Load {
        match self.ask(Tier::Origin, 0) {
            Some(Outcome::Hit) => Load::Ended(Ending::Value(Tier::Origin)),
            Some(Outcome::Miss(MissCause::Filled)) => Load::Filled,
            Some(Outcome::Miss(MissCause::Leased | MissCause::Absent)) => {
                Load::Ended(Ending::Absent(absent.unwrap_or(Tier::Origin)))
            }
            Some(Outcome::Miss(_)) => Load::Ended(Ending::Absent(Tier::Origin)),
            Some(Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Silent(_)) | None => Load::Nothing,
        }
    }

    /// The outcome, or `None` if the tier could not be asked.
    fn ask(&mut self, tier: Tier, turn: u8) -> Option<Outcome> {
        let fate = self.fate.turn(tier, turn.into());
        if self.now >= self.deadline {
            self.said.push((tier, Outcome::Failed(Failure::DeadlineSpent)));
            return None;
        }
        if let Some((reason, retry_at)) = fate.denied {
            self.denials.push(retry_at);
            self.said.push((tier, Outcome::Failed(reason.into())));
            return None;
        }
        self.now = self.now + fate.took;
        self.said.retain(|(said_by, _)| *said_by != tier);
        self.said.push((tier, fate.outcome));
        Some(fate.outcome)
    }

    fn look(&mut self, turn: usize) -> Option<Ending> {
        let fate = self.fate.turn(Tier::Local, turn);
        self.now = self.now + fate.took;
        match fate.outcome {
            Outcome::Hit => Some(Ending::Value(Tier::Local)),
            Outcome::Miss(MissCause::NoSuchRow) => Some(Ending::Absent(Tier::Local)),
            Outcome::Miss(_) | Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Silent(_) => None,
        }
    }

    fn give_up(&self) -> Ending {
        let of_origin = self.said.iter().find(|(tier, _)| *tier == Tier::Origin);
        if let Some((_, shed @ Outcome::Failed(Failure::Shed | Failure::QueueFull))) = of_origin {
            return Ending::Overloaded(self.apology(Tier::Origin, *shed));
        }
        let first = self.said.iter().find(|(_, outcome)| !matches!(outcome, Outcome::Hit | Outcome::Miss(_)));
        let (tier, because) = first.expect("somebody has failed, or the request had been answered");
        Ending::Unavailable(self.apology(*tier, *because))
    }

    fn apology(&self, tier: Tier, because: Outcome) -> Apology {
        let earliest = self.denials.iter().copied().min().filter(|at| *at != Time::NEVER);
        let retry_after = earliest.map_or(RETRY_AFTER_DEFAULT, |at| at.since(self.now));
        Apology { tier, because, retry_after: retry_after.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX) }
    }
}
