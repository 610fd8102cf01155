//! One client's connection: bytes in, commands dispatched, replies out in order.
//!
//! The session never waits for an answer: it reads while there is room for more requests, and writes whatever has
//! become ready. A client that does not read its replies, or sends faster than it is answered, is not read from any
//! further; a client that stops in the middle of a command is closed after a while.

pub(crate) mod access;
mod bell;
pub(crate) mod dedicated;
mod dispatch;
mod doorstep;
mod ears;
mod face;
mod greeting;
pub(crate) mod patience;
pub(crate) mod replies;
mod turn;

use std::cell::RefCell;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use failsoft::node::Lane;
use failsoft::shutdown::Shutdown;
use failsoft::wire::Wire;
use failsoft_resp::{Limits, RequestScanner};
use tokio::time::timeout;

use self::access::Access;
use self::bell::Bell;
use self::dedicated::Astray;
use self::dispatch::{Dispatcher, Next, Want};
use self::doorstep::Doorstep;
use self::greeting::Greeting;
use self::patience::{Engagement, Patience};
use self::replies::{Backlog, Replies, Slot};
use crate::shared::Shared;

/// Requests of one client that may be under way at once; beyond it the client is not read from.
const MAX_PIPELINE: usize = 1_024;
/// How many commands are dispatched between two looks at whether there is room for more.
const ROOM_STEP: usize = 8;
/// Bytes of replies that may wait for one client before it is no longer read from.
const READ_PAUSE: usize = 1 << 20;
/// How long the last of what a client is sent may take to go out.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// How a client begins that speaks TLS: a handshake, of some version 3 of the protocol.
const TLS_HELLO: &[u8] = &[0x16, 0x03];
/// Bytes read at a time.
const READ_CHUNK: usize = 64 << 10;

thread_local! {
    /// Where every session of a thread reads first; only what is left of an unfinished command is kept by itself.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_CHUNK]);
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client closed its connection, or said goodbye.
    ByClient,
    /// The connection broke.
    Broken,
    /// The client broke the protocol.
    Protocol,
    /// A bound was reached.
    QueryBuffer,
    /// A bound was reached.
    OutputBuffer,
    /// A command was not finished in time.
    Slow,
    /// Nothing was asked for too long.
    Idle,
    /// Nothing of what was there was taken for too long.
    SlowReader,
    /// The client tried too many wrong passwords.
    Guessing,
    /// The client is not a user any more.
    Revoked,
    /// The connection to Redis that was the client's alone was lost.
    Upstream,
    /// The client's own connection led to a node that is not the primary any more.
    Moved,
    /// It speaks TLS at a door that does not.
    Misplaced,
    /// The handshake of TLS has not succeeded.
    Handshake,
    /// failsoft is shutting down.
    Shutdown,
}

impl Ended {
    /// The name used in logs and metric labels.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ByClient => "client",
            Self::Broken => "broken",
            Self::Protocol => "protocol",
            Self::QueryBuffer => "query_buffer",
            Self::OutputBuffer => "output_buffer",
            Self::Slow => "slow",
            Self::Idle => "idle",
            Self::SlowReader => "slow_reader",
            Self::Guessing => "guessing",
            Self::Revoked => "revoked",
            Self::Upstream => "upstream_lost",
            Self::Moved => "moved",
            Self::Misplaced => "tls_on_plain_door",
            Self::Handshake => "tls_handshake",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What is left of the bytes that a client has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Nothing, or the beginning of a command.
    Begun,
    /// Commands that have to wait.
    Held,
}

