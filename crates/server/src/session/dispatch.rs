//! What becomes of one command: answered here, refused, or put to a node on the way its route says.
//!
//! What a command is has been found out by [`classify`]; here it is written down in a [`Matter`], put to whom it is
//! for, and never looked up again.

use std::ops::Range;
use std::sync::Arc;

use failsoft::classify::{Course, Read, Unjudged, Voids, classify};
use failsoft::delivery::Sink;
use failsoft::job::{Job, Matter, Progress};
use failsoft::node::{Author, Question};
use failsoft::route::Way;
use failsoft::runner::Context;
use failsoft::stand_in::StandIn;
use failsoft::verb::ManyVerb;
use failsoft::world::RouteId;
use failsoft_core::request::Ask;
use failsoft_core::{Outcome, Tier, Time};
use failsoft_resp::Command;
use failsoft_resp::commands::{self, Access, Class};
use failsoft_resp::encode;

use super::access::{Access as ClientAccess, Verdict};
use super::greeting::{Greeting, Said};
use super::replies::{Inbox, Replies, Slot, Touched};

/// Turns one client's commands into answers.
pub(super) struct Dispatcher {
    replies: Arc<Replies>,
    inbox: Arc<Inbox>,
    context: Context,
    greeting: Greeting,
    access: ClientAccess,
    /// The ticket of the last command that makes copies void.
    written: Option<u64>,
}

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read on.
    Continue,
    /// Write what is outstanding, then close.
    Close,
    /// The same, because the client guesses passwords.
    CloseGuesser,
}

impl Dispatcher {
    pub(super) fn new(replies: Arc<Replies>, context: Context, greeting: Greeting, access: ClientAccess) -> Self {
        Self { inbox: Arc::new(Inbox(replies.clone())), replies, context, greeting, access, written: None }
    }

    /// The world that commands are routed in. Only while none is under way.
    pub(super) fn set_context(&mut self, context: Context) {
        self.replies.set_context(context.clone());
        self.access.take_up(context.world.rules());
        self.context = context;
    }

    /// Takes one command.
    pub(super) fn dispatch(&mut self, command: &Command<'_>, now: Time) -> Next {
        match self.access.judge(command) {
            Verdict::Allowed => {}
            verdict @ (Verdict::NeedsAuth | Verdict::Denied(_)) => return self.turn_away(&verdict),
        }
        match classify(&self.context.world, command) {
            Course::Here => return self.greet(command),
            Course::Refused(class) => self.refuse(command, class),
            Course::Unjudged(Unjudged::Arity(_)) => {
                self.change(command, RouteId::PLAIN, Way::Write, Touched::Nothing, now);
            }
            Course::Unjudged(Unjudged::Unknown) => {
                let touched = self.touched_by_unknown(command);
                self.change(command, RouteId::PLAIN, Way::Script, touched, now);
            }
            Course::Read(read) => self.read(command, read, now),
            Course::ReadMany { route, verb } => self.read_many(command, route, verb, now),
            Course::Change { route, voids, way } => {
                let touched = self.touched(command, voids);
                self.change(command, route, way, touched, now);
            }
        }
        Next::Continue
    }

    fn greet(&mut self, command: &Command<'_>) -> Next {
        let mut reply = Vec::new();
        let said = self.greeting.answer(command, &mut self.access, &mut reply);
        self.replies.push(Slot::Ready(reply));
        match said {
            Said::Answered => Next::Continue,
            Said::Goodbye => Next::Close,
            Said::Guessing => Next::CloseGuesser,
        }
    }

    #[cold]
    fn turn_away(&mut self, verdict: &Verdict) -> Next {
        let mut reply = Vec::new();
        encode::error(&mut reply, &verdict.error().unwrap_or_default());
        self.replies.push(Slot::Ready(reply));
        Next::Continue
    }

    fn refuse(&mut self, command: &Command<'_>, class: Class) {
        let mut reply = Vec::new();
        let name = String::from_utf8_lossy(command.arg(0)).to_ascii_uppercase();
        encode::error(
            &mut reply,
            &format!("ERR '{name}' is not supported by failsoft yet: a {class} command gives its connection a state"),
        );
        self.replies.push(Slot::Ready(reply));
    }

