//! One Redis process: where it is, how it is, and the connections to it.
//!
//! A node owns one set of connections per worker thread, so that no thread ever waits for another's socket. What all
//! threads learn about the node flows together in its [`Health`].

mod backoff;
mod batch;
mod dedicated;
mod dial;
mod driver;
mod eviction;
pub mod handshake;
mod link;
mod pending;
pub mod probe;
mod replication;
mod run;
mod stats;
mod version;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use failsoft_core::circuit::{CircuitSettings, Denial, Evidence, Permit};
use failsoft_core::outcome::Failure;
use failsoft_core::request::Manner;
use failsoft_core::{Outcome, Tier, Time};
use failsoft_resp::Protocol;

pub(crate) use self::backoff::Backoff;
pub use self::dedicated::{Dedicated, Leave, Speaker, Undedicated};
pub use self::dial::Leads;
pub use self::eviction::Eviction;
pub use self::handshake::Credentials;
pub use self::link::Link;
pub use self::replication::{Known, Replication};
pub use self::stats::NodeStats;
pub use self::version::UNKNOWN as UNKNOWN_VERSION;
use crate::clock::Clock;
use crate::delivery::Sink;
use crate::gauge::Gauge;
use crate::health::Health;
use crate::settings::NodeAddress;
use crate::shutdown::Shutdown;
use crate::tls::ClientTls;

/// Where a node is and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeOptions {
    /// Where it listens.
    pub address: NodeAddress,
    /// To which addresses its name may lead.
    pub leads: Leads,
    /// What TLS with it is made with, if its URL asks for TLS.
    pub tls: Option<Arc<ClientTls>>,
    /// Who failsoft is to the node.
    pub credentials: Credentials,
    /// The database that is selected on every connection.
    pub database: u32,
    /// Whether a replica in a cluster may answer for its primary.
    pub reads: Reads,
    /// Bound on name resolution, connecting and the handshake together.
    pub connect_timeout: Duration,
    /// Bound on one reply; a connection silent for twice as long is given up.
    pub timeout: Duration,
    /// Connections per worker.
    pub connections: usize,
    /// Bound on requests in flight on one connection.
    pub max_pending: usize,
    /// Connections that may belong to single clients.
    pub max_dedicated: usize,
    /// Connections of single clients that may be opened in a second.
    pub max_connects: u32,
    /// Bound on one reply's bulk, in bytes.
    pub max_value: usize,
    /// How often the background probe looks.
    pub probe_interval: Duration,
    /// The key that the background probe writes and reads.
    pub probe_key: String,
}

/// Whether the replica of a cluster answers reads on a connection, or sends whoever asks to its primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// It sends elsewhere what is its primary's, as every node does unless it is told otherwise: a primary that has been
    /// demoted says so.
    #[default]
    OfPrimary,
    /// It answers (`READONLY`), if older than its primary would.
    OfReplica,
}

/// One Redis process.
pub struct Node {
    name: Arc<str>,
    tier: Tier,
    options: NodeOptions,
    circuit: CircuitSettings,
    clock: Clock,
    health: Arc<Health>,
    stats: Arc<NodeStats>,
    replication: Arc<Replication>,
    /// The connections of all workers, for each protocol: what a node says depends on the protocol it was greeted in.
    links: [Box<[Arc<Link>]>; 2],
    dedicated: dedicated::Pool,
    version: version::Version,
    /// Whether somebody looks after it in the background.
    watched: AtomicBool,
    /// The key that the background probe writes and reads: one that is the node's, as far as that is known.
    probe_key: ArcSwap<String>,
    shutdown: Shutdown,
}

impl Node {
    /// A node with connections for `workers` threads; each connects when it is first asked or started.
    pub fn new(tier: Tier, options: NodeOptions, circuit: CircuitSettings, clock: Clock, workers: usize) -> Self {
        let name: Arc<str> = options.address.to_string().into();
        let health = Arc::new(Health::new(name.clone(), circuit.clone(), clock));
        let stats = Arc::new(NodeStats::default());
        let replication = Arc::<Replication>::default();
        let shutdown = Shutdown::default();
        let slow_call = circuit.slow_call;
        let count = workers.max(1) * options.connections.max(1);
        let findings =
            link::Findings { health: health.clone(), stats: stats.clone(), replication: replication.clone() };
        let link = |protocol| {
            Arc::new(Link::new(options.clone(), protocol, slow_call, clock, findings.clone(), shutdown.clone()))
        };
        let links = [Protocol::Resp2, Protocol::Resp3].map(|protocol| (0..count).map(|_| link(protocol)).collect());
        let dedicated = dedicated::Pool::new(options.max_dedicated, options.max_connects, workers);
        let version = version::Version::default();
        let probe_key = ArcSwap::from_pointee(options.probe_key.clone());
        Self {
            name,
            tier,
            options,
            circuit,
            clock,
            health,
            stats,
            replication,
            links,
            dedicated,
            version,
            watched: AtomicBool::new(false),
            probe_key,
            shutdown,
        }
    }

