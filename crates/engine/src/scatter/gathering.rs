//! Carries out a command for several shards: asks all at once, and puts the answers together when the last has come.
//!
//! The first questions are put before [`begin`](Gathering::begin) returns, each on the connection that its keys always
//! use: what the same client asks next comes after them at every node, as it would at one. Only of a command in more than
//! [`AT_ONCE`] pieces some are asked later; whoever begins it then lets nothing pass it.
//!
//! A piece goes the way of any request: with its own route, redirections, and tiers below the primary. One whose node
//! says TRYAGAIN, because some of its keys have moved already and some have not, is taken to pieces of one key, each of
//! which has a definite place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use failsoft_core::outcome::Failure;
use failsoft_core::refusal::Refusal;
use failsoft_core::request::{Apology, Ask, Ending, RETRY_AFTER_DEFAULT};
use failsoft_core::{Outcome, Tier, Time};
use failsoft_resp::commands::{Merge, Spec};
use failsoft_resp::encode::{self, Protocol};
use parking_lot::Mutex;

use super::apart::{Part, take_to_pieces};
use super::merge::{Act, Answer, Unit, merge};
use super::undertaking::{Goal, Piece, Undertaking};
use super::{aside, scan};
use crate::apology::{Code, apologise_saying};
use crate::classify::{Course, classify};
use crate::context::Context;
use crate::delivery::{Deliver, Sink};
use crate::facts::{Answered, Facts};
use crate::gather::gather;
use crate::gauge::Gauge;
use crate::job::{Job, Matter, Progress};
use crate::node::Question;
use crate::route::Way;
use crate::topology::Place;
use crate::touched::Touched;
use crate::verb::ManyVerb;
use crate::words::Words;
use crate::world::RouteId;

/// Pieces of one command that are asked at once; far fewer than may wait for a node.
pub const AT_ONCE: usize = 256;

/// Replies of so few bytes are kept in any case: there is one for each piece, and a piece takes up more.
const SMALL: usize = 256;

const TOO_LARGE: &str = "ERR what the shards have answered is together larger than server.max_output_buffer";

const TOO_MANY: &str = "nothing was done, too many requests wait for fallbacks";

/// What a command may take up.
#[derive(Clone)]
pub struct Means {
    /// Where pieces are counted that the first question does not settle.
    pub fallbacks: Arc<Gauge>,
    /// How many bytes of answers are kept for one client until they are put together.
    pub most_bytes: usize,
    /// How many are, of all commands of the client's that are under way.
    pub gathered: Arc<AtomicUsize>,
}

/// What is done with the answer.
type Finish = Box<dyn FnOnce(Answered) + Send>;

/// Whether a part may be asked once more though its client may have asked for something since: false if it has, which
/// that part would come behind; if true, it does not until the command has been answered.
type MayComeLate = Box<dyn Fn() -> bool + Send + Sync>;

/// A command for several shards that is being carried out.
pub struct Gathering {
    context: Context,
    spec: &'static Spec,
    goal: Goal,
    protocol: Protocol,
    means: Means,
    may_come_late: MayComeLate,
    inner: Mutex<Inner>,
}

struct Inner {
    pieces: Vec<State>,
    /// The first that has not been asked.
    next: usize,
    under_way: usize,
    /// Pieces without an answer.
    open: usize,
    bytes: usize,
    is_too_large: bool,
    /// Of the part that fared worst.
    facts: Facts,
    /// Somebody is asking already.
    is_asking: bool,
    finish: Option<Finish>,
}

/// What has become of a piece.
enum State {
    Waiting(Piece),
    /// A node has been asked.
    Asked(Box<Asked>),
    /// A task is at it.
    Running,
    Answered(Answer),
    /// It has been taken to further pieces.
    Apart,
}

/// A piece of which the first question is out.
struct Asked {
    about: Vec<usize>,
    job: Job,
    /// How it is taken apart if the primary does not answer it whole.
    verb: Option<ManyVerb>,
}

/// A command to all of whose pieces there is an answer.
struct Finished {
    finish: Finish,
    /// None if they are too large.
    answers: Option<Vec<Answer>>,
}

/// Where nodes deliver.
struct Inbox(Arc<Gathering>);

