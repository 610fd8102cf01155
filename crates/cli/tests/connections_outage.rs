//! Clients with a connection of their own when Redis goes away: they are told what has become of what they asked, and
//! nothing is half done.
#![allow(clippy::unwrap_used)]

mod tools;

use std::time::Duration;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::proxy::{FaultProxy, Mode};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use tools::{PATIENCE, command, metric, reaches, settings, shown, start};

const QUICK: &str = "redis.timeout = \"200ms\"\nredis.probe_interval = \"20ms\"\nbreaker.cooldown = \"200ms\"\n\
                     breaker.probe_cooldown = \"100ms\"\n";
const EXECABORT: &str = "-EXECABORT Transaction discarded because of previous errors.\r\n";

async fn client(sidecar: &Sidecar) -> HostileClient {
    HostileClient::connect(sidecar.addr()).await
}

async fn closed_as(sidecar: &Sidecar, reason: &str) {
    reaches(sidecar, "failsoft_clients_closed_total", &[("reason", reason)], 1.0).await;
}

async fn is_isolated(sidecar: &Sidecar) {
    reaches(sidecar, "failsoft_node_circuit_state", &[("state", "open")], 1.0).await;
}

async fn is_healthy(sidecar: &Sidecar) {
    reaches(sidecar, "failsoft_node_circuit_state", &[("state", "closed")], 1.0).await;
}

#[tokio::test]
async fn a_transaction_that_cannot_be_opened_is_not_carried_out_one_command_at_a_time() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), QUICK).await;
    let mut patient = client(&sidecar).await;
    assert_eq!(patient.ask(&["SET", "a", "before"], PATIENCE).await, "+OK\r\n");
    redis.kill().await;

    for _ in 0..3 {
        assert_eq!(patient.ask(&["MULTI"], PATIENCE).await, "+OK\r\n");
        let queued = patient.ask(&["SET", "a", "never"], PATIENCE).await;
        assert!(queued.starts_with("-UNAVAILABLE nothing was done"), "{queued}");
        assert_eq!(patient.ask(&["EXEC"], PATIENCE).await, EXECABORT);
        assert_eq!(patient.ask(&["EXEC"], PATIENCE).await, "-ERR EXEC without MULTI\r\n");
        assert_eq!(patient.ask(&["MULTI"], PATIENCE).await, "+OK\r\n");
        assert_eq!(patient.ask(&["DISCARD"], PATIENCE).await, "+OK\r\n");
        for words in [&["SUBSCRIBE", "x"][..], &["WATCH", "a"], &["BLPOP", "q", "0"], &["AUTH", "x", "y"]] {
            let answer = patient.ask(words, PATIENCE).await;
            assert!(answer.starts_with("-UNAVAILABLE nothing was done"), "{words:?}: {answer}");
        }
    }
    // Redis comes back between MULTI and the rest: the transaction stays as dead as the client has been told.
    assert_eq!(patient.ask(&["MULTI"], PATIENCE).await, "+OK\r\n");
    redis.restart_empty().await;
    eventually("Redis to be used again", PATIENCE, || async {
        client(&sidecar).await.ask(&["SET", "b", "1"], PATIENCE).await == "+OK\r\n"
    })
    .await;
    assert!(patient.ask(&["SET", "a", "never"], PATIENCE).await.starts_with("-UNAVAILABLE"));
    assert_eq!(patient.ask(&["EXEC"], PATIENCE).await, EXECABORT);
    assert_eq!(redis.get("a").await, None);
    is_healthy(&sidecar).await;
    assert_eq!(patient.ask(&["MULTI"], PATIENCE).await, "+OK\r\n");
    assert_eq!(patient.ask(&["SET", "a", "now"], PATIENCE).await, "+QUEUED\r\n");
    assert_eq!(patient.ask(&["EXEC"], PATIENCE).await, "*1\r\n+OK\r\n");
}

#[tokio::test]
async fn a_transaction_whose_connection_is_lost_is_told_and_the_client_closed() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), QUICK).await;
    let mut other = client(&sidecar).await;
    let mut open = client(&sidecar).await;
    assert_eq!(open.ask(&["MULTI"], PATIENCE).await, "+OK\r\n");
    assert_eq!(open.ask(&["SET", "a", "never"], PATIENCE).await, "+QUEUED\r\n");
    redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    let rest = open.read_until_closed(PATIENCE).await;
    assert_eq!(shown(rest.bytes), "", "nothing was outstanding");
    closed_as(&sidecar, "upstream_lost").await;
    assert_eq!(redis.get("a").await, None);
    assert_eq!(other.ask(&["GET", "a"], PATIENCE).await, "$-1\r\n");
}

