//! One request driven through its plan in simulated time: the machine of the core decides, [`Conditions`] answer.

use std::sync::Arc;
use std::time::Duration;

use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::plan::Plan;
use failsoft_core::request::{Ask, Ending, Manner, Request, Step};
use failsoft_core::stale::Acceptance;
use failsoft_core::{Outcome, Tier, TierSet, Time};
use failsoft_resp::commands::Spec;
use failsoft_resp::encode::{self, Protocol};

use super::condition::{Conditions, NodeCondition, words_of};
use super::doors::Doors;
use super::present;
use super::{Unasked, Walk};
use crate::apology::{Code, apologise};
use crate::job::{stands_by, unanswered as unanswered_by};
use crate::node::Node;
use crate::primitive::count::{Count, Moment};
use crate::route::{Route, Way};
use crate::topology::{Place, Views};
use crate::verb::Verb;
use crate::world::{RouteId, World};

/// When every walk begins: late enough for a copy of any age.
pub(super) const START: Time = Time::from_nanos(10 * 365 * 24 * 3600 * 1_000_000_000);

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
        /// Who has sent the question there.
        sent: Sent,
    },
    /// Who owns what is asked anew, because the node that was asked does not.
    Learned {
        /// How long it may take.
        within: Duration,
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

/// Who has sent a question to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nobody: the map says that it belongs there.
    Directly,
    /// Another node, with `MOVED`.
    ByMoved,
    /// Another node, with `ASK`: `ASKING` goes before the question.
    ByAsk,
}

impl Sent {
    pub(super) fn manner(self) -> Manner {
        match self {
            Self::Directly | Self::ByMoved => Manner::Plain,
            Self::ByAsk => Manner::Asking,
        }
    }
}

/// Where a walk takes place, and how it is there.
pub(super) struct Scene<'w, 'c> {
    pub(super) world: &'w World,
    pub(super) views: Views,
    pub(super) outlook: Outlook<'c>,
}

/// How the tiers are taken to be.
#[derive(Clone, Copy)]
pub(super) enum Outlook<'c> {
    /// So.
    Supposed(&'c Conditions),
    /// As they are at this moment.
    Present(Time),
}

impl Scene<'_, '_> {
    fn under<'c>(&self, conditions: &'c Conditions) -> Scene<'_, 'c> {
        Scene { world: self.world, views: self.views.clone(), outlook: Outlook::Supposed(conditions) }
    }

    pub(super) fn conditions_of(&self, subject: &Subject<'_>) -> Conditions {
        match self.outlook {
            Outlook::Supposed(conditions) => *conditions,
            Outlook::Present(now) => present::conditions(self.world, self.world.route(subject.route), subject.key, now),
        }
    }
}

/// What a walk is about.
pub(super) struct Subject<'k> {
    pub(super) words: Vec<&'k [u8]>,
    pub(super) spec: Option<&'static Spec>,
    pub(super) route: RouteId,
    pub(super) way: Way,
    pub(super) verb: Option<Verb>,
    pub(super) key: Option<&'k [u8]>,
    pub(super) place: Place,
}

/// How fast answers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    AtOnce,
    AtTheLastMoment,
}

/// The way of `subject`; `asked` is what the primary has already said.
pub(super) fn walk<'w>(scene: &Scene<'w, '_>, subject: &Subject<'_>, asked: Option<Outcome>) -> Walk<'w> {
    let world = scene.world;
    let told = Drive::new(scene, subject, Pace::AtOnce).go(asked);
    let slow = Drive::new(scene, subject, Pace::AtTheLastMoment).go(asked);
    let failing = Drive::new(&scene.under(&Conditions::ALL_FAIL), subject, Pace::AtOnce).go(asked);
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
        unasked: unasked(plan_of(world, subject), &told, asked),
        reply: reply(world.route(subject.route), subject, &told),
        key: subject.key.map(<[u8]>::to_vec),
        way: subject.way,
        mode: world.route(subject.route).mode.get(),
        ending: told.ending,
        stages: told.stages,
        at_most: slow.took,
        when_all_fail: failing.stages,
        ending_when_all_fail: failing.ending,
    }
}

fn plan_of<'w>(world: &'w World, subject: &Subject<'_>) -> &'w Plan {
    let route = world.route(subject.route);
    route.plan_in(route.mode.get(), subject.way)
}

