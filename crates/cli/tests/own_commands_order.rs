//! docs/commands.md: failsoft's own commands among a client's others: what goes on beside what, and what keeps its order.
#![allow(clippy::unwrap_used)]

mod tools;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use tools::{PATIENCE, ask_all, command, metric, shown, start};

/// A grant waits for a replica that there is none of.
const ROUTES: &str = "request.deadline = \"40s\"\nredis.timeout = \"2s\"\n\
    [[routes]]\nkeys = \"lock:*\"\nrole = \"lock\"\nwait_replicas = 1\nwait_timeout = \"10s\"\n\
    [[routes]]\nkeys = \"limit:*\"\nrole = \"rate-limit\"\n\
    [[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nmax_stale = \"1m\"\n";

async fn stage() -> (Redis, Sidecar) {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), ROUTES).await;
    (redis, sidecar)
}

fn words(call: &str) -> Vec<u8> {
    command(&call.split(' ').collect::<Vec<_>>())
}

#[tokio::test]
async fn a_lock_that_takes_its_time_holds_up_nobody_elses_keys() {
    let (redis, sidecar) = stage().await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let calls = ["FAILSOFT LIMIT limit:a 5 60000", "FAILSOFT LOCK lock:a 60000", "SET page:1 x"];
    let more = ["FAILSOFT LIMIT limit:b 5 60000", "FAILSOFT LOCK lock:b 60000", "SET limit:c 1"];
    client.send(calls.into_iter().chain(more).flat_map(words).collect::<Vec<u8>>()).await.unwrap();
    eventually("what is about other keys", PATIENCE, || async {
        let (page, limit, lock) = (redis.get("page:1").await, redis.get("limit:b").await, redis.get("lock:b").await);
        page.is_some() && limit.is_some() && lock.is_some()
    })
    .await;
    assert!(redis.get("lock:a").await.is_some(), "still waiting for its replica");
    assert_eq!(redis.get("limit:c").await, None, "it may be about a key of those before it");
    assert_eq!(metric(&sidecar, "failsoft_leases_total", &[("command", "lock")]).await, 0.0);
}

#[tokio::test]
async fn commands_about_the_same_key_are_carried_out_in_their_order() {
    let (_redis, sidecar) = stage().await;
    let once = "FAILSOFT LIMIT limit:a 1 60000";
    let calls = [once, once, "DEL limit:a", once, once, "EVAL redis.call('DEL','limit:a') 0", once];
    let commands: Vec<Vec<u8>> = calls.iter().cycle().take(calls.len() * 20).map(|call| words(call)).collect();
    let replies = ask_all(sidecar.addr(), 1, &commands).await;
    for (round, replies) in replies.chunks(calls.len()).enumerate() {
        let told: Vec<String> = replies.iter().map(|reply| shown(reply).chars().take(6).collect()).collect();
        let first = if round == 0 { "*5\r\n:1" } else { "*5\r\n:0" };
        let expected = [first, "*5\r\n:0", ":1\r\n", "*5\r\n:1", "*5\r\n:0", "$-1\r\n", "*5\r\n:1"];
        assert_eq!(told, expected, "round {round}");
    }
}

#[tokio::test]
async fn many_at_once_are_answered_each_in_its_place() {
    let (_redis, sidecar) = stage().await;
    let calls = (1..=300).map(|cost| words(&format!("FAILSOFT LIMIT limit:{cost} 1000 60000 1000 {cost}")));
    let replies = ask_all(sidecar.addr(), 1, &calls.collect::<Vec<_>>()).await;
    for (cost, reply) in (1..=300).zip(&replies) {
        assert!(shown(reply).starts_with(&format!("*5\r\n:1\r\n:{}\r\n", 1_000 - cost)), "{cost}: {}", shown(reply));
    }
}
