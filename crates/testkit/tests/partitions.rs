//! Clusters cut in two: who stops serving, who takes over, and what happens when the cut is healed.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, slot};
use failsoft_testkit::network::Party;
use failsoft_testkit::redis::connect;
use failsoft_testkit::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for an answer that wants to come, short enough to wait for one that does not.
const SILENCE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn an_old_primary_alone_stops_serving_and_is_replaced_on_the_other_side() {
    let cluster = Cluster::builder().partitionable().start().await;
    let old = cluster.primary_of(0).await;
    let key = slot::key_in(0..=0, "key");
    old.command(&["SET", &key, "before"]).await;
    let majority = cluster.nodes_but(&[old]);

    cluster.partition(&[old], &majority);
    let successor = cluster.wait_successor(old).await;
    successor.command(&["SET", &key, "after"]).await;
    eventually("the minority to notice", PATIENCE, || old.says_fail()).await;
    let refused = old.try_command(&["GET", &key]).await.unwrap_err();
    assert_eq!(refused.code(), Some("CLUSTERDOWN"));
    let view = old.view().await.unwrap();
    assert!(view.own().is_primary() && view.own().owns(0), "it has not been told");

    cluster.heal();
    eventually("the old primary to follow", PATIENCE, || async { cluster.replicas_of(successor).await.len() == 1 })
        .await;
    cluster.wait_ok().await;
    assert_eq!(successor.redis().get(&key).await.unwrap(), "after");
}

#[tokio::test]
async fn clients_are_cut_off_from_one_node_and_the_cluster_does_not_mind() {
    let cluster = Cluster::builder().replicas(0).password("secret").partitionable().start().await;
    let [lost, other, _] = cluster.nodes() else { panic!("three nodes") };
    let mut client = connect(&lost.url()).await.unwrap();
    let mut neighbour = connect(&other.url()).await.unwrap();

    cluster.partition(&[Party::Clients], &[lost]);
    let ping = redis::cmd("PING");
    let silent = tokio::time::timeout(SILENCE, ping.query_async::<String>(&mut client)).await;
    assert!(silent.is_err(), "{silent:?}");
    assert_eq!(ping.query_async::<String>(&mut neighbour).await.unwrap(), "PONG");
    assert!(lost.says_ok().await && other.says_ok().await);

    cluster.heal();
    assert_eq!(ping.query_async::<String>(&mut client).await.unwrap(), "PONG");
}

#[tokio::test]
async fn a_node_that_is_not_heard_is_replaced() {
    let cluster = Cluster::builder().partitionable().start().await;
    let mute = cluster.primary_of(0).await;
    cluster.partition_one_way(&[mute], &cluster.nodes_but(&[mute]));
    let successor = cluster.wait_successor(mute).await;
    // TCP needs both ways for a new connection, so in the end it does not hear either.
    eventually("the mute node to notice", PATIENCE, || mute.says_fail()).await;
    cluster.heal();
    eventually("the mute node to follow", PATIENCE, || async { cluster.replicas_of(successor).await.len() == 1 }).await;
    cluster.wait_ok().await;
}

#[tokio::test]
async fn a_killed_node_refuses_behind_its_gates_too_and_comes_back() {
    let cluster = Cluster::builder().replicas(0).partitionable().start().await;
    let node = &cluster.nodes()[0];
    node.kill().await;
    let refused = tokio::net::TcpStream::connect(node.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    node.restart().await;
    cluster.wait_ok().await;
}

#[tokio::test]
#[should_panic(expected = "only a cluster built `partitionable`")]
async fn a_cluster_without_gates_says_that_it_cannot_be_cut() {
    Cluster::builder().primaries(1).replicas(0).start().await.heal();
}
