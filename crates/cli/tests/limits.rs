//! docs/limits.md: how long a client may let wait, and what happens to it then. The bounds on bytes and numbers are in
//! `faults_hostile.rs` and `faults_resources.rs`.
#![allow(clippy::unwrap_used)]

mod tools;

use std::time::Duration;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::proxy::FaultProxy;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::{eventually, eventually_some};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use tools::{PATIENCE, command, metric, reaches, resident, start};

const SLOW_READER: &[(&str, &str)] = &[("reason", "slow_reader")];
const IDLE: &[(&str, &str)] = &[("reason", "idle")];
/// Nothing is slow, however busy the machine.
const PATIENT: &str =
    "redis.timeout = '20s'\nredis.connect_timeout = '20s'\nrequest.deadline = '30s'\nbreaker.slow_call = '1m'\n";

/// Row 60: who asks and never reads is closed in time, its memory given back, and nobody else notices.
#[tokio::test]
async fn a_client_that_takes_nothing_of_what_is_there_is_closed() {
    let redis = Redis::start().await;
    redis.command(&["SET", "large", &"x".repeat(1 << 20)]).await;
    let sidecar = start(&redis.url(), &format!("server.write_timeout = '1s'\n{PATIENT}")).await;
    let mut bystander = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(bystander.ask(&["SET", "x", "1"], PATIENCE).await, "+OK\r\n");
    let before = resident(sidecar.pid());
    for wave in 1..=6 {
        let mut silent = Vec::new();
        for _ in 0..4 {
            let mut client = HostileClient::connect(sidecar.addr()).await;
            client.send(command(&["GET", "large"]).repeat(20)).await.unwrap();
            silent.push(client);
        }
        reaches(&sidecar, "failsoft_clients_closed_total", SLOW_READER, 4.0 * f64::from(wave)).await;
        assert_eq!(bystander.ask(&["GET", "x"], PATIENCE).await, "$1\r\n1\r\n");
    }
    let grown = resident(sidecar.pid()).saturating_sub(before);
    // They asked for 480 mebibytes: what one wave has left with the allocator serves the next.
    assert!(grown < 240 << 20, "{grown} bytes");
    eventually("the places to be free", PATIENCE, || async { metric(&sidecar, "failsoft_clients", &[]).await == 1.0 })
        .await;
}

/// A goodbye does not make a client that never reads immortal.
#[tokio::test]
async fn a_client_that_has_said_goodbye_must_take_what_is_there_too() {
    let redis = Redis::start().await;
    redis.command(&["SET", "large", &"x".repeat(20 << 20)]).await;
    let sidecar = start(&redis.url(), &format!("server.write_timeout = '500ms'\n{PATIENT}")).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    client.send([command(&["GET", "large"]), command(&["QUIT"])].concat()).await.unwrap();
    reaches(&sidecar, "failsoft_clients_closed_total", SLOW_READER, 1.0).await;
    drop(client);
}

/// Slow is not silent: whoever takes something now and then gets it all, however long that takes.
#[tokio::test]
async fn a_slow_reader_that_reads_is_kept() {
    const SIZE: usize = 40 << 20;
    const PORTION: usize = 1 << 20;
    let redis = Redis::start().await;
    redis.command(&["SET", "large", &"x".repeat(SIZE)]).await;
    let sidecar = start(&redis.url(), &format!("server.write_timeout = '5s'\n{PATIENT}")).await;
    let mut stream = TcpStream::connect(sidecar.addr()).await.unwrap();
    stream.write_all(&command(&["GET", "large"])).await.unwrap();
    let mut portion = vec![0; PORTION];
    for at in 0..SIZE / PORTION {
        stream.read_exact(&mut portion).await.unwrap_or_else(|error| panic!("portion {at}: {error}"));
        // sleeps: the pace of a slow reader
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert_eq!(metric(&sidecar, "failsoft_clients_closed_total", SLOW_READER).await, 0.0);
}

#[tokio::test]
async fn an_idle_client_is_closed_and_one_that_waits_for_its_answer_is_not() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::start(redis.addr()).await;
    let sidecar = start(&proxy.url(), &format!("server.idle_timeout = '2s'\n{PATIENT}")).await;
    let mut idle = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(idle.ask(&["PING"], PATIENCE).await, "+PONG\r\n");
    assert_eq!(idle.read_until_closed(PATIENCE).await.bytes, b"", "without a word, as in Redis");
    reaches(&sidecar, "failsoft_clients_closed_total", IDLE, 1.0).await;

    redis.pause();
    let mut waiting = HostileClient::connect(sidecar.addr()).await;
    waiting.send_command(&["GET", "x"]).await.unwrap();
    assert!(waiting.is_silent(Duration::from_secs(4)).await);
    redis.resume();
    assert_eq!(waiting.read_reply(PATIENCE).await, b"$-1\r\n");
    assert_eq!(waiting.read_until_closed(PATIENCE).await.bytes, b"");
    reaches(&sidecar, "failsoft_clients_closed_total", IDLE, 2.0).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_system_asks_whether_a_clients_machine_is_there() {
    let redis = Redis::start().await;
    for (more, expected) in [
        ("", Some(201..=300)),
        ("server.tcp_keepalive = '100s'\n", Some(1..=100)),
        ("server.tcp_keepalive = '0s'\n", None),
    ] {
        let sidecar = start(&redis.url(), more).await;
        let client = TcpStream::connect(sidecar.addr()).await.unwrap();
        let timer =
            eventually_some("the connection to be quiet", PATIENCE, || async { timer(&sidecar, &client) }).await;
        match expected {
            Some(seconds) => assert!(timer.is_some_and(|left| seconds.contains(&left)), "{more}{timer:?}"),
            None => assert_eq!(timer, None),
        }
    }
}

/// The seconds until the sidecar's side of this connection asks, if it ever does; none while another timer runs or the
/// connection has not been accepted.
fn timer(sidecar: &Sidecar, client: &TcpStream) -> Option<Option<u64>> {
    const TICKS_A_SECOND: u64 = 100;
    let ends = [sidecar.addr(), client.local_addr().unwrap()].map(|addr| format!(":{:04X}", addr.port()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row[1].ends_with(&ends[0]) && row[2].ends_with(&ends[1]))?;
    let inode: u64 = row[9].parse().unwrap();
    let (kind, ticks) = row[5].split_once(':').unwrap();
    match kind {
        _ if inode == 0 => None,
        "00" => Some(None),
        "02" => Some(Some(u64::from_str_radix(ticks, 16).unwrap() / TICKS_A_SECOND)),
        _ => None,
    }
}
