//! The stage on which a script is played: an admission and a world that know nothing but the script's lines.
//!
//! Every exchange takes one millisecond. Wanting anything else than the next line, wanting more than the script has,
//! leaving lines over or ending otherwise fails the test.

use std::collections::VecDeque;
use std::time::Duration;

use crate::circuit::{Denial, DenialReason, Permit, PermitKind};
use crate::plan::{AuthPolicy, Bounds, Intent, Plan};
use crate::request::{Admission, Apology, Ask, Barred, Ending, Grant, Manner, RETRY_AFTER_DEFAULT, Request, Step};
use crate::role::Role;
use crate::stale::Acceptance;
use crate::{Outcome, Tier, TierSet, Time};
use Line::{Asked, Late, LookedCoherent, LookedFresh, LookedStale, Paused, RepeatDenied, Shut};

/// What the machine must want next, and what it is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Line {
    /// It asks this tier, which brings this.
    Asked(Tier, Outcome),
    /// It wants to ask this tier, whose circuit denies it until then.
    Shut(Tier, Time),
    /// It looks for a coherent local copy.
    LookedCoherent(Outcome),
    /// It looks for a fresh local copy.
    LookedFresh(Outcome),
    /// It looks for a local copy within the staleness budget.
    LookedStale(Outcome),
    /// It pauses.
    Paused,
    /// It wants to repeat a question, and the budget for repeats is spent.
    RepeatDenied,
    /// It is told nothing, but time goes on until then.
    Late(Time),
}

pub(super) const DEADLINE: Time = Time::from_millis(1_000);
const STALE: Duration = Duration::from_secs(600);
const NODE_TIMEOUT: Duration = Duration::from_millis(200);
const ORIGIN_TIMEOUT: Duration = Duration::from_millis(800);
const MILLI: Duration = Duration::from_millis(1);

/// A read of a key that fails open, with the primary and these tiers, one attempt.
pub(super) fn read(tiers: &[Tier]) -> Plan {
    Plan { attempts: 1, ..plan(Role::Cache, Intent::Read, tiers) }
}

pub(super) fn write(role: Role) -> Plan {
    plan(role, Intent::Write, &Tier::ALL)
}

pub(super) fn plan(role: Role, intent: Intent, tiers: &[Tier]) -> Plan {
    let bounds = Bounds {
        attempts: 2,
        deadline: Duration::from_secs(1),
        node_timeout: NODE_TIMEOUT,
        origin_timeout: ORIGIN_TIMEOUT,
        max_stale: STALE,
        auth_policy: AuthPolicy::Error,
    };
    Plan::new(role, intent, TierSet::of(tiers), bounds)
}

pub(super) fn apology(tier: Tier, because: Outcome) -> Apology {
    Apology { tier, because, retry_after: RETRY_AFTER_DEFAULT }
}

pub(super) fn unavailable(tier: Tier, because: Outcome) -> Ending {
    Ending::Unavailable(apology(tier, because))
}

#[track_caller]
pub(super) fn play_until(plan: &Plan, script: &[Line], last: Line, ending: Ending) -> Request {
    play(plan, &[script, &[last]].concat(), ending)
}

/// Plays the script to its end.
#[track_caller]
pub(super) fn play(plan: &Plan, script: &[Line], ending: Ending) -> Request {
    let mut stage = Stage::new(script);
    let mut request = Request::new(plan, Time::ZERO);
    assert_eq!(stage.run(&mut request, plan), ending, "{script:?}");
    assert!(stage.lines.is_empty(), "lines left: {:?} of {script:?}", stage.lines);
    request
}

fn timeout(tier: Tier) -> Duration {
    if tier == Tier::Origin { ORIGIN_TIMEOUT } else { NODE_TIMEOUT }
}

/// The world, as the script has it.
pub(super) struct Stage {
    lines: VecDeque<Line>,
    pub(super) now: Time,
}

impl Stage {
    pub(super) fn new(script: &[Line]) -> Self {
        Self { lines: script.iter().copied().collect(), now: Time::ZERO }
    }

    pub(super) fn run(&mut self, request: &mut Request, plan: &Plan) -> Ending {
        loop {
            if let Some(Late(until)) = self.lines.front().copied() {
                self.lines.pop_front();
                self.now = until;
            }
            let outcome = match request.poll_step(plan, self, self.now) {
                Step::End(ending) => return ending,
                Step::Wait(until) => {
                    assert_eq!(self.lines.pop_front(), Some(Paused));
                    assert!((MILLI..=MILLI * 10).contains(&until.since(self.now)), "paused until {until:?}");
                    self.now = until;
                    continue;
                }
                Step::Learn(_) => panic!("nobody is sent anywhere here"),
                Step::Look(acceptance) => self.look(acceptance),
                Step::Ask(ask) => self.ask(ask),
            };
            self.now = self.now + MILLI;
            let dice = self.now.as_nanos().wrapping_mul(0x9E37_79B9_7F4A_7C15);
            request.handle_outcome(plan, self, outcome, self.now, dice);
        }
    }

    fn look(&mut self, acceptance: Acceptance) -> Outcome {
        match (self.lines.pop_front(), acceptance) {
            (Some(LookedCoherent(outcome)), Acceptance::Coherent) => outcome,
            (Some(LookedFresh(outcome)), Acceptance::Fresh) => outcome,
            (Some(LookedStale(outcome)), Acceptance::StaleUpTo(STALE)) => outcome,
            (line, acceptance) => panic!("looked for {acceptance:?}, not {line:?}"),
        }
    }

    fn ask(&mut self, ask: Ask) -> Outcome {
        let Some(Asked(tier, outcome)) = self.lines.pop_front() else { panic!("asked {ask:?}") };
        assert_eq!((ask.tier, ask.by), (tier, DEADLINE.min(self.now + timeout(tier))));
        outcome
    }
}

impl Admission for Stage {
    fn request_permit(&mut self, tier: Tier, turn: u8, _now: Time) -> Result<Grant, Barred> {
        match self.lines.front().copied() {
            Some(Shut(shut, retry_at)) if shut == tier => {
                self.lines.pop_front();
                Err(Denial { reason: DenialReason::Open, retry_at }.into())
            }
            _ => Ok(Grant {
                node: turn.into(),
                permit: Permit { kind: PermitKind::Normal, epoch: 0 },
                manner: Manner::Plain,
            }),
        }
    }

    fn request_repeat(&mut self, _now: Time) -> bool {
        let denied = self.lines.front() == Some(&RepeatDenied);
        if denied {
            self.lines.pop_front();
        }
        !denied
    }
}
