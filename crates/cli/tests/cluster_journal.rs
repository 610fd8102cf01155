//! Before a cluster: what one shard cannot take is kept and journalled for that shard alone.
#![allow(clippy::unwrap_used)]

mod clusters;
mod common;

use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, slot};
use failsoft_testkit::wait::eventually;

use clusters::{before, count};
use common::Client;

const PATIENCE: Duration = Duration::from_secs(40);
const ROUTE: &str = "redis.timeout = \"100ms\"\nbreaker.failures = 3\nbreaker.probe_cooldown = \"50ms\"\n\
     breaker.ramp = \"50ms\"\n[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\n";
const SHARDS: [std::ops::RangeInclusive<u16>; 3] = [0..=5_000, 6_000..=10_000, 11_000..=16_000];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_for_several_shards_are_done_where_they_can_be_and_kept_where_not() {
    let cluster = Cluster::builder().replicas(0).set("cluster-require-full-coverage", "no").start().await;
    let sidecar = before(&cluster, ROUTE).await;
    let mut client = Client::connect(sidecar.addr()).await;
    let keys: Vec<String> = SHARDS.iter().map(|slots| slot::key_in(slots.clone(), "page:")).collect();
    let others: Vec<String> = SHARDS.iter().map(|slots| slot::key_in(slots.clone(), "page:other")).collect();
    for key in keys.iter().chain(&others) {
        assert_eq!(client.ask(&["SET", key, "old"]).await, "+OK\r\n");
    }
    let away = cluster.primary_of(slot::of(&keys[0])).await;
    away.pause();
    let set = ["MSET", &keys[0], "new", &keys[1], "new", &keys[2], "new"];
    assert_eq!(client.ask(&set).await, "+OK\r\n");
    let deleted = ["DEL", others[0].as_str(), &others[1], &others[2]];
    assert_eq!(client.ask(&deleted).await, ":3\r\n");
    let get = ["MGET", keys[0].as_str(), &keys[1], &keys[2]];
    assert_eq!(client.ask(&get).await, "*3\r\n$3\r\nnew\r\n$3\r\nnew\r\n$3\r\nnew\r\n");
    let journalled = count(&sidecar, "failsoft_journal_added_total", &[]).await;
    assert!(journalled >= 2.0, "the shard that is away: {journalled}");
    away.resume();
    eventually("the journal to be empty", PATIENCE, async || {
        let seen = Client::connect(sidecar.addr()).await.get(&others[0]).await;
        assert!(!seen.contains("old"), "{seen:?}");
        count(&sidecar, "failsoft_journal_entries", &[]).await == 0.0
    })
    .await;
    assert_eq!(away.command(&["GET", &keys[0]]).await, redis::Value::Nil);
    assert_eq!(away.command(&["GET", &others[0]]).await, redis::Value::Nil);
    assert_eq!(client.ask(&get).await, "*3\r\n$-1\r\n$3\r\nnew\r\n$3\r\nnew\r\n");
}
