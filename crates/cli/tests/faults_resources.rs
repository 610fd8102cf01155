//! docs/faults.md, rows 50 to 53, 66 and 67: descriptors, memory and processor run out, and the origin is down or overrun.
#![allow(clippy::unwrap_used)]

mod tools;

use std::time::{Duration, Instant};

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::http;
use failsoft_testkit::origin::{HttpOrigin, OriginMode};
use failsoft_testkit::postgres::Postgres;
use failsoft_testkit::proxy::{FaultProxy, Mode};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::{eventually, eventually_some};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use tools::{
    PATIENCE, ask_all, bin, bulk, command, gets, metric, on_own_thread, reaches, resident, settings, shown, start,
};

/// Nothing is slow, however busy the machine: for tests that are about something else.
const PATIENT: &str = "redis.timeout = \"20s\"\nredis.connect_timeout = \"20s\"\nrequest.deadline = \"30s\"\n\
    breaker.slow_call = \"1m\"\n";
const OPEN: &[(&str, &str)] = &[("state", "open")];
const CLOSED: &[(&str, &str)] = &[("state", "closed")];

fn users(origin: &str, guard: &str, route: &str) -> String {
    format!(
        r#"
[origins.catalogue]
url = "{origin}"
{guard}

[[routes]]
keys = "user:{{id:int}}"
role = "cache"
origin = "catalogue"
get = "/users/{{id}}"
{route}
"#
    )
}

fn body(id: usize) -> Vec<u8> {
    bulk(HttpOrigin::body_of("users", id as u64))
}

async fn state_is(sidecar: &Sidecar, state: &[(&str, &str)]) {
    reaches(sidecar, "failsoft_node_circuit_state", state, 1.0).await;
}

/// Row 50: the kernel accepts connections for a Redis that has no descriptor left for them, and nothing answers.
#[tokio::test]
async fn a_redis_without_descriptors_is_like_a_silent_one() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let proxy = FaultProxy::start(redis.addr()).await;
    let sidecar = start(&proxy.url(), &users(&origin.url(), "max_concurrency = 20\nmax_rate = 1000", "")).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["GET", "user:1"], PATIENCE).await, shown(body(1)));

    redis.limit_files(1);
    proxy.cut().await;
    for id in 0..100 {
        assert_eq!(client.ask(&["GET", &format!("user:{id}")], PATIENCE).await, shown(body(id)));
    }
    state_is(&sidecar, OPEN).await;

    redis.restart_empty().await;
    state_is(&sidecar, CLOSED).await;
    redis.command(&["SET", "user:1", "from Redis again"]).await;
    eventually("Redis to answer again", PATIENCE, || async {
        shown(&ask_all(sidecar.addr(), 1, &gets(["user:1".to_owned()])).await[0]) == "$16\r\nfrom Redis again\r\n"
    })
    .await;
}

/// Row 51: who is there is served on, who comes is told, and the accept loop does not spin on the error.
#[tokio::test]
async fn a_sidecar_without_descriptors_keeps_its_clients_and_refuses_new_ones() {
    let redis = Redis::start().await;
    // One thread, so that no other one takes the place that is to be refused.
    let one_thread = settings(&redis.url(), "").replace("server.threads = 2", "server.threads = 1");
    let sidecar = Sidecar::start(bin(), &one_thread).await;
    let mut old = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(old.ask(&["SET", "plain", "value"], PATIENCE).await, "+OK\r\n");
    // A few places are free, however the descriptors lie.
    sidecar.limit_files(highest_descriptor(&sidecar) + 1 + 8);
    let mut crowd = Vec::new();
    while let Some(inside) = is_served(&sidecar).await {
        crowd.push(inside);
    }
    assert!(!crowd.is_empty());

    let begun = Instant::now();
    for _ in 0..20 {
        let closed = HostileClient::connect(sidecar.addr()).await.read_until_closed(PATIENCE).await;
        assert_eq!(shown(&closed.bytes), "-ERR max number of clients reached\r\n", "{:?}", closed.how);
        assert_eq!(old.ask(&["GET", "plain"], PATIENCE).await, "$5\r\nvalue\r\n");
    }
    let waited = begun.elapsed();
    reaches(&sidecar, "failsoft_accept_errors_total", &[], 20.0).await;
    let failed = metric(&sidecar, "failsoft_accept_errors_total", &[]).await;
    // A pause of 50 ms after each failure; some for filling up, and for what came since.
    let most = 40 + waited.as_millis() / 50;
    assert!(failed <= most as f64, "{failed} failures to accept within {waited:?}: the loop spins");
    drop(crowd);
    eventually("a place", PATIENCE, || async { is_served(&sidecar).await.is_some() }).await;
}