    /// `host:port`, or `unix:` and a path: for logs, labels and `explain`.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The tier the node serves in.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Where it is and how it is spoken to.
    pub fn options(&self) -> &NodeOptions {
        &self.options
    }

    /// When it counts as sick.
    pub fn circuit(&self) -> &CircuitSettings {
        &self.circuit
    }

    /// How it is.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// What has been counted about it.
    pub fn stats(&self) -> &Arc<NodeStats> {
        &self.stats
    }

    /// What it has said of its replication.
    pub fn replication(&self) -> &Arc<Replication> {
        &self.replication
    }

    /// Leave to ask it.
    pub fn request_permit(&self, now: Time) -> Result<Permit, Denial> {
        self.health.request_permit(now)
    }

    /// Sends `frame` (one or more whole commands that together have one reply to deliver) on a connection of `worker`.
    ///
    /// If this returns an error nothing was sent and nothing will be delivered; the circuit has been told.
    pub fn ask(&self, worker: usize, frame: &[u8], ask: Question) -> Result<(), Failure> {
        let permit = ask.permit;
        self.link(worker, ask.protocol, ask.lane)
            .submit(frame, ask)
            .inspect_err(|failure| self.handle_unsent(permit, *failure))
    }

    /// Begins connecting the connections of `worker`, so that the first request does not have to wait. Those that speak
    /// RESP3 wait until a client does.
    pub fn start(&self, worker: usize) {
        let per_worker = self.options.connections.max(1);
        for link in self.links[Protocol::Resp2 as usize].iter().skip(worker * per_worker).take(per_worker) {
            link.start();
        }
    }

    /// Begins to look after it in the background, on the present runtime, if nobody does yet.
    pub fn watch(self: &Arc<Self>) {
        if !self.watched.swap(true, Ordering::AcqRel) {
            tokio::spawn(probe::probe_forever(Arc::downgrade(self)));
        }
    }

    /// Connects, says who it is, hears that it is welcome, and goes: whether it can be spoken to at this moment, within its
    /// timeout for connecting. Nothing is read or written.
    ///
    /// # Errors
    /// Why not.
    pub async fn greet(&self) -> Result<(), Failure> {
        handshake::connect(&self.options, Protocol::Resp2).await.map(drop)
    }

    /// The key that the background probe writes and reads.
    pub fn probe_key(&self) -> Arc<String> {
        self.probe_key.load_full()
    }

    /// The background probe writes and reads another key from here on.
    pub(crate) fn set_probe_key(&self, key: String) {
        self.probe_key.store(Arc::new(key));
    }

    /// Ends every connection and the background probe, at once.
    pub fn close(&self) {
        self.shutdown.begin();
    }

    /// The version of Redis that it says it is.
    pub fn version(&self) -> Arc<String> {
        self.version.get()
    }

    /// The places for connections that belong to single clients.
    pub fn dedicated(&self) -> &Gauge {
        self.dedicated.places()
    }

    /// Requests in flight on all connections.
    pub fn pending(&self) -> usize {
        self.links.iter().flatten().map(|link| link.pending()).sum()
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    fn link(&self, worker: usize, protocol: Protocol, lane: Lane) -> &Arc<Link> {
        let links = &self.links[protocol as usize];
        &links[place_of(worker, self.options.connections.max(1), lane) % links.len()]
    }

    /// While a node comes back, a thread whose connection is not there yet has learned nothing about the node.
    fn handle_unsent(&self, permit: Permit, failure: Failure) {
        let evidence = match failure {
            Failure::Disconnected if !self.health.is_closed() => Evidence::Abandoned,
            _ => Outcome::Failed(failure).evidence(),
        };
        self.health.handle_evidence(permit, evidence, self.health.now());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}

/// What goes with a frame that is sent to a node.
pub struct Question {
    /// Where the answer goes.
    pub sink: Sink,
    /// The circuit's leave, to which the outcome is credited.
    pub permit: Permit,
    /// When the asker stops waiting.
    pub by: Time,
    /// When it was asked.
    pub asked: Time,
    /// In which protocol the answer is to come.
    pub protocol: Protocol,
    /// Whose words an error reply would be.
    pub author: Author,
    /// Among whose questions it keeps its turn.
    pub lane: Lane,
    /// How it is asked.
    pub manner: Manner,
}

/// Questions that a node takes up in the order in which they are asked: those of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lane(pub u64);

/// Whose words an error reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The node's: they say how it is.
    Node,
    /// A script's, or an unknown command's: any client can make them say anything.
    Caller,
}

/// Which connection a lane of `worker` goes over. It keeps to it: the node takes up what comes over one connection in
/// order, and what comes over several in any order.
fn place_of(worker: usize, per_worker: usize, lane: Lane) -> usize {
    worker * per_worker + (lane.0 % per_worker as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_spread_over_the_connections_of_their_worker_and_each_keeps_to_one() {
        let places = [8, 9, 10, 11, 12].map(|lane| place_of(1, 4, Lane(lane)));
        assert_eq!(places, [4, 5, 6, 7, 4]);
        assert_eq!(place_of(2, 1, Lane(7)), 2);
    }
}
