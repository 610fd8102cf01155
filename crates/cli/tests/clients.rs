//! Client libraries of other languages, unmodified and with the settings applications give them, on a Redis that lives and
//! on one that has been killed.
//!
//! What they do is in `clients/`, one script a library; a script that has found something wrong ends with an error.
#![allow(clippy::unwrap_used)]

mod tools;

use failsoft_testkit::Output;
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::scripts::{node, python};
use failsoft_testkit::sidecar::Sidecar;

use tools::{ask_all, bulk, gets, start};

async fn stage() -> (Redis, HttpOrigin, Sidecar) {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    // Scripts that start up take the processor for themselves; nothing is to count as slow or late because of that.
    let more = format!(
        r#"
redis.timeout = "5s"
request.deadline = "20s"
breaker.slow_call = "1m"
local.ttl = "10m"

[origins.catalogue]
url = "{}"
max_concurrency = 20
max_rate = 1000

[[routes]]
keys = "user:{{id:int}}"
role = "cache"
origin = "catalogue"
get = "/users/{{id}}"
ttl = "10m"

[[routes]]
keys = "page:*"
role = "cache"
lease = "0s"
ttl = "10m"
max_stale = "10m"

[[routes]]
keys = "plan:*"
role = "cache"
default = "free"

[[routes]]
keys = "session:*"
role = "session"
"#,
        origin.url()
    );
    let sidecar = start(&redis.url(), &more).await;
    redis.command(&["SET", "page:kept", "kept"]).await;
    (redis, origin, sidecar)
}

/// Reads what the script expects to be kept when Redis is gone, and kills Redis.
async fn take_redis_away(redis: &Redis, sidecar: &Sidecar) {
    let replies = ask_all(sidecar.addr(), 1, &gets(["page:kept".to_owned(), "user:7".to_owned()])).await;
    assert_eq!(replies[0], bulk("kept"));
    redis.kill().await;
}

fn assert_fine(output: &Output) {
    assert!(output.status.success() && output.stdout.contains("fine"), "{}{}", output.stdout, output.stderr);
}

async fn on_python(protocol: &[&str]) {
    let script = include_str!("clients/redis_py.py");
    let (redis, _origin, sidecar) = stage().await;
    let port = sidecar.addr().port().to_string();
    assert_fine(&python(script, &[&[&port, "well"], protocol].concat()).await);
    take_redis_away(&redis, &sidecar).await;
    assert_fine(&python(script, &[&[&port, "away"], protocol].concat()).await);
}

#[tokio::test]
async fn redis_py_works_and_goes_on_working_when_redis_is_killed() {
    on_python(&["2"]).await;
}

/// Which since version 8 means RESP3.
#[tokio::test]
async fn redis_py_with_its_own_defaults_works_and_goes_on_working_when_redis_is_killed() {
    on_python(&[]).await;
}

async fn on_node(script: &str) {
    let (redis, _origin, sidecar) = stage().await;
    let port = sidecar.addr().port().to_string();
    assert_fine(&node(script, &[&port, "well"]).await);
    take_redis_away(&redis, &sidecar).await;
    assert_fine(&node(script, &[&port, "away"]).await);
}

#[tokio::test]
async fn node_redis_works_and_goes_on_working_when_redis_is_killed() {
    on_node(include_str!("clients/node_redis.js")).await;
}

#[tokio::test]
async fn ioredis_works_and_goes_on_working_when_redis_is_killed() {
    on_node(include_str!("clients/ioredis.js")).await;
}
