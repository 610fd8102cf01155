//! Nothing grows: memory, descriptors, threads and connections to Redis are where they were, whatever has happened meanwhile.
//!
//! Clients with every kind of state, clients that come and go, reads through to an origin, outages of Redis. A first part
//! of the load warms up; what the process has when that has settled it must not exceed by much when the rest has. A few
//! seconds in CI; `make soak MINUTES=10` makes it longer, with the same bounds.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod mixed;
mod tools;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::wait::eventually;
use tokio::task::JoinSet;

use mixed::client::{Mixed, Tally};
use mixed::model::Weather;
use mixed::stage::Stage;
use mixed::{prepare, seed};
use tools::{Dice, PATIENCE, bulk, command, metric, resident, shown};

const CLIENTS: usize = 24;
const COMERS: usize = 12;
const WARM_UP: Duration = Duration::from_secs(5);
const LOAD: Duration = Duration::from_secs(10);
/// Values of the origin that are read.
const USERS: usize = 20_000;
/// What an allocator may keep or lose from one round to the next; a byte in a thousand requests would be seen in minutes.
const SLACK: u64 = 24 << 20;
/// Connections without a state that two threads may keep for the next client, in two protocols, sixteen each.
const KEPT: usize = 64;

/// What the process has.
#[derive(Clone, Copy, Debug)]
struct Holdings {
    memory: u64,
    descriptors: usize,
    threads: usize,
    /// Connections as Redis counts them.
    connections: usize,
}

#[tokio::test]
async fn after_a_soak_nothing_has_grown() {
    let minutes = std::env::var("FAILSOFT_SOAK_MINUTES").ok().map(|minutes| minutes.parse::<f64>().unwrap());
    let load = minutes.map_or(LOAD, |minutes| Duration::from_secs_f64(minutes * 60.0));
    let origin = HttpOrigin::start().await;
    let stage = Stage::start(CLIENTS, &settings(&origin.url())).await;
    let warm_up = soak(&stage, WARM_UP).await;
    let before = holdings(&stage).await;
    let made = stage.proxy.accepted();
    let tally = soak(&stage, load).await;
    let after = holdings(&stage).await;
    let made = stage.proxy.accepted() - made;
    println!("{before:?} after {warm_up:?}\n{after:?} after {tally:?}, {made} connections to Redis");
    assert!(after.memory <= before.memory + SLACK, "{before:?}, {after:?}");
    assert!(after.threads <= before.threads + 2, "the blocking pool's come and go: {before:?}, {after:?}");
    assert!(after.descriptors <= before.descriptors + KEPT, "{before:?}, {after:?}");
    assert!(after.connections <= before.connections + KEPT, "{before:?}, {after:?}");
    assert!(made > 2 * KEPT as u64 && tally.lost > 20, "nothing was put to the test: {made} connections, {tally:?}");
}

fn settings(origin: &str) -> String {
    format!(
        "local.capacity = \"4MiB\"\n[origins.catalogue]\nurl = \"{origin}\"\nmax_concurrency = 20\nmax_rate = 500\n\
         [[routes]]\nkeys = \"user:{{id:int}}\"\nrole = \"cache\"\norigin = \"catalogue\"\nget = \"/users/{{id}}\"\nttl = \"1s\"\n"
    )
}

/// All of it at once for so long, and then until everything has been given back.
async fn soak(stage: &Stage, lasting: Duration) -> Tally {
    let (stop, seed, addr) = (Arc::new(AtomicBool::new(false)), seed(), stage.sidecar.addr());
    let mut clients = JoinSet::new();
    stage.redis.command(&["FLUSHALL"]).await;
    prepare(&stage.redis, CLIENTS).await;
    for own in 0..CLIENTS {
        let client = Mixed::connect(addr, own, Weather::Rough, seed).await;
        clients.spawn(client.live(stop.clone()));
    }
    for comer in 0..COMERS {
        clients.spawn(come_and_go(addr, Dice(seed + comer as u64), stop.clone()));
    }
    let (mut dice, started) = (Dice(seed), Instant::now());
    while started.elapsed() < lasting {
        stage.disturb(&mut dice).await;
        while let Some(done) = clients.try_join_next() {
            done.unwrap_or_else(|error| panic!("with FAILSOFT_SEED={seed}: {error}"));
        }
    }
    stop.store(true, Ordering::Relaxed);
    stage.settle().await;
    clients.join_all().await.into_iter().fold(Tally::default(), Tally::plus)
}

/// Short visits, each with a state that it leaves behind or a few reads.
async fn come_and_go(addr: SocketAddr, mut dice: Dice, stop: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        let mut client = HostileClient::connect(addr).await;
        let state =
            [&["MULTI"][..], &["WATCH", "x"], &["SUBSCRIBE", "x"], &["BLPOP", "nothing", "0"], &["SELECT", "2"]];
        for _ in 0..dice.roll(8) {
            let id = dice.roll(USERS);
            let reply = shown(&read(&mut client, id).await);
            if reply.starts_with('-') {
                tally.errors += 1;
            } else {
                assert_eq!(reply, shown(bulk(HttpOrigin::body_of("users", id as u64))));
                tally.answered += 1;
            }
        }
        // It may be closed by now; it leaves either way.
        let _ = client.send(command(state[dice.roll(state.len())])).await;
        tally.vanished += 1;
        // sleeps: the pace of the visits
        tokio::time::sleep(Duration::from_millis(dice.roll(10) as u64)).await;
    }
    tally
}

async fn read(client: &mut HostileClient, id: usize) -> Vec<u8> {
    client.ask(&["GET", &format!("user:{id}")], PATIENCE).await.into_bytes()
}

/// What there is once every client's connections are gone, here and at Redis.
async fn holdings(stage: &Stage) -> Holdings {
    let sidecar = &stage.sidecar;
    eventually("everything to be given back", PATIENCE, || async {
        metric(sidecar, "failsoft_clients", &[]).await == 0.0
            && metric(sidecar, "failsoft_node_dedicated_connections", &[]).await == 0.0
            && metric(sidecar, "failsoft_origin_in_flight", &[]).await == 0.0
            && stage.redis.info("clients").await["blocked_clients"] == "0"
    })
    .await;
    let count = |of: &str| std::fs::read_dir(format!("/proc/{}/{of}", sidecar.pid())).unwrap().count();
    Holdings {
        memory: resident(sidecar.pid()),
        descriptors: count("fd"),
        threads: count("task"),
        connections: stage.redis.info("clients").await["connected_clients"].parse().unwrap(),
    }
}
