//! One request being carried out: the pure machine that decides, with what it must not know: bytes and connections.
//!
//! A job is begun, and either ends at once (a local copy, an open circuit without anything below it), or wants one
//! question put to a node or origin, or a pause. Whoever runs it (a client session for the first question, a task for
//! all that follows) brings back what came of it. Everything that can be done without waiting is done here.

use std::ops::Range;
use std::sync::Arc;

use failsoft_core::coherence::Epoch;
use failsoft_core::journal::fate::Turn;
use failsoft_core::mode::Mode;
use failsoft_core::outcome::{Doubt, Failure, MissCause};
use failsoft_core::plan::Plan;
use failsoft_core::refusal::Refusal;
use failsoft_core::request::{Ask, Ending, Request, Step};
use failsoft_core::stale::Stamp;
use failsoft_core::{Outcome, Tier, Time};
use failsoft_resp::encode::{self, Protocol};

use crate::apology::{Code, apologise};
use crate::clock::dice;
use crate::context::Context;
use crate::facts::Facts;
use crate::node::{Author, Node};
use crate::route::Way;
use crate::stand_in::StandIn;
use crate::telemetry::route::was_answered_at_once;
use crate::telemetry::tally::Tally;
use crate::tier::local::{Copy, Version};
use crate::topology::{Hint, Place, Views};
use crate::touched::Touched;
use crate::value::Value;
use crate::verb::Verb;
use crate::words::Words;
use crate::world::{RouteId, World};

mod copies;
mod doors;
mod ending;
mod learning;
mod made;
mod standing_by;
mod trail;
mod turn;

use self::doors::Doors;
use self::ending::UnderWay;
pub(crate) use self::standing_by::{stands_by, unanswered};
use self::trail::Trail;

/// What a request is about.
#[derive(Clone, Debug)]
pub struct Matter {
    /// The route of its key.
    pub route: RouteId,
    /// Which of the route's plans it follows.
    pub way: Way,
    /// How it is answered without Redis, if it can be.
    pub verb: Option<Verb>,
    /// Where its key is in its frame; empty if there is none.
    pub key: Range<u32>,
    /// Where in a deployment it belongs.
    pub place: Place,
    /// In which protocol the caller is answered.
    pub protocol: Protocol,
    /// What is said when no node can answer, instead of an error.
    pub stand_in: Option<StandIn>,
}

/// One request being carried out.
pub struct Job {
    request: Request,
    matter: Matter,
    /// The command's bytes; empty if it will not be asked again.
    frame: Vec<u8>,
    kept_under: Option<(Version, Epoch)>,
    begun: Time,
    asked: Option<Ask>,
    /// When the last question was about to be put.
    asked_at: Time,
    brought: Option<Brought>,
    trail: Trail,
    under_way: UnderWay,
    turn: Turn,
    /// The route's when it began.
    mode: Mode,
}

/// What is wanted next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Put the job's frame or key to this tier.
    Ask(Ask),
    /// Come back then.
    Wait(Time),
    /// Look anew which nodes there are, [take up](Job::take_up) what is seen, and come back, then at the latest.
    Learn(Time),
    /// It has ended.
    Done(Ending),
}

/// What a tier other than the one that has just answered has brought.
enum Brought {
    /// What the node has said that was asked before.
    Reply(Vec<u8>),
    /// What is answered in the primary's stead.
    StoodBy(Vec<u8>),
    /// The reply to a write that was kept here.
    Kept(Vec<u8>),
    Copy(Arc<Copy>),
    Value(Value),
}

/// Has a deployment looked at whose node has brought what may mean that there is another in its place.
fn hint(world: &World, tier: Tier, outcome: Outcome) {
    let Some(doubt) = outcome.doubt() else { return };
    let hint = match doubt {
        Doubt::Moved => Hint::Moved,
        Doubt::Lost => Hint::Lost,
    };
    let deployment = match (tier, doubt) {
        // What the primary says about where a slot is, is weighed where it is followed.
        (Tier::Primary, Doubt::Lost) | (Tier::Replica, Doubt::Moved) => Some(world.deployment()),
        (Tier::Regional, Doubt::Moved | Doubt::Lost) => world.regional(),
        (Tier::Primary, Doubt::Moved)
        | (Tier::Replica, Doubt::Lost)
        | (Tier::Local | Tier::Origin | Tier::Default, Doubt::Moved | Doubt::Lost) => None,
    };
    deployment.map(|deployment| deployment.hint(hint));
}

