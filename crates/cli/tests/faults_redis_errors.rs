//! docs/faults.md, rows 18 to 30, 42 and 46: a Redis that answers, but with an error, with nothing, or not yet.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::replies::{assert_error, assert_outcome_unknown, assert_unavailable, bulk, from_origin};
use common::{PATIENCE, Settings, Stage};
use failsoft_testkit::proxy::{Mode, OneShot};
use failsoft_testkit::redis::{Pause, Redis};
use failsoft_testkit::wait::eventually;

const REFUSALS: &str = "failsoft_node_refusals_total";
const CONNECT_FAILURES: &str = "failsoft_node_connect_failures_total";
const NIL: &str = "$-1\r\n";

/// Right: a Redis that is still loading is not ready: the origin answers, the circuit opens, and closes when it has.
#[tokio::test]
async fn row_18_loading() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.redis.restart_loading(Duration::from_secs(5)).await;
    assert_reads_fall_back(&stage).await;
    stage.redis.wait_answering().await;
    stage.assert_healed().await;
}

/// Right: who has no role is told LOADING as Redis says it, who must not guess is told to come back.
#[tokio::test]
async fn row_18_loading_in_its_own_words() {
    // Redis answers between keys only, so it is given time.
    let stage = Stage::with(|settings| settings.patient().without_circuit()).await;
    stage.redis.restart_loading(Duration::from_secs(20)).await;
    stage.await_count("failsoft_node_connects_total", &[("tier", "primary")], 2).await;
    assert_words_of_reads(&stage, "LOADING").await;
    assert_words_of_writes(&stage, "LOADING").await;
}

/// Right: keys of one route go by its rules also when several are read at once; what nobody has is the route's default,
/// key by key, and keys of several routes are asked of Redis alone.
#[tokio::test]
async fn row_18_loading_of_several_keys() {
    let stage = Stage::with(|settings| settings.patient().without_circuit()).await;
    stage.redis.restart_loading(Duration::from_secs(20)).await;
    stage.await_count("failsoft_node_connects_total", &[("tier", "primary")], 2).await;
    let free = bulk("free");
    assert_eq!(stage.ask(&["MGET", "plan:1", "plan:2"]).await, format!("*2\r\n{free}{free}"));
    assert_unavailable(&stage.ask(&["MGET", "session:1", "session:2"]).await);
    assert_unavailable(&stage.ask(&["SUNION", "lock:1", "lock:2"]).await);
    assert_error(&stage.ask(&["MGET", "session:1", "lock:1"]).await, "LOADING");
}

/// Right: a Redis that runs an endless script is as good as away, until the script is killed.
#[tokio::test]
async fn row_19_busy_script() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.redis.busy_script().await;
    assert_reads_fall_back(&stage).await;
    stage.redis.script_kill().await;
    stage.assert_healed().await;
}

/// Right: as for LOADING.
#[tokio::test]
async fn row_19_busy_script_in_its_own_words() {
    let stage = Stage::with(|settings| settings.patient().without_circuit()).await;
    stage.redis.busy_script().await;
    assert_words_of_reads(&stage, "BUSY").await;
    assert_words_of_writes(&stage, "BUSY").await;
    stage.redis.script_kill().await;
}

/// Right: a full Redis goes on being read, what the origin gives is not written back, and DEL still makes room.
#[tokio::test]
async fn row_20_out_of_memory() {
    let stage = Stage::with(Settings::patient).await;
    stage.put("user:1", "from redis").await;
    stage.put("page:1", "old").await;
    stage.redis.oom().await;
    assert_only_writes_are_refused(&stage, "OOM").await;
    assert_eq!(stage.ask(&["DEL", "page:1"]).await, ":1\r\n");
    stage.redis.heal().await;
    assert_eq!(stage.ask(&["SET", "page:1", "new"]).await, "+OK\r\n");
}

