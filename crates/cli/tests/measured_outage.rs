//! Reads while Redis is dead, silent or refusing: at least 99.9 % answered, none wrong, and the origin within its cap.
//!
//! The origin counts, and it is also the judge: what it would say for a key is the only right answer.
#![allow(clippy::unwrap_used)]

mod tools;

use std::net::SocketAddr;
use std::time::Duration;

use failsoft_testkit::hostile::{HostileClient, HostileServer, Script};
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::proxy::{FaultProxy, Mode};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use tokio::task::JoinSet;

use tools::{Dice, PATIENCE, ask_all, bulk, gets, metric, on_own_thread, reaches, shown, start};

const CAP: usize = 200;
/// Keys that were read before the outage.
const WARM: usize = 300;
/// Keys that nobody has read before.
const COLD: usize = 30;
const CLIENTS: usize = 8;
const READS_EACH: usize = 500;

struct Stage {
    redis: Redis,
    proxy: FaultProxy,
    origin: HttpOrigin,
    sidecar: Sidecar,
}

fn settings(origin: &HttpOrigin) -> String {
    format!(
        r#"
[origins.catalogue]
url = "{}"
max_concurrency = 10
max_rate = {CAP}
queue = 1000
max_wait = "800ms"

[[routes]]
keys = "user:{{id:int}}"
role = "cache"
origin = "catalogue"
get = "/users/{{id}}"
max_stale = "10m"
"#,
        origin.url()
    )
}

impl Stage {
    async fn start() -> Self {
        let redis = Redis::start().await;
        let proxy = FaultProxy::start(redis.addr()).await;
        let origin = on_own_thread(HttpOrigin::start()).await;
        let sidecar = start(&proxy.url(), &settings(&origin)).await;
        let stage = Self { redis, proxy, origin, sidecar };
        stage.warm().await;
        stage
    }

    async fn warm(&self) {
        for from in (0..WARM).step_by(50) {
            let batch = from..from + 50;
            eventually("every key to be loaded", PATIENCE, || async {
                let replies =
                    ask_all(self.sidecar.addr(), CLIENTS, &gets(batch.clone().map(|id| format!("user:{id}")))).await;
                batch.clone().zip(&replies).all(|(id, reply)| *reply == body(id))
            })
            .await;
        }
        reaches(&self.sidecar, "failsoft_write_back_written_total", &[], WARM as f64).await;
        self.origin.reset_counts();
    }

    async fn assert_reads_are_answered(&self) {
        let mut readers = JoinSet::new();
        for seed in 0..CLIENTS {
            readers.spawn(read(self.sidecar.addr(), Dice(seed as u64)));
        }
        let unanswered: Vec<String> = readers.join_all().await.into_iter().flatten().collect();
        let allowed = CLIENTS * READS_EACH / 1_000;
        assert!(unanswered.len() <= allowed, "{} unanswered, such as {}", unanswered.len(), unanswered[0]);
        let (rate, at_once) = (self.origin.peak_rate(), self.origin.peak_concurrency());
        assert!(rate <= CAP + CAP / 20 && at_once <= 10, "{rate} in one second, {at_once} at once");
    }
}

fn body(id: usize) -> Vec<u8> {
    bulk(HttpOrigin::body_of("users", id as u64))
}

/// Reads at random; returns what was no answer, and does not survive a wrong one.
async fn read(addr: SocketAddr, mut dice: Dice) -> Vec<String> {
    let mut client = HostileClient::connect(addr).await;
    let mut unanswered = Vec::new();
    for _ in 0..READS_EACH {
        let id = dice.roll(WARM + COLD);
        let reply = client.ask(&["GET", &format!("user:{id}")], PATIENCE).await;
        match reply.starts_with('-') {
            true => unanswered.push(reply),
            false => assert_eq!(reply, shown(body(id)), "user:{id}"),
        }
    }
    unanswered
}

#[tokio::test]
async fn reads_are_answered_while_redis_is_dead() {
    let stage = Stage::start().await;
    stage.redis.kill().await;
    stage.assert_reads_are_answered().await;
}

#[tokio::test]
async fn reads_are_answered_while_redis_is_dead_and_its_port_refuses() {
    let stage = Stage::start().await;
    stage.proxy.set_mode(Mode::Refuse).await;
    stage.assert_reads_are_answered().await;
}

#[tokio::test]
async fn reads_are_answered_while_redis_is_silent() {
    let stage = Stage::start().await;
    stage.redis.pause();
    stage.assert_reads_are_answered().await;
}

#[tokio::test]
async fn reads_are_answered_while_redis_loads() {
    let stage = Stage::start().await;
    stage.redis.restart_loading(Duration::from_secs(60)).await;
    stage.assert_reads_are_answered().await;
    stage.redis.kill().await;
}

#[tokio::test]
async fn reads_are_answered_while_redis_has_too_many_clients() {
    let stage = Stage::start().await;
    let crowd = stage.redis.max_clients(20).await;
    stage.proxy.cut().await;
    stage.assert_reads_are_answered().await;
    drop(crowd);
}

#[tokio::test]
async fn reads_are_answered_while_redis_refuses_writes() {
    let stage = Stage::start().await;
    stage.redis.oom().await;
    stage.assert_reads_are_answered().await;
    stage.redis.misconf().await;
    stage.assert_reads_are_answered().await;
    stage.redis.readonly().await;
    stage.assert_reads_are_answered().await;
}

#[tokio::test]
async fn reads_are_answered_while_redis_flaps_and_are_right_when_it_is_back() {
    let stage = Stage::start().await;
    let flapping = async {
        for _ in 0..5 {
            stage.proxy.set_mode(Mode::Refuse).await;
            reaches(&stage.sidecar, "failsoft_node_circuit_state", &[("state", "open")], 1.0).await;
            stage.proxy.set_mode(Mode::Pass).await;
            reaches(&stage.sidecar, "failsoft_node_circuit_state", &[("state", "open")], 0.0).await;
        }
    };
    tokio::join!(flapping, stage.assert_reads_are_answered());
    reaches(&stage.sidecar, "failsoft_node_circuit_state", &[("state", "closed")], 1.0).await;
    stage.assert_reads_are_answered().await;
}

/// A server that reads everything, answers nothing and remembers what it was asked.
#[tokio::test]
async fn once_isolated_a_silent_node_is_asked_nothing_but_probes() {
    let silent = HostileServer::start(Script::always([])).await;
    let origin = on_own_thread(HttpOrigin::start()).await;
    let sidecar = start(&silent.url(), &settings(&origin)).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    eventually("the circuit to open", PATIENCE, || async {
        metric(&sidecar, "failsoft_node_circuit_state", &[("state", "open")]).await == 1.0
    })
    .await;
    let before = silent.asked().len();

    let mut unanswered = 0;
    for read in 0..2_000 {
        let id = 1_000 + read % 100;
        let reply = client.ask(&["GET", &format!("user:{id}")], PATIENCE).await;
        unanswered += usize::from(reply != shown(body(id)));
    }
    assert!(unanswered <= 2, "{unanswered} of 2,000");
    let stray: Vec<_> = silent.asked().drain(before..).filter(|words| !is_probe(words)).collect();
    assert!(stray.is_empty(), "{stray:?}");
    assert!(sidecar.metric("failsoft_node_probes_total", &[]).await.unwrap() > 0.0);
}

fn is_probe(words: &[String]) -> bool {
    match words[0].as_str() {
        "PING" | "HELLO" | "CLIENT" | "SELECT" | "AUTH" => true,
        _ => words.get(1).is_some_and(|key| key == "failsoft:probe"),
    }
}
