//! What is written to cache routes while Redis cannot take it is kept here or remembered, and what Redis held of it before
//! is never served again: FAULTS of every kind, one at a time.
#![allow(clippy::unwrap_used)]

mod common;

use failsoft_testkit::proxy::{Mode, OneShot};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;

use common::replies::{assert_error, assert_unavailable, bulk, from_origin};
use common::{Client, PATIENCE, Stage};

const NIL: &str = "$-1\r\n";
const OK: &str = "+OK\r\n";

/// Returns when nothing is left to be replayed or swept.
async fn emptied(stage: &Stage) {
    eventually("the journal to be empty", PATIENCE, || async {
        stage.count("failsoft_journal_entries", &[]).await == 0
            && stage.count("failsoft_journal_stale_routes", &[]).await == 0
    })
    .await;
}

#[tokio::test]
async fn what_redis_cannot_take_is_answered_here_and_what_it_held_is_gone_when_it_is_back() {
    let stage = Stage::start().await;
    for key in ["page:set", "page:setex", "page:mset", "page:del", "page:expire", "page:incr"] {
        stage.put(key, "1").await;
    }
    stage.proxy.set_mode(Mode::Refuse).await;
    let mut client = stage.client().await;
    assert_eq!(client.ask(&["SET", "page:set", "new", "EX", "60"]).await, OK);
    assert_eq!(client.ask(&["SETEX", "page:setex", "60", "new"]).await, OK);
    assert_eq!(client.ask(&["MSET", "page:mset", "new", "page:other", "new"]).await, OK);
    assert_eq!(client.ask(&["DEL", "page:del", "page:nothing"]).await, ":2\r\n");
    assert_eq!(client.ask(&["EXPIRE", "page:expire", "5"]).await, ":1\r\n");
    assert_unavailable(&client.ask(&["INCR", "page:incr"]).await);
    for key in ["page:set", "page:setex", "page:mset", "page:other"] {
        assert_eq!(client.get(key).await, bulk("new"), "{key}");
    }
    assert_eq!(client.ask(&["MGET", "page:set", "page:mset"]).await, "*2\r\n$3\r\nnew\r\n$3\r\nnew\r\n");
    assert_unavailable(&client.get("page:del").await);
    stage.proxy.set_mode(Mode::Pass).await;
    emptied(&stage).await;
    for key in ["page:set", "page:setex", "page:mset", "page:del", "page:expire", "page:incr"] {
        assert_eq!((stage.redis.get(key).await, client.get(key).await.as_str()), (None, NIL), "{key}");
    }
    assert_eq!(stage.count("failsoft_gutter_kept_total", &[]).await, 4);
    assert_eq!(client.ask(&["SET", "page:set", "newer"]).await, OK);
    assert_eq!(stage.redis.get("page:set").await.as_deref(), Some("newer"));
}

#[tokio::test]
async fn only_what_would_surely_be_done_is_told_as_done_and_other_roles_are_as_before() {
    let stage = Stage::start().await;
    stage.proxy.set_mode(Mode::Refuse).await;
    let mut client = stage.client().await;
    for words in [
        &["SET", "page:1", "v", "NX"][..],
        &["SET", "page:1", "v", "GET"],
        &["SET", "page:1", "v", "EX", "0"],
        &["SETNX", "page:1", "v"],
        &["GETDEL", "page:1"],
        &["HSET", "page:1", "f", "v"],
        &["EVAL", "return redis.call('SET', KEYS[1], 'v')", "1", "page:1"],
        &["MSET", "page:1", "v", "session:1", "v"],
        &["DEL", "page:1", "session:1"],
        &["SET", "session:1", "v"],
        &["DEL", "session:1"],
        &["SET", "lock:1", "v"],
        &["SET", "plain", "v"],
        &["DEL", "plain"],
    ] {
        assert_unavailable(&client.ask(words).await);
    }
    assert_eq!(stage.count("failsoft_gutter_kept_total", &[]).await, 0);
    assert_eq!(stage.count("failsoft_journal_entries", &[("phase", "pending")]).await, 1, "page:1");
}

#[tokio::test]
async fn a_value_is_kept_no_longer_than_it_would_have_lived_and_is_never_served_stale() {
    let stage =
        Stage::with(|settings| settings.route("keys = 'news:*'\nrole = 'cache'\nlease = '0s'\nmax_stale = '1h'")).await;
    stage.proxy.set_mode(Mode::Refuse).await;
    let mut client = stage.client().await;
    assert_eq!(client.ask(&["SET", "news:1", "v", "PX", "300"]).await, OK);
    assert_eq!(client.ask(&["SET", "news:2", "v", "PXAT", "1"]).await, OK);
    assert_unavailable(&client.get("news:2").await);
    eventually("the value to have lived", PATIENCE, || async { stage.get("news:1").await.starts_with("-UNAVAILABLE") })
        .await;
}

