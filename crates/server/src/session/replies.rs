//! A client's replies, in the order of its requests.
//!
//! Answers come back in any order: from different nodes, from local memory, from loads that take their time. Each
//! request takes a place here when it is read; an answer that is first in line goes straight into the outgoing bytes,
//! others wait in their place. The bytes of a healthy answer are copied once, from the node's buffer to here.

mod apart;
mod detours;
mod inbox;
mod last;
mod order;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context as Turn, Poll, Waker};

use failsoft::context::Context;
use failsoft::facts::{Answered, Facts};
use failsoft::gather::gather;
use failsoft::job::{Job, Progress};
use failsoft::own::{self, Asker, OwnCommand};
use failsoft::telemetry::tally::Tally;
use failsoft::topology::Moved;
use failsoft::verb::ManyVerb;
use failsoft_core::request::Ending;
use failsoft_core::{Outcome, Time};
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::detours::{Detours, Repeated};
pub(crate) use self::inbox::Inbox;
use self::last::Last;
use failsoft::gauge::Gauge;

/// Buffers of frames kept for the next requests of this client.
const SPARE_FRAMES: usize = 64;
/// A frame's buffer larger than this is given back.
const SPARE_BYTES: usize = 4 << 10;

/// What a client's replies are taken to be before the first has come: not so small that a first burst of large ones could
/// overrun the client's bound.
const UNKNOWN_REPLY: usize = 64 << 10;

/// What is said when too many requests wait for fallbacks already.
const TOO_MANY_FALLBACKS: &[u8] =
    b"-OVERLOADED nothing was done, too many requests wait for fallbacks reason=fallbacks retry-after-ms=100\r\n";

/// The replies of one client.
pub(crate) struct Replies {
    inner: Mutex<Inner>,
    fallbacks: Arc<Gauge>,
    /// The change that is repeated after a pause; later commands wait for it.
    repeated: Repeated,
    /// An answer has come while requests that were sent elsewhere wait for their turn.
    came_back: Notify,
    gathered: Arc<AtomicUsize>,
}

struct Inner {
    context: Context,
    /// What is to be written.
    outgoing: Vec<u8>,
    /// Requests without an answer, or whose answer waits for an earlier one; the first has ticket `first`.
    slots: VecDeque<Slot>,
    first: u64,
    /// Bytes that wait in slots.
    held: usize,
    spare: Vec<Vec<u8>>,
    closed: bool,
    /// Bytes that may wait for the client. More of them are dropped as they come, and the client with them: a node can
    /// answer a whole pipeline before the session gets to look.
    bound: usize,
    overrun: bool,
    cut_off: bool,
    /// Something has come since the session last looked.
    news: bool,
    /// Of the present run of answers.
    tally: Tally,
    /// The session's task.
    session: Option<Waker>,
    /// Bytes of a reply to this client: the largest of late, forgotten by and by.
    typical: usize,
    /// Requests that have been sent elsewhere.
    detours: Detours,
    /// Where slots are that some of them were about.
    moved: Moved,
    last: Last,
}

/// What is outstanding for a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backlog {
    /// Requests without an answer, or whose answer waits for an earlier one.
    pub(crate) requests: usize,
    /// Bytes of answers that have not been written.
    pub(crate) bytes: usize,
    /// The same once the requests are answered, if they are answered like those before.
    pub(crate) expected: usize,
    /// More bytes have come than may wait, so that some are lost.
    pub(crate) is_overrun: bool,
    /// A connection on which the client listened is lost.
    pub(crate) is_cut_off: bool,
    /// Something has been told about slots since the context was made.
    pub(crate) has_moved: bool,
}

/// One request's place.
pub(crate) enum Slot {
    /// The answer.
    Ready(Vec<u8>),
    /// A question is out to a node.
    Asked {
        /// The request.
        job: Job,
    },
    /// A question about several keys is out to the primary.
    AskedMany {
        /// The request.
        job: Job,
        /// How it is taken apart.
        verb: ManyVerb,
        /// How many keys.
        keys: usize,
    },
    /// A task is at it.
    Running,
}

