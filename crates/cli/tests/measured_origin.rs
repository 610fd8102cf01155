//! What an origin is spared, counted where the load arrives: at an HTTP service and in PostgreSQL's own log.
//!
//! Nothing here believes failsoft's counters about the origin; they are only polled to know when a crowd has gathered.
#![allow(clippy::unwrap_used)]

mod tools;

use std::time::Duration;

use failsoft_testkit::mariadb::MariaDb;
use failsoft_testkit::origin::{HttpOrigin, OriginMode};
use failsoft_testkit::postgres::Postgres;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use tools::{PATIENCE, ask_all, bulk, command, gets, metric, on_own_thread, reaches, shown, start};

/// Requests in flight at once, and connections that carry them.
const CROWD: usize = 1_000;
const CONNECTIONS: usize = 250;

async fn start_with(redis: &Redis, origin: &str, guard: &str) -> Sidecar {
    let more = format!(
        r#"
request.deadline = "40s"

[origins.catalogue]
url = "{origin}"
timeout = "30s"
{guard}

[[routes]]
keys = "user:{{id:int}}"
role = "cache"
origin = "catalogue"
get = "/users/{{id}}"

[[routes]]
keys = "price:{{id:int}}"
role = "cache"
origin = "catalogue"
get = "/prices/{{id}}"
shape = "raw"
default = "unknown"
"#
    );
    start(&redis.url(), &more).await
}

fn body(collection: &str, id: usize) -> Vec<u8> {
    bulk(HttpOrigin::body_of(collection, id as u64))
}

#[tokio::test]
async fn a_thousand_readers_of_one_missing_key_make_one_load() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let sidecar = start_with(&redis, &origin.url(), "max_concurrency = 20").await;
    origin.set_mode(OriginMode::Hang).await;

    let readers = tokio::spawn({
        let addr = sidecar.addr();
        async move { ask_all(addr, CONNECTIONS, &vec![command(&["GET", "user:7"]); CROWD]).await }
    });
    reaches(&sidecar, "failsoft_origin_coalesced_total", &[], (CROWD - 1) as f64).await;
    origin.set_mode(OriginMode::Answer).await;

    let replies = readers.await.unwrap();
    assert!(replies.iter().all(|reply| *reply == body("users", 7)), "{}", shown(&replies[0]));
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_load_that_fails_is_told_to_all_who_wait_for_it_and_not_repeated_for_each() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let sidecar = start_with(&redis, &origin.url(), "max_concurrency = 20").await;
    origin.set_mode(OriginMode::Hang).await;

    let readers = tokio::spawn({
        let addr = sidecar.addr();
        async move { ask_all(addr, CONNECTIONS, &vec![command(&["GET", "user:7"]); CROWD]).await }
    });
    reaches(&sidecar, "failsoft_origin_coalesced_total", &[], (CROWD - 1) as f64).await;
    origin.set_mode(OriginMode::Fail(500)).await;

    let replies = readers.await.unwrap();
    assert!(replies.iter().all(|reply| reply.starts_with(b"-UNAVAILABLE ")), "{}", shown(&replies[0]));
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_thousand_missing_keys_never_make_more_loads_at_once_than_allowed() {
    let redis = Redis::start().await;
    let origin = on_own_thread(HttpOrigin::start()).await;
    let sidecar = start_with(&redis, &origin.url(), "max_concurrency = 20\nqueue = 1000\nmax_wait = \"30s\"").await;
    origin.set_latency(Duration::from_millis(10));

    let replies = ask_all(sidecar.addr(), CONNECTIONS, &gets((0..CROWD).map(|id| format!("user:{id}")))).await;

    for (id, reply) in replies.iter().enumerate() {
        assert_eq!(shown(reply), shown(body("users", id)));
    }
    assert_eq!(origin.requests(), CROWD as u64);
    assert!((2..=20).contains(&origin.peak_concurrency()), "{} at once", origin.peak_concurrency());
}

