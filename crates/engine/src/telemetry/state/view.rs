//! Fills the tree in.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use failsoft_core::plan::{LocalPlace, Plan};
use failsoft_core::replication::{Part, Report};
use failsoft_core::{Tier, TierSet, Time};

use super::leases::lease_state;
use super::{
    CircuitState, Counts, DeploymentState, JournalState, LatencyState, LocalState, NodeState, OriginState,
    OutcomeState, PlanState, ReplicationState, RouteState, ServerState, ShardState, State, TrackingState,
    WriteBackState,
};
use crate::engine::Engine;
use crate::health::Health;
use crate::mode::modes;
use crate::node::Node;
use crate::route::Route;
use crate::settings::Settings;
use crate::telemetry::VERSION;
use crate::telemetry::figures::ServerFigures;
use crate::telemetry::histogram::Histogram;
use crate::telemetry::route::{RouteStats, Status};
use crate::tier::local::Local;
use crate::tier::origin::OriginTier;
use crate::topology::{Deployment, Measured, Shard, View};
use crate::tracking::Tracking;
use crate::world::World;
use crate::write_back::WriteBack;

impl State {
    /// The state of `engine` at this moment, and of the sidecar around it if there is one.
    pub fn of(engine: &Engine, server: Option<&ServerFigures>) -> Self {
        let (world, generation) = engine.world();
        let settings = engine.settings();
        Self {
            version: VERSION.to_owned(),
            mode: mode_of_all(&world),
            generation,
            uptime_seconds: engine.clock().now().since(Time::ZERO).as_secs_f64(),
            routes: world.routes().map(|(keys, route)| route_state(keys, route)).collect(),
            deployments: world.deployments().map(|deployment| deployment_state(deployment)).collect(),
            nodes: world.deployments().flat_map(|deployment| node_states(deployment)).collect(),
            origins: world.origins().iter().map(|origin| origin_state(origin, &settings)).collect(),
            local: local_state(world.local()),
            tracking: world.tracking().map(|tracking| tracking_state(tracking)),
            write_back: write_back_state(world.write_back()),
            journal: JournalState::of(world.journal()),
            server: server.map(server_state),
        }
    }
}

fn mode_of_all(world: &World) -> String {
    let mut modes = modes(world).map(|(_, mode)| mode);
    let first = modes.next().unwrap_or_default();
    if modes.all(|mode| mode == first) { first.to_string() } else { "mixed".to_owned() }
}

fn route_state(keys: &str, route: &Route) -> RouteState {
    let stats = &route.stats;
    RouteState {
        name: route.name.to_string(),
        keys: keys.to_owned(),
        role: route.role.to_string(),
        mode: route.mode.get().to_string(),
        plan: plan_state(route),
        requests: counts(Status::ALL.map(|status| (status.name(), stats.status(status)))),
        answers: counts(route.through.tiers.iter().map(|tier| (tier.name(), stats.answers(tier)))),
        outcomes: Tier::ALL.into_iter().flat_map(|tier| outcome_states(tier, stats)).collect(),
        errors: counts(stats.errors()),
        stale: stats.stale(),
        latency: latency_state(stats.latency()),
        leases: route.aside.as_deref().map(lease_state),
    }
}

fn plan_state(route: &Route) -> PlanState {
    let plan = &route.through;
    PlanState {
        read: names_of_read(plan),
        read_of_nodes: names(route.nodes.tiers),
        write: names(route.write.tiers),
        origin: route.source.as_ref().map(|source| source.origin.name().to_string()),
        attempts: plan.attempts,
        deadline_ms: millis(plan.deadline),
        node_timeout_ms: millis(plan.node_timeout),
        max_stale_ms: millis(plan.max_stale),
    }
}

fn outcome_states(tier: Tier, stats: &RouteStats) -> impl Iterator<Item = OutcomeState> {
    stats.outcomes(tier).into_iter().map(move |((outcome, reason), count)| OutcomeState {
        tier: tier.to_string(),
        outcome: outcome.to_owned(),
        reason: reason.to_owned(),
        count,
    })
}

fn deployment_state(deployment: &Deployment) -> DeploymentState {
    let view = deployment.view();
    DeploymentState {
        name: deployment.name().to_owned(),
        topology: deployment.topology().to_string(),
        version: view.version(),
        age_seconds: deployment.age().as_secs_f64(),
        slots_assigned: view.slots_assigned() as u64,
        slots_ok: view.slots_ok() as u64,
        shards: view.shards().iter().map(|shard| shard_state(&view, shard)).collect(),
    }
}

fn shard_state(view: &View, shard: &Shard) -> ShardState {
    let name = |node: &Arc<Node>| node.name().to_string();
    ShardState {
        slots: shard.slots().iter().map(|range| (range.start().number(), range.end().number())).collect(),
        primary: view.primary_of(shard).map(name),
        standing: shard.standing().map(|standing| standing.to_string()),
        replicas: view.replicas_of(shard).map(name).collect(),
    }
}

fn node_states(deployment: &Deployment) -> Vec<NodeState> {
    let view = deployment.view();
    let measured = view.measured(deployment.max_lag(), deployment.now());
    view.nodes().iter().zip(measured).map(|(node, measured)| node_state(node, measured)).collect()
}

