//! Applications that make missing values themselves: one caller per key goes to the database, and the others wait for what
//! it writes, whichever way it writes it.
//!
//! Nobody waits by the clock here: waits are long, and a test that has to sit one out would not end in time.
#![allow(clippy::unwrap_used)]

mod common;

use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;

use common::replies::{assert_error, assert_unavailable, bulk};
use common::{Client, PATIENCE, Stage};

const NIL: &str = "$-1\r\n";

/// A lease and a wait that outlast the test.
const LONG: &str = "keys = 'made:*'\nrole = 'cache'\nlease = '5m'\nlease_wait = '30s'\ndeadline = '1m'";

async fn stage(route: &str) -> Stage {
    Stage::with(|settings| settings.set("request.deadline", "'1m'").route(route)).await
}

impl Stage {
    async fn leases(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.count(&format!("failsoft_lease_{name}"), labels).await
    }

    /// Returns when so many callers wait.
    async fn await_waiting(&self, callers: u64) {
        eventually("callers to wait", PATIENCE, || async { self.leases("waiting", &[]).await == callers }).await;
    }

    /// A client that holds the lease of `key`.
    async fn leader(&self, key: &str) -> Client {
        let mut leader = self.client().await;
        assert_eq!(leader.get(key).await, NIL);
        leader
    }

    /// Another one, which waits for it.
    async fn follower(&self, words: &[&str], waiting: u64) -> Client {
        let mut follower = self.client().await;
        follower.send(words).await;
        self.await_waiting(waiting).await;
        follower
    }
}

#[tokio::test]
async fn others_wait_for_what_one_writes_and_then_have_it() {
    let stage = stage(LONG).await;
    let mut leader = stage.leader("made:1").await;
    let mut others = Vec::new();
    for waiting in 1..=5 {
        others.push(stage.follower(&["GET", "made:1"], waiting).await);
    }
    assert_eq!(leader.ask(&["SET", "made:1", "value", "EX", "60"]).await, "+OK\r\n");
    for other in &mut others {
        assert_eq!(other.reply().await, bulk("value"));
    }
    assert_eq!(stage.leases("granted_total", &[]).await, 1);
    assert_eq!(stage.leases("waits_total", &[("result", "filled")]).await, 5);
    assert_eq!(stage.count("failsoft_lease_held", &[]).await, 0);
}

#[tokio::test]
async fn whatever_writes_the_key_fills_it() {
    let stage = stage(LONG).await;
    let ways: [(&str, &[&str], &[&str], String); 5] = [
        ("made:a", &["GET", "made:a"], &["SETEX", "made:a", "60", "v"], bulk("v")),
        ("made:b", &["GET", "made:b"], &["MSET", "made:b", "v", "made:c", "w"], bulk("v")),
        ("made:d", &["HGETALL", "made:d"], &["HSET", "made:d", "f", "v"], format!("*2\r\n{}{}", bulk("f"), bulk("v"))),
        ("made:e", &["STRLEN", "made:e"], &["APPEND", "made:e", "vvv"], ":3\r\n".to_owned()),
        (
            "made:f",
            &["HGET", "made:f", "f"],
            &["EVAL", "return redis.call('HSET', KEYS[1], 'f', 'v')", "1", "made:f"],
            bulk("v"),
        ),
    ];
    for (key, read, write, value) in ways {
        let mut leader = stage.client().await;
        leader.ask(read).await;
        let mut other = stage.follower(read, 1).await;
        leader.ask(write).await;
        assert_eq!(other.reply().await, value, "{key}");
    }
}

#[tokio::test]
async fn a_transaction_fills_what_it_writes_once_it_is_carried_out() {
    let stage = stage(LONG).await;
    let mut leader = stage.leader("made:1").await;
    let mut other = stage.follower(&["GET", "made:1"], 1).await;
    for words in [&["MULTI"][..], &["SET", "made:1", "value"]] {
        leader.ask(words).await;
    }
    assert_eq!(stage.leases("waiting", &[]).await, 1, "nothing has been written yet");
    leader.ask(&["EXEC"]).await;
    assert_eq!(other.reply().await, bulk("value"));
}

#[tokio::test]
async fn a_transaction_that_is_not_carried_out_fills_nothing() {
    let stage = stage(LONG).await;
    let mut leader = stage.leader("made:1").await;
    let mut other = stage.follower(&["GET", "made:1"], 1).await;
    leader.ask(&["WATCH", "plan:1"]).await;
    stage.put("plan:1", "changed").await;
    for words in [&["MULTI"][..], &["SET", "made:1", "early"]] {
        leader.ask(words).await;
    }
    assert_eq!(leader.ask(&["EXEC"]).await, "*-1\r\n");
    assert_eq!(stage.leases("waiting", &[]).await, 1);
    leader.ask(&["SET", "made:1", "value"]).await;
    assert_eq!(other.reply().await, bulk("value"));
}

