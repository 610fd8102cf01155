//! What becomes of one command: answered here, refused, or put to a node on the way its route says.
//!
//! This is the only place that looks at commands as commands; what it finds out is written down in a
//! [`Matter`] and never looked up again.

use std::ops::Range;
use std::sync::Arc;

use failsoft::delivery::Sink;
use failsoft::job::{Job, Matter, Progress};
use failsoft::node::Question;
use failsoft::route::Way;
use failsoft::runner::Context;
use failsoft::verb::{ManyVerb, Verb};
use failsoft::world::RouteId;
use failsoft_core::request::Ask;
use failsoft_core::{Outcome, Tier, Time};
use failsoft_resp::Command;
use failsoft_resp::commands::{self, Access, Class, Spec};

use failsoft_resp::encode::{self, Protocol};

use super::greeting::{Greeting, Said};
use super::replies::{Inbox, Replies, Slot, Touched};

/// Turns one client's commands into answers.
pub(super) struct Dispatcher {
    replies: Arc<Replies>,
    inbox: Arc<Inbox>,
    context: Context,
    greeting: Greeting,
}

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read on.
    Continue,
    /// Write what is outstanding, then close.
    Close,
}

impl Dispatcher {
    pub(super) fn new(replies: Arc<Replies>, context: Context, greeting: Greeting) -> Self {
        Self { inbox: Arc::new(Inbox(replies.clone())), replies, context, greeting }
    }

    /// The world that commands are routed in. Only while none is under way.
    pub(super) fn set_context(&mut self, context: Context) {
        self.replies.set_context(context.clone());
        self.context = context;
    }

    /// Takes one command.
    pub(super) fn dispatch(&mut self, command: &Command<'_>, now: Time) -> Next {
        let spec = commands::lookup(command.arg(0), command.get(1));
        match spec {
            None => self.forward(command, Way::Write, RouteId::PLAIN, 0..0, now),
            Some(spec) if !commands::arity_ok(spec, command.len()) => self.forward_plain(command, now),
            Some(spec) => match commands::class_of(spec, command) {
                Class::Connection => return self.greet(command),
                Class::Read => self.read(spec, command, now),
                Class::Write | Class::Script | Class::Publish => self.write(spec, command, now),
                Class::Server => self.serve(spec, command, now),
                class @ (Class::Transaction | Class::PubSub | Class::Blocking | Class::Monitor) => {
                    self.refuse(command, class);
                }
            },
        }
        Next::Continue
    }

    /// A command that Redis will refuse goes there to be refused in its words.
    fn forward_plain(&mut self, command: &Command<'_>, now: Time) {
        self.forward(command, Way::Write, RouteId::PLAIN, 0..0, now);
    }