#[tokio::test]
async fn a_stopped_redis_that_wakes_and_carries_out_an_old_write_is_not_believed() {
    let stage = Stage::with(|settings| settings.set("redis.timeout", "'100ms'")).await;
    stage.put("page:1", "old").await;
    let mut client = stage.client().await;
    stage.redis.pause();
    assert_eq!(client.ask(&["SET", "page:1", "late"]).await, OK);
    assert_eq!(client.get("page:1").await, bulk("late"));
    assert_eq!(client.ask(&["SET", "page:1", "newest"]).await, OK);
    stage.redis.resume();
    while stage.count("failsoft_journal_entries", &[]).await > 0 {
        let seen = client.get("page:1").await;
        assert!(seen == bulk("newest") || seen == NIL || seen.starts_with("-UNAVAILABLE"), "{seen:?}");
    }
    assert_eq!(stage.redis.get("page:1").await, None);
    assert_eq!(client.get("page:1").await, NIL);
}

#[tokio::test]
async fn a_write_whose_reply_is_lost_is_done_here_and_deleted_there() {
    let stage = Stage::with(|settings| settings.set("redis.timeout", "'100ms'")).await;
    stage.put("page:1", "old").await;
    let mut client = stage.client().await;
    stage.proxy.set_mode(Mode::DropReplies).await;
    assert_eq!(client.ask(&["DEL", "page:1"]).await, ":1\r\n");
    assert_error(&client.ask(&["INCR", "page:2"]).await, "OUTCOMEUNKNOWN");
    stage.proxy.set_mode(Mode::Pass).await;
    emptied(&stage).await;
    assert_eq!((stage.redis.get("page:1").await, stage.redis.get("page:2").await), (None, None));
}

#[tokio::test]
async fn a_connection_that_is_reset_in_the_middle_of_a_pipeline_loses_no_write() {
    let stage = Stage::start().await;
    let keys: Vec<String> = (0..100).map(|number| format!("page:{number}")).collect();
    for key in &keys {
        stage.put(key, "old").await;
    }
    let commands: Vec<Vec<&str>> = keys.iter().map(|key| vec!["SET", key.as_str(), "new"]).collect();
    stage.proxy.nth(50, OneShot::Reset { after: 0 });
    let mut client = stage.client().await;
    assert!(client.pipeline(&commands).await.iter().all(|reply| reply == OK));
    emptied(&stage).await;
    for key in &keys {
        let held = stage.redis.get(key).await;
        assert!(held.is_none() || held.as_deref() == Some("new"), "{key} {held:?}");
    }
}

async fn refusing(stage: &Stage, case: &str) {
    match case {
        "OOM" => stage.redis.oom().await,
        "MISCONF" => stage.redis.misconf().await,
        "NOREPLICAS" => stage.redis.noreplicas().await,
        _ => stage.redis.readonly().await,
    }
}

#[tokio::test]
async fn a_redis_that_refuses_writes_serves_no_value_that_one_of_them_replaced() {
    for case in ["OOM", "MISCONF", "NOREPLICAS", "READONLY"] {
        let stage = Stage::start().await;
        for key in ["page:1", "page:2", "page:3"] {
            stage.put(key, "old").await;
        }
        refusing(&stage, case).await;
        let mut client = stage.client().await;
        assert_eq!(client.ask(&["SET", "page:1", "new"]).await, OK, "{case}");
        let seen = client.get("page:1").await;
        assert!(seen == bulk("new") || seen == NIL, "{case} {seen:?}");
        assert_eq!(client.ask(&["DEL", "page:2"]).await, ":1\r\n", "{case}");
        let seen = client.get("page:2").await;
        assert!(seen == NIL || seen.starts_with("-UNAVAILABLE"), "{case} {seen:?}");
        assert_eq!(client.get("page:3").await, bulk("old"), "{case}: reads of other keys go on");
        let refused = client.ask(&["INCR", "session:1"]).await;
        assert!(refused.starts_with('-'), "{case}: sessions are as they were: {refused:?}");
        stage.redis.heal().await;
        emptied(&stage).await;
        assert_eq!((stage.redis.get("page:1").await, stage.redis.get("page:2").await), (None, None), "{case}");
    }
}

#[tokio::test]
async fn what_a_command_is_refused_for_in_itself_is_passed_on_and_journals_nothing() {
    let stage = Stage::start().await;
    stage.redis.command(&["HSET", "page:hash", "f", "v"]).await;
    assert_error(&stage.ask(&["INCR", "page:hash"]).await, "WRONGTYPE");
    assert_error(&stage.ask(&["SET", "page:1", "v", "EX", "0"]).await, "ERR");
    assert_eq!(stage.count("failsoft_journal_added_total", &[]).await, 0);
}