#[tokio::test]
async fn a_write_that_was_refused_fills_nothing() {
    let stage = stage(LONG).await;
    let mut leader = stage.leader("made:1").await;
    let mut other = stage.follower(&["GET", "made:1"], 1).await;
    assert_error(&leader.ask(&["SETEX", "made:1", "-1", "value"]).await, "ERR");
    assert_eq!(stage.leases("waiting", &[]).await, 1);
    leader.ask(&["SET", "made:1", "value"]).await;
    assert_eq!(other.reply().await, bulk("value"));
}

#[tokio::test]
async fn a_client_does_not_wait_for_itself() {
    let stage = stage(LONG).await;
    let mut client = stage.client().await;
    let get = vec!["GET", "made:1"];
    assert_eq!(client.pipeline(&[get.clone(), get.clone(), get.clone()]).await, [NIL, NIL, NIL]);
    assert_eq!(client.ask(&["MGET", "made:1", "made:1", "made:2"]).await, format!("*3\r\n{NIL}{NIL}{NIL}"));
    assert_eq!(stage.leases("passed_total", &[("reason", "own")]).await, 4);
}

#[tokio::test]
async fn what_a_client_asks_while_it_waits_is_done_and_answered_in_order() {
    let stage = stage(LONG).await;
    let mut leader = stage.leader("made:1").await;
    let mut other = stage.follower(&["GET", "made:1"], 1).await;
    other.send(&["SET", "made:2", "x"]).await;
    other.send(&["GET", "made:2"]).await;
    eventually("the write behind it", PATIENCE, || async { stage.redis.get("made:2").await.is_some() }).await;
    leader.ask(&["SET", "made:1", "value"]).await;
    let replies = [other.reply().await, other.reply().await, other.reply().await];
    assert_eq!(replies, [bulk("value"), "+OK\r\n".to_owned(), bulk("x")]);
}

#[tokio::test]
async fn a_deletion_has_the_next_make_it() {
    let stage = stage(LONG).await;
    let mut leader = stage.leader("made:1").await;
    let mut next = stage.follower(&["GET", "made:1"], 1).await;
    assert_eq!(leader.ask(&["DEL", "made:1"]).await, ":0\r\n");
    assert_eq!(next.reply().await, NIL);
    assert_eq!(stage.leases("ended_total", &[("how", "voided")]).await, 1);
}

#[tokio::test]
async fn many_keys_are_waited_for_together() {
    let stage = stage(LONG).await;
    let mut leader = stage.client().await;
    leader.ask(&["MGET", "made:1", "made:2", "made:3"]).await;
    let mut other = stage.follower(&["MGET", "made:3", "made:2", "made:1"], 3).await;
    leader.ask(&["MSET", "made:1", "a", "made:2", "b", "made:3", "c"]).await;
    assert_eq!(other.reply().await, format!("*3\r\n{}{}{}", bulk("c"), bulk("b"), bulk("a")));
}

#[tokio::test]
async fn whether_a_key_is_there_is_no_question_that_anybody_answers_by_making_it() {
    let stage = stage(LONG).await;
    let _leader = stage.leader("made:1").await;
    assert_eq!(stage.ask(&["EXISTS", "made:1"]).await, ":0\r\n");
    stage.redis.kill().await;
    assert_unavailable(&stage.ask(&["EXISTS", "made:1"]).await);
}

#[tokio::test]
async fn who_leads_and_writes_nothing_is_followed_by_the_next() {
    let stage = stage("keys = 'made:*'\nrole = 'cache'\nlease = '200ms'\nlease_wait = '30s'\ndeadline = '1m'").await;
    drop(stage.leader("made:1").await);
    assert_eq!(stage.get("made:1").await, NIL);
    assert_eq!(stage.leases("granted_total", &[]).await, 2);
}

#[tokio::test]
async fn a_key_that_nobody_writes_stops_making_its_readers_wait() {
    let stage = stage("keys = 'made:*'\nrole = 'cache'\nlease = '50ms'\nlease_wait = '30s'\ndeadline = '1m'").await;
    eventually("the key to be known", PATIENCE, || async {
        stage.get("made:1").await;
        stage.leases("uncacheable_keys", &[]).await == 1
    })
    .await;
    let waited = stage.leases("granted_total", &[]).await;
    for _ in 0..20 {
        assert_eq!(stage.get("made:1").await, NIL);
    }
    assert_eq!(stage.leases("granted_total", &[]).await, waited);
    stage.ask(&["SET", "made:1", "value"]).await;
    stage.ask(&["DEL", "made:1"]).await;
    stage.get("made:1").await;
    assert_eq!(stage.leases("granted_total", &[]).await, waited + 1, "a key that was written is no such key");
}

