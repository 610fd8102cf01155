//! A world in which everything that can be counted has been. Only the probe's verdict comes from a real Redis: whether
//! a node takes writes cannot be known otherwise.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use failsoft_core::circuit::{Denial, DenialReason};
use failsoft_core::coherence::Epoch;
use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::plan::Plan;
use failsoft_core::refusal::Refusal;
use failsoft_core::replication::Report;
use failsoft_core::request::{Admission, Barred, Ending, Grant, Request, Step};
use failsoft_core::stale::{Acceptance, Stamp};
use failsoft_core::{Outcome, Tier, Time};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;

use crate::engine::Engine;
use crate::node::probe::probe_forever;
use crate::node::{Node, NodeStats};
use crate::primitive::limit::{Basis, Decided};
use crate::route::Route;
use crate::settings;
use crate::telemetry::figures::{Bounded, ServerFigures};
use crate::tier::local::{Copy, CopyKind};
use crate::tls::{CertificateUse, Expiry};
use crate::topology::TopologyStats;
use crate::value::Value;
use crate::world::World;

const SETTINGS: &str = r#"
[redis]
nodes = ["redis://{primary}"]
replicas = ["redis://127.0.0.1:6479"]

[origins.users]
url = "sqlite://users.db"
max_concurrency = 20
max_rate = 500

[[routes]]
keys = "user:{id}"
role = "cache"
origin = "users"
query = "SELECT name FROM users WHERE id = :id"
shape = "raw"
max_stale = "10m"
default = "nobody"
local = "front"

[[routes]]
keys = "session:*"
role = "session"

[[routes]]
keys = "limit:*"
role = "rate-limit"
on_outage = "local"

[[routes]]
keys = "page:*"
role = "cache"
max_misses = 100
"#;

/// An engine about which nothing has been counted.
pub(super) fn quiet() -> Engine {
    engine("127.0.0.1:6379")
}

fn engine(primary: &str) -> Engine {
    let text = SETTINGS.replace("{primary}", primary);
    let loaded = settings::parse(&text, "failsoft.toml").unwrap_or_else(|problems| panic!("{problems}"));
    Engine::new(loaded.settings, 1).unwrap()
}

/// An engine about which everything has been counted.
pub(super) async fn eventful() -> Engine {
    let redis = Redis::start().await;
    let engine = engine(&redis.addr().to_string());
    let (world, _) = engine.world();
    let probing = tokio::spawn(probe_forever(Arc::downgrade(&world.views().redis.nodes()[0])));
    eventually("the probe's verdict", Duration::from_secs(10), || async {
        world.views().redis.nodes()[0].stats().writable().is_some()
    })
    .await;
    probing.abort();
    world.routes().for_each(|(_, route)| count_requests(route));
    world.fences().handle_result("lock", "granted");
    world.routes().for_each(|(_, route)| route.stats.handle_limited(Basis::Redis, Decided::Allowed));
    world.views().nodes().for_each(|node| count_node(node.stats()));
    world.views().nodes().for_each(|node| note_replication(node, engine.clock().now()));
    count_origins(&world);
    count_local(&world);
    world.deployments().for_each(|deployment| count_topology(deployment.stats()));
    let stats = world.write_back().stats();
    stats.written.increment();
    stats.dropped.increment("circuit_open");
    world.journal().handle_dropped("too_large");
    world.journal().stats().unreplayed.increment("reply_timeout");
    engine
}

/// What a sidecar tells about which everything has been counted.
pub(super) fn figures() -> ServerFigures {
    ServerFigures {
        clients: Bounded { now: 3, bound: 10_000, refused: 1 },
        fallback_tasks: Bounded { now: 2, bound: 100_000, refused: 1 },
        accepted: 5,
        auth_failures: 1,
        commands_refused: vec![("no_auth", 1)],
        closed: vec![("client", 2)],
        accept_errors: vec![("out_of_file_descriptors", 1)],
        tls_handshakes: Some(vec![("done", 1)]),
        certificates: vec![Expiry { of: CertificateUse::Server, path: "server.pem".into(), at: 1_930_003_200 }],
        certificate_reloads: vec![("taken_up", 1)],
        reloads: vec![("taken_up", 1)],
    }
}

