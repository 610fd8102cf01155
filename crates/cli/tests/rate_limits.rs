//! Counters of applications on rate-limit routes, with Redis there and away: what each stance answers, what an
//! application's own comparison lets through, and what Redis knows afterwards.
#![allow(clippy::unwrap_used)]

mod tools;

use failsoft_testkit::redis::Redis;
use failsoft_testkit::scripts::python;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use tools::{PATIENCE, ask_all, command, shown, start};

const ROUTES: &str = r#"
redis.timeout = "200ms"
breaker.failures = 2
breaker.window = "10s"
breaker.cooldown = "1s"
fleet.size = {fleet}

[[routes]]
keys = "closed:*"
role = "rate-limit"

[[routes]]
keys = "open:*"
role = "rate-limit"
on_outage = "open"

[[routes]]
keys = "local:*"
role = "rate-limit"
on_outage = "local"
"#;

async fn stage(fleet: u32) -> (Redis, Sidecar) {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), &ROUTES.replace("{fleet}", &fleet.to_string())).await;
    (redis, sidecar)
}

/// One command on one connection.
async fn ask(sidecar: &Sidecar, words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    shown(&ask_all(sidecar.addr(), 1, &[command(&words)]).await[0]).trim_end().replace("\r\n", " ")
}

async fn answers(sidecar: &Sidecar, words: &str, reply: &str) {
    assert_eq!(ask(sidecar, words).await, reply, "{words}");
}

/// Until an answer is the primary's again.
async fn recovered(sidecar: &Sidecar) {
    eventually("the primary to answer again", PATIENCE, || async {
        ask(sidecar, "INCR closed:probe").await.starts_with(':')
    })
    .await;
}

#[tokio::test]
async fn with_redis_there_every_stance_is_redis_and_exact() {
    let (redis, sidecar) = stage(10).await;
    for stance in ["closed", "open", "local"] {
        let key = format!("{stance}:a");
        answers(&sidecar, &format!("INCR {key}"), ":1").await;
        answers(&sidecar, &format!("EXPIRE {key} 60"), ":1").await;
        answers(&sidecar, &format!("INCRBY {key} 4"), ":5").await;
        answers(&sidecar, &format!("GET {key}"), "$1 5").await;
        answers(&sidecar, &format!("TTL {key}"), ":60").await;
        assert_eq!(redis.get(&key).await.as_deref(), Some("5"));
    }
}

/// A command on a key of each stance, one after the other, and what an open and a local route of two instances say while Redis
/// does not answer it; nothing where they say what a closed one does.
const TABLE: &[(&str, Option<(&str, &str)>)] = &[
    ("GET {}:a", Some(("$-1", "$-1"))),
    ("TTL {}:a", Some((":-2", ":-2"))),
    ("INCR {}:a", Some((":1", ":1"))),
    ("EXPIRE {}:a 60", Some((":1", ":1"))),
    ("INCR {}:a", Some((":1", ":3"))),
    ("INCRBY {}:a 5", Some((":5", ":9"))),
    ("GET {}:a", Some(("$-1", "$2 14"))),
    ("TTL {}:a", Some((":-2", ":60"))),
    ("SET {}:b 3 EX 60 NX", Some(("+OK", "+OK"))),
    ("SET {}:b 9 NX", Some(("+OK", "$-1"))),
    ("DECR {}:b", Some((":0", ":2"))),
    ("SETEX {}:b 60 7", Some(("+OK", "+OK"))),
    ("GET {}:b", Some(("$-1", "$1 7"))),
    ("DEL {}:a", Some((":0", ":1"))),
    ("UNLINK {}:a", Some((":0", ":0"))),
    ("PERSIST {}:b", Some((":0", ":1"))),
    ("FAILSOFT LIMIT {}:l 3 60000", Some(("*5 :1 :2 :20000 :0 $4 open", "*5 :1 :1 :40000 :0 $5 local"))),
    ("SET {}:a text", None),
    ("INCRBY {}:a nonsense", None),
    ("ZADD {}:z 1 a", None),
    ("ZCARD {}:z", None),
    ("HINCRBY {}:h f 1", None),
    ("HGET {}:h f", None),
    ("EVAL return(1) 1 {}:a", None),
];

/// What keeps Redis from answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Refused,
    Failed,
    Silent,
}

async fn each_stance_answers_as_it_says(trouble: Trouble) {
    let (redis, sidecar) = stage(2).await;
    match trouble {
        Trouble::Refused => redis.busy_script().await,
        Trouble::Failed => drop(redis.kill().await),
        Trouble::Silent => redis.pause(),
    }
    // A script's error is its author's, so it is told in the words of Redis.
    let is_closed = |reply: &str| {
        reply.starts_with("-UNAVAILABLE ")
            || (trouble == Trouble::Silent && reply.starts_with("-OUTCOMEUNKNOWN "))
            || (trouble == Trouble::Refused && reply.starts_with("-BUSY "))
    };
    for (command, without) in TABLE {
        for (stance, reply) in
            [("closed", None), ("open", without.map(|(open, _)| open)), ("local", without.map(|both| both.1))]
        {
            let words = command.replace("{}", stance);
            let told = ask(&sidecar, &words).await;
            match reply {
                Some(reply) => assert_eq!(told, reply, "{words}, {trouble:?}"),
                None => assert!(is_closed(&told), "{words}, {trouble:?}: {told}"),
            }
        }
    }
}

