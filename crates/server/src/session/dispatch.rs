//! What becomes of one command: answered here, refused, or put to a node on the way its route says.
//!
//! What a command is has been found out by [`classify`]; here it is written down in a [`Matter`], put to whom it is
//! for, and never looked up again.

mod company;
mod listening;
mod opened;
mod ours;
mod own;
mod scatter;
mod whereabouts;

use std::ops::Range;
use std::sync::Arc;

use failsoft::classify::{CROSSSLOT, Course, Read, Unjudged, classify};
use failsoft::context::Context;
use failsoft::delivery::Sink;
use failsoft::job::{Job, Matter, Progress};
use failsoft::node::{Author, Leave, Node, Question, Speaker};
use failsoft::route::Way;
use failsoft::stand_in::StandIn;
use failsoft::topology::Place;
use failsoft::touched::{Executor, Touched};
use failsoft::verb::ManyVerb;
use failsoft::world::RouteId;
use failsoft_core::journal::fate::{Change, Fate};
use failsoft_core::request::Ask;
use failsoft_core::{Outcome, Tier, Time};
use failsoft_resp::commands::{Arguments, Class};
use failsoft_resp::encode;
use failsoft_resp::{Command, Limits, ProtocolError};

use self::company::Company;
use self::opened::Opened;
pub(super) use self::opened::not_in_transaction;
pub(super) use self::whereabouts::{Berth, Queue, Whereabouts};
use super::access::{Access as ClientAccess, Verdict};
use super::doorstep::Doorstep;
use super::ears::Ears;
use super::greeting::{Greeting, Said};
use super::replies::{Inbox, Replies, Slot};

/// Turns one client's commands into answers.
pub(super) struct Dispatcher {
    replies: Arc<Replies>,
    inbox: Arc<Inbox>,
    context: Context,
    greeting: Greeting,
    access: ClientAccess,
    doorstep: Doorstep,
    /// The ticket of a command of which not all has been asked yet: nothing may pass it.
    barrier: Option<u64>,
    /// failsoft's own commands that are under way.
    company: Company,
    /// The ticket of the last command that makes copies void.
    written: Option<u64>,
    /// What the client is told instead of being given a connection of its own.
    refusal: Option<Box<[u8]>>,
    /// The client believes itself in a transaction that could not be opened: what each command of it is told.
    doomed: Option<Box<[u8]>>,
    /// The client believes itself in a transaction, rightly, of which it is not known yet where it will be.
    opened: Option<Box<Opened>>,
    /// What the client hears without a connection of its own, once it has subscribed so.
    ears: Option<Box<Ears>>,
    /// Buffers for the frames of further requests.
    spare: Vec<Vec<u8>>,
    /// What is believed of a client that is known.
    limits: Limits,
}

/// What kind of connection of its own a client needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    /// Who speaks on it first.
    pub(super) speaker: Speaker,
    /// Whether the circuit is asked.
    pub(super) leave: Leave,
    /// The class of the command that it is needed for.
    pub(super) class: Class,
    /// Where it is to lead.
    pub(super) place: Place,
}

const OK: &[u8] = b"+OK\r\n";
/// What a transaction that could not be opened ends with, in the words of Redis.
const DISCARDED: &[u8] = b"-EXECABORT Transaction discarded because of previous errors.\r\n";

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read on.
    Continue,
    /// Show this command again once the client has a connection of its own.
    Dedicate(Want),
    /// Show this command again once everything before it has been answered.
    Settle,
    /// Write what is outstanding, then close.
    Close,
    /// The same, because the client guesses passwords.
    CloseGuesser,
}

impl Dispatcher {
    pub(super) fn new(
        replies: Arc<Replies>,
        context: Context,
        greeting: Greeting,
        access: ClientAccess,
        doorstep: Doorstep,
        limits: Limits,
    ) -> Self {
        let inbox = Arc::new(Inbox(replies.clone()));
        Self {
            inbox,
            replies,
            context,
            greeting,
            access,
            doorstep,
            barrier: None,
            company: Company::default(),
            written: None,
            refusal: None,
            doomed: None,
            opened: None,
            ears: None,
            spare: Vec::new(),
            limits,
        }
    }

