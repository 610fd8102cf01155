//! Locks and idempotency records as clients of the sidecar see them: replies, errors, and other libraries on the same key.
#![allow(clippy::unwrap_used)]

mod tools;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::scripts::python;
use failsoft_testkit::sidecar::Sidecar;

use tools::{PATIENCE, ask_all, command, shown, start};

const ROUTES: &str = "request.deadline = \"5s\"\nredis.timeout = \"2s\"\n\
    [[routes]]\nkeys = \"lock:*\"\nrole = \"lock\"\n\
    [[routes]]\nkeys = \"once:*\"\nrole = \"idempotency\"\n\
    [[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nmax_stale = \"1m\"\n";

async fn stage() -> (Redis, Sidecar) {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), ROUTES).await;
    (redis, sidecar)
}

async fn ask(sidecar: &Sidecar, call: &str) -> String {
    let words: Vec<&str> = call.split(' ').collect();
    shown(ask_all(sidecar.addr(), 1, &[command(&words)]).await.remove(0))
}

fn number(reply: &str) -> u64 {
    reply.strip_prefix(':').and_then(|rest| rest.trim_end().parse().ok()).unwrap_or_else(|| panic!("{reply:?}"))
}

#[tokio::test]
async fn each_command_answers_as_the_page_says() {
    let (_redis, sidecar) = stage().await;
    let token = number(&ask(&sidecar, "FAILSOFT LOCK lock:a 60000").await);
    for (call, reply) in [
        ("FAILSOFT LOCK lock:a 60000".to_owned(), "$-1\r\n"),
        (format!("FAILSOFT EXTEND lock:a {token} 90000"), ":1\r\n"),
        (format!("failsoft unlock lock:a {token}"), ":1\r\n"),
    ] {
        assert_eq!(ask(&sidecar, &call).await, reply, "{call}");
    }
    let gone = ask(&sidecar, &format!("FAILSOFT UNLOCK lock:a {token}")).await;
    assert!(gone.starts_with("-NOTHELD the lock is not held with this token: "), "{gone}");

    let first = number(&ask(&sidecar, "FAILSOFT LOCK lock:a 60000 NONCE mine").await);
    assert_eq!(number(&ask(&sidecar, "FAILSOFT LOCK lock:a 60000 nonce mine").await), first);
    assert!(first > token);

    let begun = ask(&sidecar, "FAILSOFT BEGIN once:a 60000").await;
    let token = number(begun.strip_prefix("*2\r\n$3\r\nnew\r\n").unwrap_or_else(|| panic!("{begun:?}")));
    let again = ask(&sidecar, "FAILSOFT BEGIN once:a 60000").await;
    assert!(again.starts_with("*2\r\n$11\r\nin-progress\r\n:"), "{again}");
    for (call, reply) in [
        (format!("FAILSOFT COMMIT once:a {token} paid"), "+OK\r\n"),
        (format!("FAILSOFT COMMIT once:a {token} paid 120000"), "+OK\r\n"),
        ("FAILSOFT BEGIN once:a 60000".to_owned(), "*2\r\n$4\r\ndone\r\n$4\r\npaid\r\n"),
    ] {
        assert_eq!(ask(&sidecar, &call).await, reply, "{call}");
    }
    let over = ask(&sidecar, &format!("FAILSOFT ABORT once:a {token}")).await;
    assert!(over.starts_with("-NOTHELD the record is not held with this token: "), "{over}");
    let begun = ask(&sidecar, "FAILSOFT BEGIN once:b 60000").await;
    let token = number(begun.strip_prefix("*2\r\n$3\r\nnew\r\n").unwrap());
    assert_eq!(ask(&sidecar, &format!("FAILSOFT ABORT once:b {token}")).await, "+OK\r\n");
    assert_eq!(sidecar.metric("failsoft_leases_total", &[("command", "lock"), ("result", "granted")]).await, Some(3.0));
}

