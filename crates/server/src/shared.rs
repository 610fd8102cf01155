//! What all threads of the sidecar share: the engine, the bounds on clients, and what is counted about them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use failsoft::Engine;
use failsoft::clock::Clock;
use failsoft::context::Context;
use failsoft::gauge::Gauge;
use failsoft::node::Lane;
use failsoft::telemetry::counter::{Counter, CounterMap};
use failsoft::telemetry::figures::{Bounded, ServerFigures};
use failsoft::tls::{Expiry, ServerTls};

use crate::session::access::AccessStats;
use crate::session::dedicated::identity::{FIRST_CLIENT, Identities};
use crate::session::patience::Waits;
use crate::tls::Doorkeeper;

/// Requests that may wait for fallbacks at once, of all clients together.
const MAX_FALLBACKS: usize = 100_000;

/// Bounds on one client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of a command that may be kept until it is whole.
    pub(crate) max_query_buffer: usize,
    /// Bytes of replies that may wait for a client.
    pub(crate) max_output_buffer: usize,
    /// Bytes of one argument.
    pub(crate) max_value: usize,
    /// How long a client may let wait.
    pub(crate) waits: Waits,
    /// After how long a silence a client's machine is asked whether it is there.
    pub(crate) tcp_keepalive: Option<Duration>,
}

/// What all threads share.
pub struct Shared {
    engine: Arc<Engine>,
    limits: Limits,
    clients: Gauge,
    fallbacks: Arc<Gauge>,
    next_client: AtomicU64,
    identities: Arc<Identities>,
    stats: ServerStats,
    doorkeeper: Doorkeeper,
}

/// What is counted about clients.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// Connections that were accepted.
    pub accepted: Counter,
    /// Connections that could not be accepted, by reason.
    pub accept_errors: CounterMap,
    /// Connections that ended, by reason.
    pub closed: CounterMap,
    /// What is counted about those who are not let through.
    pub(crate) access: Arc<AccessStats>,
    /// Times that settings were taken up, by result.
    pub reloads: CounterMap,
    /// Times that certificates were read again, by result.
    pub certificate_reloads: CounterMap,
}

impl Shared {
    /// What the threads of a sidecar share that lets in as many clients.
    pub(crate) fn new(engine: Arc<Engine>, max_clients: usize, tls: Option<ServerTls>) -> Self {
        let settings = engine.settings();
        let server = settings.server();
        let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        Self {
            limits: Limits {
                max_query_buffer: bytes(server.max_query_buffer()),
                max_output_buffer: bytes(server.max_output_buffer()),
                max_value: bytes(settings.redis().max_value()),
                waits: Waits { idle: server.idle_timeout(), write: server.write_timeout() },
                tcp_keepalive: server.tcp_keepalive(),
            },
            clients: Gauge::new(max_clients),
            fallbacks: Arc::new(Gauge::new(MAX_FALLBACKS)),
            next_client: AtomicU64::new(FIRST_CLIENT),
            identities: Arc::default(),
            stats: ServerStats::default(),
            doorkeeper: Doorkeeper::new(tls),
            engine,
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// What is counted.
    pub fn stats(&self) -> &ServerStats {
        &self.stats
    }

    /// Clients that are connected, and how many may be.
    pub fn clients(&self) -> (usize, usize) {
        (self.clients.inside(), self.clients.bound())
    }

    /// Clients that were turned away because there were too many.
    pub fn clients_refused(&self) -> usize {
        self.clients.refused()
    }

    /// Requests that wait for fallbacks, how many may, and how many were turned away.
    pub fn fallback_tasks(&self) -> (usize, usize, usize) {
        (self.fallbacks.inside(), self.fallbacks.bound(), self.fallbacks.refused())
    }

    /// What the engine does not know of.
    pub(crate) fn figures(&self) -> ServerFigures {
        let (clients, max_clients) = self.clients();
        let (tasks, max_tasks, tasks_refused) = self.fallback_tasks();
        let stats = &self.stats;
        ServerFigures {
            clients: Bounded { now: clients, bound: max_clients, refused: self.clients_refused() },
            fallback_tasks: Bounded { now: tasks, bound: max_tasks, refused: tasks_refused },
            accepted: stats.accepted.get(),
            auth_failures: stats.access.failures.get(),
            commands_refused: stats.access.refused(),
            closed: stats.closed.snapshot(),
            accept_errors: stats.accept_errors.snapshot(),
            tls_handshakes: self.doorkeeper.handshakes(),
            certificates: self.expiries(),
            certificate_reloads: stats.certificate_reloads.snapshot(),
            reloads: stats.reloads.snapshot(),
        }
    }

    pub(crate) fn doorkeeper(&self) -> &Doorkeeper {
        &self.doorkeeper
    }

    /// When the certificates towards clients and towards nodes expire.
    pub(crate) fn expiries(&self) -> Vec<Expiry> {
        let towards_clients = self.doorkeeper.tls().map(ServerTls::expiries).unwrap_or_default();
        let (world, _) = self.engine.world();
        towards_clients.into_iter().chain(world.tls().flat_map(|tls| tls.expiries())).collect()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn clock(&self) -> Clock {
        self.engine.clock()
    }

    pub(crate) fn context(&self, worker: usize, lane: Lane) -> Context {
        self.engine.context(worker, lane)
    }

    pub(crate) fn client_gauge(&self) -> &Gauge {
        &self.clients
    }

    pub(crate) fn fallbacks(&self) -> &Arc<Gauge> {
        &self.fallbacks
    }

    /// Under which numbers Redis knows clients.
    pub(crate) fn identities(&self) -> &Arc<Identities> {
        &self.identities
    }

    pub(crate) fn next_client(&self) -> u64 {
        self.next_client.fetch_add(1, Ordering::Relaxed)
    }
}