#[tokio::test]
async fn each_stance_answers_as_it_says_when_redis_refuses() {
    each_stance_answers_as_it_says(Trouble::Refused).await;
}

#[tokio::test]
async fn each_stance_answers_as_it_says_when_redis_is_gone() {
    each_stance_answers_as_it_says(Trouble::Failed).await;
}

#[tokio::test]
async fn each_stance_answers_as_it_says_when_redis_is_silent() {
    each_stance_answers_as_it_says(Trouble::Silent).await;
}

/// The comparison is the application's; the share of the limit it comes to is one in ten, rounded up.
#[tokio::test]
async fn a_silent_redis_is_counted_around_and_the_application_keeps_its_share() {
    let (redis, sidecar) = stage(10).await;
    redis.pause();
    let mut passed = 0;
    for _ in 0..20 {
        let count: i64 = ask(&sidecar, "INCR local:login").await.trim_start_matches(':').parse().unwrap();
        passed += usize::from(count <= 25);
    }
    assert_eq!(passed, 3);
    redis.resume();
    recovered(&sidecar).await;
    // The first of them were sent to a Redis that was silent, so they may have counted twice.
    eventually("Redis to be told", PATIENCE, || async {
        let told: i64 = redis.get("local:login").await.and_then(|told| told.parse().ok()).unwrap_or(0);
        (20..=24).contains(&told)
    })
    .await;
}

#[tokio::test]
async fn on_return_redis_is_told_what_was_counted_deleted_and_written() {
    let (redis, sidecar) = stage(10).await;
    redis.command(&["SET", "local:count", "5", "EX", "100"]).await;
    redis.command(&["SET", "local:gone", "5", "EX", "100"]).await;
    redis.command(&["SAVE"]).await;
    redis.kill().await;
    for words in [
        "INCR local:count",
        "EXPIRE local:count 60",
        "INCR local:count",
        "DEL local:gone",
        "INCR local:new",
        "PEXPIRE local:new 50000",
        "INCR local:over",
        "PEXPIRE local:over 1",
        "SET local:down 9 EX 70",
        "DECR local:down",
    ] {
        assert!(!ask(&sidecar, words).await.starts_with('-'), "{words}");
    }
    redis.restart().await;
    recovered(&sidecar).await;
    eventually("Redis to be told", PATIENCE, || async {
        redis.get("local:new").await.is_some() && redis.get("local:down").await.is_some()
    })
    .await;
    eventually("the rest to be told", PATIENCE, || async {
        redis.get("local:count").await.as_deref() == Some("7") && redis.get("local:gone").await.is_none()
    })
    .await;
    assert_eq!(redis.get("local:new").await.as_deref(), Some("1"));
    assert_eq!(redis.get("local:down").await.as_deref(), Some("8"));
    assert_eq!(redis.get("local:over").await, None, "a window that has ended is not told of");
    assert_eq!(sidecar.metric("failsoft_limit_debts_told_total", &[]).await, Some(4.0));
    assert_eq!(sidecar.metric("failsoft_fleet_size", &[]).await, Some(10.0));
}

/// FAULTS 20 and 27: a Redis that may not write cannot count; one that does not let the caller is no outage.
#[tokio::test]
async fn a_redis_that_is_full_is_away_and_one_that_forbids_it_is_not() {
    let (redis, sidecar) = stage(2).await;
    redis.config_set("maxmemory", "1").await;
    answers(&sidecar, "INCR local:a", ":1").await;
    answers(&sidecar, "INCR local:a", ":3").await;
    assert!(ask(&sidecar, "INCR closed:a").await.starts_with("-OOM "));
    redis.config_set("maxmemory", "0").await;
    redis.command(&["ACL", "SETUSER", "default", "-incr"]).await;
    assert!(ask(&sidecar, "INCR local:b").await.starts_with("-NOPERM "));
    assert!(ask(&sidecar, "INCR open:b").await.starts_with("-NOPERM "));
    redis.command(&["LPUSH", "local:list", "x"]).await;
    redis.command(&["ACL", "SETUSER", "default", "+incr"]).await;
    assert!(ask(&sidecar, "INCR local:list").await.starts_with("-WRONGTYPE "));
}

#[tokio::test]
async fn only_a_limit_that_fails_closed_needs_redis_to_be_ready() {
    let redis = Redis::start().await;
    let route = |stance| format!("[[routes]]\nkeys = \"limit:*\"\nrole = \"rate-limit\"\non_outage = \"{stance}\"\n");
    let (closed, local) = (start(&redis.url(), &route("closed")).await, start(&redis.url(), &route("local")).await);
    redis.kill().await;
    eventually("readiness to be lost", PATIENCE, || async { closed.get("/readyz").await.status == 503 }).await;
    eventually("the loss to be seen", PATIENCE, || async { local.get("/readyz").await.body.contains("degraded") })
        .await;
    assert_eq!(local.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_library_that_counts_by_scripts_is_exact_and_fails_in_its_own_words() {
    let script = include_str!("clients/limits_py.py");
    let (redis, sidecar) = stage(2).await;
    let port = sidecar.addr().port().to_string();
    let run = async |state: &str| {
        let output = python(script, &[&port, state]).await;
        assert!(output.status.success() && output.stdout.contains("fine"), "{}{}", output.stdout, output.stderr);
    };
    run("well").await;
    redis.kill().await;
    run("away").await;
}
