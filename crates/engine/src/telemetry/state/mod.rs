//! `/api/v1/state`: how failsoft is at this moment, as a tree for people and programs.
//!
//! The same figures as the metrics, but whole where metrics are flat: each route with its plan, latencies as quantiles.
//! Counters are totals since the start; whoever wants a rate asks twice. The types read what they write, so that
//! programs in Rust need no description of their own. Nothing here is secret: addresses come without credentials, and
//! keys and values are never told.

mod journal;
mod leases;
mod view;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::journal::JournalState;
pub use self::leases::LeaseState;

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;

/// How failsoft is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Which failsoft this is.
    pub version: String,
    /// What operators want of the routes: `auto`, `origin-only` or `pass-through` if they all have the same mode,
    /// otherwise `mixed`.
    pub mode: String,
    /// Times that new settings have come into force since the start.
    pub generation: u64,
    /// Time since the start.
    pub uptime_seconds: f64,
    /// The routes, first listed first; plain Redis last.
    pub routes: Vec<RouteState>,
    /// What is believed of each deployment: first that which failsoft stands before.
    pub deployments: Vec<DeploymentState>,
    /// The Redis nodes, once for each tier that they serve in.
    pub nodes: Vec<NodeState>,
    /// The origins.
    pub origins: Vec<OriginState>,
    /// This process' memory.
    pub local: LocalState,
    /// What keeps it coherent; absent without a route in front.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking: Option<TrackingState>,
    /// Values on their way back to Redis.
    pub write_back: WriteBackState,
    /// What Redis has not had of writes.
    pub journal: JournalState,
    /// The clients; absent where there is no sidecar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerState>,
}

/// A route, how it goes, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteState {
    /// The name in settings, logs and metrics.
    pub name: String,
    /// The key pattern; empty for the keys that no route takes.
    pub keys: String,
    /// What the keys are for.
    pub role: String,
    /// What the operator wants of it: `auto`, `origin-only` or `pass-through`.
    pub mode: String,
    /// How requests go.
    pub plan: PlanState,
    /// Requests by how they were routed.
    pub requests: Counts,
    /// Requests by the tier that answered.
    pub answers: Counts,
    /// What came back from tiers other than values.
    pub outcomes: Vec<OutcomeState>,
    /// Requests answered with an error of failsoft's own, by code.
    pub errors: Counts,
    /// Answers older than their time to live.
    pub stale: u64,
    /// Time from a request to its answer.
    pub latency: LatencyState,
    /// Who makes its values, where the callers do it themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leases: Option<LeaseState>,
}

/// The tiers that may be asked, in the order in which they are, and the bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanState {
    /// For reads that failsoft can answer by itself.
    pub read: Vec<String>,
    /// For reads that only a node can answer.
    pub read_of_nodes: Vec<String>,
    /// For everything else.
    pub write: Vec<String>,
    /// The origin's name.
    pub origin: Option<String>,
    /// Times that one Redis tier may be asked in one read.
    pub attempts: u8,
    /// Bound over a whole request.
    pub deadline_ms: f64,
    /// Bound on one question to a node.
    pub node_timeout_ms: f64,
    /// How far beyond its time to live a local copy may be served.
    pub max_stale_ms: f64,
}

/// How often something other than a value came back from a tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeState {
    /// The tier.
    pub tier: String,
    /// miss, refused, failed or silent.
    pub outcome: String,
    /// The reason within that word.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// Durations since the start, as quantiles estimated from a histogram; null while there are none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyState {
    /// How many durations there are.
    pub count: u64,
    /// Half of them are not longer.
    pub p50_ms: Option<f64>,
    /// 95 % of them are not longer.
    pub p95_ms: Option<f64>,
    /// 99 % of them are not longer.
    pub p99_ms: Option<f64>,
}

/// A circuit: whether its subject is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitState {
    /// closed (traffic flows), open, half-open or ramp.
    pub state: String,
    /// Times that it has changed its state.
    pub transitions: u64,
    /// Times that it has opened.
    pub opened: u64,
}

/// What is believed of a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentState {
    /// The name of its table in settings: redis or regional.
    pub name: String,
    /// standalone, sentinel or cluster.
    pub topology: String,
    /// Which view of it this is: it rises with each that differs from the one before. 0 as long as nothing is known.
    pub version: u64,
    /// Time since all of it was last understood; what settings say does not age.
    pub age_seconds: f64,
    /// Slots that somebody owns. All 16,384 where keys are not divided.
    pub slots_assigned: u64,
    /// Slots whose owner is asked: it is sound, and its circuit closed.
    pub slots_ok: u64,
    /// The primaries with their replicas.
    pub shards: Vec<ShardState>,
}

/// A primary with its replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardState {
    /// The first and the last slot of each range that it owns; none where keys are not divided.
    pub slots: Vec<(u16, u16)>,
    /// The address of the primary; null where nobody knows it.
    pub primary: Option<String>,
    /// sound, unproven, minority or failed: only a sound primary is asked. Null without one.
    pub standing: Option<String>,
    /// The addresses of its replicas, in the order in which they are asked.
    pub replicas: Vec<String>,
}

