//! A second deployment answers reads when the first does not, and is never written to.
#![allow(clippy::unwrap_used)]

mod clusters;

use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, slot};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use clusters::{ask, bin};

const PATIENCE: Duration = Duration::from_secs(20);
const ROUTES: &str = "[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\nttl = \"1m\"\nmax_stale = \"1m\"\n\
                      [[routes]]\nkeys = \"lock:*\"\nrole = \"lock\"\n";

fn settings(redis: &Redis, regional: &str) -> String {
    format!(
        "server.listen = \"{{listen}}\"\nserver.admin = \"{{admin}}\"\nserver.threads = 1\n\
         redis.nodes = [\"redis://{}\"]\n[regional]\n{regional}\n{ROUTES}",
        redis.addr()
    )
}

#[tokio::test]
async fn what_the_first_cannot_answer_the_second_does_where_that_is_safe() {
    let (redis, regional) = (Redis::start().await, Redis::start().await);
    let second = format!("nodes = [\"redis://{}\"]", regional.addr());
    let sidecar = Sidecar::start(bin(), &settings(&redis, &second)).await;
    let mut far = regional.connection().await;
    for key in ["page:1", "lock:1"] {
        ask::<()>(&mut far, &["SET", key, "far"]).await.unwrap();
    }
    let mut client = sidecar.redis_connection().await;
    assert_eq!(ask::<Option<String>>(&mut client, &["GET", "page:1"]).await.unwrap(), None, "the first has answered");
    redis.kill().await;
    assert_eq!(ask::<String>(&mut client, &["GET", "page:1"]).await.unwrap(), "far");
    for refused in [&["GET", "lock:1"][..], &["SET", "lock:1", "x"], &["INCR", "page:2"]] {
        let error = ask::<redis::Value>(&mut client, refused).await.unwrap_err();
        assert!(error.to_string().contains("UNAVAILABLE"), "{refused:?}: {error}");
    }
    assert_eq!(ask::<i64>(&mut client, &["DEL", "page:1"]).await.unwrap(), 1);
    assert!(ask::<Option<String>>(&mut client, &["GET", "page:1"]).await.is_err(), "it has not heard of the deletion");
    assert_eq!(ask::<String>(&mut far, &["GET", "page:1"]).await.unwrap(), "far", "the second was written to");
    let answers = [("route", "page"), ("tier", "regional")];
    assert_eq!(sidecar.metric("failsoft_answers_total", &answers).await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_may_be_a_cluster_where_the_first_is_none() {
    let (redis, cluster) = (Redis::start().await, Cluster::builder().replicas(0).start().await);
    let nodes = cluster.urls().iter().map(|url| format!("\"{url}\"")).collect::<Vec<_>>().join(", ");
    let regional = format!("topology = \"cluster\"\nnodes = [{nodes}]");
    let sidecar = Sidecar::start(bin(), &settings(&redis, &regional)).await;
    eventually("the second is known", PATIENCE, async || {
        sidecar.metric("failsoft_topology_version", &[("deployment", "regional")]).await >= Some(1.0)
    })
    .await;
    let keys: Vec<_> = (0..30).map(|number| format!("page:{number}")).collect();
    for key in &keys {
        cluster.primary_of(slot::of(key)).await.command(&["SET", key, key]).await;
    }
    redis.kill().await;
    let mut client = sidecar.redis_connection().await;
    for key in &keys {
        assert_eq!(ask::<String>(&mut client, &["GET", key]).await.unwrap(), *key);
    }
}
