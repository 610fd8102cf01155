//! Local memory in front of Redis: a hit asks nobody, and nobody is given what has been overwritten.
//!
//! Writes go straight to Redis, where failsoft does not see them pass, unless a test says otherwise. That a copy may be
//! used is read off the metrics; that it was not, off Redis' own count of commands.
#![allow(clippy::unwrap_used)]

mod tools;

use std::time::{Duration, Instant};

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::proxy::{FaultProxy, OneShot};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use redis::FromRedisValue;

use tools::{PATIENCE, ask_all, bulk, gets, metric, on_own_thread, reaches, shown, start};

/// The promise: a copy answers for no longer than this after a write that was not told of.
const BOUND: Duration = failsoft_core::coherence::SILENCE;

const PAGES: &str = r#"
local.mode = "front"
local.ttl = "10m"
redis.timeout = "10s"
request.deadline = "20s"
redis.probe_interval = "1m"

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
    reaches(&sidecar, "failsoft_tracking_up", &[], 1.0).await;
    reaches(&sidecar, "failsoft_node_probes_total", &[("result", "well")], 1.0).await;
    (redis, proxy, sidecar)
}

async fn client(sidecar: &Sidecar) -> HostileClient {
    HostileClient::connect(sidecar.addr()).await
}

async fn hits(sidecar: &Sidecar) -> f64 {
    metric(sidecar, "failsoft_answers_total", &[("route", "page"), ("tier", "local")]).await
}

async fn passed_over(sidecar: &Sidecar) -> f64 {
    metric(sidecar, "failsoft_local_unverified_total", &[]).await
}

/// Looks in front that found a copy. On a machine that is busy beyond measure a sign of life may come too late for one of
/// them to be used; it was there all the same.
async fn found(sidecar: &Sidecar) -> f64 {
    hits(sidecar).await + passed_over(sidecar).await
}

/// Writes straight to Redis, and returns when failsoft has been told of it.
async fn write(redis: &Redis, sidecar: &Sidecar, words: &[&str]) {
    let told = "failsoft_tracking_invalidations_total";
    let before = metric(sidecar, told, &[]).await;
    redis.command(words).await;
    reaches(sidecar, told, &[], before + 1.0).await;
}

/// How often Redis has carried out a command.
async fn calls(redis: &Redis, command: &str) -> u64 {
    let statistics = redis.info("commandstats").await;
    let of_command = statistics.get(&format!("cmdstat_{command}"));
    of_command.map_or(0, |told| told.split(['=', ',']).nth(1).unwrap().parse().unwrap())
}

/// The connection on which Redis tells of writes.
async fn tracking_id(redis: &Redis) -> Option<String> {
    let list = String::from_redis_value(redis.command(&["CLIENT", "LIST"]).await).unwrap();
    let field = |line: &str, name| line.split(' ').find_map(|field| field.strip_prefix(name)).unwrap().to_owned();
    list.lines().find(|line| field(line, "flags=").contains('t')).map(|line| field(line, "id="))
}

/// Ends the tracking connection, and keeps it from coming back.
async fn cut_off(redis: &Redis, sidecar: &Sidecar) {
    let refused = ("failsoft_tracking_dropped_total", &[("reason", "noperm")]);
    let before = metric(sidecar, refused.0, refused.1).await;
    redis.command(&["ACL", "SETUSER", "default", "-client|tracking"]).await;
    redis.command(&["CLIENT", "KILL", "ID", &tracking_id(redis).await.unwrap()]).await;
    reaches(sidecar, refused.0, refused.1, before + 1.0).await;
}

async fn let_back(redis: &Redis, sidecar: &Sidecar) {
    redis.command(&["ACL", "SETUSER", "default", "+client|tracking"]).await;
    reaches(sidecar, "failsoft_tracking_up", &[], 1.0).await;
}