impl Replies {
    /// The replies of a client of whom `bound` bytes may wait.
    pub(crate) fn new(context: Context, fallbacks: Arc<Gauge>, bound: usize) -> Self {
        let inner = Inner {
            context,
            outgoing: Vec::new(),
            slots: VecDeque::new(),
            first: 0,
            held: 0,
            spare: Vec::new(),
            closed: false,
            bound,
            overrun: false,
            cut_off: false,
            news: false,
            tally: Tally::default(),
            session: None,
            typical: UNKNOWN_REPLY,
            detours: Detours::default(),
            moved: Moved::default(),
            last: Last::default(),
        };
        Self {
            inner: Mutex::new(inner),
            fallbacks,
            repeated: Repeated::default(),
            came_back: Notify::new(),
            gathered: Arc::default(),
        }
    }

    /// Takes the next place; returns its ticket.
    #[inline]
    pub(crate) fn push(&self, slot: Slot) -> u64 {
        let mut inner = self.inner.lock();
        let ticket = inner.first + inner.slots.len() as u64;
        match slot {
            Slot::Ready(bytes) if inner.slots.is_empty() => {
                inner.outgoing.extend_from_slice(&bytes);
                inner.first += 1;
            }
            Slot::Ready(bytes) => {
                inner.held += bytes.len();
                inner.slots.push_back(Slot::Ready(bytes));
            }
            Slot::Asked { .. } | Slot::AskedMany { .. } | Slot::Running => inner.slots.push_back(slot),
        }
        ticket
    }

    /// Takes the next place for a request that has ended without anybody's being waited for.
    #[inline]
    pub(crate) fn push_ended(&self, mut job: Job, ending: Ending, now: Time) {
        let mut inner = self.inner.lock();
        let Inner { context, outgoing, slots, first, held, last, .. } = &mut *inner;
        job.finish(&context.world, ending, now);
        last.note(*first + slots.len() as u64, job.facts(ending, now));
        if slots.is_empty() {
            job.render(&context.world, ending, &[], outgoing);
            *first += 1;
        } else {
            let mut reply = Vec::new();
            job.render(&context.world, ending, &[], &mut reply);
            *held += reply.len();
            slots.push_back(Slot::Ready(reply));
        }
        inner.keep_frame(job.take_frame());
    }

    /// Whether the request at `ticket` and all before it have been answered.
    pub(crate) fn is_answered(&self, ticket: u64) -> bool {
        ticket < self.inner.lock().first
    }

    /// The ticket that the next request will have.
    pub(crate) fn next_ticket(&self) -> u64 {
        let inner = self.inner.lock();
        inner.first + inner.slots.len() as u64
    }

    /// Carries `job`, whose place is `ticket`, on in a task.
    pub(crate) fn run(self: &Arc<Self>, ticket: u64, job: Job, progress: Progress) {
        let context = self.inner.lock().context.clone();
        if !self.fallbacks.try_enter() {
            context.give_back(&job, progress, context.now());
            return self.complete(ticket, TOO_MANY_FALLBACKS.to_vec().into());
        }
        let replies = self.clone();
        tokio::spawn(async move {
            let answered = context.end(job, progress).await;
            replies.fallbacks.leave();
            replies.complete(ticket, answered);
        });
    }

    /// Answers a command on several keys, whose place is `ticket`, key by key in a task.
    pub(crate) fn run_many(self: &Arc<Self>, ticket: u64, job: Job, verb: ManyVerb, asked: Option<(Outcome, Vec<u8>)>) {
        let context = self.inner.lock().context.clone();
        if !self.fallbacks.try_enter() {
            return self.complete(ticket, TOO_MANY_FALLBACKS.to_vec().into());
        }
        let replies = self.clone();
        tokio::spawn(async move {
            let asked = asked.as_ref().map(|(outcome, reply)| (*outcome, reply.as_slice()));
            let answered = gather(&context, verb, job.frame(), asked, job.matter().protocol).await;
            replies.fallbacks.leave();
            replies.complete(ticket, answered);
        });
    }