    fn greet(&mut self, command: &Command<'_>) -> Next {
        let mut reply = Vec::new();
        let said = self.greeting.answer(command, &mut reply);
        self.replies.push(Slot::Ready(reply));
        match said {
            Said::Answered => Next::Continue,
            Said::Goodbye => Next::Close,
        }
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

    fn read(&mut self, spec: &Spec, command: &Command<'_>, now: Time) {
        let mut keys = commands::keys(spec, command);
        let (Some(first), second) = (keys.next(), keys.next()) else {
            return self.forward(command, Way::Nodes, RouteId::PLAIN, 0..0, now);
        };
        if second.is_some() {
            return self.read_many(spec, command, now);
        }
        let key = command.arg(first.index);
        let route = self.context.world.route_of(key);
        let span = span_of(command, first.index);
        if self.context.world.route(route).reads_through()
            && let Some(verb) = Verb::of(command.arg(0), command.len())
        {
            return self.read_through(command, verb, route, span, now);
        }
        self.forward(command, Way::Nodes, route, span, now);
    }

    fn read_through(&mut self, command: &Command<'_>, verb: Verb, route: RouteId, key: Range<u32>, now: Time) {
        let matter = Matter { route, way: Way::Through, verb: Some(verb), key, protocol: Protocol::Resp2 };
        let job = self.job(matter, command, now);
        self.begin(job, command.frame(), Touched::Nothing, now);
    }

    /// A read of several keys is taken apart only if one of them may be answered by something else than Redis.
    fn read_many(&mut self, spec: &Spec, command: &Command<'_>, now: Time) {
        let world = &self.context.world;
        let mut keys = commands::keys(spec, command);
        let routed = keys.find_map(|position| {
            let route = world.route_of(command.arg(position.index));
            world.route(route).reads_through().then_some(route)
        });
        let Some(route) = routed else {
            return self.forward(command, Way::Nodes, RouteId::PLAIN, 0..0, now);
        };
        let Some(verb) = ManyVerb::of(command.arg(0), command.len()) else {
            return self.forward(command, Way::Nodes, route, 0..0, now);
        };
        let matter = Matter { route, way: Way::Nodes, verb: None, key: 0..0, protocol: Protocol::Resp2 };
        let mut job = self.job(matter, command, now);
        match job.advance(&self.context.world, now) {
            Progress::Ask(ask) if ask.tier != Tier::Origin => {
                let ticket = self.replies.push(Slot::AskedMany { job, verb, keys: command.len() - 1 });
                self.ask(ticket, command.frame(), ask, now);
            }
            Progress::Ask(_) | Progress::Wait(_) | Progress::Done(_) => {
                let ticket = self.replies.push(Slot::Running);
                self.replies.run_many(ticket, job, verb, None);
            }
        }
    }

    fn write(&mut self, spec: &Spec, command: &Command<'_>, now: Time) {
        let world = self.context.world.clone();
        let mut route = RouteId::PLAIN;
        let mut touched = Vec::new();
        for position in commands::keys(spec, command) {
            let key = command.arg(position.index);
            let own = world.route_of(key);
            if route == RouteId::PLAIN {
                route = own;
            }
            if position.access == Access::Write && world.route(own).reads_through() {
                touched.push(Box::from(key));
            }
        }
        let touched = if touched.is_empty() { Touched::Nothing } else { Touched::Keys(touched) };
        self.change(command, route, touched, now);
    }

    fn serve(&mut self, spec: &Spec, command: &Command<'_>, now: Time) {
        let empties = matches!(spec.name, "flushall" | "flushdb" | "swapdb");
        let touched = if empties { Touched::Everything } else { Touched::Nothing };
        self.change(command, RouteId::PLAIN, touched, now);
    }

    fn change(&mut self, command: &Command<'_>, route: RouteId, touched: Touched, now: Time) {
        touched.invalidate(&self.context.world);
        let matter = Matter { route, way: Way::Write, verb: None, key: 0..0, protocol: Protocol::Resp2 };
        let job = Job::new(&self.context.world, matter, Vec::new(), now);
        self.begin(job, command.frame(), touched, now);
    }

    fn forward(&mut self, command: &Command<'_>, way: Way, route: RouteId, key: Range<u32>, now: Time) {
        if way == Way::Write {
            return self.change(command, route, Touched::Nothing, now);
        }
        let matter = Matter { route, way, verb: None, key, protocol: Protocol::Resp2 };
        let job = self.job(matter, command, now);
        self.begin(job, command.frame(), Touched::Nothing, now);
    }

    /// A job that may be asked again, so it keeps its frame.
    fn job(&self, matter: Matter, command: &Command<'_>, now: Time) -> Job {
        let mut frame = self.replies.spare_frame();
        frame.extend_from_slice(command.frame());
        self.context.world.handle_request();
        Job::new(&self.context.world, matter, frame, now)
    }

    fn begin(&mut self, mut job: Job, frame: &[u8], touched: Touched, now: Time) {
        match job.advance(&self.context.world, now) {
            Progress::Ask(ask) if ask.tier != Tier::Origin => {
                let ticket = self.replies.push(Slot::Asked { job, touched });
                self.ask(ticket, frame, ask, now);
            }
            Progress::Done(ending) => {
                job.finish(&self.context.world, ending, now);
                let mut reply = Vec::new();
                job.render(&self.context.world, ending, &[], &mut reply);
                self.replies.push(Slot::Ready(reply));
            }
            progress @ (Progress::Ask(_) | Progress::Wait(_)) => {
                let ticket = self.replies.push(Slot::Running);
                self.replies.run(ticket, job, progress);
            }
        }
    }

    fn ask(&self, ticket: u64, frame: &[u8], ask: Ask, now: Time) {
        let sink = Sink { to: self.inbox.clone(), ticket };
        let question = Question { sink, permit: ask.grant.permit, by: ask.by, asked: now };
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