#[tokio::test]
async fn no_more_callers_are_sent_to_the_database_than_it_can_bear() {
    let stage = stage("keys = 'made:*'\nrole = 'cache'\nmax_misses = 1\nlease_wait = '100ms'").await;
    let mut client = stage.client().await;
    assert_eq!(client.get("made:1").await, NIL);
    let mut told = Vec::new();
    for key in 2..10 {
        told.push(client.get(&format!("made:{key}")).await);
    }
    assert_error(&told[0], "OVERLOADED");
    assert!(told.iter().all(|reply| reply == NIL || reply.starts_with("-OVERLOADED ")), "{told:?}");
    assert!(stage.leases("shed_total", &[]).await >= 1);
}

#[tokio::test]
async fn without_a_lease_everybody_makes_it() {
    let stage = stage("keys = 'made:*'\nrole = 'cache'\nlease = '0s'").await;
    for _ in 0..3 {
        assert_eq!(stage.get("made:1").await, NIL);
    }
    stage.redis.kill().await;
    assert_unavailable(&stage.get("made:1").await);
}

#[tokio::test]
async fn while_redis_is_away_one_caller_is_sent_to_the_database_and_the_others_are_served_what_there_is() {
    let stage = stage("keys = 'made:*'\nrole = 'cache'\nttl = '10ms'\nmax_stale = '10m'\nlease_wait = '50ms'").await;
    stage.put("made:1", "old").await;
    assert_eq!(stage.get("made:1").await, bulk("old"));
    stage.redis.kill().await;
    eventually("somebody to be sent to the database", PATIENCE, || async { stage.get("made:1").await == NIL }).await;
    assert_eq!(stage.get("made:1").await, bulk("old"));
    assert_eq!(stage.get("made:2").await, NIL);
    assert!(stage.leases("waits_total", &[("result", "stale")]).await >= 1);
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_leaves_nothing_behind() {
    let stage = stage("keys = 'made:*'\nrole = 'cache'\nlease = '5m'\nlease_wait = '300ms'").await;
    let _leader = stage.leader("made:1").await;
    drop(stage.follower(&["GET", "made:1"], 1).await);
    stage.await_waiting(0).await;
    eventually("its task to end", PATIENCE, || async { stage.count("failsoft_fallback_tasks", &[]).await == 0 }).await;
}

#[tokio::test]
async fn who_waits_does_not_keep_failsoft_from_stopping() {
    let stage =
        Stage::with(|settings| settings.set("request.deadline", "'1m'").set("server.drain", "'1m'").route(LONG)).await;
    let _leader = stage.leader("made:1").await;
    let mut other = stage.follower(&["GET", "made:1"], 1).await;
    let (_, reply) = tokio::join!(stage.sidecar.terminate(), other.reply());
    assert_eq!(reply, NIL);
}

#[tokio::test]
async fn settings_that_leave_the_route_alone_leave_its_leases_alone() {
    let stage = stage(LONG).await;
    let mut leader = stage.leader("made:1").await;
    stage.sidecar.reload(&stage.settings.clone().set("request.attempts", "1").to_string());
    eventually("the new settings", PATIENCE, || async { stage.state().await["generation"].as_u64() > Some(0) }).await;
    let mut other = stage.follower(&["GET", "made:1"], 1).await;
    leader.ask(&["SET", "made:1", "value"]).await;
    assert_eq!(other.reply().await, bulk("value"));
}

#[tokio::test]
async fn a_copy_in_front_does_not_hide_what_was_written() {
    let stage = stage(&format!("{LONG}\nlocal = 'front'")).await;
    let mut leader = stage.leader("made:1").await;
    let mut other = stage.follower(&["GET", "made:1"], 1).await;
    leader.ask(&["SET", "made:1", "value"]).await;
    assert_eq!(other.reply().await, bulk("value"));
}

#[tokio::test]
async fn a_replica_that_is_asked_first_does_not_hide_what_was_written() {
    let primary = Redis::start().await;
    let replica = Redis::builder().replica_of(&primary).start().await;
    replica.wait_synced().await;
    let route = format!("{LONG}\nread_from = 'replica'");
    let stage = Stage::on(primary, |settings| {
        settings.set("redis.replicas", &format!("['{}']", replica.url())).set("request.deadline", "'1m'").route(&route)
    })
    .await;
    stage.settled().await;
    let mut leader = stage.leader("made:1").await;
    let mut other = stage.follower(&["GET", "made:1"], 1).await;
    // From here on the replica hears nothing of what is written.
    replica.pause();
    leader.ask(&["SET", "made:1", "value"]).await;
    assert_eq!(other.reply().await, bulk("value"));
    replica.resume();
}

#[tokio::test]
async fn the_state_tells_of_leases() {
    let stage = stage(LONG).await;
    let _leader = stage.leader("made:1").await;
    let state = stage.state().await;
    let route = state["routes"].as_array().unwrap().iter().find(|route| route["keys"] == "made:*").unwrap();
    assert_eq!((route["leases"]["held"].as_u64(), route["leases"]["granted"].as_u64()), (Some(1), Some(1)));
    assert_eq!(route["requests"]["primary_hit"].as_u64(), Some(1), "the primary has said that it is absent");
}