/// A client can have its own connection closed as often as it likes, and nobody else must pay for it.
#[tokio::test]
async fn connections_of_clients_that_are_killed_open_nobodys_circuit() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "breaker.failures = 2\n").await;
    for _ in 0..4 {
        let mut popping = client(&sidecar).await;
        assert_eq!(popping.ask(&["SELECT", "1"], PATIENCE).await, "+OK\r\n");
        let id = popping.ask(&["CLIENT", "ID"], PATIENCE).await;
        popping.send_command(&["BLPOP", "q", "0"]).await.unwrap();
        eventually("the client to wait", PATIENCE, || async { redis.info("clients").await["blocked_clients"] == "1" })
            .await;
        redis.command(&["CLIENT", "KILL", "ID", id[1..].trim_end()]).await;
        let told = shown(popping.read_until_closed(PATIENCE).await.bytes);
        assert!(told.starts_with("-OUTCOMEUNKNOWN"), "{told}");
    }
    assert_eq!(metric(&sidecar, "failsoft_node_circuit_opened_total", &[]).await, 0.0);
    assert_eq!(client(&sidecar).await.ask(&["SET", "a", "1"], PATIENCE).await, "+OK\r\n");
}

#[tokio::test]
async fn what_may_have_happened_is_said_to_be_unknown_and_nothing_else_is() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), QUICK).await;
    let mut executing = client(&sidecar).await;
    executing.ask(&["MULTI"], PATIENCE).await;
    executing.ask(&["INCR", "a"], PATIENCE).await;
    let mut queueing = client(&sidecar).await;
    queueing.ask(&["MULTI"], PATIENCE).await;
    let mut popping = client(&sidecar).await;
    popping.send_command(&["BLPOP", "q", "0"]).await.unwrap();
    let mut reading = client(&sidecar).await;
    reading.ask(&["WATCH", "a"], PATIENCE).await;
    reaches(&sidecar, "failsoft_node_dedicated_connections", &[], 4.0).await;
    redis.pause();
    executing.send_command(&["EXEC"]).await.unwrap();
    queueing.send_command(&["INCR", "a"]).await.unwrap();
    reading.send_command(&["GET", "a"]).await.unwrap();

    for (client, word) in [
        (&mut executing, "-OUTCOMEUNKNOWN"),
        (&mut queueing, "-UNAVAILABLE"),
        (&mut popping, "-OUTCOMEUNKNOWN"),
        (&mut reading, "-UNAVAILABLE"),
    ] {
        let told = shown(client.read_until_closed(PATIENCE).await.bytes);
        assert!(told.starts_with(word) && told.ends_with("\r\n"), "{word}: {told}");
        assert_eq!(told.matches("\r\n").count(), 1, "{told}");
    }
    redis.resume();
    let executed = redis.get("a").await;
    assert!(matches!(executed.as_deref(), None | Some("1")), "{executed:?}");
}

#[tokio::test]
async fn a_subscriber_of_a_silent_redis_is_closed_so_that_it_knows_of_the_gap() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::start(redis.addr()).await;
    let sidecar = start(&proxy.url(), QUICK).await;
    let mut subscribers = Vec::new();
    for (hello, subscribe) in [("2", "SUBSCRIBE"), ("3", "SUBSCRIBE"), ("2", "PSUBSCRIBE"), ("3", "SSUBSCRIBE")] {
        let mut subscriber = client(&sidecar).await;
        subscriber.ask(&["HELLO", hello], PATIENCE).await;
        assert!(subscriber.ask(&[subscribe, "news"], PATIENCE).await.contains("news"));
        subscribers.push(subscriber);
    }
    redis.command(&["PUBLISH", "news", "hello"]).await;
    redis.command(&["SPUBLISH", "news", "hello"]).await;
    for subscriber in &mut subscribers {
        assert!(shown(subscriber.read_reply(PATIENCE).await).contains("hello"));
    }
    proxy.set_mode(Mode::HalfOpen).await;
    for mut subscriber in subscribers {
        assert_eq!(shown(subscriber.read_until_closed(PATIENCE).await.bytes), "");
    }
}

