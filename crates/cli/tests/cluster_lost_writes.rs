//! What a primary has acknowledged and not replicated is lost with it (FAULTS' row 38). Redis says so, and failsoft does not
//! pretend otherwise from a memory of its own; but what it knows to have been replaced or deleted is not served again.
#![allow(clippy::unwrap_used)]

mod clusters;

use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, slot};
use failsoft_testkit::sentinel::Sentinels;
use failsoft_testkit::wait::eventually;
use redis::aio::MultiplexedConnection;

use clusters::{ask, before, before_sentinels};

const PATIENCE: Duration = Duration::from_secs(40);
const ROUTE: &str =
    "[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\nttl = \"10m\"\nmax_stale = \"10m\"\n";

/// Returns when a write of another key is done by the primary.
async fn writes_flow(client: &MultiplexedConnection, key: &str) {
    eventually("writes flow again", PATIENCE, || {
        let mut client = client.clone();
        async move { ask::<()>(&mut client, &["SET", key, "x"]).await.is_ok() }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_last_writes_had_replaced_does_not_come_back_with_a_successor_that_has_not_heard_of_them() {
    let cluster = Cluster::builder().partitionable().start().await;
    let sidecar = before(&cluster, ROUTE).await;
    let mut client = sidecar.redis_connection().await;
    let [set, deleted] = ["page:set", "page:deleted"].map(|prefix| slot::key_in(0..=5_000, prefix));
    for key in [&set, &deleted] {
        ask::<()>(&mut client, &["SET", key, "old"]).await.unwrap();
    }
    let primary = cluster.primary_of(slot::of(&set)).await;
    let replica = cluster.replicas_of(primary).await[0];
    eventually("the replica has the writes", PATIENCE, async || {
        replica.command(&["DBSIZE"]).await == primary.command(&["DBSIZE"]).await
    })
    .await;

    cluster.partition(&[primary], &[replica]);
    ask::<()>(&mut client, &["SET", &set, "lost"]).await.unwrap();
    assert_eq!(ask::<i64>(&mut client, &["DEL", &deleted]).await.unwrap(), 1);
    primary.kill().await;
    cluster.wait_successor(primary).await;
    writes_flow(&client, &slot::key_in(0..=5_000, "session:")).await;

    for key in [&set, &deleted] {
        eventually("what was replaced to be gone", PATIENCE, || {
            let mut client = client.clone();
            async move {
                let seen = ask::<Option<String>>(&mut client, &["GET", key]).await;
                assert!(!matches!(&seen, Ok(Some(value)) if value == "old"), "{key} has come back");
                seen.is_ok_and(|value| value.is_none())
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_a_promoted_replica_has_not_heard_of_is_repeated_before_it_is_believed() {
    let sentinels = Sentinels::start().await;
    let sidecar = before_sentinels(&sentinels, ROUTE).await;
    let mut client = sidecar.redis_connection().await;
    ask::<()>(&mut client, &["SET", "page:1", "old"]).await.unwrap();
    let primary = sentinels.primary().await;
    let replicas = sentinels.replicas().await;
    for replica in &replicas {
        let copied = redis::Value::BulkString(b"old".to_vec());
        eventually("the replica has it", PATIENCE, async || replica.command(&["GET", "page:1"]).await == copied).await;
        replica.pause();
    }
    assert_eq!(ask::<i64>(&mut client, &["DEL", "page:1"]).await.unwrap(), 1);
    primary.kill().await;
    replicas.iter().for_each(|replica| replica.resume());
    let successor = sentinels.wait_promoted(primary).await;
    writes_flow(&client, "session:1").await;
    eventually("the deletion to be repeated", PATIENCE, || {
        let mut client = client.clone();
        async move {
            let seen = ask::<Option<String>>(&mut client, &["GET", "page:1"]).await;
            assert!(!matches!(&seen, Ok(Some(_))), "what was deleted has come back: {seen:?}");
            seen.is_ok()
        }
    })
    .await;
    eventually("the successor to have heard of it", PATIENCE, async || {
        successor.command(&["GET", "page:1"]).await == redis::Value::Nil
    })
    .await;
}
