//! No reply ever reaches another client: many that mix every kind of state with stateless commands, on few connections.
//!
//! Each is held against a model of its own, reply by reply (`mixed/`). First nothing is in the way, and every byte is
//! known; then clients leave in the middle of what they do, connections are cut, killed and silenced, and settings are
//! read anew, and a reply is the client's own or an honest error.
#![allow(clippy::unwrap_used)]

mod mixed;
mod tools;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use failsoft_testkit::proxy::{FaultProxy, Mode, OneShot, Toxics};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use tokio::task::JoinSet;

use mixed::client::Mixed;
use mixed::model::Weather;
use mixed::{prepare, seed};
use tools::{Dice, PATIENCE, bin, metric, on_own_thread, settings, start};

const CLIENTS: usize = 40;
const TURNS: usize = 60;
const DISTURBANCES: usize = 40;

#[tokio::test]
async fn in_calm_weather_every_reply_of_every_client_is_known_to_the_byte() {
    let redis = Redis::start().await;
    prepare(&redis, CLIENTS).await;
    let sidecar =
        start(&redis.url(), "redis.connections = 1\nredis.timeout = \"20s\"\nbreaker.slow_call = \"1m\"\n").await;
    let seed = seed();
    let mut clients = JoinSet::new();
    for own in 0..CLIENTS {
        let addr = sidecar.addr();
        clients.spawn(async move {
            let mut client = Mixed::connect(addr, own, Weather::Calm, seed).await;
            for _ in 0..TURNS {
                client.turn().await;
            }
            client.model.answered
        });
    }
    let answered: usize = with_seed(seed, clients).await.into_iter().sum();
    assert!(answered > CLIENTS * TURNS * 5, "{answered} replies");
    assert_nothing_is_left(&sidecar).await;
}

#[tokio::test]
async fn in_rough_weather_a_reply_is_the_clients_own_or_an_honest_error() {
    let redis = Redis::start().await;
    prepare(&redis, CLIENTS).await;
    let redis_addr = redis.addr();
    let proxy = on_own_thread(async move { FaultProxy::start(redis_addr).await }).await;
    let more = "redis.connections = 1\nredis.timeout = \"300ms\"\nredis.probe_interval = \"100ms\"\nbreaker.failures = 10000\n\
                breaker.min_calls = 100000\nbreaker.cooldown = \"500ms\"\nbreaker.probe_cooldown = \"100ms\"\n";
    let text = settings(&proxy.url(), more);
    let sidecar = Sidecar::start(bin(), &text).await;
    let (seed, stop) = (seed(), Arc::new(AtomicBool::new(false)));
    let mut clients = JoinSet::new();
    for own in 0..CLIENTS {
        let (addr, stop) = (sidecar.addr(), stop.clone());
        clients.spawn(async move {
            let mut client = Mixed::connect(addr, own, Weather::Rough, seed).await;
            while !stop.load(Ordering::Relaxed) {
                let errors = client.model.errors;
                client.turn().await;
                if client.model.errors > errors {
                    // sleeps: as applications do; who asks again at once is through before Redis is back
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            [client.model.answered, client.model.errors, client.vanished, client.lost]
        });
    }
    let mut dice = Dice(seed);
    for _ in 0..DISTURBANCES {
        disturb(&redis, &proxy, &sidecar, &text, &mut dice).await;
        if let Some(done) = clients.try_join_next() {
            done.unwrap_or_else(|error| panic!("with FAILSOFT_SEED={seed}: {error}"));
        }
    }
    stop.store(true, Ordering::Relaxed);
    proxy.reset_all().await;
    proxy.cut().await;
    let tallies = with_seed(seed, clients).await;
    let [answered, errors, vanished, lost] =
        [0, 1, 2, 3].map(|at| tallies.iter().map(|tally| tally[at]).sum::<usize>());
    let told = format!("{answered} answered, {errors} errors, {vanished} vanished, {lost} lost");
    println!("{told}");
    assert!(answered > 2_000 && errors > 100 && vanished > 50 && lost > 50, "{told}");
    assert_nothing_is_left(&sidecar).await;
}

async fn with_seed<T: 'static>(seed: u64, mut clients: JoinSet<T>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(done) = clients.join_next().await {
        all.push(done.unwrap_or_else(|error| panic!("with FAILSOFT_SEED={seed}: {error}")));
    }
    all
}

async fn assert_nothing_is_left(sidecar: &Sidecar) {
    eventually("all connections to be given back", PATIENCE, || async {
        metric(sidecar, "failsoft_node_dedicated_connections", &[]).await == 0.0
            && metric(sidecar, "failsoft_clients", &[]).await == 0.0
    })
    .await;
}

async fn disturb(redis: &Redis, proxy: &FaultProxy, sidecar: &Sidecar, settings: &str, dice: &mut Dice) {
    match dice.roll(8) {
        0 => proxy.cut().await,
        1 => proxy.nth(1 + dice.roll(50) as u64, OneShot::Reset { after: dice.roll(4) }),
        2 => {
            let shots = [OneShot::Garbage, OneShot::Truncate { keep: 1 }];
            proxy.nth(1 + dice.roll(50) as u64, shots[dice.roll(2)].clone());
        }
        3 => drop(redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).await),
        4 => proxy.set_toxics(Toxics { latency: Duration::from_millis(dice.roll(20) as u64), ..Toxics::default() }),
        5 => proxy.set_toxics(Toxics { slice: [None, Some(7)][dice.roll(2)], ..Toxics::default() }),
        6 => {
            // Half of the time something that a client notices: the primary's connections are made anew.
            let timeout = ["300ms", "310ms"][dice.roll(2)];
            sidecar.reload(&settings.replace("redis.timeout = \"300ms\"", &format!("redis.timeout = \"{timeout}\"")));
        }
        _ => {
            proxy.set_mode([Mode::DropReplies, Mode::DropRequests, Mode::HalfOpen][dice.roll(3)]).await;
            // sleeps: how long the line is silent, now and then for longer than anybody waits
            tokio::time::sleep(Duration::from_millis([5, 5, 5, 500][dice.roll(4)])).await;
            proxy.set_mode(Mode::Pass).await;
        }
    }
    // sleeps: the pace of the disturbances, slow enough for a connection to be made and used between them
    tokio::time::sleep(Duration::from_millis(100 + dice.roll(300) as u64)).await;
}