/// The primary is at byte 100, and a replica has taken in as much.
fn note_replication(node: &Node, now: Time) {
    let part = match node.tier() {
        Tier::Primary => "role:master\nmaster_repl_offset:100",
        Tier::Replica | Tier::Regional | Tier::Local | Tier::Origin | Tier::Default => {
            "role:slave\nslave_repl_offset:100\nmaster_link_status:up\nmaster_sync_in_progress:0"
        }
    };
    let text = format!("{part}\nmaster_replid:{}\n", "a".repeat(40));
    node.replication().handle_report(now, Report::parse(text.as_bytes()).unwrap());
}

fn count_topology(stats: &TopologyStats) {
    stats.looks.increment("believed");
    stats.hints.increment("moved");
    stats.redirects.increment("followed");
}

/// One request each that the primary answers, that falls to its end, and whose end is an error.
fn count_requests(route: &Route) {
    let hit = Ending::Value(Tier::Primary);
    route.stats.handle_ended(&Request::new(&route.through, Time::ZERO), hit, Duration::from_micros(300));
    let (request, ending) = fail(&route.through, Outcome::Silent(Silence::Timeout));
    route.stats.handle_ended(&request, ending, Duration::from_millis(200));
    let (request, ending) = fail(&route.write, Outcome::Refused(Refusal::Loading));
    route.stats.handle_ended(&request, ending, Duration::from_millis(1));
    route.stats.handle_stale();
}

/// Leads a request to its end in a world where the first tier answers `outcome` and every other is closed.
fn fail(plan: &Plan, outcome: Outcome) -> (Request, Ending) {
    let mut request = Request::resume(plan, Time::ZERO, Tier::Primary);
    request.handle_outcome(plan, &mut Closed, outcome, Time::ZERO, 0);
    loop {
        match request.poll_step(plan, &mut Closed, Time::ZERO) {
            Step::End(ending) => return (request, ending),
            Step::Look(_) => {
                let missed = Outcome::Failed(Failure::DeadlineSpent);
                request.handle_outcome(plan, &mut Closed, missed, Time::ZERO, 0);
            }
            Step::Ask(_) | Step::Wait(_) | Step::Learn(_) => unreachable!("no permit is ever given"),
        }
    }
}

struct Closed;

impl Admission for Closed {
    fn request_permit(&mut self, _: Tier, _: u8, _: Time) -> Result<Grant, Barred> {
        Err(Denial { reason: DenialReason::Open, retry_at: Time::NEVER }.into())
    }

    fn request_repeat(&mut self, _: Time) -> bool {
        false
    }
}

fn count_node(stats: &NodeStats) {
    stats.connections.store(1, Ordering::Relaxed);
    stats.connects.increment();
    stats.connect_failures.increment(Failure::ConnectRefused.name());
    stats.disconnects.increment(Silence::ConnectionLost.name());
    stats.refusals.increment(Refusal::Loading.name());
    stats.silences.increment(Silence::Timeout.name());
    stats.queue_full.increment();
    stats.late.increment();
    stats.probes.increment("well");
    stats.eviction.handle_report("node", b"maxmemory:1\nmaxmemory_policy:allkeys-lru\n");
    stats.latency.observe(Duration::from_micros(300));
}

fn count_origins(world: &World) {
    for origin in world.origins() {
        let stats = origin.stats();
        stats.loads.increment("hit");
        stats.coalesced.increment();
        stats.shed.increment("too_many_keys");
        stats.latency.observe(Duration::from_millis(3));
        stats.queueing.observe(Duration::ZERO);
    }
}

fn count_local(world: &World) {
    let local = world.local();
    let copy = Copy {
        value: Some(Value::Raw(Bytes::from_static(b"value"))),
        stamp: Stamp { obtained: Time::ZERO, fresh_for: Duration::from_secs(1) },
        epoch: Epoch::NONE,
        kind: CopyKind::Seen,
    };
    let version = local.version(b"k");
    local.keep(b"k", copy.clone(), version);
    assert!(local.look(b"k", Acceptance::Fresh, Time::ZERO).is_ok());
    assert!(local.look(b"k", Acceptance::StaleUpTo(Duration::MAX), Time::from_millis(5_000)).is_ok());
    assert!(local.look(b"absent", Acceptance::Fresh, Time::ZERO).is_err());
    assert!(local.look(b"k", Acceptance::Coherent, Time::ZERO).is_err());
    local.invalidate(b"k");
    local.keep(b"k", copy, version);
    let told = world.tracking().expect("a route is in front").stats();
    told.begun.increment();
    told.dropped.increment(Silence::ConnectionLost.name());
    told.invalidations.increment();
    told.flushes.increment();
}
