//! Real clusters: shapes, roles, failovers, slots on the move, and the counts that tests rely on.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, Failover, Node, slot};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;
use redis::{RedisResult, Value};

const PATIENCE: Duration = Duration::from_secs(20);

fn word(result: RedisResult<Value>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => error.code().map_or_else(|| error.to_string(), str::to_owned),
    }
}

async fn asked(node: &Node, words: &[&str]) -> String {
    word(node.try_command(words).await)
}

#[tokio::test]
async fn three_primaries_with_a_replica_each_own_every_slot() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.nodes().len(), 6);
    for (index, slot) in [0, 6000, slot::COUNT - 1].into_iter().enumerate() {
        let primary = cluster.primary_of(slot).await;
        assert_eq!(primary.id(), cluster.nodes()[index].id());
        let replicas: Vec<&str> = cluster.replicas_of(primary).await.into_iter().map(Node::id).collect();
        assert_eq!(replicas, [cluster.nodes()[3 + index].id()]);
    }
    let key = slot::key_in(0..=0, "key");
    cluster.primary_of(0).await.command(&["SET", &key, "value"]).await;
    let replica = cluster.replicas_of(cluster.primary_of(0).await).await[0];
    assert_eq!(asked(replica, &["GET", &key]).await, "MOVED");
    assert_eq!(asked(&cluster.nodes()[1], &["GET", &key]).await, "MOVED");
}

#[tokio::test]
async fn the_slot_of_a_key_is_what_redis_says() {
    let redis = Redis::builder().set("cluster-enabled", "yes").start().await;
    for key in ["", "a", "{a", "{}a", "a{b}c{d}", "{user:1}.name", "schlüssel"] {
        let said: u16 = redis::from_redis_value(redis.command(&["CLUSTER", "KEYSLOT", key]).await).unwrap();
        assert_eq!(slot::of(key), said, "{key}");
    }
}

#[tokio::test]
async fn other_shapes_a_password_and_names() {
    let names = ["localhost", "one.test", "two.test"];
    let builder = Cluster::builder().primaries(2).replicas(0).empty_primaries(1).password("secret").hostnames(&names);
    let cluster = builder.set("cluster-require-full-coverage", "no").start().await;
    let empty = cluster.nodes()[2].view().await.unwrap();
    assert!(empty.own().is_primary() && empty.own().slots.is_empty());
    let open = failsoft_testkit::redis::connect(&format!("redis://{}", cluster.nodes()[0].addr())).await;
    let refused = redis::cmd("GET").arg("key").query_async::<()>(&mut open.unwrap()).await.unwrap_err();
    assert_eq!(refused.code(), Some("NOAUTH"));

    let key = slot::key_in(0..=0, "key");
    let moved = cluster.nodes()[1].try_command(&["GET", &key]).await.unwrap_err();
    assert!(moved.detail().unwrap().contains(&format!("localhost:{}", cluster.nodes()[0].port())), "{moved}");

    cluster.nodes()[0].command(&["SET", &key, "value"]).await;
    cluster.reshard(0..=9, &cluster.nodes()[2]).await;
    assert_eq!(cluster.primary_of(9).await.id(), cluster.nodes()[2].id());
    assert_eq!(cluster.nodes()[2].redis().get(&key).await.unwrap(), "value");

    cluster.nodes()[1].kill().await;
    eventually("the loss to be noticed", PATIENCE, || async {
        cluster.nodes()[0].view().await.unwrap().of(cluster.nodes()[1].id()).unwrap().is("fail")
    })
    .await;
    assert!(cluster.nodes()[0].says_ok().await);
}

#[tokio::test]
async fn a_killed_primary_is_replaced_and_comes_back_as_a_replica() {
    let cluster = Cluster::start().await;
    let killed = cluster.primary_of(0).await;
    killed.kill().await;
    let successor = cluster.wait_successor(killed).await;
    assert_eq!(successor.id(), cluster.nodes()[3].id());
    cluster.wait_ok().await;
    assert_eq!(cluster.primary_of(0).await.id(), successor.id());

    killed.restart().await;
    eventually("the old primary to follow", PATIENCE, || async { cluster.replicas_of(successor).await.len() == 1 })
        .await;
    cluster.wait_ok().await;

    // Frozen, it is lost just as well, although its port still accepts.
    successor.pause();
    assert_eq!(cluster.wait_successor(successor).await.id(), killed.id());
    successor.resume();
    cluster.wait_ok().await;
    assert_eq!(cluster.primary_of(0).await.id(), killed.id());
}