/// A Redis node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeState {
    /// `host:port`.
    pub node: String,
    /// primary or replica.
    pub tier: String,
    /// Whether it is asked.
    pub circuit: CircuitState,
    /// Whether it took the last probe's write; null where none was tried.
    pub writable: Option<bool>,
    /// How its replication stands; null before it has said so.
    pub replication: Option<ReplicationState>,
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were opened.
    pub connects: u64,
    /// Attempts to connect that failed, by reason.
    pub connect_failures: Counts,
    /// Connections that were lost, by reason.
    pub disconnects: Counts,
    /// Requests in flight.
    pub pending: u64,
    /// Requests that may be in flight on one connection.
    pub max_pending_per_connection: u64,
    /// Requests not sent because too many were in flight.
    pub queue_full: u64,
    /// Error replies, by Redis' word.
    pub refusals: Counts,
    /// Requests that were not answered, by reason.
    pub silences: Counts,
    /// Replies that came after their asker had stopped waiting.
    pub late: u64,
    /// Background probes, by result.
    pub probes: Counts,
    /// Time from asking to the reply.
    pub latency: LatencyState,
}

/// An origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OriginState {
    /// The name in settings.
    pub name: String,
    /// sqlite, postgres, mysql or http.
    pub kind: String,
    /// Whether it is asked.
    pub circuit: CircuitState,
    /// Loads that were begun, by result.
    pub loads: Counts,
    /// Statements that reached it.
    pub statements: u64,
    /// Requests that shared the load of another.
    pub coalesced: u64,
    /// Requests turned away to protect it, by reason.
    pub shed: Counts,
    /// Loads under way.
    pub in_flight: u32,
    /// Loads that may be under way at present.
    pub concurrency_limit: u32,
    /// Loads that may ever be under way at once.
    pub max_concurrency: u32,
    /// Requests that wait for their turn.
    pub queued: u32,
    /// Requests that may wait.
    pub max_queued: u32,
    /// Loads that may begin each second; null without a bound.
    pub max_rate: Option<f64>,
    /// Loads that the rate would let begin now; null without a bound.
    pub rate_tokens: Option<u64>,
    /// Time of a load, waiting not included.
    pub latency: LatencyState,
    /// Time of waiting for a turn.
    pub queueing: LatencyState,
}

/// How a node's replication stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicationState {
    /// primary or replica: what it says itself.
    pub role: String,
    /// Whether a replica hears its primary: up, down or syncing; null for a primary.
    pub link: Option<String>,
    /// `replica-priority`: the lowest is asked first, 0 last.
    pub priority: u32,
    /// How old what a replica holds is at most; null for a primary, and where it cannot be measured.
    pub lag_seconds: Option<f64>,
    /// Why it may not answer as a replica now; null if it may, and for a primary.
    pub unfit: Option<String>,
}

/// The connection on which Redis tells of writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackingState {
    /// The node that tells.
    pub node: String,
    /// Whether local copies may answer in front of Redis at this moment.
    pub up: bool,
    /// Times that Redis has agreed to tell.
    pub begun: u64,
    /// Connections that were lost or could not be made, by reason.
    pub dropped: Counts,
    /// Keys told of.
    pub invalidations: u64,
    /// Times that everything was told to have changed.
    pub flushes: u64,
}

/// Local memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalState {
    /// Copies in it.
    pub entries: u64,
    /// Bytes in use.
    pub bytes: u64,
    /// Bytes that may be in use.
    pub capacity_bytes: u64,
    /// Looks that found a fresh copy.
    pub hits: u64,
    /// Looks that found a copy beyond its time to live.
    pub stale_hits: u64,
    /// Looks that found nothing of use.
    pub misses: u64,
    /// Looks in front that passed over a copy because nothing vouched for it.
    pub unverified: u64,
    /// Copies kept.
    pub kept: u64,
    /// Copies not kept.
    pub refused: u64,
    /// Copies removed because a write passed.
    pub invalidated: u64,
}

/// Values on their way back to Redis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteBackState {
    /// Values that Redis has taken.
    pub written: u64,
    /// Values that were not written, by reason.
    pub dropped: Counts,
    /// Values on their way.
    pub outstanding: u64,
    /// Values that may be on their way.
    pub max_outstanding: u64,
}

/// The sidecar's clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// Clients that are connected.
    pub clients: u64,
    /// Clients that may be connected.
    pub max_clients: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Clients turned away because there were too many.
    pub refused: u64,
    /// Wrong names or passwords.
    pub auth_failures: u64,
    /// Commands that were not let through, by reason.
    pub commands_refused: Counts,
    /// Connections that ended, by reason.
    pub closed: Counts,
    /// Connections that could not be accepted, by reason.
    pub accept_errors: Counts,
    /// Requests under way beyond the first tier.
    pub fallback_tasks: u64,
    /// Requests that may be under way beyond the first tier.
    pub max_fallback_tasks: u64,
    /// Requests answered with an error because too many were.
    pub fallback_tasks_refused: u64,
    /// Times that settings were read again, by result.
    pub reloads: Counts,
}