#[tokio::test]
async fn what_makes_no_sense_is_told_precisely_and_nothing_is_done() {
    let (redis, sidecar) = stage().await;
    let integer = "-ERR value is not an integer or out of range\r\n";
    let arity = |name| format!("-ERR wrong number of arguments for 'failsoft|{name}' command\r\n");
    let expire = |name| format!("-ERR invalid expire time in 'failsoft|{name}' command\r\n");
    let long = "x".repeat(9_000);
    let table = [
        ("LOCK".to_owned(), arity("lock")),
        ("LOCK lock:a".to_owned(), arity("lock")),
        ("EXTEND lock:a 1".to_owned(), arity("extend")),
        ("EXTEND lock:a 1 1000 x".to_owned(), arity("extend")),
        ("UNLOCK lock:a".to_owned(), arity("unlock")),
        ("UNLOCK lock:a 1 2".to_owned(), arity("unlock")),
        ("BEGIN once:a".to_owned(), arity("begin")),
        ("COMMIT once:a 1".to_owned(), arity("commit")),
        ("COMMIT once:a 1 r 1000 x".to_owned(), arity("commit")),
        ("ABORT once:a".to_owned(), arity("abort")),
        ("LOCK lock:a 0".to_owned(), expire("lock")),
        ("LOCK lock:a -5".to_owned(), expire("lock")),
        ("EXTEND lock:a 1 0".to_owned(), expire("extend")),
        ("BEGIN once:a 0".to_owned(), expire("begin")),
        ("COMMIT once:a 1 r 0".to_owned(), expire("commit")),
        ("LOCK lock:a 9223372036854775808".to_owned(), integer.to_owned()),
        ("LOCK lock:a 1.5".to_owned(), integer.to_owned()),
        ("LOCK lock:a +5".to_owned(), integer.to_owned()),
        ("LOCK lock:a soon".to_owned(), integer.to_owned()),
        ("UNLOCK lock:a mine".to_owned(), integer.to_owned()),
        (
            "LOCK lock:a 5".to_owned(),
            "-ERR a ttl of 5 ms is over before its holder has heard of it; the least is 10\r\n".to_owned(),
        ),
        (
            "LOCK lock:a 9223372036854775807".to_owned(),
            "-ERR a ttl of 9223372036854775807 ms is too long; the most is 31622400000 (366 days)\r\n".to_owned(),
        ),
        (
            "LOCK lock:a 1000 NONCE".to_owned(),
            "-ERR syntax error: only NONCE with a nonce may follow the ttl\r\n".to_owned(),
        ),
        (
            "LOCK lock:a 1000 FOR me".to_owned(),
            "-ERR syntax error: only NONCE with a nonce may follow the ttl\r\n".to_owned(),
        ),
        (
            format!("LOCK lock:a 1000 NONCE {}", "n".repeat(65)),
            "-ERR a nonce has 1 to 64 bytes; this one has 65\r\n".to_owned(),
        ),
        (format!("LOCK lock:{long} 1000"), "-ERR the key has 9005 bytes; that of a lease may have 8192\r\n".to_owned()),
        (
            "LOCK page:1 1000".to_owned(),
            "-ERR key is on route page with role cache; FAILSOFT LOCK needs a route with role lock\r\n".to_owned(),
        ),
        (
            "BEGIN lock:1 1000".to_owned(),
            "-ERR key is on route lock with role lock; FAILSOFT BEGIN needs a route with role idempotency\r\n"
                .to_owned(),
        ),
        (
            "UNLOCK other 1".to_owned(),
            "-ERR key is on no route; FAILSOFT UNLOCK needs a route with role lock\r\n".to_owned(),
        ),
    ];
    for (call, reply) in table {
        assert_eq!(ask(&sidecar, &format!("FAILSOFT {call}")).await, reply, "{call}");
    }
    let never = [
        "UNLOCK lock:a 1",
        "UNLOCK lock:a -1",
        "UNLOCK lock:a 9223372036854775807",
        "EXTEND lock:a 0 1000",
        "COMMIT once:a 7 r",
        "ABORT once:a 7",
    ];
    for call in never {
        let reply = ask(&sidecar, &format!("FAILSOFT {call}")).await;
        assert!(reply.starts_with("-NOTHELD "), "{call}: {reply}");
    }
    let written = ["EXISTS", "lock:a", "once:a", "failsoft:fence:{lock:a}", "failsoft:fence:{once:a}"];
    assert_eq!(redis.command(&written).await, redis::Value::Int(0));
}

/// python-redis' `Lock` is what most programs in that language lock with; others do the same: `SET NX PX`, and a script
/// that compares and deletes.
#[tokio::test]
async fn the_lock_of_redis_py_works_unmodified_and_excludes_and_is_excluded() {
    let (redis, sidecar) = stage().await;
    let port = sidecar.addr().port().to_string();
    for phase in ["well", "away"] {
        if phase == "away" {
            redis.kill().await;
        }
        let output = python(include_str!("clients/redis_lock.py"), &[&port, phase]).await;
        assert!(output.status.success() && output.stdout.contains("fine"), "{}{}", output.stdout, output.stderr);
    }
}

#[tokio::test]
async fn a_result_in_a_record_that_somebody_has_made_last_is_not_gone_at_once() {
    let (redis, sidecar) = stage().await;
    let begun = ask(&sidecar, "FAILSOFT BEGIN once:a 60000").await;
    let token = number(begun.strip_prefix("*2\r\n$3\r\nnew\r\n").unwrap());
    redis.command(&["PERSIST", "once:a"]).await;
    assert_eq!(ask(&sidecar, &format!("FAILSOFT COMMIT once:a {token} paid")).await, "+OK\r\n");
    assert_eq!(ask(&sidecar, "PTTL once:a").await, ":-1\r\n");
    assert_eq!(ask(&sidecar, "FAILSOFT BEGIN once:a 60000").await, "*2\r\n$4\r\ndone\r\n$4\r\npaid\r\n");
}

#[tokio::test]
async fn a_node_that_lets_nobody_in_costs_no_more_than_the_deadline() {
    let redis = Redis::start().await;
    let more = "redis.connect_timeout = \"1m\"\n[[routes]]\nkeys = \"lock:*\"\nrole = \"lock\"\ndeadline = \"300ms\"\n";
    let sidecar = start(&redis.url(), more).await;
    redis.pause();
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let told = shown(client.ask(&["FAILSOFT", "LOCK", "lock:a", "1000"], PATIENCE / 2).await);
    assert!(told.starts_with("-UNAVAILABLE nothing was done, "), "{told}");
    redis.resume();
}