    /// What is believed of what the client claims to send: little, as long as it has to say who it is.
    #[inline]
    pub(super) fn limits(&self) -> Limits {
        if self.access.is_stranger() { Limits::STRANGERS } else { self.limits }
    }

    /// Whether the client still has to say who it is.
    pub(super) fn is_stranger(&self) -> bool {
        self.access.is_stranger()
    }

    /// What the client is told that has broken the protocol.
    pub(super) fn complaint(&self, error: ProtocolError) -> Vec<u8> {
        if self.access.is_stranger() { error.of_stranger().to_reply() } else { error.to_reply() }
    }

    /// The world that commands are routed in. Only while none is under way.
    pub(super) fn set_context(&mut self, context: Context) {
        self.replies.set_context(context.clone());
        self.access.take_up(context.world.rules());
        self.greeting.take_up(&context);
        self.ears.iter().for_each(|ears| ears.take_up(&context));
        self.context = context;
    }

    /// Goes by what has been told about slots since. Only while no command is under way.
    pub(super) fn take_up_moved(&mut self) {
        self.context = self.replies.moved_context();
        self.replies.set_context(self.context.clone());
    }

    /// Takes one command.
    pub(super) fn dispatch(&mut self, command: &Command<'_>, now: Time) -> Next {
        if let Some(refusal) = self.judge(command) {
            self.spoil_opened(&refusal);
            return Next::Continue;
        }
        if self.opened.is_some() {
            return self.dispatch_opened(command, now);
        }
        if self.doomed.is_some() {
            return self.dispatch_doomed(command, now);
        }
        self.dispatch_sound(command, now)
    }

    fn dispatch_sound(&mut self, command: &Command<'_>, now: Time) -> Next {
        if self.replies.is_repeating() || self.barrier.is_some_and(|ticket| !self.replies.is_answered(ticket)) {
            return Next::Settle;
        }
        if self.company.holds_up(command, &self.context.world, &self.replies) {
            return Next::Settle;
        }
        if let Some(refusal) = self.refuse_to_listener(command) {
            self.say(&refusal);
            return Next::Continue;
        }
        match classify(&self.context.world, &self.context.views.redis, command) {
            Course::Dedicated { class: Class::PubSub, .. } if let Some(asked) = self.asks_ears(command) => {
                return self.listen(command, asked);
            }
            course @ (Course::Here | Course::Dedicated { .. }) => return self.handle_connection(command, course),
            Course::Unjudged(Unjudged::Arity(_)) => {
                self.change(command, RouteId::PLAIN, Way::Write, Place::Anywhere, Touched::Nothing, now);
            }
            Course::Unjudged(Unjudged::Unknown) => {
                let touched = self.touched_by(command, Course::Unjudged(Unjudged::Unknown));
                self.change(command, RouteId::PLAIN, Way::Script, Place::Anywhere, touched, now);
            }
            Course::Scatter { spec, voids } => self.scatter(command, spec, voids),
            Course::CrossSlot => self.say(CROSSSLOT),
            Course::Own(_) => return self.answer_own(command),
            Course::AboutCluster(spec) => self.say(&self.answer_about_cluster(command, spec)),
            Course::Read(read) => self.read(command, read, now),
            Course::ReadMany { route, verb, place } => self.read_many(command, route, verb, place, now),
            course @ Course::Change { place: Place::Anywhere, .. }
                if let Some(told) = self.impossible(command, course) =>
            {
                self.say(told);
            }
            course @ Course::Change { route, way, place, voids: _ } => {
                let touched = self.touched_by(command, course);
                self.change(command, route, way, place, touched, now);
            }
        }
        Next::Continue
    }

    /// A transaction that could not be opened must not be carried out one command after the other.
    fn dispatch_doomed(&mut self, command: &Command<'_>, now: Time) -> Next {
        let told = self.doomed.take().unwrap_or_default();
        match command.arg(0).to_ascii_uppercase().as_slice() {
            b"EXEC" => self.say(DISCARDED),
            b"DISCARD" => self.say(OK),
            b"RESET" | b"QUIT" => return self.dispatch_sound(command, now),
            _ => {
                self.say(&told);
                self.doomed = Some(told);
            }
        }
        Next::Continue
    }