/// Between a load's start and its arrival lies a moment that differs from load to load, so that the arrivals of one
/// second may be the starts of a second and a little: 5 % is allowed for that in any second, and nothing on the whole.
#[tokio::test]
async fn a_thousand_missing_keys_never_arrive_faster_than_the_cap() {
    const CAP: usize = 400;
    let redis = Redis::start().await;
    let origin = on_own_thread(HttpOrigin::start()).await;
    let guard = format!("max_concurrency = 50\nmax_rate = {CAP}\nqueue = 1000\nmax_wait = \"30s\"");
    let sidecar = start_with(&redis, &origin.url(), &guard).await;

    let begun = std::time::Instant::now();
    let replies = ask_all(sidecar.addr(), CONNECTIONS, &gets((0..CROWD).map(|id| format!("user:{id}")))).await;
    let took = begun.elapsed().as_secs_f64();

    for (id, reply) in replies.iter().enumerate() {
        assert_eq!(shown(reply), shown(body("users", id)), "{id}");
    }
    assert!(origin.peak_rate() <= CAP + CAP / 20, "{} in one second", origin.peak_rate());
    assert!(CROWD as f64 <= CAP as f64 * took.ceil(), "{CROWD} in {took} s");
    assert!(origin.peak_concurrency() <= 50);
}

#[tokio::test]
async fn who_is_shed_is_told_when_to_come_back_or_given_the_default() {
    const CAP: usize = 50;
    let redis = Redis::start().await;
    let origin = on_own_thread(HttpOrigin::start()).await;
    let guard = format!("max_concurrency = 5\nmax_rate = {CAP}\nqueue = 10\nmax_wait = \"50ms\"");
    let sidecar = start_with(&redis, &origin.url(), &guard).await;

    let keys = (0..CROWD).map(|id| if id % 2 == 0 { format!("user:{id}") } else { format!("price:{id}") });
    let replies = ask_all(sidecar.addr(), CONNECTIONS, &gets(keys)).await;

    let (mut shed, mut defaulted) = (0, 0);
    for (id, reply) in replies.iter().enumerate() {
        match id % 2 {
            0 if *reply == body("users", id) => {}
            0 => {
                assert_retryable(reply);
                shed += 1;
            }
            _ if *reply == body("prices", id) => {}
            _ => {
                assert_eq!(shown(reply), "$7\r\nunknown\r\n");
                defaulted += 1;
            }
        }
    }
    assert!(shed > 0 && defaulted > 0, "{shed} shed, {defaulted} given the default");
    assert_eq!(origin.requests() as usize, CROWD - shed - defaulted);
    assert!(origin.peak_rate() <= CAP + CAP / 20 && origin.peak_concurrency() <= 5);
}

/// `-OVERLOADED sentence key=value... retry-after-ms=N`, N being something to wait for.
fn assert_retryable(reply: &[u8]) {
    let text = shown(reply);
    assert!(text.starts_with("-OVERLOADED "), "{text}");
    let wait = text.trim_end().rsplit_once("retry-after-ms=").and_then(|(_, wait)| wait.parse::<u64>().ok());
    assert!(wait.is_some_and(|wait| wait >= 1), "{text}");
}

/// A function that tells the server's log when it begins and ends: a session that may only read can do no other count.
const COUNTED: &str = "
    CREATE TABLE users (id int PRIMARY KEY, name text);
    INSERT INTO users SELECT id, 'user ' || id FROM generate_series(0, 999) AS id;
    CREATE FUNCTION counted(name text) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
        RAISE LOG 'load begins %', extract(epoch FROM clock_timestamp());
        PERFORM pg_sleep(0.005);
        RAISE LOG 'load ends %', extract(epoch FROM clock_timestamp());
        RETURN name;
    END $$";

