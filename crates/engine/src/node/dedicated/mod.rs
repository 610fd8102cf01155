//! A connection to a node that belongs to one client alone, for as long as the client has given it a state.
//!
//! What MULTI, WATCH, SUBSCRIBE, SELECT or a blocking pop do, they do to the connection they are sent on; so such a
//! client gets one that nobody else's requests are ever written to. Here are only its bytes: what is sent, what comes
//! back, where a reply ends. What the replies belong to, and what state they speak of, is known to whoever holds it.
//!
//! Holding one takes a place among the node's [`max_dedicated`](super::NodeOptions::max_dedicated). One that is given
//! back without any state is kept for the next client for a while; any other is closed, which takes every trace of its
//! client away at the node too.

mod pool;

use std::io::ErrorKind;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use failsoft_core::circuit::{Denial, Evidence, ProbeResult};
use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::request::{Apology, RETRY_AFTER_DEFAULT, RETRY_AFTER_MAX, RETRY_AFTER_MIN};
use failsoft_core::{Outcome, Tier, Time};
use failsoft_resp::encode;
use failsoft_resp::reply::ReplyScanner;
use failsoft_resp::{Limits, Protocol};
use tokio::io::{Interest, Ready};
use tokio::time::sleep_until;

use self::pool::Place;
pub(super) use self::pool::Pool;
use super::{Node, handshake};
use crate::apology::{Code, apologise};
use crate::wire::Wire;

/// Bytes read at a time.
const READ_CHUNK: usize = 16 << 10;
/// A buffer that grew beyond this for one large value is given back.
const BUFFER_KEPT: usize = 64 << 10;

/// Who speaks on a dedicated connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// failsoft, as the user in its settings.
    Failsoft,
    /// The client itself: nothing has been said yet, not even who it is.
    Client,
}

/// Whether the node's circuit is asked before it is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It is: an open circuit costs no connection.
    OfCircuit,
    /// It is not: what is to be sent may be what ends the trouble (SCRIPT KILL).
    Regardless,
}

/// Why there is no dedicated connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undedicated {
    /// All places are taken.
    Full {
        /// How many there are.
        bound: usize,
    },
    /// Others are being connected, as many as may be.
    Paced {
        /// How long it would take until it is this one's turn.
        wait: Duration,
    },
    /// The circuit does not let anybody through.
    Denied(Denial),
    /// The node could not be connected to.
    Failed(Failure),
}

impl Undedicated {
    /// The same, as what came of asking the node.
    pub fn failure(self) -> Failure {
        match self {
            Self::Full { .. } | Self::Paced { .. } => Failure::QueueFull,
            Self::Denied(denial) => denial.reason.into(),
            Self::Failed(failure) => failure,
        }
    }

    /// Appends what the client is told: nothing was done.
    pub fn apologise(self, tier: Tier, now: Time, out: &mut Vec<u8>) {
        let (because, retry_after) = match self {
            Self::Full { bound } => {
                let wait = RETRY_AFTER_DEFAULT.as_millis();
                let message = format!(
                    "UNAVAILABLE nothing was done, all {bound} connections for single clients are taken \
                     (redis.max_dedicated) reason=dedicated_full retry-after-ms={wait}"
                );
                return encode::error(out, &message);
            }
            Self::Paced { wait } => {
                let wait = wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX).as_millis();
                let message = format!(
                    "UNAVAILABLE nothing was done, too many connections for single clients are being opened \
                     (redis.max_connects) reason=dedicated_paced retry-after-ms={wait}"
                );
                return encode::error(out, &message);
            }
            Self::Denied(denial) => {
                let wait = denial.retry_at.since(now).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX);
                (Failure::CircuitOpen, wait)
            }
            Self::Failed(failure) => (failure, RETRY_AFTER_DEFAULT),
        };
        let apology = Apology { tier, because: Outcome::Failed(because), retry_after };
        apologise(Code::Unavailable, apology, out);
    }
}

