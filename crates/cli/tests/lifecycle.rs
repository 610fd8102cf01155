//! The sidecar's life: starting with nothing there, taking up new settings, being asked how it is, and stopping.
#![allow(clippy::unwrap_used)]

mod tools;

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::origin::{HttpOrigin, OriginMode};
use failsoft_testkit::port::FreePort;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use tools::{PATIENCE, ask_all, bin, bulk, command, gets, metric, reaches, settings, shown, start};

const PLANS: &str = "[[routes]]\nkeys = \"plan:*\"\nrole = \"cache\"\ndefault = \"free\"\n";

fn users(origin: &str) -> String {
    format!(
        "request.deadline = \"30s\"\n[origins.catalogue]\nurl = \"{origin}\"\nmax_concurrency = 20\nmax_rate = 1000\n\
         timeout = \"20s\"\n\n[[routes]]\nkeys = \"user:{{id:int}}\"\nrole = \"cache\"\norigin = \"catalogue\"\n\
         get = \"/users/{{id}}\"\n"
    )
}

async fn ask(sidecar: &Sidecar, words: &[&str]) -> String {
    shown(&ask_all(sidecar.addr(), 1, &[command(words)]).await[0])
}

#[tokio::test]
async fn it_starts_and_serves_with_redis_and_the_database_absent_and_finds_redis_by_itself() {
    let (redis_port, database) = (FreePort::reserve(), FreePort::reserve());
    let more = format!(
        "[origins.users]\nurl = \"postgres://postgres@{}/users\"\nmax_concurrency = 4\nmax_rate = 100\n\n[[routes]]\n\
         keys = \"user:{{id:int}}\"\nrole = \"cache\"\norigin = \"users\"\nquery = \"SELECT name FROM users WHERE id = :id\"\n\
         shape = \"raw\"\n{PLANS}",
        database.addr()
    );
    let sidecar = start(&format!("redis://{}", redis_port.addr()), &more).await;
    assert_eq!(ask(&sidecar, &["PING"]).await, "+PONG\r\n");
    assert_eq!(ask(&sidecar, &["GET", "plan:1"]).await, "$4\r\nfree\r\n");
    for words in [&["GET", "user:1"][..], &["GET", "plain"], &["SET", "session:1", "x"]] {
        let reply = ask(&sidecar, words).await;
        assert!(reply.starts_with("-UNAVAILABLE ") && reply.contains("retry-after-ms="), "{words:?}: {reply}");
    }
    assert_eq!(sidecar.get("/livez").await.status, 200);

    let redis = Redis::builder().port(redis_port).start().await;
    eventually("Redis to be found", PATIENCE, || async {
        ask(&sidecar, &["SET", "plan:1", "gold"]).await == "+OK\r\n"
            && redis.get("plan:1").await.as_deref() == Some("gold")
    })
    .await;
    assert_eq!(redis.get("plan:1").await.as_deref(), Some("gold"));
    // Its circuit lets traffic back in by steps: until the last of them the default may still answer.
    eventually("Redis to answer", PATIENCE, || async { ask(&sidecar, &["GET", "plan:1"]).await == "$4\r\ngold\r\n" })
        .await;
}

#[tokio::test]
async fn sigterm_lets_what_is_under_way_finish_and_takes_nobody_new() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let sidecar = start(&redis.url(), &users(&origin.url())).await;
    let addr = sidecar.addr();
    let mut idle = HostileClient::connect(addr).await;
    assert_eq!(idle.ask(&["PING"], PATIENCE).await, "+PONG\r\n");
    origin.set_mode(OriginMode::Hang).await;
    let mut busy = HostileClient::connect(addr).await;
    busy.send(gets((0..20).map(|id| format!("user:{id}"))).concat()).await.unwrap();
    eventually("the loads", PATIENCE, || async { origin.requests() > 0 }).await;

    let letting_go = async {
        eventually("the shutdown to begin", PATIENCE, || async { sidecar.log_contains("stopping") }).await;
        assert_eq!(shown(idle.read_until_closed(PATIENCE).await.bytes), "", "an idle client is let go at once");
        eventually("the port to refuse", PATIENCE, || async { tokio::net::TcpStream::connect(addr).await.is_err() })
            .await;
        origin.set_mode(OriginMode::Answer).await;
        let expected: Vec<u8> = (0..20).flat_map(|id| bulk(HttpOrigin::body_of("users", id))).collect();
        assert_eq!(shown(busy.read_until_closed(PATIENCE).await.bytes), shown(expected));
    };
    let (exit, ()) = tokio::join!(sidecar.terminate(), letting_go);
    assert_eq!(exit.status.code(), Some(0), "{}", exit.log);
    assert!(exit.log.contains("stopped"), "{}", exit.log);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_beyond_its_bound() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let sidecar = start(&redis.url(), &format!("server.drain = \"200ms\"\n{}", users(&origin.url()))).await;
    origin.set_mode(OriginMode::Hang).await;
    let mut busy = HostileClient::connect(sidecar.addr()).await;
    busy.send_command(&["GET", "user:1"]).await.unwrap();
    eventually("the load", PATIENCE, || async { origin.requests() == 1 }).await;
    let exit = sidecar.terminate().await;
    assert_eq!(exit.status.code(), Some(0), "{}", exit.log);
    assert!(exit.log.contains("cut off"), "{}", exit.log);
}