/// Right: a demoted primary is read and says itself that it takes no writes; promoted, it takes them again.
#[tokio::test]
async fn row_21_readonly() {
    let stage = Stage::with(Settings::patient).await;
    stage.put("user:1", "from redis").await;
    stage.redis.readonly().await;
    assert_only_writes_are_refused(&stage, "READONLY").await;
    stage.redis.promote().await;
    assert_eq!(stage.ask(&["SET", "page:1", "new"]).await, "+OK\r\n");
}

/// Right: a node that may not serve what it has is passed over for the copy in local memory.
#[tokio::test]
async fn row_22_masterdown() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    assert_eq!(stage.get("user:1").await, bulk("from redis"));
    stage.redis.masterdown().await;
    for _ in 0..5 {
        assert_eq!(stage.get("user:1").await, bulk("from redis"));
    }
    assert_eq!(stage.origin.requests(), 0);
    assert_unavailable(&stage.get("session:1").await);
    assert_eq!(stage.get("user:2").await, from_origin(2));
    stage.await_circuit("open").await;
    stage.redis.promote().await;
    stage.assert_healed().await;
}

/// Right: as for LOADING; writes are refused with READONLY, which such a node says first.
#[tokio::test]
async fn row_22_masterdown_in_its_own_words() {
    let stage = Stage::with(|settings| settings.patient().without_circuit()).await;
    stage.redis.masterdown().await;
    assert_words_of_reads(&stage, "MASTERDOWN").await;
    assert_error(&stage.ask(&["SET", "key without a role", "value"]).await, "READONLY");
    assert_eq!(stage.ask(&["SET", "page:1", "value"]).await, "+OK\r\n", "kept here");
}

/// Right: a primary without enough replicas is read, and says itself that it takes no writes.
#[tokio::test]
async fn row_23_noreplicas() {
    let stage = Stage::with(Settings::patient).await;
    stage.put("user:1", "from redis").await;
    stage.redis.noreplicas().await;
    assert_only_writes_are_refused(&stage, "NOREPLICAS").await;
    stage.redis.heal().await;
    assert_eq!(stage.ask(&["SET", "page:1", "new"]).await, "+OK\r\n");
}

/// Right: a primary that cannot save is read, and refuses every write itself, DEL too.
#[tokio::test]
async fn row_24_misconf() {
    let stage = Stage::with(Settings::patient).await;
    stage.put("user:1", "from redis").await;
    stage.redis.misconf().await;
    assert_only_writes_are_refused(&stage, "MISCONF").await;
    assert_error(&stage.ask(&["DEL", "key without a role"]).await, "MISCONF");
    assert_eq!(stage.ask(&["DEL", "user:1"]).await, ":1\r\n", "journalled");
    stage.redis.heal().await;
    assert_eq!(stage.ask(&["SET", "key without a role", "value"]).await, "+OK\r\n");
}

/// Right: without the password nobody is answered, from no tier, however long it lasts: it is a mistake, not an outage.
#[tokio::test]
async fn row_25_noauth() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    assert_eq!(stage.get("user:1").await, bulk("from redis"));
    lock_out(&stage).await;
    for _ in 0..20 {
        assert_unavailable(&stage.get("user:1").await);
        assert_unavailable(&stage.get("user:2").await);
    }
    assert_unavailable(&stage.get("session:1").await);
    assert_unavailable(&stage.ask(&["SET", "lock:1", "token", "NX"]).await);
    assert_eq!((stage.origin.requests(), stage.opened().await), (0, 0));
}

/// Right: where the policy says so, reads are answered as if Redis were away; nothing else is.
#[tokio::test]
async fn row_25_noauth_with_fallback() {
    let stage = Stage::with(|settings| settings.set("redis.auth_failure", "'fallback'")).await;
    lock_out(&stage).await;
    for id in 1..=20 {
        assert_eq!(stage.get(&format!("user:{id}")).await, from_origin(id));
    }
    assert_unavailable(&stage.get("session:1").await);
    assert_unavailable(&stage.ask(&["SET", "lock:1", "token", "NX"]).await);
}

