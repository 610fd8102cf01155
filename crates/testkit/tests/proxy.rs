//! Every mode, toxic and one-shot of the fault proxy, before a real Redis and seen from a raw client.
#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use failsoft_testkit::hostile::{HostileClient, HowClosed};
use failsoft_testkit::proxy::{FaultProxy, Mode, OneShot, Toxics};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for an answer that wants to come, short enough to wait for one that does not.
const SILENCE: Duration = Duration::from_millis(150);

struct Stage {
    redis: Redis,
    proxy: FaultProxy,
    client: HostileClient,
}

/// Redis holding `key` = `value`, a proxy, and a client that has already been answered once.
async fn stage() -> Stage {
    let redis = Redis::start().await;
    redis.command(&["SET", "key", "value"]).await;
    let proxy = FaultProxy::start(redis.addr()).await;
    let client = client_of(&proxy).await;
    Stage { redis, proxy, client }
}

async fn client_of(proxy: &FaultProxy) -> HostileClient {
    let mut client = HostileClient::connect(proxy.addr()).await;
    assert_eq!(client.ask(&["PING"], PATIENCE).await, "+PONG\r\n");
    client
}

const GET: [&str; 2] = ["GET", "key"];
const VALUE: &str = "$5\r\nvalue\r\n";

#[tokio::test]
async fn pass_passes_and_counts() {
    let Stage { redis: _redis, proxy, mut client } = stage().await;
    assert_eq!(client.ask(&GET, PATIENCE).await, VALUE);
    assert_eq!((proxy.requests(), proxy.replies()), (2, 2));
    assert_eq!((proxy.connections(), proxy.accepted()), (1, 1));
    client.finish_sending().await;
    let closed = client.read_until_closed(PATIENCE).await;
    assert_eq!(closed.how, HowClosed::Finished);
    drop(client);
    eventually("the connection to be gone", PATIENCE, || async { proxy.connections() == 0 }).await;
}

#[tokio::test]
async fn a_real_client_library_works_through_it_also_with_large_values() {
    let Stage { redis, proxy, client: _client } = stage().await;
    let large = "x".repeat(300_000);
    redis.command(&["SET", "large", &large]).await;
    let mut connection = failsoft_testkit::redis::connect(&proxy.url()).await.unwrap();
    let read: Vec<String> = redis::cmd("MGET").arg("key").arg("large").query_async(&mut connection).await.unwrap();
    assert_eq!(read, ["value".to_owned(), large]);
}

