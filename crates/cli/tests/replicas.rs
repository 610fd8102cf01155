//! docs/faults.md, rows 22 and 40: which replica answers, and when none does.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::replies::{assert_unavailable, bulk};
use common::{Client, PATIENCE, Settings, sidecar};
use failsoft_testkit::proxy::{FaultProxy, Mode, Toxics};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

const USABLE: &str = "failsoft_node_replica_usable";
const ANSWERS: &str = "failsoft_answers_total";
const FROM_REPLICA: &[(&str, &str)] = &[("tier", "replica")];
const FREE: &str = "free";

/// A sidecar before a primary and its replicas.
struct Shard {
    sidecar: Sidecar,
    primary: Redis,
    replicas: Vec<Redis>,
}

impl Shard {
    /// All replicas are fit. `user:*` is a cache with a default and no local copies, and says what `route` says.
    async fn before(primary: Redis, replicas: Vec<Redis>, route: &str) -> Self {
        Self::probed_every("100ms", primary, replicas, route).await
    }

    /// As [`Shard::before`], and no reader has the nodes asked more often.
    async fn probed_every(interval: &str, primary: Redis, replicas: Vec<Redis>, route: &str) -> Self {
        for replica in &replicas {
            replica.wait_synced().await;
        }
        let urls: Vec<_> = replicas.iter().map(|replica| format!("'{}'", replica.url())).collect();
        let settings = Settings::new(&primary.url())
            .set("redis.replicas", &format!("[{}]", urls.join(", ")))
            .set("redis.probe_interval", &format!("'{interval}'"))
            .route(&format!("keys = 'user:*'\nrole = 'cache'\ndefault = '{FREE}'\ntiers.local = false\n{route}"));
        let shard = Self { sidecar: sidecar(&settings).await, primary, replicas };
        for replica in &shard.replicas {
            shard.await_usable(replica, 1.0).await;
        }
        shard
    }

    async fn await_usable(&self, replica: &Redis, value: f64) {
        let what = format!("the replica's {USABLE} to be {value}");
        let node = replica.addr().to_string();
        eventually(&what, PATIENCE, || async {
            self.sidecar.metric(USABLE, &[("node", node.as_str())]).await == Some(value)
        })
        .await;
    }

    async fn get(&self, key: &str) -> String {
        self.ask(&["GET", key]).await
    }

    async fn ask(&self, words: &[&str]) -> String {
        Client::connect(self.sidecar.addr()).await.ask(words).await
    }

    /// How often a reason has kept replicas from being asked.
    async fn passed_over(&self, reason: &str) -> f64 {
        let labels = [("tier", "replica"), ("outcome", "failed"), ("reason", reason)];
        self.sidecar.metric("failsoft_outcomes_total", &labels).await.unwrap_or(0.0)
    }

    async fn answers(&self, labels: &[(&str, &str)]) -> f64 {
        self.sidecar.metric(ANSWERS, labels).await.unwrap_or(0.0)
    }

    /// What `/api/v1/state` says of a node in a tier.
    async fn replication(&self, tier: &str) -> serde_json::Value {
        let state: serde_json::Value = serde_json::from_str(&self.sidecar.state().await).unwrap();
        let nodes = state["nodes"].as_array().unwrap().clone();
        nodes.into_iter().find(|node| node["tier"] == tier).unwrap()["replication"].clone()
    }
}

async fn put(redis: &Redis, key: &str, value: &str) {
    redis.command(&["SET", key, value]).await;
}

/// Waits until `replica` has `value`.
async fn has(replica: &Redis, key: &str, value: &str) {
    eventually("the replica to have the value", PATIENCE, || async {
        replica.get(key).await.as_deref() == Some(value)
    })
    .await;
}

async fn primary_with_value() -> Redis {
    let primary = Redis::start().await;
    put(&primary, "user:1", "old").await;
    primary
}