/// What comes of asking for all keys of a command at once.
pub(super) fn ask_whole(scene: &Scene<'_, '_>, subject: &Subject<'_>) -> Stage {
    let mut drive = Drive::new(scene, subject, Pace::AtOnce);
    let mut request = begun(drive.plan, drive.route);
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
    scene: &'d Scene<'d, 'd>,
    subject: &'d Subject<'k>,
    route: &'d Route,
    plan: &'d Plan,
    conditions: Conditions,
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
    fn new(scene: &'d Scene<'d, 'd>, subject: &'d Subject<'k>, pace: Pace) -> Self {
        let route = scene.world.route(subject.route);
        let conditions = scene.conditions_of(subject);
        let doors = Doors::new(scene, &conditions, subject.place, route);
        let plan = plan_of(scene.world, subject);
        Self {
            scene,
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
            None => begun(self.plan, self.route),
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
                Step::Learn(until) => self.learn(until),
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
        let ending = self.stand_by(&request, ending);
        Driven { stages: self.stages, met: self.met, ending, took: self.now.since(START) }
    }

    /// A rate limit may be answered when nobody else has.
    fn stand_by(&self, request: &Request, ending: Ending) -> Ending {
        let by = stands_by(self.route, self.route.mode.get(), unanswered_by(request, ending));
        let is_understood = || Count::read(&self.subject.words, Moment { now: self.now, unix_ms: 0 }).is_some();
        by.filter(|_| is_understood()).map_or(ending, Ending::Value)
    }

    /// The longest pause is the one to tell of.
    fn tell(&mut self, request: &mut Request, outcome: Outcome) {
        request.handle_outcome(self.plan, &mut self.doors, outcome, self.now, u64::MAX);
    }

    fn ask(&mut self, ask: Ask) -> Outcome {
        let outcome = self.outcome(ask.tier);
        let within = ask.by.since(self.now);
        let sent = if ask.tier == Tier::Primary { self.doors.sent } else { Sent::Directly };
        let whom = if sent == Sent::Directly { self.whom(ask) } else { None };
        self.push(ask.tier, whom, Event::Asked { within, outcome, sent });
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

    fn learn(&mut self, until: Time) {
        self.push(Tier::Primary, None, Event::Learned { within: until.since(self.now) });
        if self.pace == Pace::AtTheLastMoment {
            self.now = until;
        }
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

    /// Whoever the key's owner has named is well.
    fn outcome(&self, tier: Tier) -> Outcome {
        let conditions = self.conditions;
        let of_node = |node: NodeCondition| node.outcome(self.subject.spec, self.subject.verb);
        match tier {
            Tier::Primary if self.doors.sent != Sent::Directly => of_node(NodeCondition::Up),
            Tier::Primary => of_node(conditions.primary),
            Tier::Replica => of_node(conditions.replica),
            Tier::Regional => of_node(conditions.regional),
            Tier::Origin if self.route.aside.is_some() => conditions.outcome_of_callers(self.subject.verb),
            Tier::Origin => conditions.origin.outcome(),
            Tier::Local | Tier::Default => Outcome::Hit,
        }
    }

    fn whom(&self, ask: Ask) -> Option<Arc<str>> {
        let (view, place) = (self.scene.views.of(ask.tier), self.subject.place);
        let nth = usize::from(ask.grant.node);
        match ask.tier {
            Tier::Primary => view.primary(place).map(|node| node.name().clone()),
            Tier::Replica => any_of(view.replicas_of(view.shard_of(place)?)),
            Tier::Regional => view.members_of(view.shard_of(place)?).nth(nth).map(|node| node.name().clone()),
            Tier::Origin if self.route.aside.is_some() => Some("the application".into()),
            Tier::Origin => self.route.source.as_ref().map(|source| source.origin.name().clone()),
            Tier::Local | Tier::Default => None,
        }
    }
}

/// Which of them is asked depends on how they are at the moment.
fn any_of<'v>(nodes: impl Iterator<Item = &'v Arc<Node>>) -> Option<Arc<str>> {
    let names: Vec<&str> = nodes.map(|node| node.name().as_ref()).collect();
    if names.is_empty() { None } else { Some(names.join(" or ").into()) }
}

/// As a job begins one.
fn begun(plan: &Plan, route: &Route) -> Request {
    let mut request = Request::new(plan, START);
    if route.is_held() {
        request.pass_front();
    }
    request
}

fn takes_all_its_time(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Silent(Silence::Timeout) | Outcome::Failed(Failure::OriginTimeout | Failure::Unfilled))
}

fn comes_over_the_wire(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Hit | Outcome::Miss(_) | Outcome::Refused(_) | Outcome::Silent(_) => true,
        Outcome::Failed(failure) => matches!(failure, Failure::OriginError | Failure::OriginTimeout | Failure::Shed),
    }
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
        Event::Asked { .. }
        | Event::Learned { .. }
        | Event::Looked { .. }
        | Event::Paused(_)
        | Event::PassedOver(_)
        | Event::Served => None,
    };
    driven.stages.iter().rev().find_map(words)
}
