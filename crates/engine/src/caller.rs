//! Commands carried out in this process, without a socket: what a Rust program asks through the library.
//!
//! A command goes the way that it would go for a client of the sidecar: judged by the same function, on the same routes,
//! through the same circuits and tiers, with the same consequences for what is kept here. What a call does not have is a
//! connection, so whatever gives one a state (MULTI, SUBSCRIBE, SELECT, a blocking pop) is refused with a sentence.
//!
//! Calls that are made one after the other are carried out so; those that are awaited together have no order. A call
//! that is dropped may have been sent: what comes back is taken note of, and nobody is told.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use failsoft_core::outcome::Failure;
use failsoft_core::request::{Apology, Ending, RETRY_AFTER_DEFAULT};
use failsoft_core::{Outcome, Tier};
use failsoft_resp::commands::Class;
use failsoft_resp::encode::{self, Protocol};
use tokio::sync::oneshot;

use crate::apology::{Code, apologise_saying};
use crate::classify::{CROSSSLOT, Course, Read, classify};
use crate::context::Context;
use crate::engine::Engine;
pub use crate::facts::{Answered, Facts};
use crate::gather::gather;
use crate::gauge::Gauge;
use crate::job::{Job, Matter, Progress};
use crate::node::Lane;
use crate::own::{self, Asker, OwnCommand};
use crate::route::Way;
use crate::scatter::{Gathering, Means, Undertaking};
use crate::stand_in::StandIn;
use crate::topology::Place;
use crate::touched::Touched;
use crate::verb::ManyVerb;
use crate::words::Words;
use crate::world::RouteId;

/// Calls of all clones of one caller that may be under way at once.
pub const MOST_CALLS: usize = 100_000;
/// Requests of them that may wait for fallbacks while a command for several shards is put together.
const MOST_FALLBACKS: usize = MOST_CALLS;
/// Bytes of answers to parts of commands for several shards that are kept until they are put together.
const MOST_GATHERED: usize = 64 << 20;

const TOO_MANY: &str = "nothing was done, too many calls are under way";
const LOST: &[u8] =
    b"-UNAVAILABLE nothing is known, failsoft is shutting down reason=shutting_down retry-after-ms=100\r\n";

/// Who asks commands in this process. Clones share their bounds.
#[derive(Clone)]
pub struct Caller {
    engine: Arc<Engine>,
    worker: usize,
    lane: Lane,
    protocol: Protocol,
    calls: Arc<Gauge>,
    means: Means,
}

/// What is to be done for a command.
enum Errand {
    /// It has been said already.
    Said(Vec<u8>),
    /// One request.
    One(Matter, Touched),
    /// One for all keys; then, if need be, one for each.
    Many(Matter, ManyVerb),
    /// Several at several shards.
    Scattered(Undertaking),
    /// One of failsoft's own commands.
    Own(OwnCommand),
}

/// A place among the calls under way; given back however the call ends.
struct Seat<'c>(&'c Gauge);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Caller {
    /// A caller that uses the connections of `worker`, in turn with others of its `lane`, and is answered in RESP2.
    ///
    /// The engine must have been started: [`Engine::start_probes`], and [`Engine::start_worker`] for this worker.
    pub fn new(engine: Arc<Engine>, worker: usize, lane: Lane) -> Self {
        let (most_bytes, gathered) = (MOST_GATHERED, Arc::<AtomicUsize>::default());
        let means = Means { fallbacks: Arc::new(Gauge::new(MOST_FALLBACKS)), most_bytes, gathered };
        Self { engine, worker, lane, protocol: Protocol::Resp2, calls: Arc::new(Gauge::new(MOST_CALLS)), means }
    }

