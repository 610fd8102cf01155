//! Bugs that needed two things at once, each kept from coming back by the interleaving that showed it.
#![allow(clippy::unwrap_used)]

mod tools;

use std::time::Duration;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::origin::{HttpOrigin, OriginMode};
use failsoft_testkit::proxy::{FaultProxy, Mode};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use tools::{PATIENCE, ask_all, bulk, command, gets, metric, on_own_thread, shown, start};

fn users(origin: &str, more: &str) -> String {
    format!(
        r#"
[origins.catalogue]
url = "{origin}"
max_concurrency = 20
max_rate = 1000

[[routes]]
keys = "user:{{id:int}}"
role = "cache"
origin = "catalogue"
get = "/users/{{id}}"
max_stale = "10m"
{more}
"#
    )
}

async fn get(sidecar: &Sidecar, key: &str) -> Vec<u8> {
    ask_all(sidecar.addr(), 1, &gets([key.to_owned()])).await.remove(0)
}

/// Commands that are answered at once behind a full pipeline were kept, and then nobody was woken to write their replies.
#[tokio::test]
async fn what_is_answered_at_once_behind_a_full_pipeline_is_written() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "").await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let mut requests = command(&["GET", "nothing"]).repeat(1_024);
    requests.extend(command(&["PING"]).repeat(2_500));
    requests.extend(command(&["QUIT"]));
    client.send(requests).await.unwrap();
    let closed = client.read_until_closed(PATIENCE).await;
    let expected = ["$-1\r\n".repeat(1_024), "+PONG\r\n".repeat(2_500), "+OK\r\n".to_owned()].concat();
    assert!(shown(&closed.bytes) == expected, "{} bytes of {}", closed.bytes.len(), expected.len());
}

/// A load that was under way when its key was deleted filled Redis with the old value, on routes without local copies.
#[tokio::test]
async fn a_delete_during_a_load_keeps_it_from_being_written_back() {
    let (redis, origin) = (Redis::start().await, on_own_thread(HttpOrigin::start()).await);
    let sidecar = start(&redis.url(), &users(&origin.url(), "tiers = { local = false }")).await;
    origin.set_latency(Duration::from_millis(300));
    let loading = tokio::spawn({
        let addr = sidecar.addr();
        async move { ask_all(addr, 1, &gets(["user:1".to_owned()])).await }
    });
    eventually("the load", PATIENCE, || async { origin.requests() == 1 }).await;
    assert_eq!(HostileClient::connect(sidecar.addr()).await.ask(&["DEL", "user:1"], PATIENCE).await, ":0\r\n");
    assert_eq!(loading.await.unwrap(), [bulk(HttpOrigin::body_of("users", 1))]);
    eventually("the value to be dropped", PATIENCE, || async {
        metric(&sidecar, "failsoft_write_back_dropped_total", &[("reason", "invalidated")]).await == 1.0
    })
    .await;
    assert_eq!(redis.get("user:1").await, None);
}

/// A script can return any error word; taken for the node's own, it opened the circuit for everybody.
#[tokio::test]
async fn a_scripts_error_word_is_its_own() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "[[routes]]\nkeys = \"session:*\"\nrole = \"session\"\n").await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let script = "redis.call('INCR', KEYS[1]) return redis.error_reply('BUSY try later')";
    for _ in 0..20 {
        let reply = client.ask(&["EVAL", script, "1", "session:n"], PATIENCE).await;
        assert_eq!(reply, "-BUSY try later\r\n");
    }
    assert_eq!(client.ask(&["GET", "session:n"], PATIENCE).await, "$2\r\n20\r\n");
    let opened = metric(&sidecar, "failsoft_node_circuit_opened_total", &[("tier", "primary")]).await;
    assert_eq!(opened, 0.0);
}