/// Right: a rotated password is a mistake to be mended: no storm of attempts, and the new one is taken up by a reload.
#[tokio::test]
async fn row_26_rotated_password() {
    const READS: u64 = 500;
    let redis = Redis::builder().set("requirepass", "old").start().await;
    let with_password = |settings: Settings, password: &str| {
        let url = settings.value("redis.nodes").replace("redis://", &format!("redis://:{password}@"));
        settings.set("redis.nodes", &url)
    };
    let stage = Stage::on(redis, |settings| with_password(settings, "old")).await;
    stage.settled().await;
    stage.put("user:1", "from redis").await;
    assert_eq!(stage.get("user:1").await, bulk("from redis"));

    stage.redis.require_password("new").await;
    stage.proxy.cut().await;
    stage.await_count(CONNECT_FAILURES, &[("reason", "wrongpass")], 1).await;
    let accepted = stage.proxy.accepted();
    let mut client = stage.client().await;
    for _ in 0..READS {
        assert_unavailable(&client.get("user:1").await);
    }
    // They come by the clock, further and further apart, and not with the reads.
    let attempts = stage.proxy.accepted() - accepted;
    assert!(attempts * 10 <= READS, "{attempts} attempts to log in during {READS} reads");

    let usual = stage.settings.clone().set("redis.nodes", &format!("['{}']", stage.proxy.url()));
    stage.sidecar.reload(&with_password(usual, "new").to_string());
    eventually("Redis to answer", PATIENCE, || async { stage.get("user:1").await == bulk("from redis") }).await;
}

/// Right: what the user may not read in Redis comes from nowhere else, neither from the origin nor from local memory.
#[tokio::test]
async fn row_27_noperm() {
    let redis = Redis::start().await;
    redis.acl_user("app", "pw", "~* +@all").await;
    let stage = Stage::on(redis, |settings| {
        let url = settings.value("redis.nodes").replace("redis://", "redis://app:pw@");
        settings.patient().set("redis.nodes", &url)
    })
    .await;
    stage.settled().await;
    stage.put("user:1", "secret").await;
    stage.put("page:1", "public").await;
    assert_eq!(stage.get("user:1").await, bulk("secret"));

    stage.redis.command(&["ACL", "SETUSER", "app", "resetkeys", "~page:*", "~failsoft:probe"]).await;
    for _ in 0..10 {
        assert_error(&stage.get("user:1").await, "NOPERM");
        assert_error(&stage.get("user:2").await, "NOPERM");
        assert_error(&stage.ask(&["EXISTS", "user:1"]).await, "NOPERM");
        assert_error(&stage.ask(&["MGET", "page:1", "user:1"]).await, "NOPERM");
        assert_error(&stage.ask(&["SET", "user:1", "mine"]).await, "NOPERM");
    }
    assert_eq!(stage.get("page:1").await, bulk("public"));
    assert_eq!((stage.origin.requests(), stage.opened().await), (0, 0));
}

/// Right: a Redis without a free place is as good as away, is not besieged, and is taken back when there is one.
#[tokio::test]
async fn row_28_max_clients() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.proxy.set_mode(Mode::Refuse).await;
    let crowd = stage.redis.max_clients(20).await;
    stage.proxy.set_mode(Mode::Pass).await;
    assert_reads_fall_back(&stage).await;
    stage.await_count("failsoft_node_probes_total", &[("result", "max_clients")], 1).await;
    let (accepted, probes) = (stage.proxy.accepted(), stage.probes().await);
    for id in 101..=200 {
        assert_eq!(stage.get(&format!("user:{id}")).await, from_origin(id));
    }
    let (accepted, probes) = (stage.proxy.accepted() - accepted, stage.probes().await + 1 - probes);
    assert!(accepted <= probes, "{accepted} connections by {probes} probes");
    drop(crowd);
    stage.assert_healed().await;
}