    /// Runs one of failsoft's own commands, whose place is `ticket`, in a task.
    pub(crate) fn run_own(self: &Arc<Self>, ticket: u64, command: OwnCommand, asker: Asker) {
        let context = self.inner.lock().context.clone();
        if !self.fallbacks.try_enter() {
            return self.complete(ticket, TOO_MANY_FALLBACKS.to_vec().into());
        }
        let replies = self.clone();
        tokio::spawn(async move {
            let answered = own::run(&context, command, &asker).await;
            replies.fallbacks.leave();
            replies.complete(ticket, answered);
        });
    }

    /// Puts an answer in its place.
    pub(crate) fn complete(&self, ticket: u64, answered: Answered) {
        let mut inner = self.inner.lock();
        inner.last.note(ticket, answered.facts);
        inner.settle(ticket, answered.reply);
        inner.wake();
    }

    /// What is known of the last answer. Once all before have been answered.
    pub(crate) fn last(&self) -> Facts {
        self.inner.lock().last.facts()
    }

    /// The client's last answer has come on a connection of its own.
    pub(crate) fn note_last_of_own(&self) {
        let mut inner = self.inner.lock();
        let ticket = inner.first;
        inner.last.note_of_primary(ticket);
    }

    /// Appends what comes without having been asked for, between two replies.
    pub(crate) fn push_message(&self, message: &[u8]) {
        let mut inner = self.inner.lock();
        if !inner.closed && !inner.is_full(message.len()) {
            inner.outgoing.extend_from_slice(message);
        }
        inner.wake();
    }

    /// A connection on which the client listened is lost, and with it what it may have been told.
    pub(crate) fn cut_off(&self) {
        let mut inner = self.inner.lock();
        inner.cut_off = true;
        inner.wake();
    }

    /// Moves everything that may be written to `out`, which is empty; returns what else is outstanding.
    pub(crate) fn take_outgoing(&self, out: &mut Vec<u8>) -> Backlog {
        let mut inner = self.inner.lock();
        std::mem::swap(out, &mut inner.outgoing);
        inner.news = false;
        inner.backlog()
    }

    /// How much is outstanding.
    pub(crate) fn backlog(&self) -> Backlog {
        self.inner.lock().backlog()
    }

    /// Ready when something may have become ready to be written since it last was, or since it was last taken.
    pub(crate) fn poll_news(&self, turn: &Turn<'_>) -> Poll<()> {
        let mut inner = self.inner.lock();
        if std::mem::take(&mut inner.news) {
            return Poll::Ready(());
        }
        match &mut inner.session {
            Some(session) => session.clone_from(turn.waker()),
            None => inner.session = Some(turn.waker().clone()),
        }
        Poll::Pending
    }

    /// What the requests read from here on are routed by. Only while none is under way.
    pub(crate) fn set_context(&self, context: Context) {
        let mut inner = self.inner.lock();
        inner.context = context;
        inner.moved = Moved::default();
    }

    /// The context with what has been told about slots since it was made.
    pub(crate) fn moved_context(&self) -> Context {
        let inner = self.inner.lock();
        let mut context = inner.context.clone();
        Arc::make_mut(&mut context.views.moved).extend(&inner.moved);
        context
    }

    /// Exchanges `empty` for the buffers of frames that are no longer needed.
    pub(crate) fn swap_spare(&self, empty: &mut Vec<Vec<u8>>) {
        std::mem::swap(empty, &mut self.inner.lock().spare);
    }

    /// Nobody will read the answers any more.
    pub(crate) fn close(&self) {
        self.inner.lock().close();
    }
}

impl Inner {
    fn wake(&mut self) {
        self.tally.tell(&self.context.world);
        self.news = true;
        if let Some(session) = &self.session {
            session.wake_by_ref();
        }
    }

    fn backlog(&self) -> Backlog {
        let requests = self.slots.len();
        let bytes = self.outgoing.len() + self.held;
        let expected = bytes + requests.saturating_mul(self.typical);
        Backlog {
            requests,
            bytes,
            expected,
            is_overrun: self.overrun,
            is_cut_off: self.cut_off,
            has_moved: !self.moved.is_empty(),
        }
    }

    /// Puts an answer in its place, and moves what has become first in line to the outgoing bytes.
    fn settle(&mut self, ticket: u64, mut reply: Vec<u8>) {
        if self.closed || self.is_full(reply.len()) {
            reply = Vec::new();
        }
        if ticket != self.first {
            self.held += reply.len();
            self.place(ticket, Slot::Ready(reply));
            return;
        }
        self.outgoing.extend_from_slice(&reply);
        self.advance();
    }

