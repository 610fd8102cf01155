//! What a primary has acknowledged and not replicated is lost with it (FAULTS' row 38): Redis says so, and failsoft does not
//! pretend otherwise from a memory of its own.
#![allow(clippy::unwrap_used)]

mod clusters;

use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, slot};
use failsoft_testkit::wait::eventually;

use clusters::{ask, before};

const PATIENCE: Duration = Duration::from_secs(40);
const ROUTE: &str = "[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nttl = \"10m\"\nmax_stale = \"10m\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_what_was_lost_is_not_served_once_the_successor_answers() {
    let cluster = Cluster::builder().partitionable().start().await;
    let sidecar = before(&cluster, ROUTE).await;
    let mut client = sidecar.redis_connection().await;
    let key = slot::key_in(0..=5_000, "page:");
    ask::<()>(&mut client, &["SET", &key, "kept"]).await.unwrap();
    let primary = cluster.primary_of(slot::of(&key)).await;
    let replica = cluster.replicas_of(primary).await[0];
    eventually("the replica has the write", PATIENCE, async || {
        replica.command(&["DBSIZE"]).await == primary.command(&["DBSIZE"]).await
    })
    .await;

    cluster.partition(&[primary], &[replica]);
    ask::<()>(&mut client, &["SET", &key, "lost"]).await.unwrap();
    assert_eq!(ask::<String>(&mut client, &["GET", &key]).await.unwrap(), "lost", "a copy of it is kept");
    primary.kill().await;
    cluster.wait_successor(primary).await;
    eventually("writes flow again", PATIENCE, || {
        let mut client = client.clone();
        let other = slot::key_in(0..=5_000, "page:other");
        async move { ask::<()>(&mut client, &["SET", &other, "x"]).await.is_ok() }
    })
    .await;

    assert_eq!(ask::<String>(&mut client, &["GET", &key]).await.unwrap(), "kept");
}