/// A primary and one replica, with a proxy on the link between them.
async fn linked(route: &str) -> (Shard, FaultProxy) {
    let primary = primary_with_value().await;
    let link = FaultProxy::start(primary.addr()).await;
    let replica = Redis::builder().replica_of_addr(link.addr()).start().await;
    has(&replica, "user:1", "old").await;
    (Shard::before(primary, vec![replica], route).await, link)
}

#[tokio::test]
async fn a_route_that_is_read_from_replicas_asks_them_first_and_the_primary_when_none_is_fit() {
    let (shard, link) = linked("read_from = 'replica'").await;
    assert_eq!(shard.get("user:1").await, bulk("old"));
    assert_eq!(shard.answers(FROM_REPLICA).await, 1.0);
    link.set_mode(Mode::Refuse).await;
    shard.await_usable(&shard.replicas[0], 0.0).await;
    put(&shard.primary, "user:1", "new").await;
    assert_eq!(shard.get("user:1").await, bulk("new"));
    assert!(shard.passed_over("replica_cut_off").await > 0.0);
    assert_eq!(shard.answers(FROM_REPLICA).await, 1.0);
    link.set_mode(Mode::Pass).await;
    has(&shard.replicas[0], "user:1", "new").await;
    shard.await_usable(&shard.replicas[0], 1.0).await;
    assert_eq!(shard.get("user:1").await, bulk("new"));
    assert_eq!(shard.answers(FROM_REPLICA).await, 2.0);
}

/// Right: what a replica has that had lost its primary before the primary died is served within the route's age only.
#[tokio::test]
async fn row_40_a_replica_that_was_cut_off_answers_for_a_dead_primary_while_it_is_young_enough() {
    let (shard, link) = linked("max_replica_lag = '4s'").await;
    link.set_mode(Mode::Refuse).await;
    shard.primary.kill().await;
    assert_eq!(shard.get("user:1").await, bulk("old"));
    eventually("the replica to have said that it has lost its primary", PATIENCE, || async {
        shard.replication("replica").await["link"] == "down"
    })
    .await;
    assert_eq!(shard.get("user:1").await, bulk("old"));
    shard.await_usable(&shard.replicas[0], 0.0).await;
    assert_eq!(shard.get("user:1").await, bulk(FREE));
    assert!(shard.passed_over("replica_lagging").await > 0.0);
    let replication = shard.replication("replica").await;
    assert!(replication["lag_seconds"].as_f64() > Some(4.0), "{replication}");
    assert_eq!(replication["unfit"], "replica_lagging");
}

/// Right: a link on which nothing moves is a lag, although both ends hold it for up.
#[tokio::test]
async fn row_40_a_replica_whose_stream_stands_still_lags() {
    let (shard, link) = linked("read_from = 'replica'\nmax_replica_lag = '2s'").await;
    link.set_mode(Mode::HalfOpen).await;
    put(&shard.primary, "user:1", "new").await;
    shard.await_usable(&shard.replicas[0], 0.0).await;
    assert_eq!(shard.get("user:1").await, bulk("new"));
    assert!(shard.passed_over("replica_lagging").await > 0.0);
    let info = shard.replicas[0].info("replication").await;
    assert_eq!((info["master_link_status"].as_str(), info["master_sync_in_progress"].as_str()), ("up", "0"));
    shard.primary.kill().await;
    assert_eq!(shard.get("user:1").await, bulk(FREE), "older than the route allows");
}

#[tokio::test]
async fn a_replica_that_is_being_sent_everything_anew_is_not_asked() {
    let (shard, link) = linked("read_from = 'replica'").await;
    shard.primary.command(&["DEBUG", "POPULATE", "20000", "filling", "1000"]).await;
    link.set_toxics(Toxics { bandwidth: Some(200_000), ..Toxics::default() });
    shard.replicas[0].command(&["REPLICAOF", "NO", "ONE"]).await;
    put(&shard.replicas[0], "another", "history").await;
    shard.replicas[0].command(&["REPLICAOF", "127.0.0.1", &link.addr().port().to_string()]).await;
    eventually("the replica to be sent everything", PATIENCE, || async {
        shard.replicas[0].info("replication").await["master_sync_in_progress"] == "1"
    })
    .await;
    eventually("that to be known", PATIENCE, || async { shard.replication("replica").await["link"] == "syncing" })
        .await;
    put(&shard.primary, "user:1", "new").await;
    assert_eq!(shard.get("user:1").await, bulk("new"));
    assert!(shard.passed_over("replica_syncing").await > 0.0);
}