/// Row 51: an orchestrator kills who does not answer, and an operator looks when something has run out.
#[tokio::test]
async fn a_sidecar_without_descriptors_still_tells_how_it_is() {
    let redis = Redis::start().await;
    // One thread, whose connection to Redis is there before there are no descriptors left for it.
    let one_thread = settings(&redis.url(), "").replace("server.threads = 2", "server.threads = 1");
    let sidecar = Sidecar::start(bin(), &one_thread).await;
    let mut crowd = vec![is_served(&sidecar).await.expect("there is room")];
    sidecar.limit_files(highest_descriptor(&sidecar) + 1);
    while let Some(inside) = is_served(&sidecar).await {
        crowd.push(inside);
    }

    let mut stayed = Vec::new();
    for _ in 0..20 {
        assert_eq!(sidecar.get("/livez").await.status, 200);
        assert!(metric(&sidecar, "failsoft_accept_errors_total", &[]).await >= 1.0);
        // Who would stay does not keep the next one out.
        while let Some(inside) = would_stay(&sidecar).await {
            stayed.push(inside);
            assert!(stayed.len() < 8, "nobody is told to go");
        }
    }
    let silent = TcpStream::connect(sidecar.admin_addr()).await.unwrap();
    eventually("an answer", PATIENCE, || async { http::get(sidecar.admin_addr(), "/livez").await.is_some() }).await;
    drop((silent, crowd, stayed));
}

/// Somebody who looks how it is and would stay, unless told to go. Whoever may stay has found a descriptor that was in use for
/// a moment when the clients came (the settings are looked at now and then), and keeps it.
async fn would_stay(sidecar: &Sidecar) -> Option<TcpStream> {
    let mut visitor = TcpStream::connect(sidecar.admin_addr()).await.unwrap();
    visitor.write_all(b"GET /livez HTTP/1.1\r\nHost: failsoft\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = tokio::time::timeout(PATIENCE, visitor.read_buf(&mut answer)).await.expect("an answer").unwrap();
        assert!(read > 0, "no whole answer: {}", shown(&answer));
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", shown(&answer));
    if !shown(&answer).contains("connection: close") {
        return Some(visitor);
    }
    let ended = tokio::time::timeout(PATIENCE, visitor.read_to_end(&mut answer)).await;
    ended.expect("is told to go, and let go").unwrap();
    None
}

/// Row 51, before it comes to it: as many as the system allows, and some of them not for clients.
#[tokio::test]
async fn clients_are_let_in_only_while_enough_descriptors_are_left_for_everything_else() {
    const ROOM: usize = 600 - 256 - 2 * 16 - 10;
    let redis = Redis::start().await;
    let text = settings(&redis.url(), "redis.max_dedicated = 10\n");
    let sidecar = Sidecar::start_with_files(bin(), &text, 64, 600).await;
    assert!(sidecar.log_contains("this process may have only 600 file descriptors"), "{}", sidecar.log());
    assert_eq!(metric(&sidecar, "failsoft_max_clients", &[]).await, ROOM as f64);
    let mut crowd = Vec::new();
    for _ in 0..ROOM {
        crowd.push(is_served(&sidecar).await.expect("there is room"));
    }
    assert!(is_served(&sidecar).await.is_none());
    reaches(&sidecar, "failsoft_clients_refused_total", &[], 1.0).await;
    assert_eq!(metric(&sidecar, "failsoft_accept_errors_total", &[]).await, 0.0);
}

fn highest_descriptor(sidecar: &Sidecar) -> u64 {
    let open = std::fs::read_dir(format!("/proc/{}/fd", sidecar.pid())).unwrap();
    open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).max().unwrap()
}

/// A new client, if it is answered.
async fn is_served(sidecar: &Sidecar) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(sidecar.addr()).await.unwrap();
    stream.write_all(b"PING\r\n").await.ok()?;
    let mut reply = [0; 7];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut reply)).await.expect("an answer or an end");
    (read.is_ok() && reply == *b"+PONG\r\n").then_some(stream)
}