#[tokio::test]
async fn a_hit_does_not_reach_redis_whatever_the_command_wants_of_the_value() {
    let (redis, _proxy, sidecar) = stage().await;
    write(&redis, &sidecar, &["SET", "page:1", "value"]).await;
    write(&redis, &sidecar, &["HSET", "page:2", "name", "Ann"]).await;
    let mut client = client(&sidecar).await;
    assert_eq!(client.ask(&["GET", "page:1"], PATIENCE).await, "$5\r\nvalue\r\n");
    assert_eq!(client.ask(&["HGETALL", "page:2"], PATIENCE).await, "*2\r\n$4\r\nname\r\n$3\r\nAnn\r\n");
    let asked: [(&[&str], &str); 8] = [
        (&["GET", "page:1"], "$5\r\nvalue\r\n"),
        (&["EXISTS", "page:1"], ":1\r\n"),
        (&["STRLEN", "page:1"], ":5\r\n"),
        (&["GETRANGE", "page:1", "1", "2"], "$2\r\nal\r\n"),
        (&["HGET", "page:2", "name"], "$3\r\nAnn\r\n"),
        (&["HMGET", "page:2", "name", "x"], "*2\r\n$3\r\nAnn\r\n$-1\r\n"),
        (&["HGETALL", "page:2"], "*2\r\n$4\r\nname\r\n$3\r\nAnn\r\n"),
        (&["GET", "page:2"], "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    ];
    for (words, reply) in asked {
        assert_eq!(client.ask(words, PATIENCE).await, reply, "{words:?}");
        let most = calls_before(words[0]) + passed_over(&sidecar).await as u64;
        assert!(calls(&redis, &words[0].to_lowercase()).await <= most, "{words:?}");
    }
    let replies = ask_all(sidecar.addr(), 4, &gets(vec!["page:1".to_owned(); 1_000])).await;
    assert!(replies.iter().all(|reply| *reply == bulk("value")));
    assert!(calls(&redis, "get").await <= calls_before("GET") + passed_over(&sidecar).await as u64);
    assert_eq!(found(&sidecar).await, 1_008.0);
    assert!(hits(&sidecar).await > 500.0);
    let as_fallback = metric(&sidecar, "redis_fallback_routing_attempts_total", &[("status", "secondary_fallback")]);
    assert_eq!(as_fallback.await, 0.0, "a hit in front is no fallback");
}

/// One GET and one HGETALL made the copies; the probe reads a key once.
fn calls_before(command: &str) -> u64 {
    match command {
        "GET" => 2,
        "HGETALL" => 1,
        _ => 0,
    }
}

#[tokio::test]
async fn a_write_elsewhere_is_seen_once_it_has_been_told_of() {
    let (redis, _proxy, sidecar) = stage().await;
    let mut client = client(&sidecar).await;
    for version in 1..=100 {
        write(&redis, &sidecar, &["SET", "page:1", &version.to_string()]).await;
        for _ in 0..2 {
            assert_eq!(client.ask(&["GET", "page:1"], PATIENCE).await, shown(bulk(version.to_string())));
        }
    }
    assert_eq!(found(&sidecar).await, 100.0);
}

#[tokio::test]
async fn of_other_keys_nothing_is_told() {
    let (redis, _proxy, sidecar) = stage().await;
    redis.command(&["MSET", "user:1", "x", "pag", "x", "page:1", "x"]).await;
    reaches(&sidecar, "failsoft_tracking_invalidations_total", &[], 1.0).await;
    redis.command(&["DEL", "user:1", "pag", "page:1"]).await;
    reaches(&sidecar, "failsoft_tracking_invalidations_total", &[], 2.0).await;
    assert_eq!(metric(&sidecar, "failsoft_tracking_invalidations_total", &[]).await, 2.0);
}

#[tokio::test]
async fn expiry_deletion_and_flushing_void_copies_too() {
    let (redis, _proxy, sidecar) = stage().await;
    let mut client = client(&sidecar).await;
    let ends: [&[&str]; 4] = [&["DEL", "page:1"], &["PEXPIRE", "page:1", "1"], &["FLUSHDB"], &["FLUSHALL"]];
    for end in ends {
        redis.command(&["SET", "page:1", "old"]).await;
        eventually("a copy in front", PATIENCE, || async {
            let before = hits(&sidecar).await;
            ask_all(sidecar.addr(), 1, &gets(["page:1".to_owned()])).await;
            hits(&sidecar).await > before
        })
        .await;
        redis.command(end).await;
        eventually(&format!("{end:?} to be seen"), PATIENCE, || async {
            ask_all(sidecar.addr(), 1, &gets(["page:1".to_owned()])).await[0] == b"$-1\r\n"
        })
        .await;
        assert_eq!(client.ask(&["GET", "page:1"], PATIENCE).await, "$-1\r\n");
    }
    assert_eq!(metric(&sidecar, "failsoft_tracking_flushes_total", &[]).await, 2.0);
}

#[tokio::test]
async fn while_nobody_tells_redis_is_asked_and_copies_from_before_are_never_in_front_again() {
    let (redis, _proxy, sidecar) = stage().await;
    let mut client = client(&sidecar).await;
    for key in ["page:1", "page:2"] {
        write(&redis, &sidecar, &["SET", key, "old"]).await;
        assert_eq!(client.ask(&["GET", key], PATIENCE).await, "$3\r\nold\r\n");
    }
    cut_off(&redis, &sidecar).await;
    assert_eq!(metric(&sidecar, "failsoft_tracking_up", &[]).await, 0.0);
    redis.command(&["MSET", "page:1", "new", "page:2", "new"]).await;
    let before = hits(&sidecar).await;
    for _ in 0..3 {
        assert_eq!(client.ask(&["GET", "page:1"], PATIENCE).await, "$3\r\nnew\r\n");
    }
    let_back(&redis, &sidecar).await;
    assert_eq!(client.ask(&["GET", "page:2"], PATIENCE).await, "$3\r\nnew\r\n");
    assert_eq!(hits(&sidecar).await, before);
    assert_eq!(passed_over(&sidecar).await, 4.0);
    assert_eq!(client.ask(&["GET", "page:2"], PATIENCE).await, "$3\r\nnew\r\n");
    assert_eq!(found(&sidecar).await, before + 5.0);
    assert_eq!(metric(&sidecar, "failsoft_tracking_begun_total", &[]).await, 2.0);
}

#[tokio::test]
async fn a_link_that_has_gone_silent_vouches_for_nothing_beyond_its_lease_and_comes_back_with_its_copies() {
    let (redis, proxy, sidecar) = stage().await;
    let mut client = client(&sidecar).await;
    write(&redis, &sidecar, &["SET", "page:1", "old"]).await;
    write(&redis, &sidecar, &["SET", "page:2", "same"]).await;
    for key in ["page:1", "page:2"] {
        client.ask(&["GET", key], PATIENCE).await;
    }
    proxy.hold_news();
    redis.command(&["SET", "page:1", "new"]).await;
    let written = Instant::now();
    let mut late = 0;
    while late < 3 {
        let asked = Instant::now();
        let reply = client.ask(&["GET", "page:1"], PATIENCE).await;
        if asked > written + BOUND {
            assert_eq!(reply, "$3\r\nnew\r\n", "{:?} after the write", asked - written);
            late += 1;
        }
    }
    assert_eq!(metric(&sidecar, "failsoft_tracking_up", &[]).await, 0.0);
    proxy.release_news();
    reaches(&sidecar, "failsoft_tracking_up", &[], 1.0).await;
    let before = found(&sidecar).await;
    assert_eq!(client.ask(&["GET", "page:2"], PATIENCE).await, "$4\r\nsame\r\n");
    assert_eq!(found(&sidecar).await, before + 1.0, "nothing was missed, so the copy is as good as before");
    assert_eq!(metric(&sidecar, "failsoft_tracking_begun_total", &[]).await, 1.0);
}

/// The reply is held back by a proxy while the write is told of on another connection.
#[tokio::test]
async fn a_read_under_way_when_its_key_is_invalidated_leaves_no_copy() {
    let (redis, proxy, sidecar) = stage().await;
    let mut interleaved = 0;
    for round in 0.. {
        let (key, old, new) = (format!("page:{round}"), format!("{round} old"), format!("{round} new"));
        write(&redis, &sidecar, &["SET", &key, &old]).await;
        let read_before = calls(&redis, "get").await;
        proxy.once(OneShot::Delay(Duration::from_millis(400)));
        let mut reader = client(&sidecar).await;
        reader.send_command(&["GET", &key]).await.unwrap();
        eventually("the read", PATIENCE, || async { calls(&redis, "get").await > read_before }).await;
        write(&redis, &sidecar, &["SET", &key, &new]).await;
        let was_under_way = metric(&sidecar, "failsoft_node_pending", &[("tier", "primary")]).await == 1.0;
        let reply = shown(reader.read_reply(PATIENCE).await);
        assert!([&old, &new].iter().any(|value| reply == shown(bulk(value.as_bytes()))), "{reply}");
        assert_eq!(reader.ask(&["GET", &key], PATIENCE).await, shown(bulk(&new)));
        // The delay may have struck a sign of life instead of the reply.
        interleaved += u32::from(was_under_way);
        eventually("the delay to be over", PATIENCE, || async { proxy.armed() == 0 }).await;
        if interleaved == 3 {
            break;
        }
    }
}

/// Its write has passed before Redis began to tell again, so nobody will ever say that the value is old.
#[tokio::test]
async fn a_read_under_way_when_redis_begins_to_tell_leaves_no_copy_in_front() {
    let (redis, proxy, sidecar) = stage().await;
    for round in 0.. {
        let (key, old, new) = (format!("page:{round}"), format!("{round} old"), format!("{round} new"));
        write(&redis, &sidecar, &["SET", &key, &old]).await;
        cut_off(&redis, &sidecar).await;
        let read_before = calls(&redis, "get").await;
        proxy.once(OneShot::Delay(Duration::from_secs(2)));
        let mut reader = client(&sidecar).await;
        reader.send_command(&["GET", &key]).await.unwrap();
        eventually("the read", PATIENCE, || async { calls(&redis, "get").await > read_before }).await;
        redis.command(&["SET", &key, &new]).await;
        let_back(&redis, &sidecar).await;
        let was_under_way = metric(&sidecar, "failsoft_node_pending", &[("tier", "primary")]).await == 1.0;
        assert_eq!(shown(reader.read_reply(PATIENCE).await), shown(bulk(&old)));
        assert_eq!(reader.ask(&["GET", &key], PATIENCE).await, shown(bulk(&new)));
        if was_under_way {
            break;
        }
        // The delay has struck the greeting of a tracking connection instead.
        eventually("the delay to be over", PATIENCE, || async { proxy.armed() == 0 }).await;
    }
}

#[tokio::test]
async fn a_client_reads_its_own_write_at_once_on_any_connection() {
    let (redis, proxy, sidecar) = stage().await;
    redis.command(&["SET", "page:1", "0"]).await;
    // Nothing that Redis tells may be needed for it.
    proxy.hold_news();
    let addr = sidecar.addr();
    let crowd: Vec<_> = (0..6)
        .map(|_| {
            tokio::spawn(async move {
                let mut client = HostileClient::connect(addr).await;
                loop {
                    client.ask(&["GET", "page:1"], PATIENCE).await;
                }
            })
        })
        .collect();
    let (mut writer, mut other) = (client(&sidecar).await, client(&sidecar).await);
    for version in 1..=1_000 {
        let value = version.to_string();
        let set = ["SET", "page:1", &value];
        match version % 3 {
            0 => assert_eq!(writer.ask(&set, PATIENCE).await, "+OK\r\n"),
            1 => {
                writer.send_command(&set).await.unwrap();
                writer.send_command(&["GET", "page:1"]).await.unwrap();
                assert_eq!(writer.read_reply(PATIENCE).await, b"+OK\r\n");
                assert_eq!(writer.read_reply(PATIENCE).await, bulk(&value));
            }
            _ => {
                assert_eq!(writer.ask(&["MULTI"], PATIENCE).await, "+OK\r\n");
                assert_eq!(writer.ask(&set, PATIENCE).await, "+QUEUED\r\n");
                assert_eq!(writer.ask(&["EXEC"], PATIENCE).await, "*1\r\n+OK\r\n");
            }
        }
        assert_eq!(other.ask(&["GET", "page:1"], PATIENCE).await, shown(bulk(&value)));
        assert_eq!(writer.ask(&["GET", "page:1"], PATIENCE).await, shown(bulk(&value)));
    }
    crowd.iter().for_each(|reader| reader.abort());
}

#[tokio::test]
async fn in_an_outage_copies_are_the_fallback_that_they_always_were() {
    let (redis, _proxy, sidecar) = stage().await;
    write(&redis, &sidecar, &["SET", "page:1", "value"]).await;
    let mut client = client(&sidecar).await;
    client.ask(&["GET", "page:1"], PATIENCE).await;
    redis.kill().await;
    eventually("the loss to be noticed", PATIENCE, || async {
        metric(&sidecar, "failsoft_tracking_up", &[]).await == 0.0
    })
    .await;
    assert_eq!(client.ask(&["GET", "page:1"], PATIENCE).await, "$5\r\nvalue\r\n");
    reaches(&sidecar, "redis_fallback_routing_attempts_total", &[("status", "secondary_fallback")], 1.0).await;
}

/// Redis tells of the value that failsoft itself writes back; taken for somebody's write, it had the value deleted.
#[tokio::test]
async fn what_is_written_back_stays_in_redis_and_comes_in_front_once_redis_has_given_it() {
    let (redis, origin) = (Redis::start().await, on_own_thread(HttpOrigin::start()).await);
    let more = format!(
        "local.mode = \"front\"\nfleet.size = 1\nredis.timeout = \"10s\"\nrequest.deadline = \"20s\"\n[origins.catalogue]\nurl = \"{}\"\nmax_concurrency = 20\nmax_rate = 10000\ntimeout = \"10s\"\nmax_wait = \"10s\"\n\n[[routes]]\n\
         keys = \"user:{{id:int}}\"\nrole = \"cache\"\norigin = \"catalogue\"\nget = \"/users/{{id}}\"\n",
        origin.url()
    );
    let sidecar = start(&redis.url(), &more).await;
    reaches(&sidecar, "failsoft_tracking_up", &[], 1.0).await;
    let users = || gets((1..=100).map(|id| format!("user:{id}")));
    ask_all(sidecar.addr(), 8, &users()).await;
    let count = |name| metric(&sidecar, name, &[]);
    let written = "failsoft_write_back_written_total";
    eventually("all write-backs to be over", PATIENCE, || async {
        count("failsoft_write_back_outstanding").await == 0.0 && count(written).await > 50.0
    })
    .await;
    // Not all: keys that share a version cost each other a write-back now and then.
    let written = count(written).await;
    reaches(&sidecar, "failsoft_tracking_invalidations_total", &[], written).await;
    let keys = Vec::<String>::from_redis_value(redis.command(&["KEYS", "user:*"]).await).unwrap();
    assert_eq!(keys.len() as f64, written);
    eventually("everything to be in front", PATIENCE, || async {
        let in_front = || metric(&sidecar, "failsoft_answers_total", &[("route", "user"), ("tier", "local")]);
        let before = in_front().await;
        let replies = ask_all(sidecar.addr(), 8, &users()).await;
        assert!(replies.iter().zip(1..).all(|(reply, id)| *reply == bulk(HttpOrigin::body_of("users", id))));
        in_front().await == before + 100.0
    })
    .await;
}

#[tokio::test]
async fn a_reload_takes_local_memory_from_the_front_and_back() {
    let (redis, _proxy, sidecar) = stage().await;
    redis.command(&["SET", "page:1", "old"]).await;
    let mut client = client(&sidecar).await;
    client.ask(&["GET", "page:1"], PATIENCE).await;
    let in_front = std::fs::read_to_string(sidecar.settings_path()).unwrap();
    sidecar.reload(&in_front.replace("mode = \"front\"", "mode = \"fallback\""));
    eventually("nobody to be told", PATIENCE, || async { tracking_id(&redis).await.is_none() }).await;
    redis.command(&["SET", "page:1", "new"]).await;
    assert_eq!(client.ask(&["GET", "page:1"], PATIENCE).await, "$3\r\nnew\r\n");
    sidecar.reload(&in_front);
    reaches(&sidecar, "failsoft_tracking_up", &[], 1.0).await;
    let before = found(&sidecar).await;
    for _ in 0..2 {
        assert_eq!(client.ask(&["GET", "page:1"], PATIENCE).await, "$3\r\nnew\r\n");
    }
    assert_eq!(found(&sidecar).await, before + 1.0);
}