    fn handle_connection(&mut self, command: &Command<'_>, course: Course) -> Next {
        if let Some(told) = self.impossible(command, course).or_else(|| self.refuse_protocol(command)) {
            self.say(told);
            return Next::Continue;
        }
        let Some(want) = self.wants_own(command, course) else {
            return self.greet(command);
        };
        if let Some(told) = self.refuse_held(command) {
            self.say(&told);
            return Next::Continue;
        }
        let is_multi = command.arg(0).eq_ignore_ascii_case(b"MULTI");
        if is_multi && self.context.views.redis.is_sharded() {
            self.opened = Some(Box::default());
            self.say(OK);
            return Next::Continue;
        }
        let Some(refusal) = self.refusal.take() else {
            return Next::Dedicate(want);
        };
        if is_multi {
            self.say(OK);
            self.doomed = Some(refusal);
        } else {
            self.say(&refusal);
        }
        Next::Continue
    }

    fn say(&self, bytes: &[u8]) {
        self.replies.push(Slot::Ready(bytes.to_vec()));
    }

    fn greet(&mut self, command: &Command<'_>) -> Next {
        // Another protocol is another connection to the node: what comes after must not be carried out before.
        if self.greeting.changes_protocol(command) && self.replies.backlog().requests > 0 {
            return Next::Settle;
        }
        let mut reply = Vec::new();
        self.greeting.set_listening(self.listens());
        let said = self.greeting.answer(command, &mut self.access, &mut reply);
        if command.arg(0).eq_ignore_ascii_case(b"RESET") {
            self.ears = None;
        }
        self.replies.push(Slot::Ready(reply));
        match said {
            Said::Answered => Next::Continue,
            Said::Goodbye => Next::Close,
            Said::Guessing => Next::CloseGuesser,
        }
    }

    fn read(&mut self, command: &Command<'_>, read: Read, now: Time) {
        let Read { route, way, verb, key, place } = read;
        let key = key.map_or(0..0, |index| span_of(command, index));
        let job = self.job(
            Matter { route, way, verb, key, place, protocol: self.greeting.protocol(), stand_in: None },
            command,
            now,
        );
        let job = if self.has_write_under_way() { job.passing_front() } else { job };
        self.begin(job, command.frame(), now);
    }

    /// Whether a command of this client that makes copies void has not been answered: what it reads meanwhile must come
    /// behind it, on the same connection.
    fn has_write_under_way(&mut self) -> bool {
        self.written = self.written.filter(|ticket| !self.replies.is_answered(*ticket));
        self.written.is_some()
    }

    fn read_many(&mut self, command: &Command<'_>, route: RouteId, verb: ManyVerb, place: Place, now: Time) {
        let matter = Matter {
            route,
            way: Way::Nodes,
            verb: None,
            key: 0..0,
            place,
            protocol: self.greeting.protocol(),
            stand_in: None,
        };
        let mut job = self.job(matter, command, now);
        match job.advance(&self.context, now) {
            Progress::Ask(ask) if ask.tier != Tier::Origin => {
                let node = self.context.views.of(ask.tier).node(ask.grant.node).clone();
                let ticket = self.replies.push(Slot::AskedMany { job, verb, keys: command.len() - 1 });
                self.ask(ticket, &node, command.frame(), ask, Author::Node, now);
            }
            Progress::Ask(_) | Progress::Wait(_) | Progress::Learn(_) | Progress::Done(_) => {
                let ticket = self.replies.push(Slot::Running);
                self.replies.run_many(ticket, job, verb, None);
            }
        }
    }

