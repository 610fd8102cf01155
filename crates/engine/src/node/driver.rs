//! One connection to one node, as its own task sees it: connect, write, read, deliver, give up, begin again.
//!
//! The task takes whatever askers have gathered, writes it in one call, finds the boundaries of whatever came back
//! (never building values), and hands each reply to the place at the head of the queue. Anything that does not fit —
//! bytes that are not RESP, a reply nobody asked for, a push nobody subscribed to — ends the connection at once: from
//! there on no reply could be trusted to be the right one.
//!
//! A peer that stays silent is given up after twice its timeout, so that a stopped process does not keep what was sent
//! to it for later. What it has not been sent yet is dropped with the connection, and never sent late.
//!
//! Time during which this process itself did not run (no CPU, stopped) is not the node's slowness. While requests wait,
//! the task's timer fires often enough to notice how late it comes; that much is taken off what the node is charged with,
//! and what has arrived meanwhile is read before anybody is told that nothing came.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::circuit::Evidence;
use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::request::Manner;
use failsoft_resp::Limits;
use failsoft_resp::encode;
use failsoft_resp::reply::ReplyScanner;
use tokio::io::Interest;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::backoff::Backoff;
use super::batch::Batching;
use super::handshake;
use super::link::{Link, Nobody, while_down};
use super::pending::{Pending, Phase, Queue, Unsolicited};
use super::run::Run;
use super::{Author, Lane, Question};
use crate::clock::dice;
use crate::delivery::Sink;
use crate::wire::Wire;

/// Bytes read at a time.
const READ_CHUNK: usize = 64 << 10;
/// A buffer that grew beyond this for one large value is given back.
const BUFFER_KEPT: usize = 1 << 20;
/// An idle connection is tried with a PING this often.
const IDLE_PING: Duration = Duration::from_secs(5);
/// A reply that nobody waits for any more may take this many times as long as silence may, if it comes in pieces.
const TRICKLE: u32 = 4;
/// How often the timer fires while requests wait.
const HEARTBEAT: Duration = Duration::from_millis(20);
/// A timer that comes later than this speaks of this process, not of the node.
const OWN_LATENESS: Duration = Duration::from_millis(40);
/// How often a connection that waits for its circuit looks at it, at least.
const CIRCUIT_GLANCE: Duration = Duration::from_millis(100);

/// Keeps one connection for as long as its node is wanted.
pub(super) async fn drive(link: Arc<Link>) {
    let shutdown = link.shutdown.clone();
    tokio::select! {
        () = keep_connected(&link) => {}
        () = shutdown.begun() => {}
    }
    link.handle_closed();
}

async fn keep_connected(link: &Arc<Link>) {
    let mut backoff = Backoff::default();
    loop {
        match connect(link).await {
            Ok(wire) => {
                backoff.handle_success();
                link.handle_up();
                let mut connection = Connection::new(link, wire);
                let silence = connection.run().await;
                let written = connection.written;
                // Before anybody is told: what comes back to be carried out late is as little as possible.
                connection.wire.give_up();
                link.handle_lost(silence, written);
            }
            Err(failure) => {
                link.handle_unreachable(failure);
                rest(link, backoff.handle_failure(dice())).await;
            }
        }
        await_leave(link).await;
    }
}

/// Connects; whoever waits for it does not wait beyond his own time.
async fn connect(link: &Link) -> Result<Wire, Failure> {
    let mut connecting = pin!(handshake::connect(&link.options, link.protocol));
    loop {
        tokio::select! {
            connected = &mut connecting => return connected,
            () = sleep(HEARTBEAT) => link.handle_waited_in_vain(link.clock.now()),
        }
    }
}

/// Waits before the next attempt, unless somebody has leave to probe.
async fn rest(link: &Link, pause: Duration) {
    tokio::select! {
        () = sleep(pause) => {}
        () = link.hurry.notified() => {}
    }
}

/// No connection is attempted while the circuit is open: finding out is the background probe's work.
///
/// Otherwise requests may wait for the attempt: if it fails they have failed for the circuit to see. Only a node that has
/// refused failsoft itself is not waited for.
async fn await_leave(link: &Link) {
    while link.health.is_open() {
        tokio::select! {
            () = link.health.changed() => {}
            () = link.hurry.notified() => break,
            () = sleep(CIRCUIT_GLANCE) => {}
        }
    }
    let mut queue = link.queue.lock();
    if let Phase::Down(because) = queue.phase
        && while_down(because) == Failure::Disconnected
    {
        queue.phase = Phase::Welcoming;
    }
}

