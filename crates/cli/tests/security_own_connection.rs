//! docs/security.md on connections of a client's own: what may not be done on those that clients share may not be done
//! there either, and whoever tries harms nobody else.
#![allow(clippy::unwrap_used)]

mod tools;

use std::time::Duration;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use tools::malformed::{malformed, until_closed};
use tools::{PATIENCE, bulk, command, metric, reaches, resident, shown, start};

/// Nothing is slow, however busy the machine.
const PATIENT: &str =
    "redis.timeout = '20s'\nredis.connect_timeout = '20s'\nrequest.deadline = '30s'\nbreaker.slow_call = '1m'\n";
/// What measuring resident memory is good for.
const NOISE: u64 = 16 << 20;
/// What gives a client a connection of its own, and the answer.
const STATES: [(&[&str], &str); 4] = [
    (&["MULTI"], "+OK\r\n"),
    (&["WATCH", "a"], "+OK\r\n"),
    (&["SELECT", "3"], "+OK\r\n"),
    (&["SUBSCRIBE", "x"], "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n"),
];

async fn assert_served(client: &mut HostileClient) {
    assert_eq!(client.ask(&["SET", "plain", "v"], PATIENCE).await, "+OK\r\n");
    assert_eq!(client.ask(&["GET", "plain"], PATIENCE).await, "$1\r\nv\r\n");
}

async fn all_given_back(sidecar: &Sidecar) {
    eventually("all connections to be given back", PATIENCE, || async {
        metric(sidecar, "failsoft_node_dedicated_connections", &[]).await == 0.0
    })
    .await;
}

/// Points 2 and 4: what is no request is refused in Redis' words, and nothing that came behind it is ever done.
#[tokio::test]
async fn nothing_is_smuggled_on_a_connection_of_ones_own() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), PATIENT).await;
    let mut bystander = HostileClient::connect(sidecar.addr()).await;
    for (state, answer) in STATES {
        for input in malformed() {
            let words = until_closed(redis.addr(), &input).await;
            let behind =
                [&["SET", "smuggled", "1"][..], &["EXEC"], &["PUBLISH", "x", "smuggled"]].map(command).concat();
            let got = until_closed(sidecar.addr(), &[command(state), input.clone(), behind].concat()).await;
            assert_eq!(got, format!("{answer}{words}"), "{state:?} {:?}", shown(&input[..input.len().min(60)]));
        }
        assert_served(&mut bystander).await;
    }
    assert_eq!(redis.get("smuggled").await, None);
    all_given_back(&sidecar).await;
}

/// Point 2: what looks like requests inside a value, a channel or a name is a value, a channel or a name.
#[tokio::test]
async fn requests_inside_values_stay_values() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), PATIENT).await;
    let smuggled = shown(command(&["SET", "smuggled", "1"]));
    let odd =
        [smuggled.clone(), format!("\r\n{smuggled}"), format!("$3\r\nabc\r\n{smuggled}"), "+OK\r\n-ERR x\r\n".into()];
    let mut client = HostileClient::connect(sidecar.addr()).await;
    for value in odd.iter().map(String::as_str) {
        let mut requests = Vec::new();
        let mut expected = String::new();
        let own = shown(bulk(value));
        let bad_name = "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";
        let asked: [(Vec<&str>, &str); 11] = [
            (vec!["SET", value, value], "+OK\r\n"),
            (vec!["GET", value], &own),
            (vec!["ECHO", value], &own),
            (vec!["MULTI"], "+OK\r\n"),
            (vec!["GET", value], "+QUEUED\r\n"),
            (vec!["ECHO", value], "+QUEUED\r\n"),
            (vec!["EXEC"], &format!("*2\r\n{own}{own}")),
            (vec!["SUBSCRIBE", value], &format!("*3\r\n$9\r\nsubscribe\r\n{own}:1\r\n")),
            (vec!["UNSUBSCRIBE", value], &format!("*3\r\n$11\r\nunsubscribe\r\n{own}:0\r\n")),
            (vec!["CLIENT", "SETNAME", value], bad_name),
            (vec!["GET", "smuggled"], "$-1\r\n"),
        ];
        for (words, reply) in asked {
            requests.extend(command(&words));
            expected.push_str(reply);
        }
        client.send_slices(&requests, 11, Duration::ZERO).await.unwrap();
        assert_eq!(shown(client.read_exactly(expected.len(), PATIENCE).await), expected);
    }
    // In an error line there is no room for another line.
    for words in [
        vec![odd[1].as_str()],
        vec!["CLIENT", &odd[1]],
        vec!["HELLO", "3", &odd[1]],
        vec!["EVAL", "return redis.error_reply(ARGV[1])", "0", &odd[1]],
    ] {
        let told = client.ask(&words, PATIENCE).await;
        assert!(told.starts_with('-') && told.matches("\r\n").count() == 1, "{told}");
        assert_served(&mut client).await;
    }
    assert_eq!(redis.get("smuggled").await, None);
}