#[tokio::test]
async fn a_failover_by_order_in_each_of_its_ways() {
    let cluster = Cluster::start().await;
    for (slot, how) in [(0, Failover::Plain), (6000, Failover::Force), (12000, Failover::Takeover)] {
        let before = cluster.primary_of(slot).await;
        let replica = cluster.replicas_of(before).await[0];
        cluster.failover(replica, how).await;
        cluster.wait_promoted(replica).await;
        cluster.wait_ok().await;
        assert_eq!(cluster.primary_of(slot).await.id(), replica.id(), "{how:?}");
        assert_eq!(cluster.replicas_of(replica).await[0].id(), before.id(), "{how:?}");
    }
}

#[tokio::test]
async fn a_slot_on_the_move_says_ask_and_tryagain_and_arrives_with_its_keys() {
    let cluster = Cluster::builder().primaries(2).replicas(0).start().await;
    let source = cluster.primary_of(7).await;
    let target = &cluster.nodes()[1];
    let keys: Vec<String> = slot::keys_in(7..=7, "key").take(3).collect();
    for key in &keys {
        source.command(&["SET", key, "value"]).await;
    }

    let moving = cluster.begin_move(7, target).await;
    assert_eq!(moving.keys_left(9).await.len(), 3);
    moving.move_key(&keys[0]).await;
    assert_eq!(asked(source, &["GET", &keys[0]]).await, "ASK");
    assert_eq!(asked(target, &["GET", &keys[0]]).await, "MOVED");
    assert_eq!(asked(source, &["MGET", &keys[0], &keys[1]]).await, "TRYAGAIN");
    assert!(source.view().await.unwrap().own().moving[0].starts_with("[7->-"));
    moving.abandon().await;
    assert_eq!(source.redis().get(&keys[0]).await.unwrap(), "value");

    let moving = cluster.begin_move(7, target).await;
    assert_eq!(moving.move_keys(2).await, 2);
    assert_eq!(moving.move_keys(2).await, 1);
    assert_eq!(moving.move_keys(2).await, 0);
    moving.finish().await;
    assert_eq!(cluster.primary_of(7).await.id(), target.id());
    for key in &keys {
        assert_eq!(target.redis().get(key).await.unwrap(), "value");
    }
    assert_eq!(asked(source, &["GET", &keys[0]]).await, "MOVED");
    cluster.wait_ok().await;
}

#[tokio::test]
async fn a_range_moves_with_its_keys_and_everybody_knows() {
    let cluster = Cluster::builder().primaries(2).replicas(1).start().await;
    let keys: Vec<String> = slot::keys_in(100..=299, "key").take(300).collect();
    for key in &keys {
        cluster.nodes()[0].command(&["SET", key, "value"]).await;
    }
    let target = &cluster.nodes()[1];
    cluster.reshard(100..=299, target).await;
    cluster.wait_ok().await;
    assert_eq!(target.slots().await, [100..=299, 8192..=16383]);
    for node in cluster.nodes() {
        assert!(node.view().await.unwrap().of(target.id()).unwrap().slots.contains(&(100..=299)));
    }
    let left: Vec<String> = redis::from_redis_value(cluster.nodes()[0].command(&["KEYS", "*"]).await).unwrap();
    assert!(left.is_empty());
    let here: u64 = redis::from_redis_value(target.command(&["DBSIZE"]).await).unwrap();
    assert_eq!(here, 300);
}

#[tokio::test]
async fn a_tally_counts_what_was_executed_and_what_was_turned_away() {
    let cluster = Cluster::builder().primaries(2).replicas(0).start().await;
    let node = &cluster.nodes()[0];
    let before = node.redis().tally().await;
    let none = node.redis().tally().await.since(&before);
    assert_eq!((none.reads(), none.writes(), none.connections()), (0, 0, 0), "{none:?}");

    let (here, there) = (slot::key_in(0..=0, "key"), slot::key_in(16_000..=16_000, "key"));
    node.command(&["SET", &here, "value"]).await;
    assert_eq!(asked(node, &["GET", &there]).await, "MOVED");
    assert_eq!(asked(node, &["GET", &here]).await, "bulk-string('\"value\"')");
    let since = node.redis().tally().await.since(&before);
    assert_eq!((since.reads(), since.writes()), (2, 1), "{since:?}");
    assert_eq!((since.of("get"), since.of("set"), since.of("cluster|nodes")), (2, 1, 0), "{since:?}");
    assert_eq!(since.connections(), 4, "three commands of this test and the tally in between: {since:?}");
}