struct Connection<'l> {
    link: &'l Arc<Link>,
    wire: Wire,
    scanner: ReplyScanner,
    outgoing: Vec<u8>,
    outgoing_sent: usize,
    batching: Batching,
    /// Bytes that the socket has taken since the connection was made.
    written: u64,
    incoming: Vec<u8>,
    frames: Vec<usize>,
    answered: Vec<Pending>,
    last_read: Time,
    /// When the timer is to fire.
    due: Time,
    /// How much later than it should this task has last run.
    late: Duration,
}

impl<'l> Connection<'l> {
    fn new(link: &'l Arc<Link>, wire: Wire) -> Self {
        let limits = Limits { max_bulk: link.options.max_value, ..Limits::REPLIES };
        Self {
            link,
            wire,
            scanner: ReplyScanner::new(limits),
            outgoing: Vec::new(),
            outgoing_sent: 0,
            batching: Batching::new(),
            written: 0,
            incoming: Vec::with_capacity(READ_CHUNK),
            frames: Vec::new(),
            answered: Vec::new(),
            last_read: link.clock.now(),
            due: Time::NEVER,
            late: Duration::ZERO,
        }
    }

    /// Serves the connection until it is of no more use.
    async fn run(&mut self) -> Silence {
        let timer = sleep(IDLE_PING);
        tokio::pin!(timer);
        loop {
            if self.link.queue.lock().has_gathered() {
                // Whoever is ready to ask does so first: his request is then part of the same write.
                yield_now().await;
            }
            if let Err(silence) = self.keep_time().and_then(|()| self.write()) {
                return silence;
            }
            let due = self.next_timer();
            if due < self.due {
                self.due = due;
                timer.as_mut().reset(self.link.clock.instant(due));
            }
            let interest =
                if self.unsent() == 0 { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            let done = tokio::select! {
                biased;
                ready = self.wire.ready(interest) => match ready {
                    Ok(ready) if ready.is_readable() || ready.is_read_closed() => self.read(),
                    Ok(_) => Ok(()),
                    Err(_) => Err(Silence::ConnectionLost),
                },
                () = self.link.work.notified() => Ok(()),
                () = &mut timer => Ok(()),
            };
            if let Err(silence) = done {
                return silence;
            }
        }
    }

    /// Does what the timer is for when it is due, also if a busy socket has kept it from firing.
    fn keep_time(&mut self) -> Result<(), Silence> {
        if self.link.clock.now() < self.due {
            return Ok(());
        }
        self.handle_timer()?;
        self.due = Time::NEVER;
        Ok(())
    }

    fn unsent(&self) -> usize {
        self.outgoing.len() - self.outgoing_sent
    }

    /// Writes what has gathered, as far as the socket takes it.
    fn write(&mut self) -> Result<(), Silence> {
        loop {
            if self.unsent() == 0 && !self.take_outbox() {
                return Ok(());
            }
            match self.wire.try_write(&self.outgoing[self.outgoing_sent..]) {
                Ok(sent) => {
                    self.batching.handle_written(self.link.clock.now());
                    self.outgoing_sent += sent;
                    self.written += sent as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Silence::ConnectionLost),
            }
        }
    }

    fn take_outbox(&mut self) -> bool {
        self.outgoing.clear();
        self.outgoing_sent = 0;
        if self.outgoing.capacity() > BUFFER_KEPT {
            self.outgoing = Vec::new();
        }
        let mut queue = self.link.queue.lock();
        if queue.outbox.is_empty() || self.batching.holds(queue.before_node(), queue.outbox.len()) {
            return false;
        }
        queue.take_outbox(&mut self.outgoing);
        true
    }

    /// Reads until the socket is empty, delivering as it goes.
    fn read(&mut self) -> Result<(), Silence> {
        loop {
            self.incoming.reserve(READ_CHUNK);
            let room = self.incoming.capacity() - self.incoming.len();
            match self.wire.read_now(&mut self.incoming) {
                Ok(0) => return Err(Silence::ConnectionLost),
                Ok(read) => {
                    self.last_read = self.link.clock.now();
                    self.late = self.last_read.since(self.due);
                    self.batching.handle_read(self.last_read);
                    self.deliver()?;
                    if read < room {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Silence::ConnectionLost),
            }
        }
    }

    /// Delivers every whole reply in the buffer. What came before a violation was good.
    fn deliver(&mut self) -> Result<(), Silence> {
        let (consumed, sound) = self.find_frames();
        let received = {
            let mut queue = self.link.queue.lock();
            queue
                .take_answered(self.frames.len(), self.written, &mut self.answered)
                .map_err(|Unsolicited| Silence::ProtocolViolation)?;
            queue.received += consumed as u64;
            queue.received
        };
        let mut run = Run::new(self.link, self.last_read, self.late, received);
        let mut start = 0;
        let mut waking: Option<Sink> = None;
        for (len, pending) in self.frames.drain(..).zip(self.answered.drain(..)) {
            run.hand_over(&self.incoming[start..start + len], pending, &mut waking);
            start += len;
        }
        run.finish();
        if let Some(sink) = waking {
            sink.to.wake();
        }
        self.discard(consumed);
        sound
    }

    /// Notes the length of every whole reply; returns how many bytes they take together, and whether what follows is
    /// sound as far as it goes.
    fn find_frames(&mut self) -> (usize, Result<(), Silence>) {
        let mut end = 0;
        self.frames.clear();
        loop {
            match self.scanner.scan(&self.incoming[end..]) {
                Ok(Some(len)) if self.incoming[end] != b'>' => {
                    self.frames.push(len);
                    end += len;
                }
                Ok(None) => return (end, Ok(())),
                Ok(Some(_)) | Err(_) => return (end, Err(Silence::ProtocolViolation)),
            }
        }
    }

    fn discard(&mut self, consumed: usize) {
        self.incoming.drain(..consumed);
        if self.incoming.is_empty() && self.incoming.capacity() > BUFFER_KEPT {
            self.incoming = Vec::with_capacity(READ_CHUNK);
        }
    }

    fn next_timer(&self) -> Time {
        let queue = self.link.queue.lock();
        let quiet = self.stall_due(&queue).unwrap_or(self.last_read + IDLE_PING);
        let heartbeat = if queue.len() > 0 { self.link.clock.now() + HEARTBEAT } else { Time::NEVER };
        queue.earliest().min(quiet).min(heartbeat)
    }

    /// When the peer has been silent for too long, if somebody has stopped waiting for it, or has taken too long for one
    /// reply: what trickles holds up everybody behind it.
    fn stall_due(&self, queue: &Queue) -> Option<Time> {
        let oldest = queue.oldest().filter(|_| queue.abandoned() > 0)?;
        let trickles = oldest + self.stall_bound() * TRICKLE;
        Some(trickles.min(oldest.max(self.last_read) + self.stall_bound()))
    }

    fn stall_bound(&self) -> Duration {
        handshake::patience(&self.link.options) * 2
    }

    fn handle_timer(&mut self) -> Result<(), Silence> {
        self.late = self.link.clock.now().since(self.due);
        self.batching.handle_silence();
        self.read()?;
        let now = self.link.clock.now();
        let evidence = if self.late > OWN_LATENESS { Evidence::Abandoned } else { Evidence::Failure };
        self.link.handle_overdue(evidence, now);
        let (stall_due, waiting) = {
            let queue = self.link.queue.lock();
            (self.stall_due(&queue), queue.len())
        };
        if stall_due.is_some_and(|due| due <= now) {
            return Err(Silence::Timeout);
        }
        if waiting == 0 && now.since(self.last_read) >= IDLE_PING {
            self.ping(now);
        }
        Ok(())
    }

    /// Finds a connection whose other end has gone without a word.
    fn ping(&self, now: Time) {
        let Some(permit) = self.link.health.gate().admits_freely() else {
            return;
        };
        let mut frame = Vec::new();
        encode::command(&mut frame, [&b"PING"[..]]);
        let sink = Sink { to: Arc::new(Nobody), ticket: 0 };
        let by = now + self.link.options.timeout;
        let (protocol, author) = (self.link.protocol, Author::Node);
        self.link.queue.lock().push(
            &frame,
            Question { sink, permit, by, asked: now, protocol, author, lane: Lane::default(), manner: Manner::Plain },
        );
    }
}
