//! One request driven through its plan in simulated time: the machine of the core decides, [`Conditions`] answer.

use std::sync::Arc;
use std::time::Duration;

use failsoft_core::circuit::{Circuit, CircuitSettings, Denial, DenialReason, ProbeResult, StateName};
use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::plan::Plan;
use failsoft_core::request::{Admission, Ask, Barred, Ending, Grant, Manner, Request, Step};
use failsoft_core::stale::Acceptance;
use failsoft_core::{Outcome, Tier, TierSet, Time};
use failsoft_resp::commands::Spec;
use failsoft_resp::encode::{self, Protocol};

use super::condition::{Conditions, NodeCondition, OriginCondition, words_of};
use super::{Unasked, Walk};
use crate::apology::{Code, apologise};
use crate::route::{Route, Way};
use crate::topology::{Place, View};
use crate::verb::Verb;
use crate::world::{RouteId, World};

/// When every walk begins: late enough for a copy of any age.
const START: Time = Time::from_nanos(10 * 365 * 24 * 3600 * 1_000_000_000);

/// Something that happens on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// At which tier.
    pub tier: Tier,
    /// Which node or origin it is.
    pub whom: Option<Arc<str>>,
    /// How long after the beginning.
    pub at: Duration,
    /// What.
    pub event: Event,
}

/// What happens at a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is asked.
    Asked {
        /// How long it may take.
        within: Duration,
        /// What comes back.
        outcome: Outcome,
    },
    /// Local memory is looked at.
    Looked {
        /// How old a copy may be.
        acceptance: Acceptance,
        /// What is found.
        outcome: Outcome,
    },
    /// It is waited for before it is asked again.
    Paused(Duration),
    /// It is not asked, for this reason.
    PassedOver(Outcome),
    /// It always has a value.
    Served,
}

/// What a walk is about.
pub(super) struct Subject<'k> {
    pub(super) words: Vec<&'k [u8]>,
    pub(super) spec: Option<&'static Spec>,
    pub(super) route: RouteId,
    pub(super) way: Way,
    pub(super) verb: Option<Verb>,
    pub(super) key: Option<&'k [u8]>,
}

/// How fast answers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    AtOnce,
    AtTheLastMoment,
}

/// The way of `subject`; `asked` is what the primary has already said.
pub(super) fn walk<'w>(
    world: &'w World,
    subject: &Subject<'_>,
    conditions: &Conditions,
    asked: Option<Outcome>,
) -> Walk<'w> {
    let told = Drive::new(world, subject, conditions, Pace::AtOnce).go(asked);
    let slow = Drive::new(world, subject, conditions, Pace::AtTheLastMoment).go(asked);
    let failing = Drive::new(world, subject, &Conditions::ALL_FAIL, Pace::AtOnce).go(asked);
    let place = subject.route.index();
    let bound = subject.key.and_then(|key| world.bind(subject.route, key));
    Walk {
        route: world.route(subject.route),
        place,
        pattern: place.and_then(|place| world.routes().nth(place)).map(|(pattern, _)| pattern),
        bound: bound
            .iter()
            .flat_map(|bound| bound.iter().map(|(parameter, value)| (parameter.name(), value.to_vec())))
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        unasked: unasked(world.route(subject.route).plan(subject.way), &told, asked),
        reply: reply(world.route(subject.route), subject, &told),
        key: subject.key.map(<[u8]>::to_vec),
        way: subject.way,
        ending: told.ending,
        stages: told.stages,
        at_most: slow.took,
        when_all_fail: failing.stages,
        ending_when_all_fail: failing.ending,
    }
}

/// What comes of asking for all keys of a command at once.
pub(super) fn ask_whole(world: &World, subject: &Subject<'_>, conditions: &Conditions) -> Stage {
    let mut drive = Drive::new(world, subject, conditions, Pace::AtOnce);
    let mut request = Request::new(drive.plan, START);
    let step = request.poll_step(drive.plan, &mut drive.doors, START);
    match step {
        Step::Ask(ask) => {
            drive.ask(ask);
        }
        Step::Look(_) | Step::Wait(_) | Step::Learn(_) | Step::End(_) => drive.note(&request),
    }
    drive.stages.pop().expect("the plan of a read has the primary, which is asked or passed over")
}

struct Drive<'d, 'k> {
    view: Arc<View>,
    place: Place,
    subject: &'d Subject<'k>,
    route: &'d Route,
    plan: &'d Plan,
    conditions: &'d Conditions,
    pace: Pace,
    doors: Doors,
    now: Time,
    met: TierSet,
    stages: Vec<Stage>,
}