#[tokio::test]
async fn the_replica_of_the_lowest_priority_number_is_asked_first_and_that_of_none_last() {
    let primary = primary_with_value().await;
    let mut replicas = Vec::new();
    for priority in ["0", "200", "50"] {
        replicas.push(Redis::builder().replica_of(&primary).set("replica-priority", priority).start().await);
    }
    let shard = Shard::before(primary, replicas, "read_from = 'replica'").await;
    for place in [2, 1, 0] {
        let before = shard.replicas[place].tally().await;
        for _ in 0..5 {
            assert_eq!(shard.get("user:1").await, bulk("old"));
        }
        let asked = shard.replicas[place].tally().await.since(&before).of("get");
        assert!(asked >= 5, "{asked} of replica {place}");
        shard.replicas[place].kill().await;
        shard.await_usable(&shard.replicas[place], 0.0).await;
    }
}

/// Right: a replica that may not serve what it has without its primary is passed over for one that may.
#[tokio::test]
async fn row_22_a_replica_without_its_primary_leaves_the_answer_to_its_sibling() {
    let primary = primary_with_value().await;
    let silent = Redis::builder().replica_of(&primary).set("replica-priority", "10");
    let silent = silent.set("replica-serve-stale-data", "no").start().await;
    let sibling = Redis::builder().replica_of(&primary).start().await;
    let shard = Shard::before(primary, vec![silent, sibling], "").await;
    // Asking a second replica is paid for from the budget for repeats, to which requests contribute a tenth each.
    for _ in 0..50 {
        assert_eq!(shard.get("user:1").await, bulk("old"));
    }
    shard.primary.kill().await;
    eventually("the first replica to have lost its primary", PATIENCE, || async {
        shard.replicas[0].try_command(&["GET", "user:1"]).await.is_err()
    })
    .await;
    for _ in 0..10 {
        assert_eq!(shard.get("user:1").await, bulk("old"));
    }
}

/// Right: while the primary is gone nobody learns from its replica who holds a lock, and nobody takes one.
#[tokio::test]
async fn row_40_what_must_be_true_is_not_read_from_a_replica() {
    let primary = primary_with_value().await;
    put(&primary, "lock:1", "holder").await;
    put(&primary, "session:1", "of alice").await;
    let replica = Redis::builder().replica_of(&primary).start().await;
    let shard = Shard::before(primary, vec![replica], "").await;
    shard.primary.kill().await;
    assert_eq!(shard.get("user:1").await, bulk("old"));
    for words in [&["GET", "lock:1"][..], &["SET", "lock:2", "me", "NX"], &["GET", "session:1"], &["DEL", "session:1"]]
    {
        assert_unavailable(&shard.ask(words).await);
    }
}

/// Right: whoever may be served a session from a replica has said how old it may be; nobody else is.
#[tokio::test]
async fn row_40_a_session_is_read_from_a_replica_where_its_age_is_bounded() {
    let primary = primary_with_value().await;
    put(&primary, "login:1", "of alice").await;
    put(&primary, "session:1", "of alice").await;
    let replica = Redis::builder().replica_of(&primary).start().await;
    let bounded = "[[routes]]\nkeys = 'login:*'\nrole = 'session'\nmax_replica_lag = '4s'\n";
    let shard = Shard::before(primary, vec![replica], bounded).await;
    shard.primary.kill().await;
    assert_eq!(shard.get("login:1").await, bulk("of alice"));
    assert_unavailable(&shard.get("session:1").await);
    assert_unavailable(&shard.ask(&["SET", "login:1", "of bob"]).await);
    shard.await_usable(&shard.replicas[0], 0.0).await;
    assert_unavailable(&shard.get("login:1").await);
}