impl Gathering {
    /// Begins to carry out `undertaking`; `finish` is given the reply.
    ///
    /// A part that a slot on the move has divided is asked again, later than was sent what the client asked since. So
    /// a change asks `may_come_late` first, which is to hold later commands back, or to say that there are some.
    pub fn begin(
        context: &Context,
        undertaking: Undertaking,
        protocol: Protocol,
        means: Means,
        may_come_late: impl Fn() -> bool + Send + Sync + 'static,
        finish: impl FnOnce(Answered) + Send + 'static,
    ) {
        let Undertaking { spec, goal, pieces } = undertaking;
        let open = pieces.len();
        let inner = Inner {
            pieces: pieces.into_iter().map(State::Waiting).collect(),
            next: 0,
            under_way: 0,
            open,
            bytes: 0,
            is_too_large: false,
            facts: Facts::default(),
            is_asking: false,
            finish: Some(Box::new(finish)),
        };
        let (context, may_come_late) = (context.clone(), Box::new(may_come_late));
        let gathering = Self { context, spec, goal, protocol, means, may_come_late, inner: Mutex::new(inner) };
        Arc::new(gathering).ask_more();
    }

    /// Asks as many more as may be asked at once.
    fn ask_more(self: &Arc<Self>) {
        if std::mem::replace(&mut self.inner.lock().is_asking, true) {
            return;
        }
        while let Some((index, piece)) = self.next_piece() {
            self.ask_first(index, piece);
        }
    }

    fn next_piece(&self) -> Option<(usize, Piece)> {
        let mut inner = self.inner.lock();
        if inner.under_way >= AT_ONCE || inner.next == inner.pieces.len() {
            inner.is_asking = false;
            return None;
        }
        let index = inner.next;
        inner.next += 1;
        inner.under_way += 1;
        match std::mem::replace(&mut inner.pieces[index], State::Apart) {
            State::Waiting(piece) => Some((index, piece)),
            State::Asked(_) | State::Running | State::Answered(_) | State::Apart => None,
        }
    }

    fn ask_first(self: &Arc<Self>, index: usize, piece: Piece) {
        if matches!(self.goal, Goal::Merged(Act { merge: Merge::AnyOne, .. })) {
            return self.ask_aside(index, piece);
        }
        let now = self.context.now();
        let mut asked = self.first(piece, now);
        let progress = asked.job.advance(&self.context, now);
        self.go_on(index, asked, progress, &[], now);
    }

    fn ask_aside(self: &Arc<Self>, index: usize, piece: Piece) {
        let gathering = self.clone();
        tokio::spawn(async move {
            let Piece { about, place, frame } = piece;
            let (ending, reply) = aside::ask(&gathering.context, place, &frame, gathering.protocol).await;
            gathering.settle(index, Facts::of_ending(ending), Answer { about, ending, reply });
        });
    }

    /// The request that a piece is.
    fn first(&self, piece: Piece, now: Time) -> Asked {
        let Piece { about, place, frame } = piece;
        let world = &self.context.world;
        let (matter, touched, verb) = self.matter(place, &frame);
        world.handle_request();
        Asked { about, job: Job::of_change(world, matter, frame, touched, now), verb }
    }

    fn matter(&self, place: Place, frame: &[u8]) -> (Matter, Touched, Option<ManyVerb>) {
        let words = Words::of(frame);
        let Context { world, views, .. } = &self.context;
        let mut matter = Matter {
            route: RouteId::PLAIN,
            way: Way::Write,
            verb: None,
            key: 0..0,
            place,
            protocol: self.protocol,
            stand_in: None,
        };
        let course = classify(world, &views.redis, words.as_slices());
        match course {
            Course::Read(read) => {
                let key = read.key.map_or(0..0, |index| words.span(frame, index));
                matter = Matter { route: read.route, way: read.way, verb: read.verb, key, ..matter };
            }
            Course::ReadMany { route, verb, .. } => {
                return (Matter { route, way: Way::Nodes, ..matter }, Touched::Nothing, Some(verb));
            }
            Course::Change { route, way, .. } => matter = Matter { route, way, ..matter },
            Course::Here
            | Course::Dedicated { .. }
            | Course::Unjudged(_)
            | Course::Scatter { .. }
            | Course::AboutCluster(_)
            | Course::Own(_)
            | Course::CrossSlot => {}
        }
        (matter, Touched::by(world, course, words.as_slices()), None)
    }

    /// Carries a piece on from `progress`; `reply` is what a node has just said, if one has.
    fn go_on(self: &Arc<Self>, index: usize, asked: Asked, progress: Progress, reply: &[u8], now: Time) {
        match (progress, asked.verb) {
            // Nobody could be asked for all of its keys; some of them may be found elsewhere.
            (Progress::Done(Ending::Unavailable(_)), Some(verb)) => self.run_many(index, asked, verb, None),
            (Progress::Done(ending), _) => {
                let Asked { about, job, .. } = asked;
                job.finish(&self.context.world, ending, now);
                let mut rendered = Vec::new();
                job.render(&self.context.world, ending, reply, &mut rendered);
                self.settle(index, job.facts(ending, now), Answer { about, ending, reply: rendered });
            }
            (Progress::Ask(ask), _) if ask.tier != Tier::Origin => self.ask(index, asked, ask, now),
            (progress, None) => self.run(index, asked, progress),
            (progress, Some(verb)) => {
                self.context.give_back(&asked.job, progress, now);
                self.run_many(index, asked, verb, None);
            }
        }
    }