/// Right: an aborted transaction is the answer to the command and no outage, whoever says so.
#[tokio::test]
async fn row_29_execabort() {
    let stage = Stage::with(Settings::patient).await;
    stage.put("user:1", "from redis").await;
    let words = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    for _ in 0..5 {
        stage.proxy.once(OneShot::Replace(words.into()));
        assert_eq!(stage.get("user:1").await, words);
    }
    let mut client = stage.client().await;
    assert_eq!(client.ask(&["MULTI"]).await, "+OK\r\n");
    assert_error(&client.ask(&["NOSUCHCOMMAND"]).await, "ERR");
    assert_eq!(client.ask(&["SET", "user:1", "never"]).await, "+QUEUED\r\n");
    assert_eq!(client.ask(&["EXEC"]).await, words);
    assert_eq!(client.get("user:1").await, bulk("from redis"));
    assert_eq!((stage.origin.requests(), stage.opened().await), (0, 0));
}

/// Right: a value of another type is an answer: the error passes, the origin is not asked, and nothing is held against
/// Redis.
#[tokio::test]
async fn row_30_wrongtype() {
    let stage = Stage::with(Settings::patient).await;
    stage.redis.command(&["RPUSH", "user:1", "element"]).await;
    stage.redis.command(&["RPUSH", "page:list", "element"]).await;
    stage.put("page:1", "text").await;
    for _ in 0..5 {
        assert_error(&stage.get("user:1").await, "WRONGTYPE");
        assert_error(&stage.ask(&["LPUSH", "page:1", "element"]).await, "WRONGTYPE");
    }
    assert_eq!(stage.ask(&["MGET", "page:list", "page:1"]).await, format!("*2\r\n{NIL}{}", bulk("text")));
    assert_eq!((stage.origin.requests(), stage.opened().await), (0, 0));
}

/// Right: NOSCRIPT passes, so that the client's library loads the script as it always does.
#[tokio::test]
async fn row_30_noscript() {
    let stage = Stage::with(Settings::patient).await;
    let sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    assert_error(&stage.ask(&["EVALSHA", sha, "1", "page:1"]).await, "NOSCRIPT");
    assert_eq!(stage.ask(&["EVAL", "return 1", "1", "page:1"]).await, ":1\r\n");
    assert_eq!(stage.opened().await, 0);
}

/// Right: FLUSHALL empties local memory as well, so that nothing flushed is ever served again; the origin fills Redis.
#[tokio::test]
async fn row_42_flushall() {
    let stage = Stage::with(Settings::patient).await;
    for key in ["user:1", "page:1"] {
        stage.put(key, "from redis").await;
        assert_eq!(stage.get(key).await, bulk("from redis"));
    }
    assert_eq!(stage.ask(&["FLUSHALL"]).await, "+OK\r\n");
    assert_eq!(stage.get("user:1").await, from_origin(1));
    assert_eq!(stage.get("page:1").await, NIL);
    eventually("the value to be written back", PATIENCE, || async { stage.redis.get("user:1").await.is_some() }).await;
}

/// Right: when Redis comes back empty, a herd of readers costs the origin one load for each key, never more of them at
/// once than its cap, and each reader gets the value.
#[tokio::test]
async fn row_42_empty_restart() {
    const KEYS: u64 = 20;
    let stage = Stage::with(|settings| settings.patient().set("origins.users.max_concurrency", "4")).await;
    stage.redis.restart_empty().await;
    stage.settled().await;
    stage.origin.set_latency(Duration::from_millis(300));
    let keys: Vec<String> = (1..=KEYS).map(|id| format!("user:{id}")).collect();
    let commands: Vec<_> = keys.iter().cycle().take(500).map(|key| vec!["GET", key]).collect();
    let replies = stage.client().await.pipeline(&commands).await;
    for (reply, id) in replies.iter().zip((1..=KEYS).cycle()) {
        assert_eq!(*reply, from_origin(id));
    }
    assert_eq!(stage.origin.requests(), KEYS);
    assert!(stage.origin.peak_concurrency() <= 4, "{} at once", stage.origin.peak_concurrency());
}

