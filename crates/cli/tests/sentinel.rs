//! A primary that sentinels watch is one Redis to its clients, also when another has taken its place.
#![allow(clippy::unwrap_used)]

mod clusters;

use std::time::Duration;

use failsoft_testkit::sentinel::{NAME, Sentinels};
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use clusters::{ask, bin};

const PATIENCE: Duration = Duration::from_secs(40);

async fn before(sentinels: &Sentinels, more: &str) -> Sidecar {
    let nodes = sentinels.urls().iter().map(|url| format!("\"{url}\"")).collect::<Vec<_>>().join(", ");
    let settings = format!(
        "server.listen = \"{{listen}}\"\nserver.admin = \"{{admin}}\"\nserver.threads = 2\n\
         redis.topology = \"sentinel\"\nredis.master_name = \"{NAME}\"\nredis.nodes = [{nodes}]\n{more}"
    );
    let sidecar = Sidecar::start(bin(), &settings).await;
    eventually("the sidecar knows the primary", PATIENCE, async || {
        sidecar.metric("redis_cluster_slots_ok", &[]).await == Some(16_384.0)
    })
    .await;
    sidecar
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_primary_is_read_from_a_replica_and_written_to_at_its_successor() {
    let sentinels = Sentinels::start().await;
    let route = "[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nttl = \"1m\"\nmax_stale = \"1m\"\n";
    let sidecar = before(&sentinels, &format!("redis.refresh_interval = \"10m\"\n{route}")).await;
    let mut client = sidecar.redis_connection().await;
    ask::<()>(&mut client, &["SET", "page:1", "text"]).await.unwrap();
    let primary = sentinels.primary().await;
    primary.command(&["WAIT", "2", "1000"]).await;
    primary.kill().await;
    assert_eq!(ask::<String>(&mut client, &["GET", "page:1"]).await.unwrap(), "text");
    let refused = ask::<()>(&mut client, &["SET", "page:1", "new"]).await.unwrap_err();
    assert!(refused.to_string().contains("UNAVAILABLE"), "{refused}");
    let successor = sentinels.wait_promoted(primary).await;
    eventually("writes flow again", PATIENCE, || {
        let mut client = client.clone();
        async move { ask::<()>(&mut client, &["SET", "page:1", "new"]).await.is_ok() }
    })
    .await;
    assert_eq!(successor.command(&["GET", "page:1"]).await, redis::Value::BulkString(b"new".to_vec()));
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
