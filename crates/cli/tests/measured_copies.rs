//! Local copies and writes: whoever has been told that a write is done is never again given what was there before.
//!
//! Redis is taken away after the writes, so that every answer comes from the sidecar's own memory. A copy that is
//! missing costs an error here, which is right; a copy that is old would be an answer, which is wrong.
#![allow(clippy::unwrap_used)]

mod tools;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::proxy::{FaultProxy, Mode};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use tokio::task::JoinSet;

use tools::{Dice, PATIENCE, ask_all, bulk, gets, shown, start};

const PAGES: &str = r#"
redis.timeout = "500ms"

[[routes]]
keys = "page:*"
role = "cache"
lease = "0s"
ttl = "10m"
max_stale = "10m"
"#;

async fn stage() -> (Redis, FaultProxy, Sidecar) {
    let redis = Redis::start().await;
    let proxy = FaultProxy::start(redis.addr()).await;
    let sidecar = start(&proxy.url(), PAGES).await;
    (redis, proxy, sidecar)
}

#[tokio::test]
async fn no_write_command_leaves_the_old_copy_behind() {
    let (redis, proxy, sidecar) = stage().await;
    let script = "return redis.call('SET', KEYS[1], 'new')";
    let writes: [&[&str]; 17] = [
        &["SET", "KEY", "new"],
        &["set", "KEY", "new", "EX", "100"],
        &["SETEX", "KEY", "100", "new"],
        &["PSETEX", "KEY", "100000", "new"],
        &["DEL", "KEY"],
        &["UNLINK", "page:other", "KEY"],
        &["APPEND", "KEY", " and new"],
        &["SETRANGE", "KEY", "0", "new"],
        &["GETSET", "KEY", "new"],
        &["GETDEL", "KEY"],
        &["SETBIT", "KEY", "7", "1"],
        &["MSET", "page:another", "new", "KEY", "new"],
        &["RENAME", "KEY", "page:elsewhere"],
        &["RENAME", "page:source", "KEY"],
        &["COPY", "page:origin", "KEY", "REPLACE"],
        &["EVAL", script, "1", "KEY"],
        &["EXPIREAT", "KEY", "1"],
    ];
    redis.command(&["MSET", "page:source", "new", "page:origin", "new"]).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    for (id, write) in writes.iter().enumerate() {
        let key = format!("page:{id}");
        redis.command(&["SET", &key, "old"]).await;
        assert_eq!(client.ask(&["GET", &key], PATIENCE).await, "$3\r\nold\r\n");
        let words: Vec<&str> = write.iter().map(|word| if *word == "KEY" { key.as_str() } else { word }).collect();
        let reply = client.ask(&words, PATIENCE).await;
        assert!(!reply.starts_with('-'), "{words:?}: {reply}");
    }
    proxy.set_mode(Mode::Refuse).await;

    for (id, write) in writes.iter().enumerate() {
        let reply = client.ask(&["GET", &format!("page:{id}")], PATIENCE).await;
        assert!(reply.starts_with("-UNAVAILABLE "), "after {write:?}: {reply}");
    }
}

#[tokio::test]
async fn flushing_leaves_no_copy_behind() {
    let (redis, proxy, sidecar) = stage().await;
    for id in 0..100 {
        redis.command(&["SET", &format!("page:{id}"), "old"]).await;
    }
    let reads = gets((0..100).map(|id| format!("page:{id}")));
    assert!(ask_all(sidecar.addr(), 4, &reads).await.iter().all(|reply| *reply == bulk("old")));
    let mut client = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["FLUSHALL"], PATIENCE).await, "+OK\r\n");
    proxy.set_mode(Mode::Refuse).await;
    for reply in ask_all(sidecar.addr(), 4, &reads).await {
        assert!(reply.starts_with(b"-UNAVAILABLE "), "{}", shown(reply));
    }
}

#[tokio::test]
async fn a_write_that_was_not_answered_leaves_no_copy_behind_either() {
    let (redis, proxy, sidecar) = stage().await;
    redis.command(&["SET", "page:1", "old"]).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["GET", "page:1"], PATIENCE).await, "$3\r\nold\r\n");
    proxy.set_mode(Mode::DropReplies).await;
    let reply = client.ask(&["SET", "page:1", "new"], PATIENCE).await;
    assert_eq!(reply, "+OK\r\n", "it may have happened, and is kept here");
    assert_eq!(client.ask(&["GET", "page:1"], PATIENCE).await, "$3\r\nnew\r\n");
    let reply = client.ask(&["APPEND", "page:1", "er"], PATIENCE).await;
    assert!(reply.starts_with("-OUTCOMEUNKNOWN ") || reply.starts_with("-UNAVAILABLE "), "{reply}");
    let reply = client.ask(&["GET", "page:1"], PATIENCE).await;
    assert!(reply.starts_with("-UNAVAILABLE "), "{reply}");
}

const KEYS: usize = 64;
const VERSIONS: usize = 40;

/// Readers on both threads keep copies as fast as they can while a writer raises every key's version.
#[tokio::test]
async fn copies_kept_while_others_write_are_never_older_than_the_last_write() {
    let (_redis, proxy, sidecar) = stage().await;
    let addr = sidecar.addr();
    let writer = tokio::spawn(async move {
        let mut client = HostileClient::connect(addr).await;
        for version in 1..=VERSIONS {
            for key in 0..KEYS {
                let reply = client.ask(&["SET", &format!("page:{key}"), &version.to_string()], PATIENCE).await;
                assert_eq!(reply, "+OK\r\n");
            }
        }
    });
    let mut readers = JoinSet::new();
    for seed in 0..8 {
        readers.spawn(read_until_last(addr, Dice(seed)));
    }
    writer.await.unwrap();
    readers.join_all().await;
    proxy.set_mode(Mode::Refuse).await;

    let last = shown(bulk(VERSIONS.to_string()));
    let replies = ask_all(addr, 1, &gets((0..KEYS).map(|key| format!("page:{key}")))).await;
    let served = replies.iter().filter(|reply| shown(reply) == last).count();
    let refused = replies.iter().filter(|reply| reply.starts_with(b"-UNAVAILABLE ")).count();
    assert_eq!(served + refused, KEYS, "{:?}", replies.iter().map(shown).collect::<Vec<_>>());
    assert!(served > 0, "no copy was kept at all");
}

/// Reads at random until it has seen the last version of some key; what it sees of a key never goes back.
async fn read_until_last(addr: std::net::SocketAddr, mut dice: Dice) {
    let mut client = HostileClient::connect(addr).await;
    let mut seen = [0; KEYS];
    while !seen.contains(&VERSIONS) {
        let key = dice.roll(KEYS);
        let reply = client.ask(&["GET", &format!("page:{key}")], PATIENCE).await;
        let version = reply.lines().nth(1).map_or(0, |text| text.parse().unwrap());
        assert!(version >= seen[key], "page:{key}: {version} after {}", seen[key]);
        seen[key] = version;
    }
}