/// Right: while writes are paused reads flow from Redis; a write that is held back is said to be unknown, and reads are
/// answered all the same.
#[tokio::test]
async fn row_46_client_pause_writes() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.redis.client_pause(Duration::from_secs(60), Pause::Writes).await;
    assert_eq!(stage.get("user:1").await, bulk("from redis"));
    assert_outcome_unknown(&stage.ask(&["SET", "session:1", "value"]).await);
    assert_eq!(stage.ask(&["SET", "page:1", "value"]).await, "+OK\r\n", "kept here");
    assert_outcome_unknown(&stage.ask(&["SET", "lock:1", "token", "NX"]).await);
    for id in 2..=20 {
        assert_eq!(stage.get(&format!("user:{id}")).await, from_origin(id));
    }
    stage.redis.command(&["CLIENT", "UNPAUSE"]).await;
    stage.assert_healed().await;
}

/// Right: while everything is paused Redis is silent, and treated as such.
#[tokio::test]
async fn row_46_client_pause_all() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.redis.client_pause(Duration::from_secs(5), Pause::All).await;
    assert_reads_fall_back(&stage).await;
    stage.assert_healed().await;
}

/// Reads are answered by the origin, sessions and locks fail closed, and the circuit opens.
async fn assert_reads_fall_back(stage: &Stage) {
    for id in 1..=5 {
        assert_eq!(stage.get(&format!("user:{id}")).await, from_origin(id));
    }
    stage.await_circuit("open").await;
    assert_unavailable(&stage.get("session:1").await);
    assert_unavailable(&stage.ask(&["SET", "lock:1", "token", "NX"]).await);
    assert_eq!(stage.ask(&["GET", "plan:1"]).await, bulk("free"));
}

/// With a circuit that never opens: who has no role hears Redis' own word, a session must not guess, a cache need not.
async fn assert_words_of_reads(stage: &Stage, word: &str) {
    assert_error(&stage.get("key without a role").await, word);
    assert_unavailable(&stage.get("session:1").await);
    assert_unavailable(&stage.get("lock:1").await);
    assert_eq!(stage.get("user:1").await, from_origin(1));
    assert!(stage.count(REFUSALS, &[("word", &word.to_lowercase())]).await >= 4);
}

/// With a circuit that never opens: a write is refused in Redis' own word, or with a time to try again.
async fn assert_words_of_writes(stage: &Stage, word: &str) {
    assert_error(&stage.ask(&["SET", "key without a role", "value"]).await, word);
    assert_eq!(stage.ask(&["SET", "page:1", "value"]).await, "+OK\r\n", "kept here");
    assert_unavailable(&stage.ask(&["SET", "session:1", "value"]).await);
    assert_unavailable(&stage.ask(&["SET", "lock:1", "token", "NX"]).await);
}

/// Writes are refused in Redis' own words, whatever the role; reads come from Redis, whose circuit stays closed.
async fn assert_only_writes_are_refused(stage: &Stage, word: &str) {
    for key in ["session:1", "lock:1", "key without a role"] {
        for _ in 0..3 {
            assert_error(&stage.ask(&["SET", key, "value"]).await, word);
        }
    }
    assert_eq!(stage.get("user:1").await, bulk("from redis"));
    assert_eq!(stage.get("user:2").await, from_origin(2));
    let label = word.to_lowercase();
    stage.await_count("failsoft_write_back_dropped_total", &[("reason", &label)], 1).await;
    assert_eq!((stage.opened().await, stage.redis.get("user:2").await), (0, None));
}

/// Requires a password that the sidecar does not have, and ends the connections that came without.
async fn lock_out(stage: &Stage) {
    stage.redis.require_password("secret").await;
    stage.proxy.cut().await;
    stage.await_count(CONNECT_FAILURES, &[("reason", "noauth")], 1).await;
}
