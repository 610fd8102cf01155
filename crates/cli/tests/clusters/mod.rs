//! The stage of the tests on a cluster: the cluster, a sidecar before it, and how a client of one Redis speaks to both.

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

pub mod load;

use std::path::Path;

use failsoft_testkit::cluster::Cluster;
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::sentinel::{NAME, Sentinels};
use failsoft_testkit::sidecar::Sidecar;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisResult};

/// The binary under test.
pub fn bin() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_failsoft"))
}

/// Settings before `cluster`, and `more`.
pub fn settings(cluster: &Cluster, more: &str) -> String {
    let nodes = cluster.urls().iter().map(|url| format!("\"{url}\"")).collect::<Vec<_>>().join(", ");
    format!(
        "server.listen = \"{{listen}}\"\nserver.admin = \"{{admin}}\"\nserver.threads = 2\n\
         redis.topology = \"cluster\"\nredis.nodes = [{nodes}]\n{more}"
    )
}

/// A sidecar before `cluster` that knows who owns what.
pub async fn before(cluster: &Cluster, more: &str) -> Sidecar {
    let sidecar = Sidecar::start(bin(), &settings(cluster, more)).await;
    failsoft_testkit::wait::eventually("the sidecar knows its cluster", crate::PATIENCE, async || {
        sidecar.metric("redis_cluster_slots_ok", &[]).await == Some(16_384.0)
    })
    .await;
    sidecar
}

/// A sidecar before a primary that sentinels watch, which knows it.
pub async fn before_sentinels(sentinels: &Sentinels, more: &str) -> Sidecar {
    let sidecar = start_before_sentinels(sentinels, more).await;
    failsoft_testkit::wait::eventually("the sidecar knows the primary", crate::PATIENCE, async || {
        sidecar.metric("redis_cluster_slots_ok", &[]).await == Some(16_384.0)
    })
    .await;
    sidecar
}

/// The same, whatever it knows.
pub async fn start_before_sentinels(sentinels: &Sentinels, more: &str) -> Sidecar {
    let urls = sentinels.sentinels().iter().map(|sentinel| format!("\"redis://{}\"", sentinel.addr()));
    let nodes = urls.collect::<Vec<_>>().join(", ");
    let settings = format!(
        "server.listen = \"{{listen}}\"\nserver.admin = \"{{admin}}\"\nserver.threads = 2\n\
         redis.topology = \"sentinel\"\nredis.master_name = \"{NAME}\"\nredis.nodes = [{nodes}]\n{more}"
    );
    Sidecar::start(bin(), &settings).await
}

/// What comes back for one command.
pub async fn ask<T: FromRedisValue>(connection: &mut MultiplexedConnection, words: &[&str]) -> RedisResult<T> {
    let mut command = redis::cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(word);
    });
    command.query_async(connection).await
}

/// Settings with which no request of a busy machine is given up early: for tests that are not about time.
pub const PATIENT: &str = "redis.timeout = \"10s\"\nredis.connect_timeout = \"10s\"\nrequest.deadline = \"20s\"\n\
    breaker.slow_call = \"1m\"\n";

/// What an origin of a [`users`] route is asked for in a second, at most.
pub const CAP: usize = 300;

/// A route `user:{id}` whose values `origin` has, at most [`CAP`] of them a second.
pub fn users(origin: &HttpOrigin) -> String {
    format!(
        "[origins.catalogue]\nurl = \"{}\"\nmax_concurrency = 20\nmax_rate = {CAP}\nqueue = 1000\n\n\
         [[routes]]\nkeys = \"user:{{id:int}}\"\nrole = \"cache\"\norigin = \"catalogue\"\nget = \"/users/{{id}}\"\n\
         max_stale = \"10m\"\n",
        origin.url()
    )
}

/// What a client is answered for `user:{id}`.
pub fn user(id: usize) -> String {
    bulk(&HttpOrigin::body_of("users", id as u64))
}

/// A bulk string.
pub fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// The sum of a metric's samples with these labels; 0 before the first.
pub async fn count(sidecar: &Sidecar, metric: &str, labels: &[(&str, &str)]) -> f64 {
    sidecar.metric(metric, labels).await.unwrap_or(0.0)
}