    /// Whether `more` bytes are too many; if so, that is the end of this client. One reply alone never is.
    fn is_full(&mut self, more: usize) -> bool {
        let waiting = self.outgoing.len() + self.held;
        let full = waiting > 0 && waiting + more > self.bound;
        if full {
            self.overrun = true;
            self.close();
        }
        full
    }

    /// Nothing will be written any more; what waits in its place is dropped too.
    fn close(&mut self) {
        self.closed = true;
        self.outgoing = Vec::new();
        for slot in &mut self.slots {
            if let Slot::Ready(reply) = slot {
                self.held -= reply.len();
                *reply = Vec::new();
            }
        }
    }

    /// The first in line has been answered.
    fn advance(&mut self) {
        self.slots.pop_front();
        self.first += 1;
        while let Some(Slot::Ready(reply)) = self.slots.front() {
            self.held -= reply.len();
            self.outgoing.extend_from_slice(reply);
            self.slots.pop_front();
            self.first += 1;
        }
        if self.closed {
            self.outgoing.clear();
        }
    }

    fn place(&mut self, ticket: u64, slot: Slot) {
        if let Some(place) = self.slots.get_mut((ticket - self.first) as usize) {
            *place = slot;
        }
    }

    fn slot(&self, ticket: u64) -> Option<&Slot> {
        self.slots.get((ticket - self.first) as usize)
    }

    /// The request at `ticket` that a node is asked, and where it is carried out.
    fn job(&mut self, ticket: u64) -> Option<(&mut Job, &Context)> {
        match self.slots.get_mut((ticket - self.first) as usize) {
            Some(Slot::Asked { job, .. }) => Some((job, &self.context)),
            Some(Slot::Ready(_) | Slot::AskedMany { .. } | Slot::Running) | None => None,
        }
    }

    /// Whether the question about several keys at `ticket` has been answered with what a write had replaced that could not
    /// be done: each key is looked for by itself then.
    fn is_superseded(&mut self, ticket: u64, outcome: Outcome) -> bool {
        match self.slots.get_mut((ticket - self.first) as usize) {
            Some(Slot::AskedMany { job, .. }) => job.is_answered_too_early(&self.context, outcome),
            Some(Slot::Ready(_) | Slot::Asked { .. } | Slot::Running) | None => false,
        }
    }

    fn take(&mut self, ticket: u64) -> Slot {
        match self.slots.get_mut((ticket - self.first) as usize) {
            Some(slot) => std::mem::replace(slot, Slot::Running),
            None => Slot::Running,
        }
    }

    /// The request at `ticket` has ended with what a node said: its bytes go on their way.
    fn answer(&mut self, ticket: u64, ending: Ending, reply: &[u8], now: Time) {
        self.typical = reply.len().max(self.typical - self.typical.div_ceil(8));
        let is_lost = self.closed || self.is_full(reply.len());
        let Self { slots, context, outgoing, first, tally, last, .. } = self;
        let (Some(Slot::Asked { job, .. }) | Some(Slot::AskedMany { job, .. })) =
            slots.get_mut((ticket - *first) as usize)
        else {
            return;
        };
        if job.finish_among(tally, &context.world, ending, now) {
            last.note_of_primary(ticket);
        } else {
            last.note(ticket, job.facts(ending, now));
        }
        if is_lost {
            self.settle(ticket, Vec::new());
        } else if ticket == *first {
            job.render(&context.world, ending, reply, outgoing);
            let frame = job.take_frame();
            self.advance();
            self.keep_frame(frame);
        } else {
            let mut rendered = Vec::with_capacity(reply.len());
            job.render(&context.world, ending, reply, &mut rendered);
            let frame = job.take_frame();
            self.settle(ticket, rendered);
            self.keep_frame(frame);
        }
    }

    fn keep_frame(&mut self, mut frame: Vec<u8>) {
        if frame.capacity() > 0 && frame.capacity() <= SPARE_BYTES && self.spare.len() < SPARE_FRAMES {
            frame.clear();
            self.spare.push(frame);
        }
    }
}
