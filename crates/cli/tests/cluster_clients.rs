//! Client libraries, those that know clusters and those that do not, on a sidecar before a cluster.
//!
//! What they do is in `clients/`, one script a library; a script that has found something wrong ends with an error.
#![allow(clippy::unwrap_used)]

mod clusters;

use std::time::Duration;

use failsoft_testkit::Output;
use failsoft_testkit::cluster::Cluster;
use failsoft_testkit::scripts::{node, python};
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use redis::AsyncCommands;

use clusters::before;

const PATIENCE: Duration = Duration::from_secs(20);

/// Scripts that start up take the processor for themselves; nothing is to count as slow or late because of that.
const PATIENT: &str = "redis.timeout = \"5s\"\nrequest.deadline = \"20s\"\nbreaker.slow_call = \"1m\"\n";

async fn stage() -> (Cluster, Sidecar) {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, PATIENT).await;
    (cluster, sidecar)
}

fn assert_fine(output: &Output) {
    assert!(output.status.success() && output.stdout.contains("fine"), "{}{}", output.stdout, output.stderr);
}

fn port(sidecar: &Sidecar) -> String {
    sidecar.addr().port().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_py_cluster_takes_failsoft_for_the_only_node() {
    let (_cluster, sidecar) = stage().await;
    let script = include_str!("clients/redis_py_cluster.py");
    assert_fine(&python(script, &[&port(&sidecar), "well", "2"]).await);
    assert_fine(&python(script, &[&port(&sidecar), "well"]).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_py_cluster_notices_nothing_of_slots_that_move() {
    let (cluster, sidecar) = stage().await;
    let script = include_str!("clients/redis_py_cluster.py");
    let moves = async {
        eventually("the script to have begun", PATIENCE, || async {
            sidecar.redis_connection().await.exists::<_, bool>("begun").await.unwrap()
        })
        .await;
        for (slots, owner) in [(0..=300, 16_383), (0..=300, 8_000), (8_100..=8_300, 0)] {
            cluster.reshard(slots, cluster.primary_of(owner).await).await;
        }
        sidecar.redis_connection().await.set::<_, _, ()>("stop", "now").await.unwrap();
    };
    let port = port(&sidecar);
    let arguments = [port.as_str(), "moving"];
    let (output, ()) = tokio::join!(python(script, &arguments), moves);
    assert_fine(&output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ioredis_cluster_takes_failsoft_for_the_only_node() {
    let (_cluster, sidecar) = stage().await;
    assert_fine(&node(include_str!("clients/ioredis_cluster.js"), &[&port(&sidecar)]).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_redis_cluster_takes_failsoft_for_the_only_node() {
    let (_cluster, sidecar) = stage().await;
    assert_fine(&node(include_str!("clients/node_redis_cluster.js"), &[&port(&sidecar)]).await);
}

/// `printf %s letmein | sha256sum`
const USERS: &str = "server.auth = \"users\"\n[[users]]\nname = \"tenant\"\nkeys = [\"tenant:*\"]\n\
    password_sha256 = [\"1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_know_clusters_may_be_users_with_few_rights() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let sidecar = before(&cluster, &format!("{PATIENT}{USERS}")).await;
    let port = port(&sidecar);
    assert_fine(&python(include_str!("clients/redis_py_cluster_user.py"), &[&port]).await);
    assert_fine(&node(include_str!("clients/ioredis_cluster_user.js"), &[&port]).await);
    assert_fine(&node(include_str!("clients/node_redis_cluster_user.js"), &[&port]).await);
}