struct Driven {
    stages: Vec<Stage>,
    met: TierSet,
    ending: Ending,
    took: Duration,
}

impl<'d, 'k> Drive<'d, 'k> {
    fn new(world: &'d World, subject: &'d Subject<'k>, conditions: &'d Conditions, pace: Pace) -> Self {
        let route = world.route(subject.route);
        let plan = route.plan(subject.way);
        let view = world.deployment().view();
        let place = subject.key.map_or(Place::Anywhere, |key| view.place_of(key));
        let doors = Doors::new(world, place, route, conditions);
        Self {
            view,
            place,
            subject,
            route,
            plan,
            conditions,
            pace,
            doors,
            now: START,
            met: TierSet::EMPTY,
            stages: Vec::new(),
        }
    }

    fn go(mut self, asked: Option<Outcome>) -> Driven {
        let mut request = match asked {
            Some(_) => Request::resume(self.plan, START, Tier::Primary),
            None => Request::new(self.plan, START),
        };
        if let Some(outcome) = asked {
            self.met = self.met.with(Tier::Primary);
            self.tell(&mut request, outcome);
        }
        let ending = loop {
            let step = request.poll_step(self.plan, &mut self.doors, self.now);
            self.note(&request);
            match step {
                Step::End(ending) => break ending,
                Step::Wait(until) => self.pause(until),
                Step::Learn(_) => {}
                Step::Look(acceptance) => {
                    let outcome = self.look(acceptance);
                    self.tell(&mut request, outcome);
                }
                Step::Ask(ask) => {
                    let outcome = self.ask(ask);
                    self.tell(&mut request, outcome);
                }
            }
        };
        Driven { stages: self.stages, met: self.met, ending, took: self.now.since(START) }
    }

    /// The longest pause is the one to tell of.
    fn tell(&mut self, request: &mut Request, outcome: Outcome) {
        request.handle_outcome(self.plan, &mut self.doors, outcome, self.now, u64::MAX);
    }

    fn ask(&mut self, ask: Ask) -> Outcome {
        let outcome = self.outcome(ask.tier);
        let within = ask.by.since(self.now);
        let whom = self.whom(ask);
        self.push(ask.tier, whom, Event::Asked { within, outcome });
        if takes_all_its_time(outcome) || (self.pace == Pace::AtTheLastMoment && comes_over_the_wire(outcome)) {
            self.now = ask.by;
        }
        outcome
    }

    fn look(&mut self, acceptance: Acceptance) -> Outcome {
        let outcome = self.conditions.local.look(acceptance, self.route.fresh_for, self.now);
        self.push(Tier::Local, None, Event::Looked { acceptance, outcome });
        outcome
    }

    fn pause(&mut self, until: Time) {
        if let Some(Stage { tier, whom, .. }) = self.stages.last().cloned() {
            self.push(tier, whom, Event::Paused(until.since(self.now)));
        }
        self.now = until;
    }

    /// Writes down what the machine has settled by itself.
    fn note(&mut self, request: &Request) {
        let settled: Vec<_> = request.trail().filter(|(tier, _)| !self.met.contains(*tier)).collect();
        for (tier, outcome) in settled {
            let event = if tier == Tier::Default { Event::Served } else { Event::PassedOver(outcome) };
            self.push(tier, None, event);
        }
    }

    fn push(&mut self, tier: Tier, whom: Option<Arc<str>>, event: Event) {
        self.met = self.met.with(tier);
        self.stages.push(Stage { tier, whom, at: self.now.since(START), event });
    }

    fn outcome(&self, tier: Tier) -> Outcome {
        match tier {
            Tier::Primary => self.conditions.primary.outcome(self.subject.spec, self.subject.verb),
            Tier::Replica | Tier::Regional => self.conditions.replica.outcome(self.subject.spec, self.subject.verb),
            Tier::Origin => self.conditions.origin.outcome(),
            Tier::Local | Tier::Default => Outcome::Hit,
        }
    }

    fn whom(&self, ask: Ask) -> Option<Arc<str>> {
        match ask.tier {
            Tier::Primary => self.view.primary(self.place).map(|node| node.name().clone()),
            Tier::Replica => {
                let mut replicas = self.view.replicas_of(self.view.shard_of(self.place)?);
                replicas.nth(usize::from(ask.grant.node)).map(|node| node.name().clone())
            }
            Tier::Origin => self.route.source.as_ref().map(|source| source.origin.name().clone()),
            Tier::Regional | Tier::Local | Tier::Default => None,
        }
    }
}

fn takes_all_its_time(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Silent(Silence::Timeout) | Outcome::Failed(Failure::OriginTimeout))
}

