//! A primary that sentinels watch is one Redis to its clients, also when another has taken its place.
#![allow(clippy::unwrap_used)]

mod clusters;

use std::time::Duration;

use failsoft_testkit::sentinel::Sentinels;
use failsoft_testkit::wait::eventually;

use clusters::{ask, before_sentinels as before, start_before_sentinels as start};
use redis::aio::MultiplexedConnection;

const PATIENCE: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_primary_is_read_from_a_replica_and_written_to_at_its_successor() {
    let sentinels = Sentinels::start().await;
    let route = "[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\nttl = \"1m\"\nmax_stale = \"1m\"\n";
    let sidecar = before(&sentinels, &format!("redis.refresh_interval = \"10m\"\n{route}")).await;
    let mut client = sidecar.redis_connection().await;
    ask::<()>(&mut client, &["SET", "page:1", "text"]).await.unwrap();
    let primary = sentinels.primary().await;
    let copied = redis::Value::BulkString(b"text".to_vec());
    for replica in sentinels.replicas().await {
        eventually("the replica has it", PATIENCE, async || replica.command(&["GET", "page:1"]).await == copied).await;
    }
    primary.kill().await;
    assert_eq!(ask::<String>(&mut client, &["GET", "page:1"]).await.unwrap(), "text");
    let refused = ask::<()>(&mut client, &["SET", "session:1", "new"]).await.unwrap_err();
    assert!(refused.to_string().contains("UNAVAILABLE"), "{refused}");
    let successor = sentinels.wait_promoted(primary).await;
    eventually("writes flow again", PATIENCE, || {
        let mut client = client.clone();
        async move { ask::<()>(&mut client, &["SET", "session:1", "new"]).await.is_ok() }
    })
    .await;
    assert_eq!(successor.command(&["GET", "session:1"]).await, redis::Value::BulkString(b"new".to_vec()));
}

/// Until the sentinels have announced the switch the old primary takes writes that it will lose: Redis' own window.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordered_failover_is_followed_when_the_sentinels_announce_it() {
    let sentinels = Sentinels::start().await;
    let sidecar = before(&sentinels, "redis.refresh_interval = \"10m\"\n").await;
    let client = sidecar.redis_connection().await;
    let old = sentinels.primary().await;
    sentinels.failover().await;
    let successor = sentinels.wait_promoted(old).await;
    let written = redis::Value::BulkString(b"v".to_vec());
    eventually("writes reach the new primary", PATIENCE, || {
        let (mut client, written) = (client.clone(), written.clone());
        async move {
            let is_acknowledged = ask::<()>(&mut client, &["SET", "k", "v"]).await.is_ok();
            is_acknowledged && successor.command(&["GET", "k"]).await == written
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_to_a_primary_that_only_a_minority_of_sentinels_still_names() {
    let group = Sentinels::builder().partitionable().start().await;
    group.wait_ok().await;
    let sidecar = before(&group, "").await;
    let client = sidecar.redis_connection().await;
    let old = group.primary().await;
    let cut_off = &group.sentinels()[0];
    group.partition(&[old, cut_off], &group.all_but(&[old, cut_off]));
    let new = group.wait_promoted(old).await;
    eventually("writes flow to the promoted node", PATIENCE, async || {
        is_written(&client, "probe").await && new.command(&["EXISTS", "probe"]).await == redis::Value::Int(1)
    })
    .await;
    for number in 0..100 {
        let key = format!("key:{number}");
        assert!(is_written(&client, &key).await);
        assert_eq!(new.command(&["EXISTS", &key]).await, redis::Value::Int(1));
        assert_eq!(old.command(&["EXISTS", &key]).await, redis::Value::Int(0), "{key} would be lost");
    }
    assert!(old.says_primary().await, "it could have been written to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_may_have_a_password_of_their_own() {
    let group = Sentinels::builder().password("for-nodes").sentinel_password("for-sentinels").start().await;
    let folder = tempfile::tempdir().unwrap();
    let [nodes, sentinels] = ["for-nodes", "for-sentinels"].map(|password| {
        let file = folder.path().join(password);
        std::fs::write(&file, password).unwrap();
        file.display().to_string()
    });
    let credentials = format!("redis.password_file = \"{nodes}\"\nredis.sentinel_password_file = \"{sentinels}\"");
    let sidecar = before(&group, &credentials).await;
    assert!(is_written(&sidecar.redis_connection().await, "key").await);
    assert_eq!(group.primary().await.command(&["EXISTS", "key"]).await, redis::Value::Int(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_may_not_be_asked_what_it_is_gets_no_writes_and_is_told_of() {
    let group = Sentinels::start().await;
    group.wait_ok().await;
    for server in group.servers() {
        server.command(&["ACL", "SETUSER", "app", "on", "nopass", "~*", "&*", "+@all", "-role"]).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "any").unwrap();
    let credentials = format!("redis.username = \"app\"\nredis.password_file = \"{}\"", password.display());
    let sidecar = start(&group, &credentials).await;
    eventually("it is told of", PATIENCE, async || sidecar.log_contains("does not answer ROLE")).await;
    let client = sidecar.redis_connection().await;
    assert!(!is_written(&client, "key").await, "that it is a primary is not known");
    for server in group.servers() {
        server.command(&["ACL", "SETUSER", "app", "+role"]).await;
    }
    eventually("writes flow once it may be asked", PATIENCE, || is_written(&client, "key")).await;
}

async fn is_written(client: &MultiplexedConnection, key: &str) -> bool {
    ask::<()>(&mut client.clone(), &["SET", key, "1"]).await.is_ok()
}