impl Job {
    /// Begins a request; poll it with [`advance`](Self::advance).
    ///
    /// `frame` is kept if the request may have to be asked again: give an empty one for a write.
    #[inline]
    pub fn new(world: &World, matter: Matter, frame: Vec<u8>, now: Time) -> Self {
        let route = world.route(matter.route);
        let mode = route.mode.get();
        let mut request = Request::new(route.plan_in(mode, matter.way), now);
        if mode == Mode::OriginOnly {
            // A copy in front answers for the primary, which is not to.
            request.pass_front();
        }
        Self {
            request,
            mode,
            matter,
            frame,
            kept_under: None,
            begun: now,
            asked: None,
            asked_at: now,
            brought: None,
            trail: Trail::default(),
            under_way: UnderWay::default(),
            turn: Turn::InOrder,
        }
    }

    /// Begins a request that may change what `touched` names; otherwise as [`new`](Self::new).
    ///
    /// `frame` is needed if something may be kept of it.
    pub fn of_change(world: &Arc<World>, matter: Matter, frame: Vec<u8>, touched: Touched, now: Time) -> Self {
        touched.handle_begun(world);
        Self { under_way: UnderWay::new(world, touched), ..Self::new(world, matter, frame, now) }
    }

    /// What the request is about.
    pub fn matter(&self) -> &Matter {
        &self.matter
    }