fn comes_over_the_wire(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Hit | Outcome::Miss(_) | Outcome::Refused(_) | Outcome::Silent(_) => true,
        Outcome::Failed(failure) => matches!(failure, Failure::OriginError | Failure::OriginTimeout | Failure::Shed),
    }
}

/// Circuits as new, but for those that are said to be open.
struct Doors {
    primary: Circuit,
    replica: Circuit,
    origin: Option<Circuit>,
    replicas: usize,
}

impl Doors {
    fn new(world: &World, place: Place, route: &Route, conditions: &Conditions) -> Self {
        let nodes = world.deployment().circuit();
        let view = world.deployment().view();
        Self {
            primary: circuit(nodes.clone(), conditions.primary == NodeCondition::Open),
            replica: circuit(nodes.clone(), conditions.replica == NodeCondition::Open),
            origin: route
                .source
                .as_ref()
                .map(|source| circuit(source.origin.health().settings(), conditions.origin == OriginCondition::Open)),
            replicas: view.shard_of(place).map_or(0, |shard| view.replicas_of(shard).count()).max(1),
        }
    }
}

impl Admission for Doors {
    fn request_permit(&mut self, tier: Tier, turn: u8, now: Time) -> Result<Grant, Barred> {
        let (node, circuit) = match tier {
            Tier::Replica => ((usize::from(turn) % self.replicas) as u16, Some(&mut self.replica)),
            Tier::Origin => (0, self.origin.as_mut()),
            Tier::Primary | Tier::Regional | Tier::Local | Tier::Default => (0, Some(&mut self.primary)),
        };
        let nobody = Denial { reason: DenialReason::Open, retry_at: Time::NEVER };
        let permit = circuit.ok_or(nobody)?.request_permit(now, 0)?;
        Ok(Grant { node, permit, manner: Manner::Plain })
    }

    fn request_repeat(&mut self, _now: Time) -> bool {
        true
    }
}

/// A circuit that has seen nothing, or just enough to open.
fn circuit(settings: CircuitSettings, open: bool) -> Circuit {
    let failures = if open { settings.failures } else { 0 };
    let mut circuit = Circuit::new(settings);
    for _ in 0..failures {
        circuit.handle_probe(ProbeResult::Failed, START);
    }
    debug_assert_eq!(circuit.state_name() == StateName::Open, open, "the failures in a row that trip");
    circuit
}

fn unasked(plan: &Plan, driven: &Driven, asked: Option<Outcome>) -> Vec<(Tier, Unasked)> {
    let is_absence = |stage: &Stage| {
        stage.tier < Tier::Local && matches!(stage.event, Event::Asked { outcome: Outcome::Miss(_), .. })
    };
    let absent_above = matches!(asked, Some(Outcome::Miss(_))) || driven.stages.iter().any(is_absence);
    let why = |tier| match tier {
        Tier::Replica | Tier::Regional | Tier::Local if absent_above => Unasked::AbsentAbove,
        Tier::Primary | Tier::Replica | Tier::Regional | Tier::Local | Tier::Origin | Tier::Default => {
            Unasked::NotNeeded
        }
    };
    plan.tiers.iter().filter(|tier| !driven.met.contains(*tier)).map(|tier| (tier, why(tier))).collect()
}

/// The reply, where it does not depend on what is stored.
fn reply(route: &Route, subject: &Subject<'_>, driven: &Driven) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match (driven.ending, subject.verb) {
        (Ending::Unavailable(apology), _) => apologise(Code::Unavailable, apology, &mut out),
        (Ending::Overloaded(apology), _) => apologise(Code::Overloaded, apology, &mut out),
        (Ending::OutcomeUnknown(apology), _) => apologise(Code::OutcomeUnknown, apology, &mut out),
        (Ending::PassOn(tier), _) => encode::error(&mut out, &refusal_of(tier, driven)?),
        (Ending::Absent(_), Some(verb)) => verb.answer_absent(&subject.words, Protocol::Resp2, &mut out),
        (Ending::Value(Tier::Default), Some(verb)) => {
            verb.answer(&subject.words, route.default.as_ref()?, Protocol::Resp2, &mut out);
        }
        (Ending::Value(_) | Ending::Absent(_), _) => return None,
    }
    Some(out)
}

fn refusal_of(tier: Tier, driven: &Driven) -> Option<String> {
    let words = |stage: &Stage| match stage.event {
        Event::Asked { outcome: Outcome::Refused(refusal), .. } if stage.tier == tier => Some(words_of(refusal)),
        Event::Asked { .. } | Event::Looked { .. } | Event::Paused(_) | Event::PassedOver(_) | Event::Served => None,
    };
    driven.stages.iter().rev().find_map(words)
}