    fn ask(self: &Arc<Self>, index: usize, asked: Asked, ask: Ask, now: Time) {
        let question = Question {
            sink: Sink { to: Arc::new(Inbox(self.clone())), ticket: index as u64 },
            permit: ask.grant.permit,
            by: ask.by,
            asked: now,
            protocol: self.protocol,
            author: asked.job.author(),
            lane: self.context.lane,
            manner: ask.grant.manner,
        };
        let node = asked.job.node(&self.context, ask).clone();
        let sent = {
            let mut inner = self.inner.lock();
            let sent = node.ask(self.context.worker, asked.job.frame(), question);
            inner.pieces[index] = State::Asked(Box::new(asked));
            sent
        };
        if let Err(failure) = sent {
            self.handle(index, Outcome::Failed(failure), &[], now);
        }
    }

    /// A node has been asked about piece `index`, and this came of it.
    fn handle(self: &Arc<Self>, index: usize, outcome: Outcome, reply: &[u8], now: Time) {
        let state = std::mem::replace(&mut self.inner.lock().pieces[index], State::Running);
        let State::Asked(mut asked) = state else {
            debug_assert!(false, "delivered twice");
            return;
        };
        let is_divided = outcome == Outcome::Refused(Refusal::TryAgain) && self.can_fall_apart(&asked);
        if is_divided && (!asked.job.is_change() || (self.may_come_late)()) {
            asked.job.handle_divided();
            return self.fall_apart(index, &asked);
        }
        if let Some(verb) = asked.verb
            && asked.job.is_answered_too_early(&self.context, outcome)
        {
            return self.run_many(index, *asked, verb, None);
        }
        match asked.verb {
            Some(verb) if outcome != Outcome::Hit || !verb.is_complete(reply, asked.about.len()) => {
                // Sent elsewhere: each key finds out for itself.
                let known = !matches!(outcome, Outcome::Refused(Refusal::Moved | Refusal::Ask | Refusal::TryAgain));
                self.run_many(index, *asked, verb, known.then(|| (outcome, reply.to_vec())));
            }
            Some(_) | None => {
                let progress = asked.job.handle_reply(&self.context, outcome, reply, now);
                let progress = self.keep_order(&mut asked.job, progress, now);
                self.go_on(index, *asked, progress, reply, now);
            }
        }
    }

    /// Has a change not be repeated after a pause behind what its client has asked since; whoever has to wait for the
    /// map holds back what has not been asked yet.
    fn keep_order(&self, job: &mut Job, progress: Progress, now: Time) -> Progress {
        match progress {
            Progress::Wait(_) | Progress::Learn(_) if !job.is_change() || (self.may_come_late)() => progress,
            Progress::Wait(_) => job.forgo_repeat(&self.context, now),
            Progress::Ask(_) | Progress::Learn(_) | Progress::Done(_) => progress,
        }
    }

    fn can_fall_apart(&self, asked: &Asked) -> bool {
        let of_keys = matches!(self.goal, Goal::Merged(Act { unit: Unit::Keys, .. }));
        of_keys && asked.about.len() > 1
    }

    /// Some keys of the piece have moved and some have not.
    fn fall_apart(self: &Arc<Self>, index: usize, asked: &Asked) {
        let words = Words::of(asked.job.frame());
        let parts = take_to_pieces(self.spec, words.as_slices());
        let piece = |part: Part| {
            let about = part.keys.iter().filter_map(|key| asked.about.get(*key).copied()).collect();
            State::Waiting(Piece { about, place: Place::Slot(part.slot), frame: part.frame })
        };
        {
            let mut inner = self.inner.lock();
            inner.open += parts.len() - 1;
            inner.under_way -= 1;
            inner.pieces[index] = State::Apart;
            inner.pieces.extend(parts.into_iter().map(piece));
        }
        self.ask_more();
    }