/// The PINGs by which a silent node is found out are failsoft's own business.
#[tokio::test]
async fn a_subscriber_hears_messages_and_nothing_else_however_long_it_listens() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "").await;
    let mut subscribers = Vec::new();
    for hello in ["2", "3"] {
        let mut subscriber = client(&sidecar).await;
        subscriber.ask(&["HELLO", hello], PATIENCE).await;
        subscriber.ask(&["SUBSCRIBE", "news"], PATIENCE).await;
        subscribers.push(subscriber);
    }
    let pings = || async { redis.info("commandstats").await["cmdstat_ping"].clone() };
    let count = |line: &str| -> u64 { line.split(['=', ',']).nth(1).unwrap().parse().unwrap() };
    let before = count(&pings().await);
    eventually("several heartbeats", PATIENCE, || async { count(&pings().await) >= before + 8 }).await;
    redis.command(&["PUBLISH", "news", "hello"]).await;
    for subscriber in &mut subscribers {
        let heard = shown(subscriber.read_reply(PATIENCE).await);
        assert!(heard.contains("message") && heard.contains("hello"), "{heard}");
        assert!(subscriber.is_silent(Duration::from_millis(50)).await);
    }
}

#[tokio::test]
async fn a_client_is_not_left_at_a_node_that_is_not_the_primary_any_more() {
    let (old, new) = (Redis::start().await, Redis::start().await);
    let sidecar = start(&old.url(), "").await;
    let mut subscriber = client(&sidecar).await;
    subscriber.ask(&["SUBSCRIBE", "news"], PATIENCE).await;
    let mut shared = client(&sidecar).await;
    shared.ask(&["SET", "where", "old"], PATIENCE).await;
    sidecar.reload(&settings(&new.url(), ""));
    assert_eq!(shown(subscriber.read_until_closed(PATIENCE).await.bytes), "");
    closed_as(&sidecar, "moved").await;
    assert_eq!(shared.ask(&["SET", "where", "new"], PATIENCE).await, "+OK\r\n");
    assert_eq!(new.get("where").await.as_deref(), Some("new"));
}

/// A database is a state, but one that a slow answer does not put in doubt: such clients must not all be closed, and all
/// come again, because Redis was slow for a moment.
#[tokio::test]
async fn a_slow_answer_costs_a_client_in_another_database_its_answer_and_not_its_connection() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::start(redis.addr()).await;
    let sidecar = start(&proxy.url(), "redis.timeout = \"2s\"\nbreaker.failures = 1000\n").await;
    let mut client = client(&sidecar).await;
    assert_eq!(client.ask(&["SELECT", "2"], PATIENCE).await, "+OK\r\n");
    for round in 0..2 {
        proxy.set_mode(Mode::HalfOpen).await;
        client.send([command(&["INCR", "n"]), command(&["GET", "n"])].concat()).await.unwrap();
        assert!(shown(client.read_reply(PATIENCE).await).starts_with("-OUTCOMEUNKNOWN"));
        assert!(shown(client.read_reply(PATIENCE).await).starts_with("-UNAVAILABLE"));
        proxy.set_mode(Mode::Pass).await;
        assert_eq!(client.ask(&["ECHO", "still here"], PATIENCE).await, "$10\r\nstill here\r\n");
        assert_eq!(client.ask(&["GET", "n"], PATIENCE).await, format!("$1\r\n{}\r\n", round + 1));
    }
    assert_eq!(metric(&sidecar, "failsoft_clients_closed_total", &[("reason", "upstream_lost")]).await, 0.0);
}

/// Those that might have been late were forgotten when one that may not be was overdue too, and the client took what it was
/// told of that one for the answer to the first.
#[tokio::test]
async fn everyone_that_is_overdue_is_told_of_when_the_connection_is_given_up() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::start(redis.addr()).await;
    let sidecar = start(&proxy.url(), "redis.timeout = \"500ms\"\nbreaker.failures = 1000\n").await;
    let mut client = client(&sidecar).await;
    assert_eq!(client.ask(&["SELECT", "2"], PATIENCE).await, "+OK\r\n");
    proxy.set_mode(Mode::HalfOpen).await;
    let calls = [&["SET", "n", "1"][..], &["GET", "n"], &["SET", "m", "1"], &["WATCH", "n"], &["GET", "n"]];
    client.send(calls.map(command).concat()).await.unwrap();
    let told = shown(client.read_until_closed(PATIENCE).await.bytes);
    let words: Vec<&str> = told.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    let (unknown, undone) = ("-OUTCOMEUNKNOWN", "-UNAVAILABLE");
    assert_eq!(words, [unknown, undone, unknown, undone, undone], "{told}");
}

