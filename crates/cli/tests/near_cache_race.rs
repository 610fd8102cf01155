//! Writers on Redis race readers on failsoft, whose local memory is in front, while the link on which Redis tells of
//! writes is cut and falls silent at random.
//!
//! Values only rise. Whoever asks must be given at least what had been acknowledged one bound before he asked, wherever
//! the link is; and at least what was written through failsoft itself, without any bound. What is counted is printed.
#![allow(clippy::unwrap_used)]

mod tools;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::proxy::FaultProxy;
use failsoft_testkit::redis::Redis;
use redis::FromRedisValue;
use tokio::task::JoinSet;
use tokio::time::sleep;

use tools::{Dice, PATIENCE, metric, on_own_thread, reaches, start};

/// The promise: the most by which a copy in front can be behind.
const BOUND: Duration = failsoft_core::coherence::SILENCE;
const KEYS: usize = 40;
/// The first of them are written through failsoft, the others straight to Redis.
const OWN: usize = 8;
const READERS: u64 = 6;
const ROUNDS: u32 = 24;

/// No fallback is ever needed: every answer is the primary's, or a copy's in front.
const SETTINGS: &str = r#"
local.mode = "front"
redis.timeout = "20s"
request.deadline = "30s"
breaker.slow_call = "20s"

[[routes]]
keys = "page:*"
role = "cache"
lease = "0s"
"#;

/// What has been acknowledged for each key, and when.
struct Board {
    written: [Mutex<VecDeque<(Instant, u64)>>; KEYS],
    /// The latest that was written through failsoft.
    own: [AtomicU64; OWN],
    reads: AtomicU64,
    writes: AtomicU64,
    is_over: AtomicBool,
}

