//! docs/faults.md, row 56 as far as a name that always leads to this machine shows it: nodes announce names, redirections name
//! them, and a node that was away is found by its name again.
//!
//! That a name comes to lead elsewhere is not shown: it takes a resolver that a test can change.
#![allow(clippy::unwrap_used)]

mod clusters;

use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, slot};
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::wait::eventually;

use clusters::{PATIENT, before, bulk};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_announce_names_are_reached_and_followed_by_them() {
    let cluster = Cluster::builder().replicas(0).hostnames(&["localhost"; 3]).start().await;
    let sidecar = before(&cluster, &format!("redis.refresh_interval = \"10m\"\n{PATIENT}")).await;
    let metrics = sidecar.metrics().await.all();
    assert!(metrics.keys().any(|name| name.contains("localhost:")), "no node is known by its name");
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let key = slot::key_in(0..=10, "k");
    assert_eq!(client.ask(&["SET", &key, "v"], PATIENCE).await, "+OK\r\n");
    let target = cluster.primary_of(16_383).await;
    cluster.reshard(0..=10, target).await;
    assert_eq!(client.ask(&["GET", &key], PATIENCE).await, bulk("v"));
    target.restart().await;
    eventually("the node to be found again", PATIENCE, || async {
        HostileClient::connect(sidecar.addr()).await.ask(&["SET", &key, "w"], PATIENCE).await == "+OK\r\n"
    })
    .await;
}
