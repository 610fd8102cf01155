//! Each way to break Redis is shown to bring about the error word it promises, and to be over when healed.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use failsoft_testkit::port::FreePort;
use failsoft_testkit::redis::{self as kit, Pause, Ready, Redis};
use failsoft_testkit::wait::eventually;
use redis::{RedisResult, Value};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(20);

fn word(result: RedisResult<Value>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => error.code().map_or_else(|| error.to_string(), str::to_owned),
    }
}

async fn asked(redis: &Redis, words: &[&str]) -> String {
    word(redis.try_command(words).await)
}

#[tokio::test]
async fn it_starts_answers_and_obeys_its_settings() {
    let redis = Redis::builder().set("maxmemory", "3mb").arg("--maxclients").arg("77").start().await;
    redis.command(&["SET", "key", "two words"]).await;
    assert_eq!(redis.get("key").await.unwrap(), "two words");
    assert_eq!(redis.get("absent").await, None);
    let memory = redis.info("memory").await;
    assert_eq!(memory["maxmemory"], (3 << 20).to_string());
    assert_eq!(redis.info("clients").await["maxclients"], "77");
    assert!(redis.url().ends_with(&redis.port().to_string()));
}

#[tokio::test]
async fn a_killed_redis_refuses_and_comes_back_at_its_port_with_what_was_saved() {
    let port = FreePort::reserve();
    let number = port.number();
    let redis = Redis::builder().port(port).start().await;
    assert_eq!(redis.port(), number);
    redis.command(&["SET", "saved", "1"]).await;
    redis.save().await;
    redis.command(&["SET", "unsaved", "1"]).await;

    redis.kill().await;
    let error = TcpStream::connect(redis.addr()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);

    let before = redis.pid();
    redis.restart().await;
    assert_ne!(redis.pid(), before);
    assert!(redis.get("saved").await.is_some());
    assert!(redis.get("unsaved").await.is_none());

    redis.restart_empty().await;
    assert!(redis.get("saved").await.is_none());

    let exit = redis.terminate().await;
    assert!(exit.status.success());
    assert!(exit.log.contains("bye bye"));
}

#[tokio::test]
async fn a_paused_redis_accepts_and_is_silent_until_resumed() {
    let redis = Redis::start().await;
    redis.pause();
    TcpStream::connect(redis.addr()).await.unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(200), redis.try_command(&["PING"])).await;
    assert!(silent.is_err());
    redis.resume();
    assert_eq!(asked(&redis, &["PING"]).await, "simple-string(\"PONG\")");
}

#[tokio::test]
async fn a_replica_follows_says_readonly_and_can_be_promoted() {
    let primary = Redis::start().await;
    let replica = Redis::builder().replica_of(&primary).start().await;
    replica.wait_synced().await;
    primary.command(&["SET", "key", "1"]).await;
    eventually("the key to arrive", PATIENCE, || async { replica.get("key").await.is_some() }).await;
    assert_eq!(asked(&replica, &["SET", "key", "2"]).await, "READONLY");
    replica.promote().await;
    replica.command(&["SET", "key", "2"]).await;
    replica.follow(&primary).await;
    assert_eq!(asked(&replica, &["SET", "key", "3"]).await, "READONLY");
}

#[tokio::test]
async fn loading() {
    let redis = Redis::start().await;
    redis.command(&["SET", "key", "1"]).await;
    redis.restart_loading(Duration::from_secs(15)).await;
    eventually("LOADING", PATIENCE, || async { asked(&redis, &["GET", "key"]).await == "LOADING" }).await;
    redis.restart().await;
    assert_eq!(redis.get("key").await.unwrap(), "1");
}

#[tokio::test]
async fn loading_ends_by_itself() {
    let redis = Redis::start().await;
    redis.command(&["SET", "key", "1"]).await;
    redis.restart_loading(Duration::from_millis(300)).await;
    redis.wait_answering().await;
    assert_eq!(redis.get("key").await.unwrap(), "1");
}

#[tokio::test]
async fn busy() {
    let redis = Redis::builder().set("requirepass", "secret").start().await;
    redis.busy_script().await;
    let mut client = tokio::net::TcpStream::connect(redis.addr()).await.unwrap();
    let answer = ask_inline(&mut client, "AUTH secret").await + &ask_inline(&mut client, "GET key").await;
    assert!(answer.contains("-BUSY "), "{answer}");
    redis.script_kill().await;
    eventually("the script to end", PATIENCE, || async { redis.try_command(&["PING"]).await.is_ok() }).await;
}