#[tokio::test]
async fn refuse_resets_refuses_and_returns_at_the_same_port() {
    let Stage { redis: _redis, proxy, mut client } = stage().await;
    proxy.set_mode(Mode::Refuse).await;
    assert_eq!(client.read_until_closed(PATIENCE).await.how, HowClosed::Reset);
    assert_eq!(TcpStream::connect(proxy.addr()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    proxy.reset_all().await;
    client_of(&proxy).await;
}

#[tokio::test]
async fn accept_silent_accepts_and_never_answers_old_or_new() {
    let Stage { redis: _redis, proxy, mut client } = stage().await;
    proxy.set_mode(Mode::AcceptSilent).await;
    let mut new = HostileClient::connect(proxy.addr()).await;
    for client in [&mut client, &mut new] {
        client.send_command(&GET).await.unwrap();
        assert!(client.is_silent(SILENCE).await);
    }
    proxy.set_mode(Mode::Pass).await;
    for client in [&mut client, &mut new] {
        assert_eq!(client.read_until_closed(PATIENCE).await.bytes, b"");
    }
    client_of(&proxy).await;
}

#[tokio::test]
async fn drop_requests_keeps_them_from_redis() {
    let Stage { redis, proxy, mut client } = stage().await;
    proxy.set_mode(Mode::DropRequests).await;
    client.send_command(&["SET", "lost", "1"]).await.unwrap();
    eventually("the request", PATIENCE, || async { proxy.requests() == 2 }).await;
    assert!(client.is_silent(SILENCE).await);
    assert_eq!(redis.get("lost").await, None);
    proxy.set_mode(Mode::Pass).await;
    assert_eq!(client.read_until_closed(PATIENCE).await.how, HowClosed::Reset);
}

#[tokio::test]
async fn drop_replies_loses_them_after_redis_has_acted() {
    let Stage { redis, proxy, mut client } = stage().await;
    proxy.set_mode(Mode::DropReplies).await;
    client.send_command(&["SET", "done", "1"]).await.unwrap();
    eventually("the reply", PATIENCE, || async { proxy.replies() == 2 }).await;
    assert!(client.is_silent(SILENCE).await);
    assert_eq!(redis.get("done").await.unwrap(), "1");
    proxy.set_mode(Mode::Pass).await;
    assert_eq!(client.read_until_closed(PATIENCE).await.how, HowClosed::Reset);
}

#[tokio::test]
async fn half_open_hides_even_the_death_of_redis() {
    let Stage { redis, proxy, mut client } = stage().await;
    proxy.set_mode(Mode::HalfOpen).await;
    client.send_command(&GET).await.unwrap();
    redis.kill().await;
    assert!(client.is_silent(SILENCE).await);
    assert_eq!(proxy.requests(), 1);
    proxy.set_mode(Mode::Pass).await;
    client.read_until_closed(PATIENCE).await;
}

#[tokio::test]
async fn half_open_holds_a_new_connection_until_it_is_over() {
    let Stage { redis: _redis, proxy, client: _client } = stage().await;
    proxy.set_mode(Mode::HalfOpen).await;
    let mut client = HostileClient::connect(proxy.addr()).await;
    client.send_command(&GET).await.unwrap();
    assert!(client.is_silent(SILENCE).await);
    proxy.set_mode(Mode::Pass).await;
    assert_eq!(client.read_reply(PATIENCE).await, VALUE.as_bytes());
}

#[tokio::test]
async fn latency_delays_both_directions_without_throttling() {
    let Stage { redis: _redis, proxy, mut client } = stage().await;
    proxy.set_toxics(Toxics { latency: Duration::from_millis(50), ..Toxics::default() });
    let started = Instant::now();
    assert_eq!(client.ask(&GET, PATIENCE).await, VALUE);
    assert!(started.elapsed() >= Duration::from_millis(100));

    // One after the other, these would take 200 seconds.
    client.send("PING\r\n".repeat(2000)).await.unwrap();
    assert_eq!(client.read_exactly(7 * 2000, PATIENCE).await, "+PONG\r\n".repeat(2000).as_bytes());
}

#[tokio::test]
async fn jitter_delays_by_varying_amounts_and_keeps_order() {
    let Stage { redis: _redis, proxy, mut client } = stage().await;
    proxy.set_toxics(Toxics { jitter: Duration::from_millis(20), ..Toxics::default() });
    client.send((0..50).map(|number| format!("ECHO {number:02}\r\n")).collect::<String>()).await.unwrap();
    let expected: String = (0..50).map(|number| format!("$2\r\n{number:02}\r\n")).collect();
    assert_eq!(client.read_exactly(expected.len(), PATIENCE).await, expected.as_bytes());
}

#[tokio::test]
async fn bandwidth_takes_the_time_it_takes() {
    let Stage { redis, proxy, mut client } = stage().await;
    redis.command(&["SET", "large", &"x".repeat(20_000)]).await;
    proxy.set_toxics(Toxics { bandwidth: Some(100_000), ..Toxics::default() });
    let started = Instant::now();
    client.send_command(&["GET", "large"]).await.unwrap();
    assert_eq!(client.read_reply(PATIENCE).await.len(), 20_010);
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn slices_arrive_whole_in_the_end_and_in_pieces_before() {
    let Stage { redis: _redis, proxy, client: _client } = stage().await;
    proxy.set_toxics(Toxics { slice: Some(1), bandwidth: Some(100), ..Toxics::default() });
    let stream = TcpStream::connect(proxy.addr()).await.unwrap();
    stream.writable().await.unwrap();
    stream.try_write(b"GET key\r\n").unwrap();
    let mut reads: Vec<Vec<u8>> = Vec::new();
    while reads.concat().len() < VALUE.len() {
        stream.readable().await.unwrap();
        let mut buffer = [0; 64];
        if let Ok(read) = stream.try_read(&mut buffer) {
            assert!(read > 0, "closed after {reads:?}");
            reads.push(buffer[..read].to_vec());
        }
    }
    assert_eq!(reads.concat(), VALUE.as_bytes());
    assert!(reads.len() > 1, "{reads:?}");
}

#[tokio::test]
async fn slow_close_keeps_an_end_back() {
    let Stage { redis, proxy, mut client } = stage().await;
    proxy.set_toxics(Toxics { slow_close: Duration::from_millis(300), ..Toxics::default() });
    let started = Instant::now();
    redis.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    client.read_until_closed(PATIENCE).await;
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn truncate_ends_in_order_after_so_many_bytes() {
    let Stage { redis: _redis, proxy, mut client } = stage().await;
    proxy.once(OneShot::Truncate { keep: 7 });
    client.send_command(&GET).await.unwrap();
    let closed = client.read_until_closed(PATIENCE).await;
    assert_eq!((closed.bytes.as_slice(), closed.how), (&VALUE.as_bytes()[..7], HowClosed::Finished));
    assert_eq!(proxy.armed(), 0);
    client_of(&proxy).await;
}

#[tokio::test]
async fn reset_strikes_mid_pipeline_where_told() {
    let Stage { redis, proxy, mut client } = stage().await;
    proxy.nth(40, OneShot::Reset { after: 3 });
    client.send("INCR counter\r\n".repeat(100)).await.unwrap();
    let closed = client.read_until_closed(PATIENCE).await;
    assert_eq!(closed.how, HowClosed::Reset);
    let expected: String = (1..=40).map(|number| format!(":{number}\r\n")).collect();
    assert_eq!(String::from_utf8(closed.bytes).unwrap(), expected[..expected.len() - 2]);
    assert!(redis.get("counter").await.unwrap().parse::<u32>().unwrap() >= 40);
}

#[tokio::test]
async fn garbage_duplicate_extra_and_replace_change_the_bytes() {
    let Stage { redis: _redis, proxy, mut client } = stage().await;
    for (fault, expected) in [
        (OneShot::Garbage, "?5\r\nvalue\r\n".to_owned()),
        (OneShot::Duplicate, VALUE.repeat(2)),
        (OneShot::Extra(b"+surprise\r\n".to_vec()), format!("{VALUE}+surprise\r\n")),
        (OneShot::Replace(b"-LOADING later\r\n".to_vec()), "-LOADING later\r\n".to_owned()),
    ] {
        proxy.once(fault);
        client.send_command(&GET).await.unwrap();
        let read = client.read_exactly(expected.len(), PATIENCE).await;
        assert_eq!(String::from_utf8(read).unwrap(), expected);
        assert_eq!(client.ask(&["PING"], PATIENCE).await, "+PONG\r\n");
    }
}

#[tokio::test]
async fn a_delayed_reply_holds_up_what_follows_it() {
    let Stage { redis: _redis, proxy, mut client } = stage().await;
    proxy.once(OneShot::Delay(Duration::from_millis(200)));
    let started = Instant::now();
    client.send("ECHO a\r\nECHO b\r\n").await.unwrap();
    assert_eq!(client.read_exactly(14, PATIENCE).await, b"$1\r\na\r\n$1\r\nb\r\n");
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_lost_reply_mutes_its_connection_and_no_other() {
    let Stage { redis, proxy, mut client } = stage().await;
    proxy.once(OneShot::Lose);
    client.send_command(&["INCR", "counter"]).await.unwrap();
    client.send_command(&["INCR", "counter"]).await.unwrap();
    eventually("both replies", PATIENCE, || async { proxy.replies() == 3 }).await;
    assert!(client.is_silent(SILENCE).await);
    assert_eq!(redis.get("counter").await.unwrap(), "2");
    client_of(&proxy).await;
}

#[tokio::test]
async fn pushes_pass_and_are_not_counted_as_replies() {
    let Stage { redis, proxy, mut client } = stage().await;
    client.send("HELLO 3\r\nCLIENT TRACKING ON\r\nGET key\r\n").await.unwrap();
    for _ in 0..3 {
        client.read_reply(PATIENCE).await;
    }
    redis.command(&["SET", "key", "other"]).await;
    assert!(client.read_reply(PATIENCE).await.starts_with(b">2\r\n$10\r\ninvalidate\r\n"));
    assert_eq!(proxy.replies(), 4);
}

#[tokio::test]
async fn cut_resets_and_goes_on_and_another_upstream_takes_over() {
    let Stage { redis: _redis, proxy, mut client } = stage().await;
    let other = Redis::start().await;
    other.command(&["SET", "key", "other"]).await;
    proxy.set_upstream(other.addr());
    assert_eq!(client.ask(&GET, PATIENCE).await, VALUE);
    proxy.cut().await;
    assert_eq!(client.read_until_closed(PATIENCE).await.how, HowClosed::Reset);
    assert_eq!(client_of(&proxy).await.ask(&GET, PATIENCE).await, "$5\r\nother\r\n");
}

#[tokio::test]
async fn news_are_held_back_and_come_late_and_in_order_while_other_connections_pass() {
    let Stage { redis, proxy, mut client } = stage().await;
    let mut told = HostileClient::connect(proxy.addr()).await;
    told.send_command(&["HELLO", "3"]).await.unwrap();
    assert!(told.read_reply(PATIENCE).await.starts_with(b"%"));
    assert_eq!(told.ask(&["CLIENT", "TRACKING", "ON", "BCAST"], PATIENCE).await, "+OK\r\n");
    proxy.hold_news();
    redis.command(&["SET", "key", "other"]).await;
    told.send_command(&["PING"]).await.unwrap();
    assert!(told.is_silent(SILENCE).await);
    assert_eq!(client.ask(&GET, PATIENCE).await, "$5\r\nother\r\n");
    proxy.release_news();
    let news = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n";
    assert_eq!(told.read_reply(PATIENCE).await, news.as_bytes());
    assert_eq!(told.read_reply(PATIENCE).await, b"+PONG\r\n");
}