/// One client's connection.
pub(crate) struct Session {
    shared: Arc<Shared>,
    worker: usize,
    lane: Lane,
    wire: Wire,
    scanner: RequestScanner,
    replies: Arc<Replies>,
    dispatcher: Dispatcher,
    /// Tells of new settings, so that an idle client does not keep an old world, with its connections, alive.
    bell: Bell,
    /// There are new settings; requests routed by the old ones may still be under way.
    is_outdated: bool,
    /// What has been read of a command that is not whole, or may not be dispatched yet.
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    written: usize,
    patience: Patience,
    ending: Option<Ended>,
    /// The client will send nothing more; what it has sent is still done.
    is_finished: bool,
    left: Left,
    /// The next command needs a connection of the client's own: nothing is read before it has one.
    want: Option<Want>,
    /// The next command waits until everything before it has been answered, and nothing is read before that.
    settles: bool,
    /// A command that has been sent to the wrong node, and is to be shown again.
    astray: Option<Box<Astray>>,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, worker: usize, id: u64, wire: Wire, shutdown: Shutdown) -> Self {
        let bell = Bell::new(shared.engine().news(), shutdown);
        let lane = Lane(id);
        let context = shared.context(worker, lane);
        let limits = Limits { max_bulk: shared.limits().max_value, ..Limits::default() };
        let bound = shared.limits().max_output_buffer;
        let replies = Arc::new(Replies::new(context.clone(), shared.fallbacks().clone(), bound));
        let access = Access::new(context.world.rules().clone(), shared.stats().access.clone());
        let patience = Patience::new(shared.clock(), shared.limits().waits);
        let greeting = Greeting::new(id, &context);
        Self {
            dispatcher: Dispatcher::new(
                replies.clone(),
                context,
                greeting,
                access,
                Doorstep::new(shared.clone(), &wire),
                limits,
            ),
            shared,
            worker,
            lane,
            wire,
            scanner: RequestScanner::new(limits),
            replies,
            bell,
            is_outdated: false,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            written: 0,
            patience,
            ending: None,
            is_finished: false,
            left: Left::Begun,
            want: None,
            settles: false,
            astray: None,
        }
    }

    /// Serves the client until one side has had enough.
    pub(crate) async fn run(mut self) -> Ended {
        let ended = loop {
            if let Err(ended) = self.turn().await {
                break ended;
            }
        };
        self.replies.close();
        // What is on its way out still goes out, if the client takes it.
        let _ = timeout(CLOSE_PATIENCE, self.wire.close()).await;
        ended
    }

    /// Writes and dispatches what can be, then waits for something to happen.
    async fn turn(&mut self) -> Result<(), Ended> {
        let backlog = self.write()?;
        self.refresh_world(backlog);
        match self.dispatch_kept() {
            Ok(0) => {}
            Ok(_) => return Ok(()),
            Err(ended) => {
                self.ending.get_or_insert(ended);
                return Ok(());
            }
        }
        if backlog.is_overrun {
            return Err(Ended::OutputBuffer);
        }
        if backlog.is_cut_off {
            return Err(Ended::Upstream);
        }
        if backlog.requests == 0
            && let Some(want) = self.want.take()
        {
            // In a place of its own, which clients without such a connection need not have.
            return Box::pin(self.serve_dedicated(want)).await;
        }
        if self.is_finished && self.left == Left::Begun {
            self.ending.get_or_insert(Ended::ByClient);
        }
        if let Some(ended) = self.ending
            && backlog.requests == 0
            && self.unwritten() + backlog.bytes == 0
        {
            return Err(ended);
        }
        let is_free = backlog.requests == 0 && self.unwritten() == 0 && !self.dispatcher.listens();
        self.patience.note(if is_free { Engagement::Free } else { Engagement::UnderWay });
        let reads = self.takes_more() && self.has_room(backlog);
        self.wait(reads).await
    }

    /// Whether there is anything to be read from the client.
    fn takes_more(&self) -> bool {
        self.ending.is_none() && !self.is_finished
    }

    /// Whether another request may be taken up: there is always room for one.
    fn has_room(&self, backlog: Backlog) -> bool {
        let Backlog { requests, bytes, expected, is_overrun, is_cut_off: _, has_moved: _ } = backlog;
        let fits = requests == 0 || expected < self.shared.limits().max_output_buffer / 2;
        let waits = self.is_outdated || self.want.is_some() || self.settles && requests > 0;
        !is_overrun && !waits && requests < MAX_PIPELINE && bytes + self.unwritten() < READ_PAUSE && fits
    }

    fn unwritten(&self) -> usize {
        self.outgoing.len() - self.written
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        if self.incoming.is_empty() {
            self.ensure_not_misplaced(bytes)?;
            let consumed = self.dispatch_all(bytes)?;
            self.incoming.extend_from_slice(&bytes[consumed..]);
        } else {
            self.incoming.extend_from_slice(bytes);
            self.ensure_not_misplaced(&self.incoming)?;
            self.dispatch_kept()?;
        }
        if self.incoming.len() > self.shared.limits().max_query_buffer {
            return Err(Ended::QueryBuffer);
        }
        self.watch_frame();
        Ok(())
    }

    /// TLS is no command, and its client would wait for an answer for ever.
    fn ensure_not_misplaced(&self, bytes: &[u8]) -> Result<(), Ended> {
        if bytes.starts_with(TLS_HELLO) {
            self.shared.doorkeeper().handle_misplaced_hello();
            return Err(Ended::Misplaced);
        }
        Ok(())
    }

    /// Dispatches what was kept because there was no room; returns how many bytes that were.
    fn dispatch_kept(&mut self) -> Result<usize, Ended> {
        if self.incoming.is_empty() || self.ending.is_some() {
            return Ok(0);
        }
        let incoming = std::mem::take(&mut self.incoming);
        let consumed = self.dispatch_all(&incoming)?;
        if consumed < incoming.len() {
            self.incoming = incoming;
            self.incoming.drain(..consumed);
            self.watch_frame();
        }
        Ok(consumed)
    }

    /// Dispatches whole commands while there is room; returns how many bytes they took.
    fn dispatch_all(&mut self, bytes: &[u8]) -> Result<usize, Ended> {
        let now = self.shared.clock().now();
        self.patience.handle_bytes(now);
        let mut consumed = 0;
        let mut looked = 0;
        self.left = Left::Begun;
        while consumed < bytes.len() {
            if looked % ROOM_STEP == 0 && !self.has_room(self.replies.backlog()) {
                self.left = Left::Held;
                break;
            }
            looked += 1;
            self.settles = false;
            self.scanner.set_limits(self.dispatcher.limits());
            match self.scanner.scan(&bytes[consumed..]) {
                Ok(None) => break,
                Ok(Some(command)) => {
                    self.patience.handle_whole();
                    let next =
                        if command.is_empty() { Next::Continue } else { self.dispatcher.dispatch(&command, now) };
                    match next {
                        Next::Continue => consumed += command.consumed(),
                        Next::Dedicate(want) => {
                            self.want = Some(want);
                            self.left = Left::Held;
                            break;
                        }
                        Next::Settle => {
                            self.settles = true;
                            self.left = Left::Held;
                            break;
                        }
                        Next::Close => return Err(Ended::ByClient),
                        Next::CloseGuesser => return Err(Ended::Guessing),
                    }
                }
                Err(error) => {
                    self.replies.push(Slot::Ready(self.dispatcher.complaint(error)));
                    return Err(Ended::Protocol);
                }
            }
        }
        Ok(consumed)
    }

    /// Takes up new settings, once no request routed by the old ones is under way.
    fn refresh_world(&mut self, backlog: Backlog) {
        if backlog.requests > 0 {
            return;
        }
        if self.is_outdated {
            self.is_outdated = false;
            let was_stranger = self.dispatcher.is_stranger();
            self.dispatcher.set_context(self.shared.context(self.worker, self.lane));
            if !was_stranger && self.dispatcher.is_stranger() && self.dispatcher.listens() {
                self.ending.get_or_insert(Ended::Revoked);
            }
        } else if backlog.has_moved {
            self.dispatcher.take_up_moved();
        }
    }

    /// A command that has begun must come to its end.
    fn watch_frame(&mut self) {
        match self.incoming.len() {
            0 => self.patience.handle_whole(),
            received => self.patience.handle_unfinished(received),
        }
    }

    /// Writes what is ready, as far as the client takes it; returns what was left to do when it was taken.
    fn write(&mut self) -> Result<Backlog, Ended> {
        loop {
            if self.unwritten() > 0 {
                match self.wire.try_write(&self.outgoing[self.written..]) {
                    Ok(written) => {
                        self.written += written;
                        self.patience.handle_taken();
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.patience.handle_stall();
                        return Ok(self.replies.backlog());
                    }
                    Err(_) => return Err(Ended::Broken),
                }
            }
            if self.unwritten() == 0 {
                self.outgoing.clear();
                self.written = 0;
                if self.outgoing.capacity() > READ_PAUSE {
                    self.outgoing = Vec::new();
                }
                let backlog = self.replies.take_outgoing(&mut self.outgoing);
                if self.outgoing.is_empty() {
                    return Ok(backlog);
                }
            }
        }
    }
}