/// A connection that belongs to one client.
pub struct Dedicated {
    node: Arc<Node>,
    worker: usize,
    protocol: Protocol,
    wire: Wire,
    /// What the node calls the client; 0 while that is not known.
    id: i64,
    /// The name that the client was last given at the node.
    name: Vec<u8>,
    scanner: ReplyScanner,
    outgoing: Vec<u8>,
    sent: usize,
    /// Bytes that the socket has taken, and bytes that it was to take, since the connection was made.
    written: u64,
    accepted: u64,
    /// Bytes that have come.
    received: u64,
    incoming: Vec<u8>,
    consumed: usize,
    _place: Place,
}

impl Node {
    /// A connection for one client of `worker`, on the present runtime.
    ///
    /// # Errors
    /// [`Undedicated`]; the circuit has been told what came of the attempt.
    pub async fn dedicate(
        self: &Arc<Self>,
        worker: usize,
        protocol: Protocol,
        speaker: Speaker,
        leave: Leave,
    ) -> Result<Dedicated, Undedicated> {
        let Some(place) = self.dedicated.enter() else {
            return Err(Undedicated::Full { bound: self.options.max_dedicated });
        };
        let permit = match (self.health.request_permit(self.health.now()), leave) {
            (Ok(permit), _) => Some(permit),
            (Err(_), Leave::Regardless) => None,
            (Err(denial), Leave::OfCircuit) => return Err(Undedicated::Denied(denial)),
        };
        if speaker == Speaker::Failsoft
            && let Some(idle) = self.dedicated.take(worker, protocol)
        {
            // Nothing has been learned about the node.
            permit.inspect(|permit| self.health.handle_evidence(*permit, Evidence::Abandoned, self.health.now()));
            return Ok(Dedicated::new(self.clone(), worker, protocol, place, idle));
        }
        match self.dedicated.turn(self.options.connect_timeout, self.health.now()) {
            Ok(turn) => sleep_until(self.clock.instant(turn)).await,
            Err(wait) => {
                permit.inspect(|permit| self.health.handle_evidence(*permit, Evidence::Abandoned, self.health.now()));
                self.stats.dedicated_paced.increment();
                return Err(Undedicated::Paced { wait });
            }
        }
        let connected = self.connect_dedicated(protocol, speaker).await;
        let outcome = connected.as_ref().map_or_else(|failure| Outcome::Failed(*failure), |_| Outcome::Hit);
        permit.inspect(|permit| self.health.handle_outcome(*permit, outcome, self.health.now()));
        match connected {
            Ok(wire) => {
                self.stats.dedicated_connects.increment();
                let idle = pool::Idle { wire, id: 0, name: Vec::new() };
                Ok(Dedicated::new(self.clone(), worker, protocol, place, idle))
            }
            Err(failure) => {
                self.stats.connect_failures.increment(failure.name());
                Err(Undedicated::Failed(failure))
            }
        }
    }

    async fn connect_dedicated(&self, protocol: Protocol, speaker: Speaker) -> Result<Wire, Failure> {
        match speaker {
            Speaker::Failsoft => handshake::connect(&self.options, protocol).await,
            Speaker::Client => handshake::open(&self.options).await,
        }
    }
}

impl Dedicated {
    fn new(node: Arc<Node>, worker: usize, protocol: Protocol, place: Place, idle: pool::Idle) -> Self {
        let limits = Limits { max_bulk: node.options.max_value, ..Limits::REPLIES };
        let pool::Idle { wire, id, name } = idle;
        Self {
            node,
            worker,
            protocol,
            wire,
            id,
            name,
            scanner: ReplyScanner::new(limits),
            outgoing: Vec::new(),
            sent: 0,
            written: 0,
            accepted: 0,
            received: 0,
            incoming: Vec::new(),
            consumed: 0,
            _place: place,
        }
    }

    /// The node it leads to.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// What the node calls the client on it (`CLIENT ID`); 0 while that is not known.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Notes what the node calls the client.
    pub fn set_id(&mut self, id: i64) {
        self.id = id;
    }

    /// The name that its client was last given at the node.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Notes the name that its client is given.
    pub fn set_name(&mut self, name: &[u8]) {
        name.clone_into(&mut self.name);
    }