/// Row 52: a flood of values many times the local tier's capacity passes by, and memory stays where the settings put it.
#[tokio::test]
async fn a_flood_of_values_does_not_make_the_local_tier_grow_beyond_its_capacity() {
    const VALUES: usize = 60_000;
    const CAPACITY: u64 = 4 << 20;
    let redis = Redis::start().await;
    redis.command(&["DEBUG", "POPULATE", &VALUES.to_string(), "page", "2048"]).await;
    let more = "local.capacity = \"4MiB\"\n[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\nmax_stale = \"10m\"\n";
    let sidecar = start(&redis.url(), &format!("{PATIENT}{more}")).await;
    let all = gets((0..VALUES).map(|id| format!("page:{id}")));
    ask_all(sidecar.addr(), 8, &all[..2_000]).await;
    let before = resident(sidecar.pid());

    for chunk in all.chunks(4_000) {
        let replies = ask_all(sidecar.addr(), 8, chunk).await;
        assert!(replies.iter().all(|reply| reply.starts_with(b"$2048\r\n")), "{}", shown(&replies[0]));
        assert!(metric(&sidecar, "failsoft_local_bytes", &[]).await <= CAPACITY as f64);
    }
    let grown = resident(sidecar.pid()).saturating_sub(before);
    assert!(grown < 8 * CAPACITY, "{grown} bytes more for {} bytes of values", VALUES * 2_048);
    assert!(metric(&sidecar, "failsoft_local_bytes", &[]).await > CAPACITY as f64 / 2.0);
}

/// Row 53: stopped and continued over and over, for longer than a node's timeout, the sidecar must not take its own
/// slowness for Redis'.
#[tokio::test]
async fn a_starved_sidecar_does_not_take_its_own_pauses_for_failures_of_redis() {
    let redis = Redis::start().await;
    let more = "redis.timeout = \"100ms\"\n[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\n";
    let sidecar = start(&redis.url(), more).await;
    redis.command(&["SET", "page:1", "value"]).await;
    let addr = sidecar.addr();
    let reading = tokio::spawn(async move {
        for _ in 0..60 {
            let replies = ask_all(addr, 4, &gets(vec!["page:1".to_owned(); 400])).await;
            assert!(replies.iter().all(|reply| *reply == bulk("value")), "{:?}", replies.iter().map(shown).max());
        }
    });
    for _ in 0..8 {
        sidecar.pause();
        // sleeps: how long the process gets no CPU
        tokio::time::sleep(Duration::from_millis(250)).await;
        sidecar.resume();
        // sleeps: how long the process gets its CPU
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    reading.await.unwrap();
    assert_eq!(metric(&sidecar, "failsoft_node_circuit_opened_total", &[]).await, 0.0);
}

/// Row 66: with Redis and the origin both gone, what is stale within its budget, then the default, then a clear error.
#[tokio::test]
async fn with_the_origin_down_too_a_stale_copy_the_default_or_an_error_is_given() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let proxy = FaultProxy::start(redis.addr()).await;
    let guard = "max_concurrency = 20\nmax_rate = 1000\nbreaker.cooldown = \"1s\"";
    let own_default = "max_stale = \"10m\"\n\n[[routes]]\nkeys = \"plan:{id}\"\nrole = \"cache\"\norigin = \"catalogue\"\n\
        get = \"/plans/{id}\"\ndefault = '\"free\"'";
    let more = format!("local.ttl = \"50ms\"\n{}", users(&origin.url(), guard, own_default));
    let sidecar = start(&proxy.url(), &more).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["GET", "user:1"], PATIENCE).await, shown(body(1)));

    proxy.set_mode(Mode::Refuse).await;
    for mode in [OriginMode::Refuse, OriginMode::Fail(500)] {
        origin.set_mode(mode).await;
        eventually("the copy to be served as stale", PATIENCE, || async {
            let reply = shown(&ask_all(sidecar.addr(), 1, &gets(["user:1".to_owned()])).await[0]);
            assert_eq!(reply, shown(body(1)));
            metric(&sidecar, "failsoft_stale_answers_total", &[("route", "user")]).await > 0.0
        })
        .await;
        assert_eq!(client.ask(&["GET", "plan:1"], PATIENCE).await, "$6\r\n\"free\"\r\n");
        let reply = client.ask(&["GET", "user:2"], PATIENCE).await;
        assert!(reply.starts_with("-UNAVAILABLE ") && reply.contains("retry-after-ms="), "{reply}");
    }
    assert_eq!(sidecar.get("/livez").await.status, 200);

    origin.set_mode(OriginMode::Answer).await;
    eventually("the origin to be asked again", PATIENCE, || async {
        shown(&ask_all(sidecar.addr(), 1, &gets(["user:2".to_owned()])).await[0]) == shown(body(2))
    })
    .await;
}

