//! docs/users.md: who may come in and what they may do, in Redis' words, at every tier, with Redis there and away.
#![allow(clippy::unwrap_used)]

mod tools;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use tools::{PATIENCE, bin, bulk, command, reaches, settings, shown, start};

const SECRET: &str = "canary-secret-of-app";
const HASH: &str = "38b8748c47360b6596a65a322deaab2142537cd429053a675c286ba785d2a42a";
const NEW_SECRET: &str = "canary-new-secret";
const NEW_HASH: &str = "624b9b0b838c0eaf767a825d4625da70b7d6000877fa7a03a4597f8e0dc63727";
const NO_KEY: &str = "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";
const NO_AUTH: &str = "-NOAUTH Authentication required.\r\n";

fn users() -> String {
    format!(
        "server.auth = 'users'
server.deny_commands = ['CONFIG', 'DEBUG SLEEP']
[[users]]
name = 'default'
password_sha256 = ['{HASH}']
[[users]]
name = 'tenant'
password_sha256 = ['{HASH}']
keys = ['user:1*', 'tenant:*']
[[users]]
name = 'reader'
password_sha256 = ['{HASH}']
commands = 'read'
"
    )
}

fn routes(origin: &str) -> String {
    format!(
        "[origins.catalogue]\nurl = '{origin}'\nmax_concurrency = 20\nmax_rate = 1000\n[[routes]]\nkeys = 'user:{{id:int}}'\n\
         role = 'cache'\norigin = 'catalogue'\nget = '/users/{{id}}'\n[[routes]]\nkeys = 'plan:*'\nrole = 'cache'\ndefault = 'free'\n"
    )
}

async fn client_of(sidecar: &Sidecar, user: &str) -> HostileClient {
    let mut client = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["AUTH", user, SECRET], PATIENCE).await, "+OK\r\n");
    client
}

#[tokio::test]
async fn strangers_and_guesses_are_answered_in_redis_own_words() {
    let (judge, redis) = (Redis::start().await, Redis::start().await);
    // The default user last: from then on the judge asks its own tests too.
    for acl in [["tenant", &format!("#{HASH}"), "on", "~user:1*"], ["default", &format!(">{SECRET}"), "on", "~*"]] {
        let words: Vec<&str> = ["ACL", "SETUSER"].into_iter().chain(acl).chain(["+@all"]).collect();
        judge.command(&words).await;
    }
    let sidecar = start(&redis.url(), &users()).await;
    let mut theirs = HostileClient::connect(judge.addr()).await;
    let mut ours = HostileClient::connect(sidecar.addr()).await;
    for call in [
        "PING",
        "GET x",
        "MULTI",
        "CLIENT ID",
        "HELLO",
        "HELLO 3",
        "HELLO 9",
        "AUTH nope",
        "AUTH nobody nope",
        "AUTH a b c",
        "HELLO 3 AUTH default nope",
        "HELLO 3 AUTH default",
        "GET x",
        "AUTH canary-secret-of-app",
        "SET x 1",
        "AUTH default nope",
        "GET x",
        "RESET",
        "GET x",
        "AUTH tenant canary-secret-of-app",
        "GET x",
        "SET user:1 1",
        "MGET user:1 x",
        "DEL user:1",
        "QUIT",
    ] {
        let words: Vec<&str> = call.split(' ').collect();
        let (expected, got) = (theirs.ask(&words, PATIENCE).await, ours.ask(&words, PATIENCE).await);
        assert_eq!(got, expected, "{call}");
    }
    for claim in [&b"*11\r\n"[..], b"*2\r\n$3\r\nGET\r\n$16385\r\n"] {
        let mut said = Vec::new();
        for addr in [judge.addr(), sidecar.addr()] {
            let mut stranger = HostileClient::connect(addr).await;
            stranger.send(claim).await.unwrap();
            said.push(shown(stranger.read_until_closed(PATIENCE).await.bytes));
        }
        assert_eq!(said[0], said[1]);
        assert!(said[0].starts_with("-ERR Protocol error: unauthenticated "), "{}", said[0]);
    }
    let mut greeted = HostileClient::connect(sidecar.addr()).await;
    let hello = greeted.ask(&["HELLO", "3", "AUTH", "tenant", SECRET, "SETNAME", "it"], PATIENCE).await;
    assert!(hello.starts_with("%7\r\n"), "{hello}");
    assert_eq!(greeted.ask(&["CLIENT", "GETNAME"], PATIENCE).await, "$2\r\nit\r\n");
    assert_eq!(greeted.ask(&["GET", "x"], PATIENCE).await, NO_KEY);
}