#[tokio::test]
async fn postgresql_is_never_given_more_than_its_cap() {
    const CAP: usize = 400;
    let (redis, postgres) = (Redis::start().await, Postgres::start().await);
    postgres.execute(COUNTED).await;
    let more = format!(
        r#"
request.deadline = "40s"

[origins.users]
url = "{}"
max_concurrency = 8
max_rate = {CAP}
queue = 1000
max_wait = "30s"
timeout = "30s"

[[routes]]
keys = "user:{{id:int}}"
role = "cache"
origin = "users"
query = "SELECT counted(name) AS name FROM users WHERE id = :id"
shape = "raw"
"#,
        postgres.url()
    );
    let sidecar = start(&redis.url(), &more).await;

    let mut commands = gets((0..CROWD).map(|id| format!("user:{id}")));
    commands.extend(gets((0..CROWD).map(|id| format!("user:{id}"))));
    let replies = ask_all(sidecar.addr(), CONNECTIONS, &commands).await;

    for (index, reply) in replies.iter().enumerate() {
        assert_eq!(shown(reply), shown(bulk(format!("user {}", index % CROWD))));
    }
    eventually("all loads in the log", PATIENCE, || async { moments(&postgres.log(), "ends").len() == CROWD }).await;
    let (begun, ended) = (moments(&postgres.log(), "begins"), moments(&postgres.log(), "ends"));
    assert_eq!(begun.len(), CROWD);
    assert!(most_at_once(&begun, &ended) <= 8, "{} at once", most_at_once(&begun, &ended));
    let busiest = begun.iter().map(|from| begun.iter().filter(|at| (*from..*from + 1.0).contains(*at)).count()).max();
    assert!(busiest.unwrap() <= CAP + CAP / 20, "{busiest:?} in one second");
}

/// The moments, in seconds, at which loads began or ended, ascending.
fn moments(log: &str, what: &str) -> Vec<f64> {
    let marker = format!("load {what} ");
    let mut moments: Vec<f64> = log
        .lines()
        .filter_map(|line| line.split_once(&marker))
        .map(|(_, moment)| moment.trim().parse().unwrap())
        .collect();
    moments.sort_by(f64::total_cmp);
    moments
}

fn most_at_once(begun: &[f64], ended: &[f64]) -> usize {
    let at_once = |(index, moment): (usize, &f64)| index + 1 - ended.partition_point(|end| end < moment);
    begun.iter().enumerate().map(at_once).max().unwrap_or(0)
}

/// What one route makes of its origin's answers is that route's affair.
#[tokio::test]
async fn answers_of_the_wrong_shape_are_told_by_route_and_take_nothing_from_others() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let sidecar = start_with(&redis, &origin.url(), "max_concurrency = 20\nmax_rate = 1000").await;
    for id in 1..=20 {
        origin.respond(&format!("/users/{id}"), 200, "no json at all");
    }
    for reply in ask_all(sidecar.addr(), 1, &gets((1..=20).map(|id| format!("user:{id}")))).await {
        let reply = shown(reply);
        assert!(reply.starts_with("-UNAVAILABLE ") && reply.contains("tier=origin"), "{reply}");
    }
    assert!(sidecar.log_contains("route=user"), "the log names the route");
    assert!(!sidecar.log_contains("user:7"), "and no key");
    assert_eq!(ask_all(sidecar.addr(), 1, &gets(["price:1".to_owned()])).await, [body("prices", 1)]);
    assert_eq!(metric(&sidecar, "failsoft_origin_circuit_opened_total", &[("origin", "catalogue")]).await, 0.0);
}

/// The same road to MariaDB: nothing of a key but a bound parameter ever gets there.
#[tokio::test]
async fn mariadb_is_read_through() {
    let (redis, mariadb) = (Redis::start().await, MariaDb::start().await);
    mariadb
        .execute("CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(50)); INSERT INTO users VALUES (7, 'Ada')")
        .await;
    let more = format!(
        r#"
[origins.users]
url = "{}"
max_concurrency = 4
max_rate = 1000

[[routes]]
keys = "user:{{id:int}}"
role = "cache"
origin = "users"
query = "SELECT name FROM users WHERE id = :id"
shape = "raw"
"#,
        mariadb.url()
    );
    let sidecar = start(&redis.url(), &more).await;
    let keys = ["user:7", "user:8", "user:7 OR 1=1"].map(str::to_owned);
    assert_eq!(ask_all(sidecar.addr(), 1, &gets(keys)).await, [bulk("Ada"), b"$-1\r\n".to_vec(), b"$-1\r\n".to_vec()]);
    redis.kill().await;
    assert_eq!(ask_all(sidecar.addr(), 1, &gets(["user:7".to_owned()])).await, [bulk("Ada")]);
}
