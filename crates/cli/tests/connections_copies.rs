//! What clients write on connections of their own makes local copies void: a transaction when it is carried out, and what
//! is not answered when it is sent.
#![allow(clippy::unwrap_used)]

mod tools;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use tools::{PATIENCE, reaches, shown, start};

#[tokio::test]
async fn a_transaction_voids_local_copies_when_it_is_carried_out() {
    let redis = Redis::start().await;
    let sidecar = cached(&redis).await;
    let mut reader = HostileClient::connect(sidecar.addr()).await;
    let mut writer = HostileClient::connect(sidecar.addr()).await;
    for round in 0..5 {
        redis.command(&["SET", "page:1", "old"]).await;
        assert_eq!(reader.ask(&["GET", "page:1"], PATIENCE).await, "$3\r\nold\r\n");
        writer.ask(&["MULTI"], PATIENCE).await;
        writer.ask(&["SET", "page:1", &format!("new{round}")], PATIENCE).await;
        // Learned again while the transaction is open.
        assert_eq!(reader.ask(&["GET", "page:1"], PATIENCE).await, "$3\r\nold\r\n");
        assert_eq!(writer.ask(&["EXEC"], PATIENCE).await, "*1\r\n+OK\r\n");
        redis.pause();
        let answer = reader.ask(&["GET", "page:1"], PATIENCE).await;
        redis.resume();
        assert!(answer.starts_with("-UNAVAILABLE"), "{answer}");
        reaches(&sidecar, "failsoft_node_circuit_state", &[("state", "closed")], 1.0).await;
        assert_eq!(redis.get("page:1").await, Some(format!("new{round}")));
    }
}

/// Without a reply there is nothing by which to know when it was carried out, so the copies go when it is sent.
#[tokio::test]
async fn a_transaction_that_is_not_answered_voids_local_copies_too() {
    let redis = Redis::start().await;
    let sidecar = cached(&redis).await;
    redis.command(&["SET", "page:1", "old"]).await;
    let mut reader = HostileClient::connect(sidecar.addr()).await;
    let mut writer = HostileClient::connect(sidecar.addr()).await;
    for words in [&["CLIENT", "REPLY", "OFF"][..], &["MULTI"], &["SET", "page:1", "new"]] {
        writer.send_command(words).await.unwrap();
    }
    reaches(&sidecar, "failsoft_node_dedicated_connections", &[], 1.0).await;
    eventually("the command to be queued", PATIENCE, || async {
        shown(format!("{:?}", redis.command(&["CLIENT", "LIST"]).await)).contains("multi=1 ")
    })
    .await;
    assert_eq!(reader.ask(&["GET", "page:1"], PATIENCE).await, "$3\r\nold\r\n");
    writer.send_command(&["EXEC"]).await.unwrap();
    eventually("the transaction", PATIENCE, || async { redis.get("page:1").await.as_deref() == Some("new") }).await;
    redis.pause();
    let answer = reader.ask(&["GET", "page:1"], PATIENCE).await;
    redis.resume();
    assert!(answer.starts_with("-UNAVAILABLE"), "{answer}");
}

async fn cached(redis: &Redis) -> Sidecar {
    let more = "redis.timeout = \"100ms\"\nbreaker.cooldown = \"100ms\"\nredis.probe_interval = \"20ms\"\nbreaker.probe_cooldown = \"100ms\"\n\
                [[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\nmax_stale = \"10m\"\n";
    start(&redis.url(), more).await
}