#[tokio::test]
async fn what_a_user_may_not_read_no_tier_gives_it() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let sidecar = start(
        &redis.url(),
        &format!("redis.timeout = '20s'\nrequest.deadline = '30s'\n{}{}", users(), routes(&origin.url())),
    )
    .await;
    let body = |id| shown(bulk(HttpOrigin::body_of("users", id)));
    let (mut whole, mut tenant) = (client_of(&sidecar, "default").await, client_of(&sidecar, "tenant").await);
    for id in [1, 2] {
        assert_eq!(whole.ask(&["GET", &format!("user:{id}")], PATIENCE).await, body(id));
    }
    let loads = origin.requests();
    redis.kill().await;
    for _ in 0..2 {
        assert_eq!(whole.ask(&["GET", "user:2"], PATIENCE).await, body(2), "there is a copy");
        assert_eq!(tenant.ask(&["GET", "user:1"], PATIENCE).await, body(1));
        for call in [&["GET", "user:2"][..], &["MGET", "user:1", "user:2"], &["GET", "plan:1"], &["EXISTS", "user:33"]]
        {
            assert_eq!(tenant.ask(call, PATIENCE).await, NO_KEY, "{call:?}");
        }
        let denied = tenant.ask(&["SCAN", "0"], PATIENCE).await;
        assert_eq!(denied, "-NOPERM this user has no permissions to run the 'scan' command\r\n");
        let mut stranger = HostileClient::connect(sidecar.addr()).await;
        assert_eq!(stranger.ask(&["GET", "plan:1"], PATIENCE).await, NO_AUTH);
    }
    assert_eq!(origin.requests(), loads, "nothing was loaded for who may not see it");
    reaches(&sidecar, "failsoft_commands_refused_total", &[("reason", "key")], 8.0).await;
    reaches(&sidecar, "failsoft_commands_refused_total", &[("reason", "no_auth")], 2.0).await;
}

#[tokio::test]
async fn a_refusal_keeps_its_place_in_the_pipeline_and_does_nothing() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), &users()).await;
    let mut reader = client_of(&sidecar, "reader").await;
    redis.command(&["SET", "x", "1"]).await;
    let calls = [
        &["GET", "x"][..],
        &["SET", "x", "2"],
        &["CONFIG", "GET", "dir"],
        &["debug", "sLeEp", "0"],
        &["FLUSHALL"],
        &["GET", "x"],
    ];
    reader.send(calls.iter().flat_map(|words| command(words)).collect::<Vec<u8>>()).await.unwrap();
    let may_not = |name: &str| format!("-NOPERM this user has no permissions to run the '{name}' command\r\n");
    let listed =
        |name: &str| format!("-NOPERM failsoft does not let '{name}' through: it is in server.deny_commands\r\n");
    let value = "$1\r\n1\r\n".to_owned();
    for expected in [value.clone(), may_not("set"), listed("CONFIG GET"), listed("DEBUG"), may_not("flushall"), value] {
        assert_eq!(shown(reader.read_reply(PATIENCE).await), expected);
    }
}

#[tokio::test]
async fn a_guesser_is_closed_and_nobody_else() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), &users()).await;
    let mut bystander = client_of(&sidecar, "reader").await;
    let mut guesser = HostileClient::connect(sidecar.addr()).await;
    guesser.send(command(&["AUTH", "reader", "guess"]).repeat(20)).await.unwrap();
    let closed = guesser.read_until_closed(PATIENCE).await;
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    assert_eq!(shown(closed.bytes), wrong.repeat(8));
    reaches(&sidecar, "failsoft_clients_closed_total", &[("reason", "guessing")], 1.0).await;
    reaches(&sidecar, "failsoft_auth_failures_total", &[], 8.0).await;
    assert_eq!(bystander.ask(&["GET", "x"], PATIENCE).await, "$-1\r\n");
}