#[tokio::test]
async fn new_settings_are_taken_up_on_sighup_and_a_broken_file_is_refused_whole() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let sidecar = start(&redis.url(), PLANS).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["GET", "user:1"], PATIENCE).await, "$-1\r\n");

    let with_users = settings(&redis.url(), &format!("{}{PLANS}", users(&origin.url())));
    sidecar.reload(&with_users);
    reaches(&sidecar, "failsoft_settings_generation", &[], 1.0).await;
    let body = shown(bulk(HttpOrigin::body_of("users", 1)));
    assert_eq!(client.ask(&["GET", "user:1"], PATIENCE).await, body, "the connection that was open takes it up too");

    for (broken, named) in [
        (with_users.replace("max_concurrency", "max_concurency"), "max_concurency"),
        (with_users.replace("role = \"cache\"", "role = \"cash\""), "cash"),
        (format!("{with_users}\nthis is not TOML"), "expected"),
    ] {
        sidecar.reload(&broken);
        eventually(&format!("{named} to be told"), PATIENCE, || async { sidecar.log_contains(named) }).await;
        assert!(sidecar.log_contains("stay in force"), "{}", sidecar.log());
        assert!(sidecar.log_contains("failsoft.toml:"), "the line is named: {}", sidecar.log());
        assert_eq!(client.ask(&["GET", "user:1"], PATIENCE).await, body);
    }
    assert_eq!(metric(&sidecar, "failsoft_settings_generation", &[]).await, 1.0);

    sidecar.reload(&settings(&redis.url(), PLANS));
    reaches(&sidecar, "failsoft_settings_generation", &[], 2.0).await;
    redis.command(&["FLUSHALL"]).await;
    assert_eq!(client.ask(&["GET", "user:1"], PATIENCE).await, "$-1\r\n", "a route that is gone is gone");
}

#[tokio::test]
async fn new_settings_are_taken_up_when_the_file_changes_however_it_is_written() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let sidecar = start(&redis.url(), &users(&origin.url())).await;
    let text = fs::read_to_string(sidecar.settings_path()).unwrap();
    let with = |prefix: &str| text.replace("user:{id:int}", &format!("{prefix}:{{id:int}}"));

    fs::write(sidecar.settings_path(), with("person")).unwrap();
    reaches(&sidecar, "failsoft_settings_generation", &[], 1.0).await;
    assert_eq!(ask(&sidecar, &["GET", "person:1"]).await, shown(bulk(HttpOrigin::body_of("users", 1))));

    let beside = sidecar.settings_path().with_extension("edited");
    fs::write(&beside, with("human")).unwrap();
    fs::rename(&beside, sidecar.settings_path()).unwrap();
    reaches(&sidecar, "failsoft_settings_generation", &[], 2.0).await;
    assert_eq!(ask(&sidecar, &["GET", "human:1"]).await, shown(bulk(HttpOrigin::body_of("users", 1))));
}

#[tokio::test]
async fn reloading_under_load_loses_no_reply() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let sidecar = start(&redis.url(), &users(&origin.url())).await;
    let addr = sidecar.addr();
    let reading = tokio::spawn(async move {
        for round in 0..30 {
            let ids = round * 20..round * 20 + 20;
            let replies = ask_all(addr, 4, &gets(ids.clone().map(|id| format!("user:{id}")))).await;
            for (id, reply) in ids.zip(replies) {
                assert_eq!(shown(reply), shown(bulk(HttpOrigin::body_of("users", id))));
            }
        }
    });
    let mut generation = 0.0;
    while !reading.is_finished() {
        generation += 1.0;
        let route = format!("[[routes]]\nkeys = \"other{generation}:*\"\nrole = \"session\"\n");
        sidecar.reload(&settings(&redis.url(), &format!("{}{route}", users(&origin.url()))));
        reaches(&sidecar, "failsoft_settings_generation", &[], generation).await;
    }
    reading.await.unwrap();
    assert!(generation > 1.0);
}