    /// How it goes: by the mode that its route was in when it began.
    fn plan<'w>(&self, world: &'w World) -> &'w Plan {
        world.route(self.matter.route).plan_in(self.mode, self.matter.way)
    }

    /// When it began.
    pub fn begun(&self) -> Time {
        self.begun
    }

    /// The command's bytes.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Whose words an error reply would be.
    pub fn author(&self) -> Author {
        match self.matter.way {
            Way::Through | Way::Made | Way::Nodes | Way::Write => Author::Node,
            Way::Script => Author::Caller,
        }
    }

    /// Takes the command's bytes, to be used again for another; the job has ended.
    pub fn take_frame(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.frame)
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.frame[self.matter.key.start as usize..self.matter.key.end as usize]
    }

    /// Goes on as far as is possible without waiting.
    pub fn advance(&mut self, context: &Context, now: Time) -> Progress {
        let world = &*context.world;
        let route = world.route(self.matter.route);
        let plan = route.plan_in(self.mode, self.matter.way);
        loop {
            let touched = self.under_way.touched();
            let mut doors = Doors::of(context, route, self.mode, &self.matter, &self.frame, touched, &mut self.trail);
            match self.request.poll_step(plan, &mut doors, now) {
                Step::Wait(until) => return Progress::Wait(until),
                Step::Learn(by) => return Progress::Learn(by),
                Step::End(ending) => {
                    self.stand_in_for(world, ending);
                    let ending = self.conclude(context, ending, now);
                    return Progress::Done(self.stand_by(context, route, ending, now));
                }
                Step::Look(acceptance) => {
                    let outcome = self.look(world, acceptance, now);
                    self.tell(context, plan, outcome, now);
                }
                Step::Ask(ask) => match self.make_at_once(context, route, ask, now) {
                    Some(outcome) => self.tell(context, plan, outcome, now),
                    None => {
                        self.asked = Some(ask);
                        self.asked_at = now;
                        self.note_version(world, route);
                        if self.is_barred_by_now(world, ask) {
                            context.give_back(self, Progress::Ask(ask), now);
                            self.tell(context, plan, Outcome::Failed(Failure::Unreplayed), now);
                        } else {
                            return Progress::Ask(ask);
                        }
                    }
                },
            }
        }
    }

    /// Brings what came back from a node, and goes on.
    pub fn handle_reply(&mut self, context: &Context, outcome: Outcome, reply: &[u8], now: Time) -> Progress {
        let world = &*context.world;
        let mut outcome = self.matter.verb.map_or(outcome, |verb| verb.judge(outcome, reply));
        if self.asked.is_some_and(|ask| ask.tier == Tier::Primary) {
            match outcome {
                Outcome::Hit => self.learn(world, reply, now),
                Outcome::Miss(_) => self.unlearn(world, now),
                Outcome::Refused(refusal) => outcome = self.hear_refusal(context, refusal, reply),
                Outcome::Failed(_) | Outcome::Silent(_) => {}
            }
        }
        if let Some(ask) = self.asked {
            hint(world, ask.tier, outcome);
        }
        if self.is_answered_too_early(context, outcome) {
            outcome = Outcome::Failed(Failure::Unreplayed);
        }
        self.tell(context, self.plan(world), outcome, now);
        self.advance(context, now)
    }

    /// What a refusal by the primary means for this request. Where it may have been made up by a script, or there are no
    /// bytes to be sent again, it is an answer like any other.
    fn hear_refusal(&mut self, context: &Context, refusal: Refusal, reply: &[u8]) -> Outcome {
        let may_follow = !self.frame.is_empty() && context.world.deployment().is_discovered();
        let refusal = match refusal {
            Refusal::Moved | Refusal::Ask if may_follow && self.is_at_its_place() => {
                let asked = self.asked.map(|ask| ask.grant);
                self.trail.begin_detour().handle_sent_elsewhere(asked, reply);
                refusal
            }
            Refusal::ReadOnly | Refusal::TryAgain if may_follow && self.author() == Author::Node => {
                if let Some(detour) = self.trail.detour_mut() {
                    detour.handle_refused();
                }
                refusal
            }
            Refusal::Moved | Refusal::Ask | Refusal::ReadOnly | Refusal::TryAgain
                if self.author() == Author::Caller =>
            {
                Refusal::Other
            }
            other => other,
        };
        Outcome::Refused(refusal)
    }

    /// Whether what the node says about slots is about this request: a script that names no key can say anything.
    fn is_at_its_place(&self) -> bool {
        self.author() == Author::Node || self.matter.place != Place::Anywhere
    }

    /// Goes on by these views.
    pub fn take_up(&mut self, views: Views) {
        self.trail.take_up(views);
    }

    /// The node that `ask` is for.
    pub fn node<'n>(&'n self, context: &'n Context, ask: Ask) -> &'n Arc<Node> {
        self.trail.views().unwrap_or(&context.views).of(ask.tier).node(ask.grant.node)
    }

    /// Brings a node's reply to keep until the end, and goes on.
    pub fn handle_kept_reply(&mut self, context: &Context, outcome: Outcome, reply: Vec<u8>, now: Time) -> Progress {
        let progress = self.handle_reply(context, outcome, &reply, now);
        if let Progress::Done(Ending::Value(tier) | Ending::Absent(tier) | Ending::PassOn(tier)) = progress
            && matches!(tier, Tier::Primary | Tier::Replica | Tier::Regional)
        {
            self.brought = Some(Brought::Reply(reply));
        }
        progress
    }

    /// Brings what came of a load, and goes on.
    pub fn handle_loaded(&mut self, context: &Context, outcome: Outcome, value: Option<Value>, now: Time) -> Progress {
        self.brought = value.map(Brought::Value);
        self.tell(context, self.plan(&context.world), outcome, now);
        self.advance(context, now)
    }

    /// Counts the request as ended, with others like it if it went as it should; whether it did: the primary has brought
    /// the value and nobody was passed over before it.
    pub fn finish_among(&self, tally: &mut Tally, world: &World, ending: Ending, now: Time) -> bool {
        let is_as_it_should = was_answered_at_once(&self.request, ending);
        if is_as_it_should {
            tally.add(world, self.matter.route, now.since(self.begun));
        } else {
            self.finish(world, ending, now);
        }
        is_as_it_should
    }

    /// Counts the request as ended.
    pub fn finish(&self, world: &World, ending: Ending, now: Time) {
        let stats = &world.route(self.matter.route).stats;
        stats.handle_ended(&self.request, ending, now.since(self.begun));
        if self.copy_served(ending).is_some_and(|stamp| now.since(stamp.obtained) > stamp.fresh_for) {
            stats.handle_stale();
        }
    }

    /// What is known of the answer that it has ended with.
    pub fn facts(&self, ending: Ending, now: Time) -> Facts {
        let facts = Facts::of(&self.request, ending);
        match self.copy_served(ending) {
            Some(stamp) => facts.aged(now.since(stamp.obtained), stamp.fresh_for),
            None => facts,
        }
    }

    fn copy_served(&self, ending: Ending) -> Option<Stamp> {
        match (ending, &self.brought) {
            (Ending::Value(Tier::Local), Some(Brought::Copy(copy))) => Some(copy.stamp),
            _ => None,
        }
    }

    /// Appends the reply that the caller is given. `reply` is what the last node said, if it was a node.
    pub fn render(&self, world: &World, ending: Ending, reply: &[u8], out: &mut Vec<u8>) {
        match ending {
            _ if let Some(stand_in) = self.matter.stand_in.filter(|stand_in| stand_in.covers(ending)) => {
                stand_in.answer(out);
            }
            Ending::Unavailable(apology) => apologise(Code::Unavailable, apology, out),
            Ending::Overloaded(apology) => apologise(Code::Overloaded, apology, out),
            Ending::OutcomeUnknown(apology) => apologise(Code::OutcomeUnknown, apology, out),
            // Who has said so need not be who was asked last.
            Ending::Absent(_) if self.is_told_by_callers() => self.render_value(world, ending, out),
            Ending::Value(tier) | Ending::Absent(tier) | Ending::PassOn(tier) => match tier {
                Tier::Primary | Tier::Replica | Tier::Regional => self.render_reply(reply, out),
                Tier::Local | Tier::Origin | Tier::Default => self.render_value(world, ending, out),
            },
        }
    }

    fn is_told_by_callers(&self) -> bool {
        let said = self.request.outcome_of(Tier::Origin);
        matches!(said, Some(Outcome::Miss(MissCause::Leased | MissCause::Absent)))
    }

    fn render_reply(&self, reply: &[u8], out: &mut Vec<u8>) {
        match &self.brought {
            Some(Brought::Reply(kept)) if reply.is_empty() => out.extend_from_slice(kept),
            _ => out.extend_from_slice(reply),
        }
    }

    fn render_value(&self, world: &World, ending: Ending, out: &mut Vec<u8>) {
        if let Some(Brought::StoodBy(reply) | Brought::Kept(reply)) = &self.brought {
            return out.extend_from_slice(reply);
        }
        let Some(verb) = self.matter.verb else {
            return encode::error(out, "ERR failsoft has no way to answer this command without Redis");
        };
        let words = if verb.reads_arguments() { Words::of(&self.frame) } else { Words::default() };
        let value = match (ending, &self.brought) {
            (Ending::Absent(_), _) => None,
            (Ending::Value(Tier::Default), _) => world.route(self.matter.route).default.as_ref(),
            (_, Some(Brought::Copy(copy))) => copy.value.as_ref(),
            (_, Some(Brought::Value(value))) => Some(value),
            (_, Some(Brought::Reply(_) | Brought::StoodBy(_) | Brought::Kept(_)) | None) => None,
        };
        match value {
            Some(value) => verb.answer(words.as_slices(), value, self.matter.protocol, out),
            None => verb.answer_absent(words.as_slices(), self.matter.protocol, out),
        }
    }

    /// Keeps the request from being answered in front of the primary: its asker has a write under way that a copy may
    /// not show. Before the first [`advance`](Self::advance).
    #[must_use]
    pub fn passing_front(mut self) -> Self {
        self.request.pass_front();
        self
    }

    fn tell(&mut self, context: &Context, plan: &Plan, outcome: Outcome, now: Time) {
        let route = context.world.route(self.matter.route);
        let touched = self.under_way.touched();
        let mut doors = Doors::of(context, route, self.mode, &self.matter, &self.frame, touched, &mut self.trail);
        self.request.handle_outcome(plan, &mut doors, outcome, now, dice());
        self.trail.handle_primary(self.request.outcome_of(Tier::Primary));
    }

    /// Begins a request about which the primary has already been asked, and has said `reply`.
    #[must_use]
    pub fn having_asked(mut self, context: &Context, outcome: Outcome, reply: Vec<u8>, now: Time) -> Self {
        self.brought = Some(Brought::Reply(reply));
        let plan = self.plan(&context.world);
        self.request = Request::resume(plan, self.begun, Tier::Primary);
        self.tell(context, plan, outcome, now);
        self
    }
}