#[tokio::test]
async fn secrets_rotate_without_a_restart_and_who_is_removed_is_a_stranger() {
    let redis = Redis::start().await;
    let before = settings(&redis.url(), &users());
    let sidecar = Sidecar::start(bin(), &before).await;
    let (mut tenant, mut reader) = (client_of(&sidecar, "tenant").await, client_of(&sidecar, "reader").await);

    let both = before.replace(&format!("['{HASH}']"), &format!("['{HASH}', '{NEW_HASH}']"));
    sidecar.reload(&both);
    reaches(&sidecar, "failsoft_settings_generation", &[], 1.0).await;
    for secret in [SECRET, NEW_SECRET] {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        assert_eq!(client.ask(&["AUTH", "tenant", secret], PATIENCE).await, "+OK\r\n");
    }
    let after = before.replace(HASH, NEW_HASH).replace("name = 'reader'", "name = 'reader'\nenabled = false");
    sidecar.reload(&after);
    reaches(&sidecar, "failsoft_settings_generation", &[], 2.0).await;
    assert_eq!(tenant.ask(&["GET", "tenant:1"], PATIENCE).await, "$-1\r\n", "who is in stays in");
    assert_eq!(reader.ask(&["GET", "x"], PATIENCE).await, NO_AUTH);
    let mut late = HostileClient::connect(sidecar.addr()).await;
    assert!(late.ask(&["AUTH", "tenant", SECRET], PATIENCE).await.starts_with("-WRONGPASS "));
    assert!(late.ask(&["AUTH", "reader", NEW_SECRET], PATIENCE).await.starts_with("-WRONGPASS "));
    assert_eq!(late.ask(&["AUTH", NEW_SECRET], PATIENCE).await, "+OK\r\n");
}

/// Who listens asks for nothing, and so would never be told that it may not.
#[tokio::test]
async fn who_is_removed_goes_on_hearing_nothing() {
    let redis = Redis::start().await;
    let before = settings(&redis.url(), &users());
    let sidecar = Sidecar::start(bin(), &before).await;
    let calls = [&["SUBSCRIBE", "x"][..], &["BLPOP", "q", "0"], &["MULTI"], &["SELECT", "3"]];
    let mut readers = Vec::new();
    for words in calls {
        let mut client = client_of(&sidecar, "default").await;
        client.send(command(words)).await.unwrap();
        readers.push(client);
    }
    reaches(&sidecar, "failsoft_node_dedicated_connections", &[], 4.0).await;
    let mut other = client_of(&sidecar, "tenant").await;
    assert_eq!(other.ask(&["MULTI"], PATIENCE).await, "+OK\r\n");
    sidecar.reload(&before.replace("name = 'default'", "name = 'default'\nenabled = false"));
    for mut client in readers {
        client.read_until_closed(PATIENCE).await;
    }
    reaches(&sidecar, "failsoft_clients_closed_total", &[("reason", "revoked")], 4.0).await;
    assert_eq!(other.ask(&["EXEC"], PATIENCE).await, "*0\r\n", "and nobody else is concerned");
}

#[tokio::test]
async fn passwords_and_hashes_are_told_to_nobody() {
    let redis = Redis::start().await;
    let talkative = format!("log.level = 'trace'\n{}", users());
    let sidecar = start(&redis.url(), &talkative).await;
    for words in [
        &["AUTH", "default", "canary-wrong-guess"][..],
        &["AUTH", "canary-wrong-user", SECRET],
        &["HELLO", "3", "AUTH", "default", SECRET],
        &["AUTH", SECRET, "canary-third", "canary-fourth"],
        &["AUTH", SECRET],
    ] {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        let reply = client.ask(words, PATIENCE).await;
        assert!(!reply.contains("canary"), "{reply}");
    }
    let broken = settings(&redis.url(), &talkative).replace(HASH, "canary-written-in-clear");
    sidecar.reload(&broken);
    eventually("the refusal", PATIENCE, || async { sidecar.log_contains("this is not a SHA-256 in hex") }).await;
    let told = [sidecar.log(), sidecar.get("/metrics").await.body, sidecar.state().await].concat();
    assert!(!told.contains("canary") && !told.contains(HASH), "{told}");
}

#[tokio::test]
async fn with_the_users_of_redis_nobody_is_let_in_unknown() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "server.auth = 'redis'\n").await;
    let mut stranger = HostileClient::connect(sidecar.addr()).await;
    for call in [&["GET", "x"][..], &["PING"], &["CLIENT", "ID"], &["FLUSHALL"]] {
        assert_eq!(stranger.ask(call, PATIENCE).await, NO_AUTH, "{call:?}");
    }
}