    /// Carries a piece on in a task.
    fn run(self: &Arc<Self>, index: usize, asked: Asked, progress: Progress) {
        let Asked { about, mut job, .. } = asked;
        if !self.means.fallbacks.try_enter() {
            self.context.give_back(&job, progress, self.context.now());
            return self.shed(index, about);
        }
        let gathering = self.clone();
        tokio::spawn(async move {
            let context = &gathering.context;
            let ending = context.run(&mut job, progress).await;
            let mut reply = Vec::new();
            job.render(&context.world, ending, &[], &mut reply);
            gathering.means.fallbacks.leave();
            gathering.settle(index, job.facts(ending, context.now()), Answer { about, ending, reply });
        });
    }

    /// Looks for the keys of a piece one by one, in a task.
    fn run_many(self: &Arc<Self>, index: usize, asked: Asked, verb: ManyVerb, known: Option<(Outcome, Vec<u8>)>) {
        let Asked { about, job, .. } = asked;
        if !self.means.fallbacks.try_enter() {
            return self.shed(index, about);
        }
        let gathering = self.clone();
        tokio::spawn(async move {
            let known = known.as_ref().map(|(outcome, reply)| (*outcome, reply.as_slice()));
            let answered = gather(&gathering.context, verb, job.frame(), known, gathering.protocol).await;
            let Answered { reply, facts } = answered;
            gathering.means.fallbacks.leave();
            // An error is one whoever it came from.
            gathering.settle(index, facts, Answer { about, ending: Ending::Value(Tier::Primary), reply });
        });
    }

    fn shed(self: &Arc<Self>, index: usize, about: Vec<usize>) {
        let because = Outcome::Failed(Failure::QueueFull);
        let apology = Apology { tier: Tier::Primary, because, retry_after: RETRY_AFTER_DEFAULT };
        let mut reply = Vec::new();
        apologise_saying(Code::Overloaded, TOO_MANY, apology, &mut reply);
        let ending = Ending::Overloaded(apology);
        self.settle(index, Facts::of_ending(ending), Answer { about, ending, reply });
    }

    /// Piece `index` has its answer.
    fn settle(self: &Arc<Self>, index: usize, facts: Facts, answer: Answer) {
        let (finished, facts) = {
            let mut inner = self.inner.lock();
            inner.facts = inner.facts.or_worse(facts);
            inner.keep(index, answer, &self.means);
            (inner.take_finished(&self.means), inner.facts)
        };
        match finished {
            Some(Finished { finish, answers: Some(answers) }) => {
                finish(Answered { reply: self.conclude(&answers), facts });
            }
            Some(Finished { finish, answers: None }) => {
                let mut told = Vec::new();
                encode::error(&mut told, TOO_LARGE);
                finish(told.into());
            }
            None => self.ask_more(),
        }
    }

    fn conclude(&self, answers: &[Answer]) -> Vec<u8> {
        let mut out = Vec::new();
        match (&self.goal, answers) {
            (Goal::Merged(act), answers) => merge(*act, answers, self.protocol, &mut out),
            (Goal::Scanned(survey, position), [answer]) => scan::answer(survey, *position, &answer.reply, &mut out),
            (Goal::Scanned(..) | Goal::Passed, answers) => {
                answers.iter().for_each(|answer| out.extend_from_slice(&answer.reply));
            }
        }
        out
    }
}

impl Inner {
    fn keep(&mut self, index: usize, mut answer: Answer, means: &Means) {
        let bytes = answer.reply.len();
        let gathered = means.gathered.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bytes += bytes;
        // One reply alone is never too large, and what tells of a change is small, and must be told.
        self.is_too_large |= self.pieces.len() > 1 && bytes > SMALL && gathered > means.most_bytes;
        if self.is_too_large && bytes > SMALL {
            answer.reply = Vec::new();
            self.bytes -= bytes;
            means.gathered.fetch_sub(bytes, Ordering::Relaxed);
        }
        self.pieces[index] = State::Answered(answer);
        self.open -= 1;
        self.under_way -= 1;
    }

    fn take_finished(&mut self, means: &Means) -> Option<Finished> {
        if self.open > 0 {
            return None;
        }
        means.gathered.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
        let finish = self.finish.take()?;
        let answers = std::mem::take(&mut self.pieces).into_iter().filter_map(|piece| match piece {
            State::Answered(answer) => Some(answer),
            State::Waiting(_) | State::Asked(_) | State::Running | State::Apart => None,
        });
        let answers = answers.collect();
        Some(Finished { finish, answers: (!self.is_too_large).then_some(answers) })
    }
}

impl Deliver for Inbox {
    fn deliver(&self, ticket: u64, outcome: Outcome, reply: &[u8], now: Time) {
        self.0.handle(ticket as usize, outcome, reply, now);
    }

    fn wake(&self) {}
}
