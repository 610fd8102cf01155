//! One client's connection: bytes in, commands dispatched, replies out in order.
//!
//! The session never waits for an answer: it reads while there is room for more requests, and writes whatever has
//! become ready. A client that does not read its replies, or sends faster than it is answered, is not read from any
//! further; a client that stops in the middle of a command is closed after a while.

mod dispatch;
pub(crate) mod gauge;
mod greeting;
pub(crate) mod replies;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use failsoft::shutdown::Shutdown;
use failsoft::wire::Wire;
use failsoft_core::Time;
use failsoft_resp::{Limits, RequestScanner};
use tokio::io::Interest;
use tokio::sync::watch;
use tokio::time::sleep_until;

use self::dispatch::{Dispatcher, Next};
use self::greeting::Greeting;
use self::replies::{Backlog, Replies, Slot};
use crate::shared::Shared;

/// Requests of one client that may be under way at once; beyond it the client is not read from.
const MAX_PIPELINE: usize = 1_024;
/// How many commands are dispatched between two looks at whether there is room for more.
const ROOM_STEP: usize = 8;
/// Bytes of replies that may wait for one client before it is no longer read from.
const READ_PAUSE: usize = 1 << 20;
/// A command must be whole this long after its first byte, plus as long again for each [`FRAME_PROGRESS`] bytes.
const FRAME_PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that buy a slow sender another [`FRAME_PATIENCE`].
const FRAME_PROGRESS: usize = 64 << 10;
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
            Self::Shutdown => "shutdown",
        }
    }
}

