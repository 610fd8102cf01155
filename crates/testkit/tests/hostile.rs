//! The scripted peers send exactly what their scripts say, and the hostile client sees exactly what it is sent.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use failsoft_testkit::hostile::{Act, HostileClient, HostileServer, HowClosed, Script};
use failsoft_testkit::redis::{self as kit, Redis};
use failsoft_testkit::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_millis(100);

async fn answered(script: Script, count: usize) -> Vec<u8> {
    let server = HostileServer::start(script).await;
    let mut client = HostileClient::connect(server.addr()).await;
    client.send_command(&["GET", "key"]).await.unwrap();
    client.read_exactly(count, PATIENCE).await
}

#[tokio::test]
async fn the_ready_made_scripts_say_what_they_promise() {
    let addr = ([169, 254, 169, 254], 80).into();
    for (script, expected) in [
        (Script::two_replies(), "+one\r\n+two\r\n".to_owned()),
        (Script::huge_bulk(1 << 30), "$1073741824\r\nabc".to_owned()),
        (Script::negative_bulk(), "$-5\r\n".to_owned()),
        (Script::moved(7, addr), "-MOVED 7 169.254.169.254:80\r\n".to_owned()),
        (Script::ask(7, addr), "-ASK 7 169.254.169.254:80\r\n".to_owned()),
        (Script::deep_nesting(1_000_000), "*1\r\n".repeat(1_000_000) + ":1\r\n"),
        (Script::endless_line(), "+".to_owned() + &"x".repeat(1_000_000)),
    ] {
        assert!(
            answered(script, expected.len()).await == expected.as_bytes(),
            "{}",
            &expected[..20.min(expected.len())]
        );
    }
}

#[tokio::test]
async fn a_script_may_name_its_own_server() {
    let server = HostileServer::start_with(|addr| Script::moved(1, addr)).await;
    let mut client = HostileClient::connect(server.addr()).await;
    assert_eq!(client.ask(&["GET", "key"], PATIENCE).await, format!("-MOVED 1 {}\r\n", server.addr()));
    assert_eq!(server.asked(), [["GET", "key"]]);
    assert!(server.url().ends_with(&server.addr().to_string()));
}

#[tokio::test]
async fn answers_go_by_word_then_by_number_and_the_last_repeats() {
    let script = Script::answer("+first\r\n").then([Act::send("+later\r\n")]).on("echo", [Act::send("+word\r\n")]);
    let server = HostileServer::start(script).await;
    let mut client = HostileClient::connect(server.addr()).await;
    let mut answers = Vec::new();
    for word in ["GET", "ECHO", "GET", "GET"] {
        answers.push(client.ask(&[word], PATIENCE).await);
    }
    assert_eq!(answers, ["+first\r\n", "+word\r\n", "+later\r\n", "+later\r\n"]);
}

#[tokio::test]
async fn hang_close_reset_and_greeting() {
    let server = HostileServer::start(Script::hang().greeting([Act::send("+hello\r\n")])).await;
    let mut client = HostileClient::connect(server.addr()).await;
    assert_eq!(client.read_reply(PATIENCE).await, b"+hello\r\n");
    client.send_command(&["GET"]).await.unwrap();
    assert!(client.is_silent(SILENCE).await);
    assert_eq!((server.connections(), server.accepted()), (1, 1));

    for (act, how) in [(Act::Close, HowClosed::Finished), (Act::Reset, HowClosed::Reset)] {
        let script = Script::always([Act::send("+part"), Act::Wait(Duration::from_millis(20)), act]);
        let server = HostileServer::start(script).await;
        let mut client = HostileClient::connect(server.addr()).await;
        client.send_command(&["GET"]).await.unwrap();
        let closed = client.read_until_closed(PATIENCE).await;
        assert_eq!((closed.bytes.as_slice(), closed.how), (&b"+part"[..], how));
    }
}

#[tokio::test]
async fn a_polite_server_lets_a_client_library_in() {
    let server = HostileServer::start(Script::answer(":42\r\n").polite()).await;
    let mut connection = kit::connect(&server.url()).await.unwrap();
    let answer: i64 = redis::cmd("GET").arg("key").query_async(&mut connection).await.unwrap();
    assert_eq!(answer, 42);
}

#[tokio::test]
async fn slices_pipelines_and_half_closes_reach_a_real_redis() {
    let redis = Redis::start().await;
    let mut client = HostileClient::connect(redis.addr()).await;
    client.send_slices("SET key value\r\nGET key\r\n", 1, Duration::ZERO).await.unwrap();
    assert_eq!(client.read_reply(PATIENCE).await, b"+OK\r\n");
    assert_eq!(client.read_exactly(11, PATIENCE).await, b"$5\r\nvalue\r\n");
    client.finish_sending().await;
    assert_eq!(client.read_until_closed(PATIENCE).await.how, HowClosed::Finished);
}

#[tokio::test]
async fn a_reset_is_seen_by_the_server() {
    let server = HostileServer::start(Script::hang()).await;
    let client = HostileClient::connect(server.addr()).await;
    eventually("the connection", PATIENCE, || async { server.connections() == 1 }).await;
    client.reset();
    eventually("its end", PATIENCE, || async { server.connections() == 0 }).await;
}

#[tokio::test]
async fn a_flood_stops_where_the_peer_stops_reading() {
    let redis = Redis::start().await;
    let mut client = HostileClient::connect(redis.addr()).await;
    redis.pause();
    let most = 1 << 30;
    let sent = client.flood("PING\r\n", most, Duration::from_millis(200)).await;
    assert!(sent > 0 && sent < most, "{sent}");
    redis.resume();
    assert_eq!(client.read_reply(PATIENCE).await, b"+PONG\r\n");
}

#[tokio::test]
#[should_panic(expected = "still open after")]
async fn an_end_that_does_not_come_is_told() {
    let server = HostileServer::start(Script::hang()).await;
    HostileClient::connect(server.addr()).await.read_until_closed(SILENCE).await;
}