/// Runs `failsoft serve` on a settings file with this text, to its end.
fn serve(text: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("failsoft.toml");
    fs::write(&file, text).unwrap();
    Command::new(bin()).args(["serve", "-c"]).arg(&file).output().unwrap()
}

/// Nothing on stdout, exit code 2, and these words on stderr.
#[track_caller]
fn assert_refuses(output: &Output, words: &[&str]) {
    let told = shown(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(output.stdout.is_empty());
    assert!(words.iter().all(|word| told.contains(word)), "{words:?} in: {told}");
    assert!(!told.contains("panicked"), "{told}");
}

#[tokio::test]
async fn an_occupied_port_is_one_sentence_and_a_hint() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken, free) = (taken.local_addr().map(|addr| (addr, taken)).unwrap(), FreePort::reserve());
    for (setting, other) in [("listen", "admin"), ("admin", "listen")] {
        let text = format!("server.{setting} = \"{}\"\nserver.{other} = \"{}\"\n", taken.0, free.addr());
        let output = serve(&text);
        assert_refuses(&output, &["cannot listen on", &taken.0.to_string(), "hint: ", &format!("server.{setting}")]);
        let lines = shown(&output.stderr).lines().filter(|line| !line.contains("WARN")).count();
        assert_eq!(lines, 2, "{}", shown(&output.stderr));
    }
}

#[tokio::test]
async fn two_sidecars_do_not_share_a_port_in_silence() {
    let redis = Redis::start().await;
    let first = start(&redis.url(), "").await;
    let text = format!("server.listen = \"{}\"\nserver.admin = \"{}\"\n", first.addr(), FreePort::reserve().addr());
    assert_refuses(&serve(&text), &["cannot listen on", &first.addr().to_string(), "hint: "]);
}

#[test]
fn settings_that_are_missing_or_wrong_are_told_with_their_line() {
    let missing = Command::new(bin()).args(["serve", "-c", "/nowhere/failsoft.toml"]).output().unwrap();
    assert_refuses(&missing, &["/nowhere/failsoft.toml", "hint: "]);
    let wrong: [(&str, &[&str]); 5] = [
        ("server.listen = \"127.0.0.1:0\"\nserver.admim = \"127.0.0.1:0\"\n", &["failsoft.toml:2:", "admim", "admin"]),
        ("redis.timeout = \"200\"\n", &["failsoft.toml:1:", "200"]),
        ("[[routes]]\nkeys = \"user:{id\"\nrole = \"cache\"\n", &["failsoft.toml:2:"]),
        ("[[routes]]\nkeys = \"lock:*\"\nrole = \"lock\"\ndefault = \"free\"\n", &["failsoft.toml:4:", "default"]),
        ("redis.nodes = [\n", &["failsoft.toml:"]),
    ];
    for (text, words) in wrong {
        assert_refuses(&serve(text), words);
    }
}

#[tokio::test]
async fn operators_are_answered_whatever_redis_does() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), PLANS).await;
    ask(&sidecar, &["GET", "plan:1"]).await;
    redis.kill().await;
    eventually("the outage to be noticed", PATIENCE, || async {
        ask(&sidecar, &["GET", "plan:1"]).await;
        metric(&sidecar, "failsoft_node_circuit_state", &[("state", "open")]).await == 1.0
    })
    .await;

    assert_eq!(sidecar.get("/livez").await.status, 200);
    let ready = sidecar.get("/readyz").await;
    assert_eq!(ready.status, 200, "a cache alone stays ready: {}", ready.body);
    assert!(ready.body.contains("degraded"), "{}", ready.body);
    let state: serde_json::Value = serde_json::from_str(&sidecar.state().await).unwrap();
    assert_eq!(state["routes"][0]["keys"], "plan:*");
    assert!(sidecar.get("/metrics").await.body.contains("# TYPE failsoft_answers_total counter"));
    assert!(metric(&sidecar, "failsoft_answers_total", &[("route", "plan"), ("tier", "default")]).await >= 1.0);
    assert_eq!(sidecar.get("/nowhere").await.status, 404);

    let session = format!("{PLANS}[[routes]]\nkeys = \"session:*\"\nrole = \"session\"\n");
    sidecar.reload(&settings(&redis.url(), &session));
    eventually("readiness to ask for Redis", PATIENCE, || async { sidecar.get("/readyz").await.status == 503 }).await;
    assert_eq!(sidecar.get("/livez").await.status, 200);
    redis.restart().await;
    eventually("readiness", PATIENCE, || async { sidecar.get("/readyz").await.status == 200 }).await;
}
