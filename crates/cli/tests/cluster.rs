//! A cluster behind a sidecar is one Redis to its clients, also while slots move.
#![allow(clippy::unwrap_used)]

mod clusters;

use std::time::Duration;

use failsoft::telemetry::state::State;
use failsoft_testkit::cluster::{Cluster, slot};
use failsoft_testkit::wait::eventually;

use clusters::{ask, before};

const PATIENCE: Duration = Duration::from_secs(20);

/// Keys of every part of the slots.
fn keys() -> Vec<String> {
    (0..300).map(|number| format!("key:{number}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_is_written_and_read_at_the_node_that_owns_it() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = sidecar.redis_connection().await;
    for key in keys() {
        ask::<()>(&mut client, &["SET", &key, &format!("value of {key}")]).await.unwrap();
    }
    for key in keys() {
        let value: String = ask(&mut client, &["GET", &key]).await.unwrap();
        assert_eq!(value, format!("value of {key}"));
        let owner = cluster.primary_of(slot::of(&key)).await;
        assert_eq!(owner.command(&["EXISTS", &key]).await, redis::Value::Int(1), "{key} is not at its owner");
    }
    assert_eq!(
        sidecar.metric("failsoft_topology_redirects_total", &[("result", "followed")]).await.unwrap_or(0.0),
        0.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_has_moved_is_followed_and_then_known() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "redis.refresh_interval = \"10m\"").await;
    let mut client = sidecar.redis_connection().await;
    let key = slot::key_in(0..=100, "moved");
    ask::<()>(&mut client, &["SET", &key, "before"]).await.unwrap();
    let source = cluster.primary_of(slot::of(&key)).await;
    let target = cluster.primary_of(16_383).await;
    cluster.reshard(0..=100, target).await;
    ask::<()>(&mut client, &["SET", &key, "after"]).await.unwrap();
    assert_eq!(ask::<String>(&mut client, &["GET", &key]).await.unwrap(), "after");
    assert_eq!(target.command(&["GET", &key]).await, redis::Value::BulkString(b"after".to_vec()));
    assert_ne!(source.port(), target.port());
    let followed = async || sidecar.metric("failsoft_topology_redirects_total", &[("result", "followed")]).await;
    let before = followed().await.unwrap();
    assert!((1.0..=2.0).contains(&before), "{before} redirections");
    eventually("the map has learned", PATIENCE, || {
        let (mut client, key) = (client.clone(), key.clone());
        async move {
            let before = followed().await;
            ask::<String>(&mut client, &["GET", &key]).await.unwrap();
            followed().await == before
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_slot_on_the_move_is_found_on_whichever_side_it_is() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = sidecar.redis_connection().await;
    let tag = slot::key_in(0..=5_000, "t");
    let keys: Vec<_> = (0..20).map(|number| format!("{{{tag}}}:{number}")).collect();
    for key in &keys {
        ask::<()>(&mut client, &["SET", key, key]).await.unwrap();
    }
    let target = cluster.primary_of(16_383).await;
    let moving = cluster.begin_move(slot::of(&tag), target).await;
    moving.move_keys(10).await;
    for key in &keys {
        assert_eq!(ask::<String>(&mut client, &["GET", key]).await.unwrap(), *key);
        ask::<()>(&mut client, &["SET", key, "new"]).await.unwrap();
        assert_eq!(ask::<String>(&mut client, &["GET", key]).await.unwrap(), "new");
    }
    while moving.move_keys(100).await > 0 {}
    moving.finish().await;
    for key in &keys {
        assert_eq!(ask::<String>(&mut client, &["GET", key]).await.unwrap(), "new");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_primary_is_read_from_its_replica_and_written_to_at_its_successor() {
    let cluster = Cluster::start().await;
    let route = "[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\nttl = \"1m\"\nmax_stale = \"1m\"\n";
    let sidecar = before(&cluster, route).await;
    let mut client = sidecar.redis_connection().await;
    let key = slot::key_in(0..=5_000, "page:");
    ask::<()>(&mut client, &["SET", &key, "text"]).await.unwrap();
    let primary = cluster.primary_of(slot::of(&key)).await;
    let replica = cluster.replicas_of(primary).await[0];
    eventually("the replica has the write", PATIENCE, async || {
        replica.command(&["DBSIZE"]).await == primary.command(&["DBSIZE"]).await
    })
    .await;
    primary.kill().await;
    let value: String = ask(&mut client, &["GET", &key]).await.unwrap();
    assert_eq!(value, "text");
    let session = slot::key_in(0..=5_000, "session:");
    let refused = ask::<()>(&mut client, &["SET", &session, "new"]).await.unwrap_err();
    assert!(refused.to_string().contains("UNAVAILABLE"), "{refused}");
    let successor = cluster.wait_successor(primary).await;
    eventually("writes flow again", PATIENCE, || {
        let (mut client, session) = (client.clone(), session.clone());
        async move { ask::<()>(&mut client, &["SET", &session, "new"]).await.is_ok() }
    })
    .await;
    assert_eq!(successor.command(&["GET", &session]).await, redis::Value::BulkString(b"new".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_tells_who_owns_what_and_what_is_thought_of_them() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let state: State = serde_json::from_str(&sidecar.state().await).unwrap();
    let [deployment] = &state.deployments[..] else { panic!("{:?}", state.deployments) };
    assert_eq!((deployment.name.as_str(), deployment.topology.as_str()), ("redis", "cluster"));
    assert_eq!((deployment.slots_assigned, deployment.slots_ok), (16_384, 16_384));
    assert!(deployment.version > 0 && deployment.age_seconds < 60.0, "{deployment:?}");
    assert_eq!(deployment.shards.len(), 3);
    for shard in &deployment.shards {
        let primary = cluster.primary_of(shard.slots[0].0).await;
        assert_eq!(shard.primary, Some(primary.addr().to_string()));
        assert_eq!(shard.standing.as_deref(), Some("sound"));
        let replicas: Vec<_> = cluster.replicas_of(primary).await.iter().map(|node| node.addr().to_string()).collect();
        assert_eq!(shard.replicas, replicas);
        let slots: Vec<_> = primary.slots().await.iter().map(|range| (*range.start(), *range.end())).collect();
        assert_eq!(shard.slots, slots);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_answer_for_a_primary_that_nobody_replaces_within_their_age() {
    let cluster = Cluster::builder().set("cluster-replica-no-failover", "yes");
    let cluster = cluster.set("cluster-require-full-coverage", "no").start().await;
    let routes = "redis.probe_interval = \"100ms\"\n\
        [[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\ntiers.local = false\nmax_replica_lag = \"5s\"\n\
        [[routes]]\nkeys = \"near:*\"\nrole = \"cache\"\nlease = \"0s\"\ntiers.local = false\nread_from = \"replica\"\n";
    let sidecar = before(&cluster, routes).await;
    eventually("every replica to be usable", PATIENCE, async || {
        let usable = sidecar.metric("failsoft_node_replica_usable", &[("tier", "replica")]).await;
        usable == Some(cluster.nodes().len() as f64 / 2.0)
    })
    .await;
    let mut client = sidecar.redis_connection().await;
    let (page, near) = (slot::key_in(0..=5_000, "page:"), slot::key_in(0..=5_000, "near:"));
    let primary = cluster.primary_of(slot::of(&page)).await;
    for key in [&page, &near] {
        ask::<()>(&mut client, &["SET", key, "text"]).await.unwrap();
    }
    let replica = cluster.replicas_of(primary).await[0];
    eventually("the replica has the writes", PATIENCE, async || {
        replica.command(&["DBSIZE"]).await == primary.command(&["DBSIZE"]).await
    })
    .await;
    assert_eq!(ask::<String>(&mut client, &["GET", &near]).await.unwrap(), "text");
    let from_replica = [("route", "near"), ("tier", "replica")];
    assert_eq!(sidecar.metric("failsoft_answers_total", &from_replica).await, Some(1.0));
    primary.kill().await;
    for _ in 0..20 {
        assert_eq!(ask::<String>(&mut client, &["GET", &page]).await.unwrap(), "text");
    }
    let session = format!("session:{{{page}}}");
    let refused = ask::<()>(&mut client, &["SET", &session, "new"]).await.unwrap_err();
    assert!(refused.to_string().contains("retry-after-ms="), "{refused}");
    eventually("the replica to be too old for the route", PATIENCE, || {
        let (mut client, page) = (client.clone(), page.clone());
        async move { ask::<String>(&mut client, &["GET", &page]).await.is_err() }
    })
    .await;
    assert_eq!(ask::<String>(&mut client, &["GET", &near]).await.unwrap(), "text", "this route allows more");
}