/// `server.auth = "redis"`: whoever has not convinced Redis gets nothing, and whoever has is that user and nobody else.
#[tokio::test]
async fn clients_run_as_the_users_of_redis_that_they_have_proved_to_be() {
    let redis = Redis::start().await;
    redis.command(&["SET", "a", "secret of a"]).await;
    redis.acl_user("ann", "apple", "~a &* +@all -@dangerous").await;
    redis.acl_user("bob", "berry", "~b &* +@all").await;
    let more = format!(
        "server.auth = \"redis\"\n{QUICK}[[routes]]\nkeys = \"*\"\nrole = \"cache\"\nlease = \"0s\"\nmax_stale = \"10m\"\n"
    );
    let sidecar = start(&redis.url(), &more).await;

    let mut ann = client(&sidecar).await;
    for words in [&["GET", "a"][..], &["MULTI"], &["SUBSCRIBE", "x"], &["SELECT", "1"], &["ACL", "WHOAMI"]] {
        assert_eq!(ann.ask(words, PATIENCE).await, "-NOAUTH Authentication required.\r\n", "{words:?}");
    }
    // A guess in front of a request, in one write: the request must not run as anybody.
    let guess = [&["AUTH", "ann", "wrong"][..], &["GET", "a"], &["ACL", "WHOAMI"]].map(command).concat();
    ann.send(guess).await.unwrap();
    assert!(shown(ann.read_reply(PATIENCE).await).starts_with("-WRONGPASS"));
    for _ in 0..2 {
        assert_eq!(shown(ann.read_reply(PATIENCE).await), "-NOAUTH Authentication required.\r\n");
    }
    assert_eq!(ann.ask(&["AUTH", "ann", "apple"], PATIENCE).await, "+OK\r\n");
    assert_eq!(ann.ask(&["GET", "a"], PATIENCE).await, "$11\r\nsecret of a\r\n");
    let mut bob = client(&sidecar).await;
    assert!(bob.ask(&["HELLO", "3", "AUTH", "bob", "berry"], PATIENCE).await.starts_with("%7"));
    assert_eq!(bob.ask(&["ACL", "WHOAMI"], PATIENCE).await, "$3\r\nbob\r\n");
    assert!(bob.ask(&["GET", "a"], PATIENCE).await.starts_with("-NOPERM"));
    assert!(bob.ask(&["MGET", "a", "b"], PATIENCE).await.starts_with("-NOPERM"));
    let explained = bob.ask(&["FAILSOFT", "EXPLAIN", "GET", "a"], PATIENCE).await;
    assert!(explained.starts_with("-NOPERM FAILSOFT EXPLAIN"), "whether there is a copy is told by it: {explained}");
    assert_eq!(ann.ask(&["RESET"], PATIENCE).await, "+RESET\r\n");
    assert_eq!(ann.ask(&["GET", "a"], PATIENCE).await, "-NOAUTH Authentication required.\r\n");
    assert_eq!(ann.ask(&["AUTH", "ann", "apple"], PATIENCE).await, "+OK\r\n");

    redis.pause();
    bob.send_command(&["GET", "a"]).await.unwrap();
    let told = shown(bob.read_until_closed(PATIENCE).await.bytes);
    assert!(told.starts_with("-UNAVAILABLE"), "never from a copy: {told}");
    is_isolated(&sidecar).await;
    let mut late = client(&sidecar).await;
    assert!(late.ask(&["AUTH", "bob", "berry"], PATIENCE).await.starts_with("-UNAVAILABLE"));
    assert_eq!(late.ask(&["GET", "a"], PATIENCE).await, "-NOAUTH Authentication required.\r\n");
    redis.resume();
    drop(ann);
    eventually("connections to be closed", PATIENCE, || async {
        metric(&sidecar, "failsoft_node_dedicated_connections", &[]).await == 0.0
    })
    .await;
}

#[tokio::test]
async fn who_guesses_at_redis_is_counted_and_closed_in_the_end() {
    const MOST: usize = 8;
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "server.auth = \"redis\"\n").await;
    let mut guesser = client(&sidecar).await;
    for _ in 0..MOST {
        assert!(guesser.ask(&["AUTH", "ann", "guess"], PATIENCE).await.starts_with("-WRONGPASS"));
    }
    assert_eq!(shown(guesser.read_until_closed(PATIENCE).await.bytes), "");
    closed_as(&sidecar, "guessing").await;
    assert_eq!(metric(&sidecar, "failsoft_auth_failures_total", &[]).await, MOST as f64);
}
