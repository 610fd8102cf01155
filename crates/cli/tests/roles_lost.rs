//! docs/faults.md, rows 38, 41 and 42, role by role: Redis is well and has forgotten. What it answers is the answer.
//!
//! No role can bring back what is nowhere. What can be promised is that nobody is told from a memory of failsoft's own what
//! Redis does not hold any more, and how much is lost: as many writes as the failover lost, and no more.
#![allow(clippy::unwrap_used)]

mod common;

use common::replies::{bulk, from_origin};
use common::{Client, PATIENCE, Settings, Stage, sidecar};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sentinel::{NAME, Sentinels, Server};
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

const NIL: &str = "$-1\r\n";
const OK: &str = "+OK\r\n";
/// Acknowledged and never replicated.
const LOST: i64 = 200;

/// A route for each role that loses something of its own.
fn routes(settings: Settings) -> Settings {
    settings
        .route("keys = 'limit:*'\nrole = 'rate-limit'")
        .route("keys = 'once:*'\nrole = 'idempotency'")
        .route("keys = 'flag:*'\nrole = 'flag'\ndefault = 'off'")
}

async fn before(group: &Sentinels) -> Sidecar {
    let nodes: Vec<String> = group.sentinels().iter().map(|one| format!("'redis://{}'", one.addr())).collect();
    let settings = Settings::new("")
        .set("redis.topology", "'sentinel'")
        .set("redis.master_name", &format!("'{NAME}'"))
        .set("redis.nodes", &format!("[{}]", nodes.join(", ")));
    sidecar(&routes(settings)).await
}

async fn wait_written(sidecar: &Sidecar) {
    eventually("writes to flow", 3 * PATIENCE, async || {
        Client::connect(sidecar.addr()).await.ask(&["SET", "plain:1", "x"]).await == OK
    })
    .await;
}

/// Right: the successor's word is everybody's: who logged in meanwhile is asked to do it again and who had been logged in
/// before is not, a limit lets as many through again as were lost, a record that was lost is no proof that nothing was done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_38_a_failover_loses_what_it_loses_and_nothing_else() {
    let group = Sentinels::builder().replicas(1).partitionable().start().await;
    let sidecar = before(&group).await;
    wait_written(&sidecar).await;
    let mut client = Client::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["SET", "session:before", "cart"]).await, OK);
    assert_eq!(client.ask(&["SET", "flag:1", "on"]).await, OK);
    assert_eq!(client.ask(&["INCR", "limit:1"]).await, ":1\r\n");
    let primary = group.primary().await;
    let replica = group.replicas().await[0];
    wait_copied(primary.redis(), replica).await;

    group.partition(&[primary], &[replica]);
    assert_eq!(client.ask(&["SET", "session:meanwhile", "cart"]).await, OK);
    assert_eq!(client.ask(&["SET", "once:1", "done", "NX"]).await, OK);
    assert_eq!(client.ask(&["SET", "flag:1", "off"]).await, OK);
    assert_eq!(client.get("flag:1").await, bulk("off"));
    for count in 0..LOST {
        assert_eq!(client.ask(&["INCR", "limit:1"]).await, format!(":{}\r\n", count + 2));
    }
    primary.kill().await;
    group.wait_promoted(primary).await;
    wait_written(&sidecar).await;

    assert_eq!(client.get("session:before").await, bulk("cart"));
    assert_eq!(client.get("session:meanwhile").await, NIL);
    assert_eq!(client.get("flag:1").await, bulk("on"), "no copy of what was lost");
    assert_eq!(client.ask(&["INCR", "limit:1"]).await, ":2\r\n", "{LOST} may pass once more, and not one in addition");
    assert_eq!(client.ask(&["SET", "once:1", "done", "NX"]).await, OK, "absence is no proof");
}

async fn wait_copied(primary: &Redis, replica: &Server) {
    eventually("the replica to have all", PATIENCE, async || {
        replica.command(&["GET", "limit:1"]).await == primary.command(&["GET", "limit:1"]).await
            && replica.command(&["DBSIZE"]).await == primary.command(&["DBSIZE"]).await
    })
    .await;
}

/// Right: what was evicted is not there, whoever asks. A cache makes it anew, a session and a flag are nil, a
/// limit begins anew, a lock can be taken.
#[tokio::test]
async fn row_41_what_was_evicted_is_gone_for_every_role() {
    let stage = Stage::with(|settings| routes(settings.patient())).await;
    put_one_of_each(&stage).await;
    stage.redis.config_set("maxmemory-policy", "allkeys-random").await;
    stage.redis.config_set("maxmemory", "3mb").await;
    let filler = "x".repeat(10_000);
    let mut written = 0;
    while stage.redis.command(&["EXISTS", "user:1", "session:1", "limit:1", "flag:1", "lock:1"]).await
        != redis::Value::Int(0)
    {
        written += 1;
        stage.redis.command(&["SET", &format!("filler:{written}"), &filler]).await;
    }
    assert_forgotten(&stage).await;
}

/// Right: the same of a Redis that has been emptied by somebody else.
#[tokio::test]
async fn row_42_what_was_flushed_is_gone_for_every_role() {
    let stage = Stage::with(|settings| routes(settings.patient())).await;
    put_one_of_each(&stage).await;
    stage.redis.command(&["FLUSHALL"]).await;
    assert_forgotten(&stage).await;
}

/// Puts a value under a key of each role, and has failsoft read what it may remember.
async fn put_one_of_each(stage: &Stage) {
    for (key, value) in
        [("user:1", "old"), ("session:1", "cart"), ("limit:1", "7"), ("flag:1", "on"), ("lock:1", "held")]
    {
        stage.put(key, value).await;
        assert_eq!(stage.get(key).await, bulk(value));
    }
}

async fn assert_forgotten(stage: &Stage) {
    assert_eq!(stage.get("user:1").await, from_origin(1));
    assert_eq!(stage.get("session:1").await, NIL);
    assert_eq!(stage.get("flag:1").await, NIL, "neither the copy nor the default: there is no such flag");
    assert_eq!(stage.ask(&["INCR", "limit:1"]).await, ":1\r\n");
    assert_eq!(stage.ask(&["SET", "lock:1", "mine", "NX"]).await, OK);
}