#[tokio::test]
async fn a_route_with_an_origin_loads_what_was_invalidated_and_never_asks_redis_for_it() {
    let stage = Stage::start().await;
    stage.put("user:7", "old").await;
    stage.proxy.set_mode(Mode::Refuse).await;
    let mut client = stage.client().await;
    assert_eq!(client.ask(&["DEL", "user:7"]).await, ":1\r\n");
    assert_eq!(client.get("user:7").await, from_origin(7));
    stage.proxy.set_mode(Mode::Pass).await;
    while stage.count("failsoft_journal_entries", &[]).await > 0 {
        assert_eq!(client.get("user:7").await, from_origin(7));
    }
    stage.settled().await;
    let held = stage.redis.get("user:7").await;
    assert!(held.as_deref() != Some("old"), "{held:?}");
}

#[tokio::test]
async fn a_transaction_that_is_lost_is_told_as_an_error_and_what_it_may_have_changed_is_deleted() {
    let stage = Stage::start().await;
    for key in ["page:1", "page:2"] {
        stage.put(key, "old").await;
    }
    let mut client = stage.client().await;
    for words in [&["MULTI"][..], &["SET", "page:1", "new"], &["DEL", "page:2"]] {
        client.ask(words).await;
    }
    stage.proxy.once(OneShot::Reset { after: 0 });
    assert_error(&client.ask(&["EXEC"]).await, "OUTCOMEUNKNOWN");
    emptied(&stage).await;
    assert_eq!((stage.redis.get("page:1").await, stage.redis.get("page:2").await), (None, None));
}

#[tokio::test]
async fn a_full_journal_makes_its_route_stale_until_redis_has_been_swept_of_it() {
    let stage = Stage::with(|settings| settings.set("journal.max_entries", "20")).await;
    let mut loader = stage.redis.connection().await;
    let mut pipe = redis::pipe();
    for number in 0..3_000 {
        pipe.cmd("SET").arg(format!("page:{number}")).arg("old").ignore();
    }
    pipe.cmd("SET").arg("session:1").arg("kept").ignore().cmd("SET").arg("pages").arg("kept").ignore();
    pipe.query_async::<()>(&mut loader).await.unwrap();
    stage.proxy.set_mode(Mode::Refuse).await;
    let mut client = stage.client().await;
    for number in 0..30 {
        assert_eq!(client.ask(&["DEL", &format!("page:{number}")]).await, ":1\r\n");
    }
    assert_eq!(stage.count("failsoft_journal_stale_routes", &[]).await, 1);
    assert!(stage.count("failsoft_journal_overflows_total", &[]).await >= 1);
    stage.proxy.set_mode(Mode::Pass).await;
    while stage.count("failsoft_journal_stale_routes", &[]).await > 0 {
        for number in [0, 15, 29] {
            let seen = client.get(&format!("page:{number}")).await;
            assert!(seen == NIL || seen.starts_with("-UNAVAILABLE"), "{seen:?}");
        }
    }
    emptied(&stage).await;
    assert_eq!(stage.redis.command(&["KEYS", "page:*"]).await, redis::Value::Array(Vec::new()));
    assert_eq!(stage.redis.get("pages").await.as_deref(), Some("kept"));
    assert_eq!(client.get("session:1").await, bulk("kept"));
}

#[tokio::test]
async fn a_redis_that_comes_and_goes_is_never_believed_too_early_and_the_journal_is_worked_off_in_the_end() {
    let stage = Stage::start().await;
    let mut client = stage.client().await;
    for round in 0..6_u32 {
        let key = format!("page:{round}");
        stage.put(&key, "old").await;
        stage.proxy.set_mode(Mode::Refuse).await;
        assert_eq!(client.ask(&["SET", &key, "new"]).await, OK);
        stage.proxy.set_mode(Mode::Pass).await;
        for _ in 0..50 {
            let seen = client.get(&key).await;
            assert_ne!(seen, bulk("old"));
        }
    }
    emptied(&stage).await;
    for round in 0..6 {
        let held = stage.redis.get(&format!("page:{round}")).await;
        assert_ne!(held.as_deref(), Some("old"));
    }
}