    fn read(&mut self, command: &Command<'_>, read: Read, now: Time) {
        let Read { route, way, verb, key } = read;
        let key = key.map_or(0..0, |index| span_of(command, index));
        let job = self.job(
            Matter { route, way, verb, key, protocol: self.greeting.protocol(), stand_in: None },
            command,
            now,
        );
        let job = if self.has_write_under_way() { job.passing_front() } else { job };
        self.begin(job, command.frame(), Touched::Nothing, now);
    }

    /// Whether a command of this client that makes copies void has not been answered: what it reads meanwhile must come
    /// behind it, on the same connection.
    fn has_write_under_way(&mut self) -> bool {
        self.written = self.written.filter(|ticket| !self.replies.is_answered(*ticket));
        self.written.is_some()
    }

    fn read_many(&mut self, command: &Command<'_>, route: RouteId, verb: ManyVerb, now: Time) {
        let matter = Matter {
            route,
            way: Way::Nodes,
            verb: None,
            key: 0..0,
            protocol: self.greeting.protocol(),
            stand_in: None,
        };
        let mut job = self.job(matter, command, now);
        match job.advance(&self.context.world, now) {
            Progress::Ask(ask) if ask.tier != Tier::Origin => {
                let ticket = self.replies.push(Slot::AskedMany { job, verb, keys: command.len() - 1 });
                self.ask(ticket, command.frame(), ask, Author::Node, now);
            }
            Progress::Ask(_) | Progress::Wait(_) | Progress::Done(_) => {
                let ticket = self.replies.push(Slot::Running);
                self.replies.run_many(ticket, job, verb, None);
            }
        }
    }

    /// Any word of a command that is not known may be a key that it changes.
    fn touched_by_unknown(&self, command: &Command<'_>) -> Touched {
        let world = &self.context.world;
        let routed = |word: &&[u8]| world.route(world.route_of(word)).reads_through();
        Touched::Keys(command.args().skip(1).filter(routed).map(Box::from).collect())
    }

    fn touched(&self, command: &Command<'_>, voids: Voids) -> Touched {
        let world = &self.context.world;
        match voids {
            Voids::Nothing => Touched::Nothing,
            Voids::Everything => Touched::Everything,
            Voids::Keys(spec) => Touched::Keys(
                commands::keys(spec, command)
                    .filter(|position| position.access == Access::Write)
                    .map(|position| command.arg(position.index))
                    .filter(|key| world.route(world.route_of(key)).reads_through())
                    .map(Box::from)
                    .collect(),
            ),
        }
    }

    fn change(&mut self, command: &Command<'_>, route: RouteId, way: Way, touched: Touched, now: Time) {
        touched.invalidate(&self.context.world);
        let (protocol, stand_in) = (self.greeting.protocol(), StandIn::of(command.arg(0)));
        let matter = Matter { route, way, verb: None, key: 0..0, protocol, stand_in };
        let job = Job::new(&self.context.world, matter, Vec::new(), now);
        self.begin(job, command.frame(), touched, now);
    }

    /// A job that may be asked again, so it keeps its frame.
    fn job(&self, matter: Matter, command: &Command<'_>, now: Time) -> Job {
        let mut frame = self.replies.spare_frame();
        frame.extend_from_slice(command.frame());
        self.context.world.handle_request();
        Job::new(&self.context.world, matter, frame, now)
    }

    #[inline]
    fn begin(&mut self, mut job: Job, frame: &[u8], touched: Touched, now: Time) {
        match job.advance(&self.context.world, now) {
            Progress::Ask(ask) if ask.tier != Tier::Origin => {
                let author = job.author();
                let voids = !matches!(touched, Touched::Nothing);
                let ticket = self.replies.push(Slot::Asked { job, touched });
                if voids {
                    self.written = Some(ticket);
                }
                self.ask(ticket, frame, ask, author, now);
            }
            Progress::Done(ending) => {
                self.replies.push_ended(job, ending, now);
            }
            progress @ (Progress::Ask(_) | Progress::Wait(_)) => {
                let ticket = self.replies.push(Slot::Running);
                self.replies.run(ticket, job, progress);
            }
        }
    }

    fn ask(&self, ticket: u64, frame: &[u8], ask: Ask, author: Author, now: Time) {
        let sink = Sink { to: self.inbox.clone(), ticket };
        let (permit, protocol) = (ask.grant.permit, self.greeting.protocol());
        let question = Question { sink, permit, by: ask.by, asked: now, protocol, author, lane: self.context.lane };
        if let Err(failure) = self.context.node(ask).ask(self.context.worker, frame, question) {
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