    /// Whether a reply of it can still be followed after this: RESP3 pushes may come at any time.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Takes bytes to send; returns where in the stream of this connection they begin.
    pub fn send(&mut self, bytes: &[u8]) -> u64 {
        let start = self.accepted;
        self.accepted += bytes.len() as u64;
        self.outgoing.extend_from_slice(bytes);
        start
    }

    /// Whether any of what was to be sent from `start` on may have reached the node.
    pub fn may_have_sent(&self, start: u64) -> bool {
        start < self.written
    }

    /// Bytes that have passed, one way or the other: as long as there are more of them, the node is not silent.
    pub fn moved(&self) -> u64 {
        self.written + self.received
    }

    /// Bytes that the socket has not taken yet.
    pub fn unsent(&self) -> usize {
        self.outgoing.len() - self.sent
    }

    /// Writes as much as the socket takes.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn flush(&mut self) -> Result<(), Silence> {
        while self.unsent() > 0 {
            match self.wire.try_write(&self.outgoing[self.sent..]) {
                Ok(sent) => {
                    self.sent += sent;
                    self.written += sent as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Silence::ConnectionLost),
            }
        }
        self.outgoing.clear();
        self.outgoing.shrink_to(BUFFER_KEPT);
        self.sent = 0;
        Ok(())
    }

    /// Waits until there is something to read, or room to write where something waits to be sent.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn ready(&mut self, reads: Interest) -> Result<Ready, Silence> {
        let interest = if self.unsent() > 0 { reads | Interest::WRITABLE } else { reads };
        self.wire.ready(interest).await.map_err(|_| Silence::ConnectionLost)
    }

    /// Ready when something can be read, or written where something waits to be sent, or the connection is lost; keeps
    /// the waker of the last who asked.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_writable = self.unsent() > 0 && self.wire.poll_writable(cx).is_ready();
        if self.wire.poll_readable(cx).is_ready() || is_writable { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn receive(&mut self) -> Result<(), Silence> {
        self.compact();
        self.incoming.reserve(READ_CHUNK);
        match self.wire.read_now(&mut self.incoming) {
            Ok(0) => Err(Silence::ConnectionLost),
            Ok(read) => {
                self.received += read as u64;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(Silence::ConnectionLost),
        }
    }

    /// The next whole reply that has been received, pushes included.
    ///
    /// # Errors
    /// What the node sends is not RESP.
    pub fn next_reply(&mut self) -> Result<Option<&[u8]>, Silence> {
        let rest = &self.incoming[self.consumed..];
        if rest.is_empty() {
            return Ok(None);
        }
        match self.scanner.scan(rest) {
            Ok(Some(len)) => {
                self.consumed += len;
                Ok(Some(&rest[..len]))
            }
            Ok(None) => Ok(None),
            Err(_) => Err(Silence::ProtocolViolation),
        }
    }

    /// Everything that has been received and not been taken as a reply, as it came. For what is not RESP: replication.
    pub fn take_raw(&mut self) -> &[u8] {
        let start = std::mem::replace(&mut self.consumed, self.incoming.len());
        &self.incoming[start..]
    }

    /// Gives the connection back to be used by another client. Only without any state, and with nothing outstanding.
    pub fn release(self) {
        let is_quiet = self.unsent() == 0 && self.consumed == self.incoming.len();
        if is_quiet {
            let idle = pool::Idle { wire: self.wire, id: self.id, name: self.name };
            self.node.dedicated.keep(self.worker, self.protocol, idle, self.node.health.now());
        }
    }

    /// Notes that nothing came back in time, or that the connection broke while something was outstanding. Only the first
    /// says something about the node: a client can have its own connection broken (CLIENT KILL) as often as it likes,
    /// and must not open everybody's circuit by that. If the node is gone, the shared connections find out.
    pub fn handle_silence(&self, silence: Silence) {
        self.node.stats.silences.increment(silence.name());
        match silence {
            Silence::Timeout => self.node.health.handle_probe(ProbeResult::Failed, self.node.health.now()),
            Silence::ConnectionLost | Silence::ProtocolViolation => {}
        }
    }

    fn compact(&mut self) {
        self.incoming.drain(..self.consumed);
        self.consumed = 0;
        if self.incoming.is_empty() {
            self.incoming.shrink_to(BUFFER_KEPT);
        }
    }
}