/// Row 66 with a database that is killed, silent and back.
#[tokio::test]
async fn a_database_that_dies_is_an_error_inside_the_deadline_and_comes_back_by_itself() {
    let (redis, postgres) = (Redis::start().await, Postgres::start().await);
    postgres.execute("CREATE TABLE users (id int, name text); INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 1000) i; CHECKPOINT").await;
    let more = format!(
        "[origins.users]\nurl = \"{}\"\nmax_concurrency = 4\nmax_rate = 1000\ntimeout = \"300ms\"\nbreaker.cooldown = \"200ms\"\nbreaker.probe_cooldown = \"100ms\"\n\n\
         [[routes]]\nkeys = \"user:{{id:int}}\"\nrole = \"cache\"\norigin = \"users\"\n\
         query = \"SELECT name FROM users WHERE id = :id\"\nshape = \"raw\"\n",
        postgres.url()
    );
    let sidecar = start(&redis.url(), &more).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["GET", "user:1"], PATIENCE).await, "$6\r\nuser 1\r\n");

    postgres.pause();
    let reply = client.ask(&["GET", "user:2"], PATIENCE).await;
    assert!(reply.starts_with("-UNAVAILABLE "), "{reply}");
    postgres.resume();
    postgres.kill().await;
    let reply = client.ask(&["GET", "user:3"], PATIENCE).await;
    assert!(reply.starts_with("-UNAVAILABLE "), "{reply}");
    assert_eq!(client.ask(&["GET", "user:1"], PATIENCE).await, "$6\r\nuser 1\r\n", "Redis has it");

    postgres.restart().await;
    let mut id = 100;
    eventually_some("the database to be asked again", PATIENCE, || {
        id += 1;
        let (addr, key, expected) = (sidecar.addr(), format!("user:{id}"), bulk(format!("user {id}")));
        async move { (ask_all(addr, 1, &gets([key])).await[0] == expected).then_some(()) }
    })
    .await;
}

/// Row 67: Redis comes back empty and ten thousand different keys are wanted at once.
#[tokio::test]
async fn a_herd_of_cold_keys_after_a_restart_stays_within_the_origins_cap() {
    const HERD: usize = 10_000;
    const CAP: usize = 300;
    let redis = Redis::start().await;
    let origin = on_own_thread(HttpOrigin::start()).await;
    let guard = format!("max_concurrency = 10\nmax_rate = {CAP}\nqueue = 200\nmax_wait = \"300ms\"\ntimeout = \"20s\"");
    let more = format!("{PATIENT}{}", users(&origin.url(), &guard, ""));
    let sidecar = start(&redis.url(), &more).await;
    redis.command(&["DEBUG", "POPULATE", &HERD.to_string(), "user", "10"]).await;
    let herd = gets((0..HERD).map(|id| format!("user:{id}")));
    for chunk in herd.chunks(1_000) {
        for reply in ask_all(sidecar.addr(), 10, chunk).await {
            assert!(reply.starts_with(b"$10\r\n"), "{}", shown(reply));
        }
    }
    let connects = metric(&sidecar, "failsoft_node_connects_total", &[]).await;
    redis.restart_empty().await;
    // A circuit that is closed may not have noticed yet: both threads are connected anew, and then it is closed.
    reaches(&sidecar, "failsoft_node_connects_total", &[], connects + 2.0).await;
    state_is(&sidecar, CLOSED).await;
    // Otherwise the copies would answer for it, which is not what this is about.
    eventually("the copies to be void", PATIENCE, || async {
        ask_all(sidecar.addr(), 1, &[command(&["FLUSHALL"])]).await[0] == b"+OK\r\n"
    })
    .await;
    origin.reset_counts();

    let replies = ask_all(sidecar.addr(), 50, &herd).await;

    let (mut loaded, mut shed) = (0, 0);
    for (id, reply) in replies.iter().enumerate() {
        match reply.starts_with(b"-OVERLOADED ") {
            true => shed += 1,
            false => {
                assert_eq!(shown(reply), shown(body(id)));
                loaded += 1;
            }
        }
    }
    assert!(loaded > 0 && shed > 0, "{loaded} loaded, {shed} shed");
    assert_eq!(origin.requests(), loaded);
    let (rate, at_once) = (origin.peak_rate(), origin.peak_concurrency());
    assert!(rate <= CAP + CAP / 20 && at_once <= 10, "{rate} in one second, {at_once} at once");
}