/// Point 4: a claim costs nothing until the bytes arrive, there too.
#[tokio::test]
async fn what_is_claimed_on_a_connection_of_ones_own_costs_no_memory() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), PATIENT).await;
    let mut bystander = HostileClient::connect(sidecar.addr()).await;
    let mut claimants = Vec::new();
    for (state, answer) in STATES.iter().cycle().take(100) {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        assert_eq!(client.ask(state, PATIENCE).await, *answer);
        claimants.push(client);
    }
    let before = resident(sidecar.pid());
    let claims: [&[u8]; 3] =
        [b"*2\r\n$3\r\nGET\r\n$536870912\r\nabc", b"*1048576\r\n$1\r\na\r\n", b"*3\r\n$3\r\nSET\r\n$536870912\r\nk"];
    for (client, claim) in claimants.iter_mut().zip(claims.iter().cycle()) {
        client.send(claim).await.unwrap();
    }
    assert_served(&mut bystander).await;
    assert!(claimants[0].is_silent(Duration::from_millis(1)).await, "a claim that may yet come true is no error");
    let grown = resident(sidecar.pid()).saturating_sub(before);
    assert!(grown < NOISE, "{grown} bytes for 100 claims");
    drop(claimants);
    all_given_back(&sidecar).await;
}

/// Point 4: messages and everything that MONITOR tells pile up nowhere for a client that never reads.
#[tokio::test]
async fn listeners_that_never_read_cost_a_bounded_amount_and_are_closed() {
    const MESSAGES: usize = 600;
    // Redis itself would let go of such a client first.
    let redis = Redis::builder().set("client-output-buffer-limit", "normal 0 0 0 pubsub 0 0 0").start().await;
    let sidecar = start(&redis.url(), &format!("server.write_timeout = '1s'\n{PATIENT}")).await;
    let mut bystander = HostileClient::connect(sidecar.addr()).await;
    assert_served(&mut bystander).await;
    let before = resident(sidecar.pid());
    let mut silent = Vec::new();
    for words in [&["SUBSCRIBE", "x"][..], &["PSUBSCRIBE", "*"], &["MONITOR"]] {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        client.ask(words, PATIENCE).await;
        silent.push(client);
    }
    let mut publisher = HostileClient::connect(redis.addr()).await;
    let message = command(&["PUBLISH", "x", &"m".repeat(100_000)]);
    for _ in 0..MESSAGES {
        publisher.send(&message).await.unwrap();
        publisher.read_reply(PATIENCE).await;
    }
    assert_served(&mut bystander).await;
    let grown = resident(sidecar.pid()).saturating_sub(before);
    // Of the 180 megabytes that they were told.
    assert!(grown < 4 * NOISE, "{grown} bytes");
    reaches(&sidecar, "failsoft_clients_closed_total", &[("reason", "slow_reader")], 3.0).await;
    assert_eq!(metric(&sidecar, "failsoft_node_silences_total", &[]).await, 0.0, "the node was not silent");
    all_given_back(&sidecar).await;
    assert_served(&mut bystander).await;
    drop(silent);
}

/// A reader that takes its time was taken for a silent Redis: closed, and held against Redis for everybody.
#[tokio::test]
async fn a_reader_that_takes_its_time_is_no_silence_of_redis() {
    const SIZE: usize = 8 << 20;
    let redis = Redis::start().await;
    redis.command(&["SET", "large", &"x".repeat(SIZE)]).await;
    let sidecar = start(&redis.url(), "redis.timeout = '1s'\nbreaker.failures = 1\nbreaker.slow_call = '1m'\n").await;
    let mut bystander = HostileClient::connect(sidecar.addr()).await;
    assert_served(&mut bystander).await;
    let mut slow = HostileClient::connect(sidecar.addr()).await;
    let requests = [command(&["WATCH", "a"]), command(&["GET", "large"]).repeat(6), command(&["ECHO", "the end"])];
    slow.send(requests.concat()).await.unwrap();
    assert_eq!(shown(slow.read_reply(PATIENCE).await), "+OK\r\n");
    // sleeps: how long the reader does something else, several times what a node may be silent
    tokio::time::sleep(Duration::from_secs(3)).await;
    for _ in 0..6 {
        assert_eq!(slow.read_reply(PATIENCE).await.len(), SIZE + 12);
    }
    assert_eq!(shown(slow.read_reply(PATIENCE).await), "$7\r\nthe end\r\n");
    assert_eq!(metric(&sidecar, "failsoft_node_silences_total", &[]).await, 0.0);
    assert_served(&mut bystander).await;
}