/// Right: what a client reads behind a write of its own that is under way comes from the primary.
#[tokio::test]
async fn row_40_who_has_a_write_under_way_is_not_answered_by_a_replica() {
    let (shard, link) = linked("read_from = 'replica'").await;
    link.set_mode(Mode::HalfOpen).await;
    let mut client = Client::connect(shard.sidecar.addr()).await;
    assert_eq!(client.get("user:1").await, bulk("old"));
    // In one packet, so that the second is read before the first can have been answered.
    client
        .0
        .send("*3\r\n$3\r\nSET\r\n$6\r\nuser:1\r\n$4\r\nmine\r\n*2\r\n$3\r\nGET\r\n$6\r\nuser:1\r\n")
        .await
        .unwrap();
    assert_eq!((client.reply().await, client.reply().await), ("+OK\r\n".to_owned(), bulk("mine")));
    assert_eq!(shard.answers(FROM_REPLICA).await, 1.0);
}

/// What stands in the settings as a replica and is none has nothing to do with the primary's values.
#[tokio::test]
async fn a_redis_that_replicates_nobody_is_not_taken_for_a_replica() {
    let primary = primary_with_value().await;
    let other = Redis::start().await;
    put(&other, "user:1", "of somebody else").await;
    let settings = Settings::new(&primary.url())
        .set("redis.replicas", &format!("['{}']", other.url()))
        .route("keys = 'user:*'\nrole = 'cache'\nlease = '0s'\nread_from = 'replica'\ntiers.local = false");
    let shard = Shard { sidecar: sidecar(&settings).await, primary, replicas: vec![other] };
    shard.await_usable(&shard.replicas[0], 0.0).await;
    eventually("it to have said what it is", PATIENCE, || async {
        shard.replication("replica").await["unfit"] == "not_a_replica"
    })
    .await;
    assert_eq!(shard.get("user:1").await, bulk("old"));
    shard.primary.kill().await;
    assert_unavailable(&shard.get("user:1").await);
}

/// Right: what a stopped primary had is read from its replica at once, without waiting for the circuit.
#[tokio::test]
async fn a_stopped_primary_is_answered_for_by_its_replica() {
    let primary = primary_with_value().await;
    let replica = Redis::builder().replica_of(&primary).start().await;
    let shard = Shard::before(primary, vec![replica], "timeout = '100ms'").await;
    shard.primary.pause();
    for _ in 0..20 {
        assert_eq!(shard.get("user:1").await, bulk("old"));
    }
    shard.primary.resume();
    eventually("the primary to answer again", Duration::from_secs(20), || async {
        assert_eq!(shard.get("user:1").await, bulk("old"));
        shard.answers(&[("tier", "primary")]).await > 0.0
    })
    .await;
}

/// A process that has been started anew holds nothing until it has caught up, and says so to whoever asks for a value. Its
/// connections are lost long before the next probe.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_has_been_started_anew_does_not_say_that_there_is_nothing() {
    let primary = primary_with_value().await;
    let replica = Redis::builder().replica_of(&primary).start().await;
    let shard = Shard::probed_every("1m", primary, vec![replica], "read_from = 'replica'").await;
    let mut client = Client::connect(shard.sidecar.addr()).await;
    assert_eq!(client.ask(&["GET", "user:1"]).await, bulk("old"));
    assert_eq!(shard.answers(FROM_REPLICA).await, 1.0);
    shard.primary.command(&["CONFIG", "SET", "repl-diskless-sync", "yes", "repl-diskless-sync-delay", "2"]).await;
    let node = shard.replicas[0].addr().to_string();
    let connects =
        async || shard.sidecar.metric("failsoft_node_connects_total", &[("node", &node)]).await.unwrap_or(0.0);
    let before = connects().await;
    shard.replicas[0].restart_empty().await;
    eventually("the replica to be connected to again", PATIENCE, async || connects().await > before).await;
    let reading = async {
        loop {
            assert_eq!(client.ask(&["GET", "user:1"]).await, bulk("old"));
        }
    };
    tokio::select! {
        () = reading => {}
        () = shard.replicas[0].wait_synced() => {}
    }
}