fn replication_state(report: &Report, measured: Option<Measured>) -> ReplicationState {
    let (role, link) = match report.part {
        Part::Primary { promoted_at: _ } => ("primary", None),
        Part::Replica(link) => ("replica", Some(link.name().to_owned())),
    };
    ReplicationState {
        role: role.to_owned(),
        link,
        priority: report.priority,
        lag_seconds: measured.and_then(|measured| measured.age).map(|age| age.as_secs_f64()),
        unfit: measured.and_then(|measured| measured.unfit).map(|unfit| unfit.to_string()),
    }
}

fn node_state(node: &Node, measured: Option<Measured>) -> NodeState {
    let stats = node.stats();
    NodeState {
        node: node.name().to_string(),
        tier: node.tier().to_string(),
        circuit: circuit_state(node.health()),
        writable: stats.writable(),
        replication: (node.replication().known().as_ref()).map(|known| replication_state(known.report(), measured)),
        connections: stats.connections.load(Ordering::Relaxed),
        connects: stats.connects.get(),
        connect_failures: counts(stats.connect_failures.snapshot()),
        disconnects: counts(stats.disconnects.snapshot()),
        pending: node.pending() as u64,
        max_pending_per_connection: node.options().max_pending as u64,
        queue_full: stats.queue_full.get(),
        refusals: counts(stats.refusals.snapshot()),
        silences: counts(stats.silences.snapshot()),
        late: stats.late.get(),
        probes: counts(stats.probes.snapshot()),
        latency: latency_state(&stats.latency),
    }
}

fn origin_state(origin: &OriginTier, settings: &Settings) -> OriginState {
    let (stats, guard) = (origin.stats(), origin.guard_stats());
    let written = settings.origins().iter().find(|written| written.name() == origin.name());
    OriginState {
        name: origin.name().to_string(),
        kind: origin.kind().to_string(),
        circuit: circuit_state(origin.health()),
        loads: counts(stats.loads.snapshot()),
        statements: origin.statements(),
        coalesced: stats.coalesced.get(),
        shed: counts(stats.shed.snapshot()),
        in_flight: guard.in_flight,
        concurrency_limit: guard.limit,
        max_concurrency: guard.max_concurrency,
        queued: guard.queued,
        max_queued: guard.queue_bound,
        max_rate: written.and_then(|written| written.max_rate()),
        rate_tokens: guard.tokens,
        latency: latency_state(&stats.latency),
        queueing: latency_state(&stats.queueing),
    }
}

fn local_state(local: &Local) -> LocalState {
    let stats = local.stats();
    LocalState {
        entries: local.entries() as u64,
        bytes: local.bytes(),
        capacity_bytes: local.capacity(),
        hits: stats.hits.get(),
        stale_hits: stats.stale_hits.get(),
        misses: stats.misses.get(),
        unverified: stats.unverified.get(),
        kept: stats.kept.get(),
        refused: stats.refused.get(),
        invalidated: stats.invalidated.get(),
    }
}

fn tracking_state(tracking: &Tracking) -> TrackingState {
    let stats = tracking.stats();
    TrackingState {
        node: tracking.primary().name().to_string(),
        up: tracking.is_up(),
        begun: stats.begun.get(),
        dropped: counts(stats.dropped.snapshot()),
        invalidations: stats.invalidations.get(),
        flushes: stats.flushes.get(),
    }
}

fn write_back_state(write_back: &WriteBack) -> WriteBackState {
    let (outstanding, bound) = write_back.outstanding();
    WriteBackState {
        written: write_back.stats().written.get(),
        dropped: counts(write_back.stats().dropped.snapshot()),
        outstanding: outstanding as u64,
        max_outstanding: bound as u64,
    }
}

fn server_state(server: &ServerFigures) -> ServerState {
    ServerState {
        clients: server.clients.now as u64,
        max_clients: server.clients.bound as u64,
        accepted: server.accepted,
        refused: server.clients.refused as u64,
        auth_failures: server.auth_failures,
        commands_refused: counts(server.commands_refused.iter().copied()),
        closed: counts(server.closed.iter().copied()),
        accept_errors: counts(server.accept_errors.iter().copied()),
        fallback_tasks: server.fallback_tasks.now as u64,
        max_fallback_tasks: server.fallback_tasks.bound as u64,
        fallback_tasks_refused: server.fallback_tasks.refused as u64,
        reloads: counts(server.reloads.iter().copied()),
    }
}

fn circuit_state(health: &Health) -> CircuitState {
    let (transitions, opened) = health.transitions();
    CircuitState { state: health.state().to_string(), transitions, opened }
}

fn latency_state(histogram: &Histogram) -> LatencyState {
    let snapshot = histogram.snapshot();
    let quantile = |share| snapshot.quantile(share).map(|seconds| rounded(seconds * 1e3));
    LatencyState { count: snapshot.count(), p50_ms: quantile(0.5), p95_ms: quantile(0.95), p99_ms: quantile(0.99) }
}

pub(super) fn counts<'n>(counted: impl IntoIterator<Item = (&'n str, u64)>) -> Counts {
    counted.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// Local memory in front is asked twice.
fn names_of_read(plan: &Plan) -> Vec<String> {
    let front = match plan.local {
        LocalPlace::InFront => Some(Tier::Local.to_string()),
        LocalPlace::Behind => None,
    };
    front.into_iter().chain(names(plan.tiers)).collect()
}

fn names(tiers: TierSet) -> Vec<String> {
    tiers.iter().map(|tier| tier.to_string()).collect()
}

pub(super) fn millis(span: Duration) -> f64 {
    rounded(span.as_secs_f64() * 1e3)
}

/// To whole microseconds: a histogram knows no better.
fn rounded(millis: f64) -> f64 {
    (millis * 1e3).round() / 1e3
}