/// Half-closed sockets: whatever was sent before is done and answered, and then it is the end.
#[tokio::test]
async fn what_was_sent_before_the_end_is_answered_transactions_included() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), PATIENT).await;
    let pushed = "*2\r\n$1\r\nq\r\n$1\r\n1\r\n";
    let subscribed = "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n";
    let tales: [(&[&str], String); 6] = [
        (&["SET a 1", "GET a"], "+OK\r\n$1\r\n1\r\n".into()),
        (&["MULTI", "INCR a", "GET a", "EXEC"], "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:2\r\n$1\r\n2\r\n".into()),
        (&["GET a", "MULTI", "INCR a", "EXEC", "GET a"], "$1\r\n2\r\n+OK\r\n+QUEUED\r\n*1\r\n:3\r\n$1\r\n3\r\n".into()),
        (&["RPUSH q 1", "BLPOP q 0", "GET a"], format!(":1\r\n{pushed}$1\r\n3\r\n")),
        (&["SUBSCRIBE x"], subscribed.into()),
        (&["SELECT 3", "GET a", "HELLO 3", "GET a"], "+OK\r\n$-1\r\n%7\r\n".into()),
    ];
    for (lines, expected) in tales {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        client.send(lines.iter().map(|line| format!("{line}\r\n")).collect::<String>()).await.unwrap();
        client.finish_sending().await;
        let got = shown(client.read_until_closed(PATIENCE).await.bytes);
        assert!(got.starts_with(&expected) && (got == expected || expected.ends_with("%7\r\n")), "{lines:?}: {got}");
    }
    // Nobody is left to be waited for: neither a queue that stays empty nor a transaction without an end keeps a place.
    for lines in [&["BLPOP nothing 0"][..], &["MULTI", "SET a never"], &["MONITOR"]] {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        client.send(lines.iter().map(|line| format!("{line}\r\n")).collect::<String>()).await.unwrap();
        client.finish_sending().await;
        client.read_until_closed(PATIENCE).await;
    }
    all_given_back(&sidecar).await;
    assert_eq!(redis.get("a").await.as_deref(), Some("3"));
}

/// A thousand levels are a reply, if Redis sends them, and never a request.
#[tokio::test]
async fn a_thousand_levels_are_passed_on_from_redis_and_refused_from_clients() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), PATIENT).await;
    let mut bystander = HostileClient::connect(sidecar.addr()).await;
    let script = "local t = {1} for _ = 1, 1000 do t = {t} end return t";
    let expected = ["*1\r\n".repeat(1_001), ":1\r\n".to_owned()].concat();
    let mut client = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["EVAL", script, "0"], PATIENCE).await, expected);
    assert_eq!(client.ask(&["WATCH", "a"], PATIENCE).await, "+OK\r\n");
    assert_eq!(client.ask(&["EVAL", script, "0"], PATIENCE).await, expected);
    for opening in ["", "MULTI\r\n"] {
        let input = format!("{opening}{}", "*1\r\n".repeat(1_000));
        let answer = if opening.is_empty() { "" } else { "+OK\r\n" };
        let got = until_closed(sidecar.addr(), input.as_bytes()).await;
        assert_eq!(got, format!("{answer}-ERR Protocol error: expected '$', got '*'\r\n"));
    }
    assert_served(&mut bystander).await;
}

/// Point 5: what a user may not touch is refused in a transaction and in a blocking pop too, with Redis there and away.
#[tokio::test]
async fn a_user_stays_within_its_keys_whether_redis_is_there_or_away() {
    // SHA-256 of "apple".
    const HASH: &str = "3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b";
    let redis = Redis::start().await;
    redis.command(&["SET", "theirs:1", "secret"]).await;
    let users =
        format!("server.auth = 'users'\n[[users]]\nname = 'ann'\npassword_sha256 = ['{HASH}']\nkeys = ['own:*']\n");
    let sidecar = start(&redis.url(), &users).await;
    let no_key = "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";
    let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    for when in ["there", "away"] {
        if when == "away" {
            redis.kill().await;
        }
        let mut ann = HostileClient::connect(sidecar.addr()).await;
        assert_eq!(ann.ask(&["AUTH", "ann", "apple"], PATIENCE).await, "+OK\r\n");
        for words in [&["GET", "theirs:1"][..], &["WATCH", "theirs:1"], &["BLPOP", "theirs:1", "0"]] {
            assert_eq!(ann.ask(words, PATIENCE).await, no_key, "Redis is {when}: {words:?}");
        }
        assert_eq!(ann.ask(&["MULTI"], PATIENCE).await, "+OK\r\n");
        assert_eq!(ann.ask(&["GET", "theirs:1"], PATIENCE).await, no_key, "Redis is {when}");
        assert_eq!(ann.ask(&["EXEC"], PATIENCE).await, aborted, "Redis is {when}");
        let own = ann.ask(&["GET", "own:1"], PATIENCE).await;
        assert!(if when == "there" { own == "$-1\r\n" } else { own.starts_with("-UNAVAILABLE") }, "{own}");
    }
}
