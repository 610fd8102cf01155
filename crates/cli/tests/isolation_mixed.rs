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

use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use tokio::task::JoinSet;

use mixed::client::{Mixed, Tally};
use mixed::model::Weather;
use mixed::stage::Stage;
use mixed::{prepare, seed};
use tools::{Dice, PATIENCE, metric, start};

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
    let stage = Stage::start(CLIENTS, "").await;
    let (seed, stop) = (seed(), Arc::new(AtomicBool::new(false)));
    let mut clients = JoinSet::new();
    for own in 0..CLIENTS {
        let client = Mixed::connect(stage.sidecar.addr(), own, Weather::Rough, seed).await;
        clients.spawn(client.live(stop.clone()));
    }
    let mut dice = Dice(seed);
    for _ in 0..DISTURBANCES {
        stage.disturb(&mut dice).await;
        if let Some(done) = clients.try_join_next() {
            done.unwrap_or_else(|error| panic!("with FAILSOFT_SEED={seed}: {error}"));
        }
    }
    stop.store(true, Ordering::Relaxed);
    stage.settle().await;
    let tally = with_seed(seed, clients).await.into_iter().fold(Tally::default(), Tally::plus);
    println!("{tally:?}");
    let Tally { answered, errors, vanished, lost } = tally;
    assert!(answered > 1_000 && errors > 50 && vanished > 20 && lost > 20, "{tally:?}");
    assert_nothing_is_left(&stage.sidecar).await;
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
