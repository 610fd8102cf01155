//! The stage of the tests on a cluster: the cluster, a sidecar before it, and how a client of one Redis speaks to both.

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::path::Path;

use failsoft_testkit::cluster::Cluster;
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

/// What comes back for one command.
pub async fn ask<T: FromRedisValue>(connection: &mut MultiplexedConnection, words: &[&str]) -> RedisResult<T> {
    let mut command = redis::cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(word);
    });
    command.query_async(connection).await
}
