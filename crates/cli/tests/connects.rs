//! Connections of single clients are opened at a pace: a Redis that has come back does not have to greet everybody at once.
#![allow(clippy::unwrap_used)]

mod tools;

use std::time::{Duration, Instant};

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;

use tools::{command, metric, shown, start};

const PATIENCE: Duration = Duration::from_secs(20);
const CLIENTS: usize = 60;

/// What each of many clients is told that watch a key at the same moment, each on a connection of its own.
async fn watch(sidecar: &Sidecar) -> Vec<String> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(HostileClient::connect(sidecar.addr()).await);
    }
    for client in &mut clients {
        client.send(command(&["WATCH", "key"])).await.unwrap();
    }
    let mut told = Vec::new();
    for client in &mut clients {
        told.push(shown(client.read_reply(PATIENCE).await));
    }
    told
}

#[tokio::test]
async fn who_can_wait_for_his_turn_does() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "redis.max_connects = 30\nredis.connect_timeout = \"10s\"\n").await;
    let (before, begun) = (redis.tally().await, Instant::now());
    let told = watch(&sidecar).await;
    assert!(told.iter().all(|told| told == "+OK\r\n"), "{told:?}");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{CLIENTS} connections in {:?}", begun.elapsed());
    assert!(redis.tally().await.since(&before).connections() >= CLIENTS as u64);
}

#[tokio::test]
async fn who_cannot_is_told_when_to_come_again() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "redis.max_connects = 10\nredis.connect_timeout = \"250ms\"\n").await;
    let told = watch(&sidecar).await;
    let (opened, sorry): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| told == "+OK\r\n");
    assert!(!opened.is_empty() && sorry.len() > opened.len(), "{} opened", opened.len());
    for sorry in &sorry {
        assert!(sorry.starts_with("-UNAVAILABLE nothing was done"), "{sorry}");
        assert!(sorry.contains("reason=dedicated_paced retry-after-ms="), "{sorry}");
    }
    let paced = metric(&sidecar, "failsoft_node_dedicated_paced_total", &[("tier", "primary")]).await;
    assert_eq!(paced, sorry.len() as f64);
}