async fn ask_inline(client: &mut TcpStream, line: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    client.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    let mut buffer = [0; 512];
    let read = client.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

#[tokio::test]
async fn oom_refuses_writes_and_allows_deletes() {
    let redis = Redis::start().await;
    redis.oom().await;
    assert_eq!(asked(&redis, &["SET", "key", "1"]).await, "OOM");
    assert_eq!(asked(&redis, &["DEL", "key"]).await, "int(0)");
    redis.heal().await;
    redis.command(&["SET", "key", "1"]).await;
}

#[tokio::test]
async fn misconf_refuses_writes_and_deletes() {
    let redis = Redis::start().await;
    redis.misconf().await;
    assert_eq!(asked(&redis, &["SET", "key", "1"]).await, "MISCONF");
    assert_eq!(asked(&redis, &["DEL", "key"]).await, "MISCONF");
    redis.heal().await;
    redis.command(&["SET", "key", "1"]).await;
}

#[tokio::test]
async fn noreplicas() {
    let redis = Redis::start().await;
    redis.noreplicas().await;
    assert_eq!(asked(&redis, &["SET", "key", "1"]).await, "NOREPLICAS");
    redis.heal().await;
    redis.command(&["SET", "key", "1"]).await;
}

#[tokio::test]
async fn masterdown_and_readonly() {
    let redis = Redis::start().await;
    redis.masterdown().await;
    assert_eq!(asked(&redis, &["GET", "key"]).await, "MASTERDOWN");
    redis.readonly().await;
    assert_eq!(asked(&redis, &["GET", "key"]).await, "nil");
    assert_eq!(asked(&redis, &["SET", "key", "1"]).await, "READONLY");
    redis.heal().await;
    redis.command(&["SET", "key", "1"]).await;
}

#[tokio::test]
async fn noauth_wrongpass_and_noperm() {
    let redis = Redis::start().await;
    let open = redis.url();
    redis.require_password("new").await;
    assert_eq!(refusal(&open, &["GET", "key"]).await, "NOAUTH");
    let wrong = kit::connect(&redis.url_of("", "old")).await.err().unwrap();
    assert!(
        wrong.to_string().contains("WRONGPASS") || wrong.kind() == redis::ErrorKind::AuthenticationFailed,
        "{wrong}"
    );

    redis.acl_user("reader", "pass", "~cache:* +get").await;
    let reader = redis.url_of("reader", "pass");
    assert_eq!(refusal(&reader, &["SET", "cache:1", "1"]).await, "NOPERM");
    assert_eq!(refusal(&reader, &["GET", "other"]).await, "NOPERM");
    assert_eq!(refusal(&reader, &["GET", "cache:1"]).await, "nil");
}

async fn refusal(url: &str, words: &[&str]) -> String {
    let mut connection = kit::connect(url).await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    word(command.query_async(&mut connection).await)
}

#[tokio::test]
async fn max_clients_until_the_crowd_goes() {
    let redis = Redis::start().await;
    let before = redis.tally().await;
    let crowd = redis.max_clients(5).await;
    assert_eq!(crowd.size(), 5);
    let mut client = TcpStream::connect(redis.addr()).await.unwrap();
    assert!(ask_inline(&mut client, "PING").await.contains("max number of clients"));
    drop(crowd);
    eventually("a free place", PATIENCE, || async { redis.try_command(&["PING"]).await.is_ok() }).await;
    let since = redis.tally().await.since(&before);
    assert!(since.refused_connections() > 0 && since.connections() >= 5, "{since:?}");
}

#[tokio::test]
async fn a_pause_of_writes_lets_reads_through_and_heal_ends_it() {
    let redis = Redis::start().await;
    redis.client_pause(Duration::from_secs(600), Pause::Writes).await;
    assert_eq!(redis.get("key").await, None);
    let mut other = redis.connection().await;
    let write = tokio::spawn(async move { redis::cmd("SET").arg("key").arg("1").query_async::<()>(&mut other).await });
    eventually("the write to be held", PATIENCE, || async { redis.info("clients").await["blocked_clients"] == "1" })
        .await;
    redis.heal().await;
    write.await.unwrap().unwrap();
    assert_eq!(redis.get("key").await.unwrap(), "1");
}

#[tokio::test]
async fn debug_sleep_occupies_the_server_for_as_long_as_told() {
    let redis = Redis::start().await;
    redis.debug_sleep(Duration::from_millis(300)).await;
    eventually("the sleep to be over and counted", PATIENCE, || async {
        let statistics = redis.info("commandstats").await;
        let debug = statistics.get("cmdstat_debug").cloned().unwrap_or_default();
        let spent_us = debug.split(',').find_map(|field| field.strip_prefix("usec=")?.parse().ok());
        spent_us.is_some_and(|spent_us: u64| spent_us >= 300_000)
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_descriptors_it_accepts_nobody_new() {
    let redis = Redis::start().await;
    let mut old = redis.connection().await;
    redis.limit_files(4);
    let mut client = TcpStream::connect(redis.addr()).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_millis(200), ask_inline(&mut client, "PING")).await;
    assert!(answer.is_err(), "{answer:?}");
    redis::cmd("PING").query_async::<()>(&mut old).await.unwrap();
}

#[tokio::test]
async fn accepting_is_enough_when_asked_for() {
    let redis = Redis::builder().wait_ready(Ready::Accepting).start().await;
    TcpStream::connect(redis.addr()).await.unwrap();
}

#[tokio::test]
#[should_panic(expected = "Bad directive")]
async fn a_bad_setting_is_told_with_redis_own_words() {
    Redis::builder().set("no-such-setting", "1").start().await;
}