impl Board {
    fn new() -> Self {
        Self {
            written: std::array::from_fn(|_| Mutex::default()),
            own: std::array::from_fn(|_| AtomicU64::new(0)),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    fn acknowledge(&self, key: usize, version: u64) {
        self.written[key].lock().unwrap().push_back((Instant::now(), version));
        self.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// The least that somebody may be given who asks at `asked`.
    fn floor(&self, key: usize, asked: Instant) -> u64 {
        let own = self.own.get(key).map_or(0, |own| own.load(Ordering::SeqCst));
        let mut written = self.written[key].lock().unwrap();
        let is_due = |at: &Instant| asked.checked_duration_since(*at).is_some_and(|since| since > BOUND);
        while written.get(1).is_some_and(|(at, _)| is_due(at)) {
            written.pop_front();
        }
        written.front().filter(|(at, _)| is_due(at)).map_or(own, |(_, version)| own.max(*version))
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_writes_and_cuts_shows_no_reader_what_was_overwritten_a_bound_ago() {
    let redis = Redis::start().await;
    let redis_addr = redis.addr();
    let proxy = on_own_thread(async move { FaultProxy::start(redis_addr).await }).await;
    let sidecar = start(&proxy.url(), SETTINGS).await;
    reaches(&sidecar, "failsoft_tracking_up", &[], 1.0).await;
    let board = Arc::new(Board::new());
    let mut players = JoinSet::new();
    players.spawn(write_to_redis(redis_addr, board.clone()));
    players.spawn(write_through(sidecar.addr(), board.clone()));
    for seed in 0..READERS {
        players.spawn(read(sidecar.addr(), board.clone(), Dice(seed)));
    }
    let (kills, silences) = sabotage(&redis, &proxy, Dice(99)).await;
    board.is_over.store(true, Ordering::Relaxed);
    players.join_all().await;

    let count = |name| metric(&sidecar, name, &[]);
    let hits = metric(&sidecar, "failsoft_answers_total", &[("route", "page"), ("tier", "local")]).await;
    let fallbacks =
        metric(&sidecar, "redis_fallback_routing_attempts_total", &[("status", "secondary_fallback")]).await;
    println!(
        "{} reads, {hits} of them in front; {} writes; {kills} cuts, {silences} silences; {} epochs, {} keys told of, \
         {} copies passed over; no reader was behind",
        board.reads.load(Ordering::Relaxed),
        board.writes.load(Ordering::Relaxed),
        count("failsoft_tracking_begun_total").await,
        count("failsoft_tracking_invalidations_total").await,
        count("failsoft_local_unverified_total").await,
    );
    assert_eq!(fallbacks, 0.0);
    assert!(hits > 1_000.0 && count("failsoft_local_unverified_total").await > 0.0);
    assert!(count("failsoft_tracking_begun_total").await > 2.0);
}

async fn write_to_redis(redis: SocketAddr, board: Arc<Board>) {
    let mut client = HostileClient::connect(redis).await;
    let mut dice = Dice(7);
    for version in 1.. {
        let key = OWN + dice.roll(KEYS - OWN);
        let reply = client.ask(&["SET", &format!("page:{key}"), &version.to_string()], PATIENCE).await;
        assert_eq!(reply, "+OK\r\n");
        board.acknowledge(key, version);
        // sleeps: the pace of the load, slow enough for copies to be read
        sleep(Duration::from_millis(dice.roll(6) as u64)).await;
        if !board.goes_on() {
            return;
        }
    }
}

/// Writes through failsoft, and reads what it has written on another connection, at once.
async fn write_through(sidecar: SocketAddr, board: Arc<Board>) {
    let mut client = HostileClient::connect(sidecar).await;
    let mut other = HostileClient::connect(sidecar).await;
    let mut dice = Dice(8);
    for version in 1_u64.. {
        let key = dice.roll(OWN);
        let (name, value) = (format!("page:{key}"), version.to_string());
        client.send_command(&["SET", &name, &value]).await.unwrap();
        client.send_command(&["GET", &name]).await.unwrap();
        assert_eq!(client.read_reply(PATIENCE).await, b"+OK\r\n");
        board.own[key].store(version, Ordering::SeqCst);
        board.writes.fetch_add(1, Ordering::Relaxed);
        assert_eq!(version_of(&client.read_reply(PATIENCE).await), version);
        assert_eq!(version_of(other.ask(&["GET", &name], PATIENCE).await.as_bytes()), version);
        // sleeps: the pace of the load, slow enough for copies to be read
        sleep(Duration::from_millis(dice.roll(6) as u64)).await;
        if !board.goes_on() {
            return;
        }
    }
}

async fn read(sidecar: SocketAddr, board: Arc<Board>, mut dice: Dice) {
    let mut client = HostileClient::connect(sidecar).await;
    while board.goes_on() {
        let key = dice.roll(KEYS);
        let floor = board.floor(key, Instant::now());
        let version = version_of(client.ask(&["GET", &format!("page:{key}")], PATIENCE).await.as_bytes());
        assert!(version >= floor, "page:{key}: {version} was read, {floor} had been written");
        board.reads.fetch_add(1, Ordering::Relaxed);
    }
}

fn version_of(reply: &[u8]) -> u64 {
    let text = std::str::from_utf8(reply).unwrap();
    assert!(text.starts_with('$'), "{text}");
    text.lines().nth(1).map_or(0, |version| version.parse().unwrap())
}

/// Cuts the link, or lets it fall silent, and then perhaps cuts it; returns how often each.
async fn sabotage(redis: &Redis, proxy: &FaultProxy, mut dice: Dice) -> (u32, u32) {
    let (mut kills, mut silences) = (0, 0);
    for _ in 0..ROUNDS {
        let is_silent = dice.roll(2) == 0;
        if is_silent {
            proxy.hold_news();
            silences += 1;
        }
        // sleeps: how long the link is silent, or well, before it is cut
        sleep(Duration::from_millis(dice.roll(if is_silent { 1_800 } else { 400 }) as u64)).await;
        if dice.roll(2) == 0 {
            kills += u32::from(cut(redis).await);
        }
        proxy.release_news();
        // sleeps: time for copies to come in front again
        sleep(Duration::from_millis(dice.roll(400) as u64)).await;
    }
    (kills, silences)
}

async fn cut(redis: &Redis) -> bool {
    let list = String::from_redis_value(redis.command(&["CLIENT", "LIST"]).await).unwrap();
    let field = |line: &str, name| line.split(' ').find_map(|field| field.strip_prefix(name)).unwrap().to_owned();
    let Some(line) = list.lines().find(|line| field(line, "flags=").contains('t')) else {
        return false;
    };
    redis.try_command(&["CLIENT", "KILL", "ID", &field(line, "id=")]).await.is_ok()
}