#[tokio::test]
async fn what_is_kept_survives_a_reload_that_does_not_concern_it() {
    let stage = Stage::start().await;
    stage.put("page:1", "old").await;
    stage.proxy.set_mode(Mode::Refuse).await;
    assert_eq!(stage.ask(&["SET", "page:1", "new"]).await, OK);
    let changed = stage.settings.clone().route("keys = 'more:*'\nrole = 'cache'");
    stage.sidecar.reload(&changed.to_string());
    stage.await_count("failsoft_settings_generation", &[], 1).await;
    assert_eq!(stage.get("page:1").await, bulk("new"));
    stage.proxy.set_mode(Mode::Pass).await;
    emptied(&stage).await;
    assert_eq!(stage.redis.get("page:1").await, None);
}

/// Before a Redis that is not there when failsoft starts.
#[tokio::test]
async fn writes_are_kept_before_redis_has_ever_been_seen() {
    let redis = Redis::start().await;
    redis.command(&["SET", "page:1", "old"]).await;
    redis.pause();
    let stage = Stage::on(redis, |settings| settings.set("redis.timeout", "'100ms'")).await;
    let mut client: Client = stage.client().await;
    assert_eq!(client.ask(&["SET", "page:1", "new"]).await, OK);
    assert_eq!(client.get("page:1").await, bulk("new"));
    stage.redis.resume();
    emptied(&stage).await;
    assert_eq!(stage.redis.get("page:1").await, None);
    stage.settled().await;
}

#[tokio::test]
async fn what_is_written_while_the_operator_keeps_a_route_from_redis_reaches_it_when_he_no_longer_does() {
    let stage = Stage::start().await;
    stage.put("page:1", "old").await;
    let mut client = stage.client().await;
    assert_eq!(client.ask(&["FAILSOFT", "MODE", "ORIGIN-ONLY", "ROUTE", "page"]).await, OK);
    assert_eq!(client.ask(&["SET", "page:1", "new"]).await, OK);
    assert_eq!(client.ask(&["DEL", "page:2"]).await, ":1\r\n");
    assert_eq!(client.get("page:1").await, bulk("new"));
    assert_eq!(stage.redis.get("page:1").await.as_deref(), Some("old"), "Redis is left alone");
    assert!(client.ask(&["FAILSOFT", "MODE", "AUTO"]).await.starts_with("+OK"));
    while stage.count("failsoft_journal_entries", &[]).await > 0 {
        assert_ne!(client.get("page:1").await, bulk("old"));
    }
    assert_eq!(stage.redis.get("page:1").await, None);
}

#[tokio::test]
async fn what_a_client_asks_right_behind_a_write_that_redis_refuses_shows_the_write() {
    let stage = Stage::start().await;
    for key in ["page:1", "page:2"] {
        stage.put(key, "old").await;
    }
    stage.redis.misconf().await;
    let mut client = stage.client().await;
    let commands =
        [vec!["SET", "page:1", "new"], vec!["GET", "page:1"], vec!["MGET", "page:1", "page:2"], vec!["GET", "page:2"]];
    let replies = client.pipeline(&commands).await;
    assert_eq!(replies, [OK, &bulk("new"), "*2\r\n$3\r\nnew\r\n$3\r\nold\r\n", &bulk("old")]);
}

/// Redis frees its memory by deletions, so that the invalidation overtakes what was asked behind the write: it goes on another
/// connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_on_its_way_when_its_invalidation_was_replayed_is_not_believed() {
    let stage = Stage::on(Redis::start().await, |settings| settings.set("server.threads", "2")).await;
    let mut client = stage.client().await;
    stage.await_circuit("closed").await;
    let keys: Vec<String> = (0..20).map(|round| format!("page:{round}")).collect();
    for key in &keys {
        stage.put(key, "old").await;
    }
    stage.redis.oom().await;
    for key in &keys {
        let mut commands = vec![vec!["SET", key.as_str(), "new"]];
        commands.extend(std::iter::repeat_n(vec!["GET", key.as_str()], 3_000));
        let replies = client.pipeline(&commands).await;
        assert_eq!(replies[0], OK);
        assert!(!replies.contains(&bulk("old")), "{key} was read behind its own SET");
        client = stage.client().await;
    }
}

#[tokio::test]
async fn a_key_that_is_to_be_as_in_plain_redis_is_not_told_as_written_in_company_either() {
    let stage = Stage::with(|settings| settings.route("name = 'bare'\nkeys = 'bare:*'\nrole = 'cache'")).await;
    let mut client = stage.client().await;
    assert_eq!(client.ask(&["FAILSOFT", "MODE", "PASS-THROUGH", "ROUTE", "bare"]).await, OK);
    stage.proxy.set_mode(Mode::Refuse).await;
    assert_unavailable(&client.ask(&["MSET", "page:1", "v", "bare:1", "v"]).await);
    assert_unavailable(&client.ask(&["DEL", "page:2", "bare:1"]).await);
    assert_eq!(stage.count("failsoft_gutter_kept_total", &[]).await, 0);
}