/// One client's connection.
pub(crate) struct Session {
    shared: Arc<Shared>,
    worker: usize,
    wire: Wire,
    scanner: RequestScanner,
    replies: Arc<Replies>,
    dispatcher: Dispatcher,
    generation: u64,
    /// Tells of new settings, so that an idle client does not keep an old world, with its connections, alive.
    reloads: watch::Receiver<u64>,
    /// What has been read of a command that is not whole, or may not be dispatched yet.
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    written: usize,
    frame_due: Option<Time>,
    frame_paid: usize,
    ending: Option<Ended>,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, worker: usize, id: u64, wire: Wire) -> Self {
        let (context, generation) = shared.context(worker);
        let limits = Limits { max_bulk: shared.limits().max_value, ..Limits::default() };
        let bound = shared.limits().max_output_buffer;
        let replies = Arc::new(Replies::new(context.clone(), shared.fallbacks().clone(), bound));
        let greeting = Greeting::new(id, context.world.primary().options().database);
        Self {
            reloads: shared.engine().reloads(),
            dispatcher: Dispatcher::new(replies.clone(), context, greeting),
            shared,
            worker,
            wire,
            scanner: RequestScanner::new(limits),
            replies,
            generation,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            written: 0,
            frame_due: None,
            frame_paid: 0,
            ending: None,
        }
    }

    /// Serves the client until one side has had enough.
    pub(crate) async fn run(mut self, shutdown: &Shutdown) -> Ended {
        let ended = self.serve(shutdown).await;
        self.replies.close();
        ended
    }

    async fn serve(&mut self, shutdown: &Shutdown) -> Ended {
        loop {
            if let Err(ended) = self.write() {
                return ended;
            }
            self.refresh_world();
            if let Err(ended) = self.dispatch_kept() {
                self.ending.get_or_insert(ended);
            }
            let backlog = self.replies.backlog();
            if self.replies.is_overrun() {
                return Ended::OutputBuffer;
            }
            if let Some(ended) = self.ending
                && backlog.requests == 0
                && self.unwritten() + backlog.bytes == 0
            {
                return ended;
            }
            // What has been answered at once wakes nobody; so does a reload that came just now.
            if self.unwritten() == 0 && self.replies.has_outgoing() || self.awaits_new_world() && backlog.requests == 0
            {
                continue;
            }
            let reads = self.ending.is_none() && self.has_room(backlog);
            if let Err(ended) = self.wait(reads, shutdown).await {
                return ended;
            }
        }
    }

    /// Waits for something to happen, and does the reading.
    async fn wait(&mut self, reads: bool, shutdown: &Shutdown) -> Result<(), Ended> {
        let writes = self.unwritten() > 0;
        let interest = match (reads, writes) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => Interest::ERROR,
        };
        let due = self.shared.clock().instant(self.frame_due.unwrap_or(Time::NEVER));
        tokio::select! {
            biased;
            () = self.replies.ready() => Ok(()),
            _ = self.reloads.changed() => Ok(()),
            ready = self.wire.ready(interest) => match ready {
                Ok(ready) if reads && (ready.is_readable() || ready.is_read_closed()) => {
                    if let Err(ended) = self.read() {
                        self.ending = Some(ended);
                    }
                    Ok(())
                }
                // A reset stays ready for ever: going round again would never let go of the thread.
                Ok(ready) if ready.is_error() => Err(Ended::Broken),
                Ok(_) => Ok(()),
                Err(_) => Err(Ended::Broken),
            },
            () = sleep_until(due), if self.frame_due.is_some() && reads => Err(Ended::Slow),
            () = shutdown.begun(), if self.ending.is_none() => {
                self.ending = Some(Ended::Shutdown);
                Ok(())
            }
        }
    }

    /// Whether another request may be taken up: there is always room for one.
    fn has_room(&self, backlog: Backlog) -> bool {
        let Backlog { requests, bytes, expected } = backlog;
        let fits = requests == 0 || expected < self.shared.limits().max_output_buffer / 2;
        requests < MAX_PIPELINE && bytes + self.unwritten() < READ_PAUSE && fits && !self.awaits_new_world()
    }

    fn unwritten(&self) -> usize {
        self.outgoing.len() - self.written
    }

    /// Reads once, and dispatches what has become whole.
    fn read(&mut self) -> Result<(), Ended> {
        SCRATCH.with_borrow_mut(|scratch| match self.wire.read_now(&mut scratch.as_mut_slice()) {
            Ok(0) => Err(Ended::ByClient),
            Ok(read) => self.take(&scratch[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(Ended::Broken),
        })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        if self.incoming.is_empty() {
            let consumed = self.dispatch_all(bytes)?;
            self.incoming.extend_from_slice(&bytes[consumed..]);
        } else {
            self.incoming.extend_from_slice(bytes);
            self.dispatch_kept()?;
        }
        if self.incoming.len() > self.shared.limits().max_query_buffer {
            return Err(Ended::QueryBuffer);
        }
        self.watch_frame();
        Ok(())
    }

    /// Dispatches what was kept because there was no room.
    fn dispatch_kept(&mut self) -> Result<(), Ended> {
        if self.incoming.is_empty() || self.ending.is_some() {
            return Ok(());
        }
        let incoming = std::mem::take(&mut self.incoming);
        let consumed = self.dispatch_all(&incoming)?;
        if consumed < incoming.len() {
            self.incoming = incoming;
            self.incoming.drain(..consumed);
            self.watch_frame();
        }
        Ok(())
    }

    /// Dispatches whole commands while there is room; returns how many bytes they took.
    fn dispatch_all(&mut self, bytes: &[u8]) -> Result<usize, Ended> {
        let now = self.shared.clock().now();
        let mut consumed = 0;
        self.refresh_world();
        let mut looked = 0;
        while consumed < bytes.len() {
            if looked % ROOM_STEP == 0 && !self.has_room(self.replies.backlog()) {
                break;
            }
            looked += 1;
            match self.scanner.scan(&bytes[consumed..]) {
                Ok(None) => break,
                Ok(Some(command)) => {
                    consumed += command.consumed();
                    self.frame_due = None;
                    if !command.is_empty() && self.dispatcher.dispatch(&command, now) == Next::Close {
                        return Err(Ended::ByClient);
                    }
                }
                Err(error) => {
                    self.replies.push(Slot::Ready(error.to_reply()));
                    return Err(Ended::Protocol);
                }
            }
        }
        Ok(consumed)
    }

    /// Whether the settings have changed and requests routed by the old ones are still under way.
    fn awaits_new_world(&self) -> bool {
        self.generation != self.shared.generation()
    }

    fn refresh_world(&mut self) {
        if self.awaits_new_world() && self.replies.backlog().requests == 0 {
            let (context, generation) = self.shared.context(self.worker);
            self.dispatcher.set_context(context);
            self.generation = generation;
        }
    }

    /// A command that has begun must come to its end.
    fn watch_frame(&mut self) {
        if self.incoming.is_empty() {
            self.frame_due = None;
            return;
        }
        let received = self.incoming.len();
        if self.frame_due.is_none() || received >= self.frame_paid + FRAME_PROGRESS {
            self.frame_due = Some(self.shared.clock().now() + FRAME_PATIENCE);
            self.frame_paid = received;
        }
    }

    /// Writes what is ready, as far as the client takes it.
    fn write(&mut self) -> Result<(), Ended> {
        loop {
            if self.unwritten() == 0 {
                self.outgoing.clear();
                self.written = 0;
                if self.outgoing.capacity() > READ_PAUSE {
                    self.outgoing = Vec::new();
                }
                self.replies.take_outgoing(&mut self.outgoing);
                if self.outgoing.is_empty() {
                    return Ok(());
                }
            }
            match self.wire.try_write(&self.outgoing[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Ended::Broken),
            }
        }
    }
}