/// A copy taken from a replica that had not caught up outlived the primary's word that there is no such value.
#[tokio::test]
async fn what_a_lagging_replica_says_is_not_remembered() {
    let primary = Redis::start().await;
    primary.command(&["SET", "page:1", "deleted long ago"]).await;
    let link = FaultProxy::start(primary.addr()).await;
    let lagging = Redis::builder().replica_of_addr(link.addr()).start().await;
    eventually("the replica to have the value", PATIENCE, || async { lagging.get("page:1").await.is_some() }).await;
    let more = format!(
        "redis.replicas = [\"{}\"]\n[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\nmax_stale = \"10m\"\n",
        lagging.url()
    );
    let sidecar = start(&primary.url(), &more).await;
    eventually("the replica to be measured", PATIENCE, || async {
        metric(&sidecar, "failsoft_node_replica_usable", &[]).await == 1.0
    })
    .await;
    link.set_mode(Mode::Refuse).await;
    primary.command(&["DEL", "page:1"]).await;
    primary.kill().await;
    assert_eq!(shown(get(&sidecar, "page:1").await), "$16\r\ndeleted long ago\r\n");
    lagging.kill().await;
    let reply = shown(get(&sidecar, "page:1").await);
    assert!(reply.starts_with("-UNAVAILABLE "), "{reply}");
}

/// Keys that the origin refuses, which any client can choose, opened the origin's circuit for all others.
#[tokio::test]
async fn keys_that_the_origin_refuses_take_it_from_nobody() {
    let (redis, origin) = (Redis::start().await, on_own_thread(HttpOrigin::start()).await);
    let sidecar = start(&redis.url(), &users(&origin.url(), "")).await;
    origin.set_mode(OriginMode::Fail(400)).await;
    for reply in ask_all(sidecar.addr(), 1, &gets((1..=20).map(|id| format!("user:{id}")))).await {
        assert!(shown(&reply).contains("reason=origin_refused"), "{}", shown(&reply));
    }
    origin.set_mode(OriginMode::Answer).await;
    assert_eq!(get(&sidecar, "user:21").await, bulk(HttpOrigin::body_of("users", 21)));
}

/// Whoever waited for a connection that was being made waited for as long as that took, whatever his own deadline.
#[tokio::test]
async fn nobody_waits_for_a_connection_beyond_his_own_time() {
    let (redis, origin) = (Redis::start().await, on_own_thread(HttpOrigin::start()).await);
    redis.pause();
    let more = format!("redis.connect_timeout = \"30s\"\nredis.timeout = \"100ms\"\n{}", users(&origin.url(), ""));
    let sidecar = start(&redis.url(), &more).await;
    assert_eq!(get(&sidecar, "user:1").await, bulk(HttpOrigin::body_of("users", 1)));
}

/// An idle client kept the old settings' connections, and their probes, alive.
#[tokio::test]
async fn an_idle_client_does_not_keep_an_old_primary_connected() {
    let (old, new) = (Redis::start().await, Redis::start().await);
    let sidecar = start(&old.url(), "").await;
    let mut idle = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(idle.ask(&["SET", "k", "v"], PATIENCE).await, "+OK\r\n");
    let settings = std::fs::read_to_string(sidecar.settings_path()).unwrap();
    sidecar.reload(&settings.replace(&old.url(), &new.url()));
    eventually("the old primary to be left alone", PATIENCE, || async {
        old.info("clients").await["connected_clients"] == "1"
    })
    .await;
    assert_eq!(idle.ask(&["GET", "k"], PATIENCE).await, "$-1\r\n");
}

/// Commands of one client went over several connections to Redis, which took them up in any order.
#[tokio::test]
async fn a_client_reads_what_it_has_just_written_whatever_the_number_of_connections() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "redis.connections = 4\n").await;
    let pairs: Vec<_> =
        (0..400).map(|turn| (command(&["SET", "k", &turn.to_string()]), command(&["GET", "k"]))).collect();
    let expected: String = (0..400).map(|turn| format!("+OK\r\n{}", shown(bulk(turn.to_string())))).collect();
    let mut client = HostileClient::connect(sidecar.addr()).await;
    client.send(pairs.into_iter().flat_map(|(set, get)| [set, get].concat()).collect::<Vec<u8>>()).await.unwrap();
    assert_eq!(shown(client.read_exactly(expected.len(), PATIENCE).await), expected);
}