    fn change(&mut self, command: &Command<'_>, route: RouteId, way: Way, place: Place, touched: Touched, now: Time) {
        let (protocol, of) = (self.greeting.protocol(), self.context.world.route(route));
        let stand_in = StandIn::of(command.arg(0), of.role, of.mode.get());
        let matter = Matter { route, way, verb: None, key: 0..0, place, protocol, stand_in };
        // Where there is one primary for good it is never sent again, but for what is kept or answered here.
        let is_set = touched.change() == Change::Set;
        let is_answered_here = stand_in == Some(StandIn::Kept) || of.stands_by() || is_set;
        let frame = match self.context.world.deployment().is_discovered() || is_answered_here {
            true => self.keep_frame(command),
            false => Vec::new(),
        };
        let job = Job::of_change(&self.context.world, matter, frame, touched, now);
        self.begin(job, command.frame(), now);
    }

    fn spare_frame(&mut self) -> Vec<u8> {
        if self.spare.is_empty() {
            self.replies.swap_spare(&mut self.spare);
        }
        self.spare.pop().unwrap_or_default()
    }

    /// A job that may be asked again, so it keeps its frame.
    fn job(&mut self, matter: Matter, command: &Command<'_>, now: Time) -> Job {
        let frame = self.keep_frame(command);
        Job::new(&self.context.world, matter, frame, now)
    }

    fn keep_frame(&mut self, command: &Command<'_>) -> Vec<u8> {
        let mut frame = self.spare_frame();
        frame.extend_from_slice(command.frame());
        self.context.world.handle_request();
        frame
    }

    /// What a command with this course may change. Whichever database it is on: a copy too many is lost rather than one
    /// too few.
    pub(super) fn touched_by(&self, command: &Command<'_>, course: Course) -> Touched {
        Touched::by(&self.context.world, course, command)
    }

    /// A command that may change this is about to be sent on the client's own connection.
    pub(super) fn handle_begun(&self, touched: &Touched) {
        touched.handle_begun(&self.context.world);
    }

    /// It has ended.
    pub(super) fn handle_ended(&self, touched: &Touched, primary: &Arc<str>, fate: Fate) {
        let executor = Executor { worker: self.context.worker, primary };
        touched.handle_ended(&self.context.world, Some(executor), fate);
    }

    #[inline]
    fn begin(&mut self, mut job: Job, frame: &[u8], now: Time) {
        match job.advance(&self.context, now) {
            Progress::Ask(ask) if ask.tier != Tier::Origin => {
                let author = job.author();
                // A script may change keys that it does not name.
                let voids = !job.touched().is_nothing() || job.matter().way == Way::Script;
                let ticket = self.replies.push(Slot::Asked { job });
                if voids {
                    self.written = Some(ticket);
                }
                let context = &self.context;
                self.ask(ticket, context.views.of(ask.tier).node(ask.grant.node), frame, ask, author, now);
            }
            Progress::Done(ending) => {
                self.replies.push_ended(job, ending, now);
            }
            progress @ (Progress::Ask(_) | Progress::Wait(_) | Progress::Learn(_)) => {
                let ticket = self.replies.push(Slot::Running);
                self.replies.run(ticket, job, progress);
            }
        }
    }

    /// What the client is told if it may not run this command.
    pub(super) fn judge<A: Arguments + ?Sized>(&self, command: &A) -> Option<Vec<u8>> {
        match self.access.judge(command) {
            Verdict::Allowed => None,
            verdict @ (Verdict::NeedsAuth | Verdict::Denied(_)) => {
                let mut reply = Vec::new();
                encode::error(&mut reply, &verdict.error().unwrap_or_default());
                Some(reply)
            }
        }
    }

    fn ask(&self, ticket: u64, node: &Node, frame: &[u8], ask: Ask, author: Author, now: Time) {
        let sink = Sink { to: self.inbox.clone(), ticket };
        let question = Question {
            sink,
            permit: ask.grant.permit,
            by: ask.by,
            asked: now,
            protocol: self.greeting.protocol(),
            author,
            lane: self.context.lane,
            manner: ask.grant.manner,
        };
        if let Err(failure) = node.ask(self.context.worker, frame, question) {
            use failsoft::delivery::Deliver;
            self.inbox.deliver(ticket, Outcome::Failed(failure), &[], now);
        }
    }
}

/// Where argument `index` is in the command's frame.
fn span_of(command: &Command<'_>, index: usize) -> Range<u32> {
    let span = command.span(index);
    span.start as u32..span.end as u32
}
