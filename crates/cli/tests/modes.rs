//! docs/commands.md, docs/admin.md: what operators want of routes: switched while requests flow, told, audited, and kept.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::replies::{bulk, from_origin};
use common::{Client, PATIENCE, Stage};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;
use tokio::task::JoinSet;

const OK: &str = "+OK\r\n";
const KEYS: u64 = 40;
const CLIENTS: u64 = 4;

/// Clients that read `user:{id}` again and again; every reply is the row.
struct Load {
    readers: JoinSet<()>,
    answered: Arc<Vec<AtomicU64>>,
    is_over: Arc<AtomicBool>,
}

impl Load {
    async fn start(stage: &Stage) -> Self {
        let answered: Arc<Vec<AtomicU64>> = Arc::new((0..CLIENTS).map(|_| AtomicU64::new(0)).collect());
        let is_over = Arc::new(AtomicBool::new(false));
        let mut readers = JoinSet::new();
        for reader in 0..CLIENTS {
            let mut client = stage.client().await;
            let (answered, is_over) = (answered.clone(), is_over.clone());
            readers.spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let id = (answered[reader as usize].load(Ordering::Relaxed) * 7 + reader) % KEYS;
                    assert_eq!(client.get(&format!("user:{id}")).await, from_origin(id));
                    answered[reader as usize].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { readers, answered, is_over }
    }

    /// Returns when each client has been answered so many times more.
    async fn goes_on(&self, times: u64) {
        let counts = || self.answered.iter().map(|count| count.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let before = counts();
        eventually("every reader to be answered", PATIENCE, || async {
            counts().iter().zip(&before).all(|(now, before)| now - before >= times)
        })
        .await;
    }

    async fn end(mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.readers.join_next().await {
            ended.expect("nobody has got anything but the row");
        }
    }
}

/// Commands that Redis has been sent about keys.
async fn asked(redis: &Redis) -> u64 {
    let tally = redis.tally().await;
    tally.reads() + tally.writes()
}

async fn mode_of(stage: &Stage, route: &str) -> String {
    let metrics = stage.sidecar.metrics().await;
    let is = |mode: &&str| metrics.get("failsoft_mode", &[("route", route), ("mode", mode)]) == Some(1.0);
    ["auto", "origin-only", "pass-through"].into_iter().find(is).expect("a route is in one mode").to_owned()
}

#[tokio::test]
async fn under_load_nobody_notices_but_redis_which_is_left_alone() {
    let stage = Stage::with(|settings| settings.patient().set("origins.users.max_concurrency", "3")).await;
    let mut operator = stage.client().await;
    let load = Load::start(&stage).await;
    load.goes_on(2 * KEYS).await;

    assert_eq!(operator.ask(&["FAILSOFT", "MODE", "origin-only", "ROUTE", "user"]).await, OK);
    // What had begun before ends as it began.
    load.goes_on(2).await;
    stage.settled().await;
    let before = asked(&stage.redis).await;
    load.goes_on(2 * KEYS).await;
    assert_eq!(asked(&stage.redis).await, before);
    assert!(stage.origin.peak_concurrency() <= 3, "{}", stage.origin.peak_concurrency());

    // A reload does not undo what was switched, unless it changes that very setting.
    stage.sidecar.reload(&stage.settings.clone().route("keys = 'other:*'\nrole = 'session'").to_string());
    stage.await_count("failsoft_settings_generation", &[], 1).await;
    assert_eq!(mode_of(&stage, "user").await, "origin-only");
    load.goes_on(2).await;
    stage.settled().await;
    let before = asked(&stage.redis).await;
    load.goes_on(KEYS).await;
    assert_eq!(asked(&stage.redis).await, before);

    assert_eq!(operator.ask(&["FAILSOFT", "MODE", "auto", "ROUTE", "user"]).await, OK);
    load.goes_on(2).await;
    let before = asked(&stage.redis).await;
    load.goes_on(KEYS).await;
    assert!(asked(&stage.redis).await > before);
    load.end().await;
    assert_eq!(stage.count("failsoft_mode_changes_total", &[("route", "user")]).await, 2);
    assert_eq!(stage.opened().await, 0, "a mode is no matter of circuits");
    assert!(stage.sidecar.log_contains("the mode of a route was switched"), "{}", stage.sidecar.log());
    assert!(stage.sidecar.log_contains("client "), "who did it is told: {}", stage.sidecar.log());
}

#[tokio::test]
async fn no_company_and_no_connection_of_its_own_lets_a_key_through() {
    let stage = Stage::with(|settings| settings.patient()).await;
    stage.put("plan:1", "paid").await;
    let mut client = stage.client().await;
    assert_eq!(client.ask(&["FAILSOFT", "MODE", "origin-only", "ROUTE", "user"]).await, OK);
    let before = stage.redis.tally().await;

    let both = format!("*2\r\n{}{}", bulk("paid"), from_origin(1));
    assert_eq!(client.ask(&["MGET", "plan:1", "user:1"]).await, both);
    let held =
        "-UNAVAILABLE nothing was done, try again tier=primary outcome=failed reason=held_open retry-after-ms=100\r\n";
    for command in [
        &["SUNION", "plan:1", "user:1"][..],
        &["INCRBY", "user:1", "5"],
        &["EVAL", "return redis.call('GET', KEYS[2])", "2", "plan:1", "user:1"],
        &["BLPOP", "user:1", "0"],
        &["WATCH", "user:1"],
    ] {
        assert_eq!(client.ask(command).await, held, "{command:?}");
    }
    assert_eq!(client.ask(&["MSET", "plan:2", "a", "user:1", "b"]).await, OK, "kept here");
    assert_eq!(client.get("user:1").await, bulk("b"));
    assert_eq!(client.ask(&["MULTI"]).await, OK);
    assert_eq!(client.ask(&["SET", "user:1", "x"]).await, held);
    assert!(client.ask(&["EXEC"]).await.starts_with("-EXECABORT"));
    let since = stage.redis.tally().await.since(&before);
    assert_eq!((since.of("get"), since.writes()), (1, 0), "{since:?}");
    assert_eq!(stage.redis.get("plan:2").await, None);
}

#[tokio::test]
async fn pass_through_masks_nothing_and_auto_heals() {
    let stage = Stage::with(|settings| settings.patient()).await;
    let mut client = stage.client().await;
    assert_eq!(client.get("user:7").await, from_origin(7));
    stage.settled().await;
    assert_eq!(client.ask(&["FAILSOFT", "MODE", "pass-through"]).await, "+OK 5 routes\r\n");
    assert_eq!(client.get("user:8").await, "$-1\r\n");
    assert_eq!(client.get("plan:1").await, "$-1\r\n");
    assert_eq!(client.ask(&["MGET", "user:7", "user:8"]).await, format!("*2\r\n{}$-1\r\n", from_origin(7)));
    assert_eq!(client.ask(&["SET", "user:7", "mine"]).await, OK);

    stage.redis.kill().await;
    stage.await_circuit("open").await;
    for key in ["user:7", "plan:1"] {
        assert!(client.get(key).await.starts_with("-UNAVAILABLE nothing was done"), "{key}");
    }
    assert_eq!(client.ask(&["FAILSOFT", "MODE", "auto"]).await, "+OK 5 routes\r\n");
    assert_eq!(client.get("user:7").await, from_origin(7), "no copy from before the SET");
    assert_eq!(client.get("plan:1").await, bulk("free"));
    stage.redis.restart().await;
    stage.assert_healed().await;
}

#[tokio::test]
async fn what_cannot_be_switched_is_refused_with_the_reason() {
    let stage = Stage::start().await;
    let mut client = stage.client().await;
    for (words, error) in [
        (
            "origin-only ROUTE lock",
            "route lock cannot be origin-only, for its role is lock: an answer that Redis did not give could let two \
             holders in",
        ),
        ("auto ROUTE users", "there is no route 'users'; did you mean 'user'?"),
        ("ROUTE zzzzzz", "there is no route 'zzzzzz'"),
        (
            "pass-through ROUTE (plain)",
            "'(plain)' stands for the keys that no route takes, which go to Redis as they are: it has no mode",
        ),
        ("turbo", "'turbo' is no mode: there are auto, origin-only and pass-through"),
    ] {
        let call = format!("FAILSOFT MODE {words}");
        assert_eq!(client.ask(&call.split(' ').collect::<Vec<_>>()).await, format!("-ERR {error}\r\n"), "{words}");
    }
    assert_eq!(client.ask(&["FAILSOFT", "MODE", "ORIGIN-ONLY"]).await, "+OK 3 routes\r\n");
    let told = client.ask(&["FAILSOFT", "MODE"]).await;
    let words: Vec<&str> =
        told.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with(['*', '$'])).collect();
    let expected =
        ["page", "origin-only", "plan", "origin-only", "session", "auto", "lock", "auto", "user", "origin-only"];
    assert_eq!(words, expected);
    assert_eq!(client.ask(&["FAILSOFT", "MODE", "ROUTE", "lock"]).await, "*2\r\n$4\r\nlock\r\n$4\r\nauto\r\n");
    assert_eq!(stage.state().await["mode"], "mixed");
}

#[tokio::test]
async fn settings_say_how_routes_begin_and_a_change_of_them_counts() {
    let stage = Stage::with(|settings| {
        settings.patient().set("request.mode", "'origin-only'").route("keys = 'raw:*'\nrole = 'cache'\nmode = 'auto'")
    })
    .await;
    for (route, mode) in [("user", "origin-only"), ("plan", "origin-only"), ("lock", "auto"), ("raw", "auto")] {
        assert_eq!(mode_of(&stage, route).await, mode, "{route}");
    }
    assert_eq!(stage.ask(&["FAILSOFT", "MODE", "pass-through", "ROUTE", "plan"]).await, OK);
    stage.sidecar.reload(&stage.settings.clone().set("request.mode", "'auto'").to_string());
    stage.await_count("failsoft_settings_generation", &[], 1).await;
    for (route, mode) in [("user", "auto"), ("plan", "auto"), ("lock", "auto"), ("raw", "auto")] {
        assert_eq!(mode_of(&stage, route).await, mode, "{route}");
    }
    assert!(stage.sidecar.log_contains("who=\"settings\""), "{}", stage.sidecar.log());
}

#[tokio::test]
async fn explain_tells_what_holds_at_this_moment() {
    let stage = Stage::with(|settings| settings.patient()).await;
    let mut client = stage.client().await;
    let well = explained(&mut client, "GET user:7").await;
    assert!(well.contains("1. primary 127.0.0.1:") && well.contains("reply     value from primary"), "{well}");
    assert_eq!(client.ask(&["FAILSOFT", "MODE", "origin-only", "ROUTE", "user"]).await, OK);
    let held = explained(&mut client, "GET user:7").await;
    assert!(held.contains("mode      origin-only: no Redis node is asked"), "{held}");
    assert!(held.contains("1. primary: passed over: held_open"), "{held}");
    assert!(held.contains("reply     value from origin"), "{held}");
    assert_eq!(client.get("user:7").await, from_origin(7));
    let copied = explained(&mut client, "GET user:7").await;
    assert!(copied.contains("reply     value from local (fresh)"), "{copied}");

    stage.redis.kill().await;
    stage.await_circuit("open").await;
    let lock = explained(&mut client, "SET lock:1 x NX").await;
    assert!(lock.contains("1. primary: passed over: circuit_open"), "{lock}");
    assert!(lock.contains("reply     -UNAVAILABLE nothing was done"), "{lock}");
    assert_eq!(
        client.ask(&["FAILSOFT", "EXPLAIN", "GET"]).await,
        "-ERR wrong number of arguments for 'get' command\r\n"
    );
}

async fn explained(client: &mut Client, command: &str) -> String {
    let words: Vec<&str> = ["FAILSOFT", "EXPLAIN"].into_iter().chain(command.split(' ')).collect();
    let told = client.ask(&words).await;
    assert!(told.starts_with('*'), "{told}");
    told.split("\r\n").filter(|line| !line.starts_with(['*', '$'])).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_admin_interface_switches_them_too() {
    let stage = Stage::start().await;
    let wish = r#"{"mode": "origin-only", "route": "user"}"#;
    let request = format!(
        "POST /api/v1/mode HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{wish}",
        stage.sidecar.admin_addr(),
        wish.len()
    );
    let told = said(&stage, &request).await;
    assert!(told.ends_with(r#"{"mode":"origin-only","routes":1,"changed":1}"#), "{told}");
    assert_eq!(mode_of(&stage, "user").await, "origin-only");
    assert_eq!(stage.get("user:3").await, from_origin(3));
    assert!(stage.sidecar.log_contains("admin interface, from 127.0.0.1:"), "{}", stage.sidecar.log());
    let modes: serde_json::Value = serde_json::from_str(&stage.sidecar.get("/api/v1/mode").await.body).unwrap();
    assert_eq!(modes["routes"][4], serde_json::json!({ "route": "user", "mode": "origin-only" }));
}

async fn said(stage: &Stage, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(stage.sidecar.admin_addr()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).await.unwrap();
        told
    };
    tokio::time::timeout(Duration::from_secs(20), exchange).await.expect("an answer")
}