    /// The same, answered in `protocol`.
    #[must_use]
    pub fn speaking(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// The engine that carries out what is asked.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Where a call that is made now is carried out.
    pub fn context(&self) -> Context {
        self.engine.context(self.worker, self.lane)
    }

    /// Calls under way, how many may be, and how many were turned away.
    pub fn calls(&self) -> (usize, usize, usize) {
        (self.calls.inside(), self.calls.bound(), self.calls.refused())
    }

    /// Carries out the command of these words. There is always a reply, if only an error: nothing waits beyond the
    /// deadline of the command's route.
    pub async fn call<W: AsRef<[u8]>>(&self, command: &[W]) -> Answered {
        let mut frame = Vec::new();
        encode::array_header(&mut frame, command.len());
        command.iter().for_each(|word| encode::bulk(&mut frame, word.as_ref()));
        self.call_frame(frame).await
    }

    /// Carries out the command of this frame: a whole, canonical array of bulk strings.
    pub async fn call_frame(&self, frame: Vec<u8>) -> Answered {
        if !self.calls.try_enter() {
            return too_many();
        }
        let _place = Seat(&self.calls);
        let context = self.context();
        match self.errand(&context, &frame) {
            Errand::Said(reply) => reply.into(),
            Errand::One(matter, touched) => self.run(&context, matter, touched, frame).await,
            Errand::Many(matter, verb) => self.run_many(&context, matter, verb, frame).await,
            Errand::Scattered(undertaking) => self.scatter(&context, undertaking).await,
            Errand::Own(command) => own::run(&context, command, &self.asker()).await,
        }
    }

    fn errand(&self, context: &Context, frame: &[u8]) -> Errand {
        let words = Words::of(frame);
        let words = words.as_slices();
        let Some(name) = words.first() else {
            return Errand::Said(b"-ERR a command has a name\r\n".to_vec());
        };
        let Context { world, views, .. } = context;
        let course = classify(world, &views.redis, words);
        let change = |route, way, place| {
            let of = world.route(route);
            let stand_in = StandIn::of(name, of.role, of.mode.get());
            let matter = Matter { stand_in, ..self.matter(route, way, place) };
            Errand::One(matter, Touched::by(world, course, words))
        };
        match course {
            Course::Read(Read { route, way, verb, key, place }) => {
                let key = key.map_or(0..0, |index| Words::of(frame).span(frame, index));
                Errand::One(Matter { verb, key, ..self.matter(route, way, place) }, Touched::Nothing)
            }
            Course::ReadMany { route, verb, place } => Errand::Many(self.matter(route, Way::Nodes, place), verb),
            Course::Change { route, way, place, voids: _ } => change(route, way, place),
            Course::Unjudged(unjudged) => change(RouteId::PLAIN, unjudged.way(), Place::Anywhere),
            Course::Scatter { spec, voids: _ } => match Undertaking::of(&views.redis, spec, words, frame) {
                Ok(undertaking) => Errand::Scattered(undertaking),
                Err(told) => Errand::Said(told),
            },
            Course::Own(_) => match OwnCommand::parse(words) {
                Ok(command) => Errand::Own(command),
                Err(error) => Errand::Said(error.to_reply()),
            },
            Course::CrossSlot => Errand::Said(CROSSSLOT.to_vec()),
            Course::Here => Errand::Said(answer_here(words)),
            Course::Dedicated { class, .. } => Errand::Said(refuse(words, class)),
            Course::AboutCluster(_) => Errand::Said(b"-ERR This instance has cluster support disabled\r\n".to_vec()),
        }
    }

    /// Each call is one by itself: there is no last answer.
    fn asker(&self) -> Asker {
        let (engine, who) = (self.engine.clone(), "in process".to_owned());
        Asker { engine, protocol: self.protocol, last: Facts::default(), who, figures: None }
    }

    fn matter(&self, route: RouteId, way: Way, place: Place) -> Matter {
        Matter { route, way, verb: None, key: 0..0, place, protocol: self.protocol, stand_in: None }
    }

    async fn run(&self, context: &Context, matter: Matter, touched: Touched, frame: Vec<u8>) -> Answered {
        context.world.handle_request();
        let job = Job::of_change(&context.world, matter, frame, touched, context.now());
        context.answer(job).await
    }

    async fn run_many(&self, context: &Context, matter: Matter, verb: ManyVerb, frame: Vec<u8>) -> Answered {
        let keys = Words::of(&frame).as_slices().len() - 1;
        context.world.handle_request();
        let mut job = Job::new(&context.world, matter, frame, context.now());
        let progress = job.advance(context, context.now());
        let asked = match progress {
            Progress::Ask(ask) => {
                let delivered = context.ask_node(&job, ask).await;
                if delivered.outcome == Outcome::Hit && verb.is_complete(&delivered.reply, keys) {
                    let progress = job.handle_kept_reply(context, delivered.outcome, delivered.reply, context.now());
                    return context.end(job, progress).await;
                }
                Some((delivered.outcome, delivered.reply))
            }
            Progress::Wait(_) | Progress::Learn(_) | Progress::Done(_) => None,
        };
        let asked = asked.as_ref().map(|(outcome, reply)| (*outcome, reply.as_slice()));
        gather(context, verb, job.frame(), asked, self.protocol).await
    }

    async fn scatter(&self, context: &Context, undertaking: Undertaking) -> Answered {
        let (sender, receiver) = oneshot::channel();
        // Whoever calls has asked for nothing since that could be overtaken.
        Gathering::begin(
            context,
            undertaking,
            self.protocol,
            self.means.clone(),
            || true,
            |answered| {
                // Whoever called may have gone.
                let _ = sender.send(answered);
            },
        );
        receiver.await.unwrap_or_else(|_| LOST.to_vec().into())
    }
}

fn too_many() -> Answered {
    let because = Outcome::Failed(Failure::QueueFull);
    let apology = Apology { tier: Tier::Primary, because, retry_after: RETRY_AFTER_DEFAULT };
    let mut reply = Vec::new();
    apologise_saying(Code::Overloaded, TOO_MANY, apology, &mut reply);
    Answered { reply, facts: Facts::of_ending(Ending::Overloaded(apology)) }
}

/// What is about a connection, and makes sense without one.
fn answer_here(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    match (words[0].to_ascii_uppercase().as_slice(), words) {
        (b"PING", [_]) => encode::simple(&mut out, "PONG"),
        (b"PING" | b"ECHO", [_, message]) => encode::bulk(&mut out, message),
        _ => return refuse(words, Class::Connection),
    }
    out
}

fn refuse(words: &[&[u8]], class: Class) -> Vec<u8> {
    const MOST_TOLD: usize = 64;
    let name = String::from_utf8_lossy(&words[0][..words[0].len().min(MOST_TOLD)]).to_uppercase();
    let mut out = Vec::new();
    encode::error(
        &mut out,
        &format!("ERR {name} gives its connection a state or occupies it ({class}), and a call in process has none"),
    );
    out
}
