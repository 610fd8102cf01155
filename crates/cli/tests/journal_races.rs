//! Many writers and readers under faults that come and go: no read returns a value older than the last write of its key
//! that had been acknowledged when the read was sent.
//!
//! Each key has one writer, whose values are ever greater numbers, and which says what it has been told was done. A read
//! takes down that number, asks, and must be answered with nothing, an error, or a number not smaller. In the end Redis
//! itself must hold nothing older either.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use failsoft_testkit::proxy::{Mode, OneShot};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;

use common::{Client, PATIENCE, Stage};

const WRITERS: usize = 8;
const READERS: usize = 8;
const KEYS_OF_WRITER: usize = 5;
const ROUNDS: usize = 30;
/// Writes that a fault lasts for, and that there is peace for, at least.
const FAULT: u64 = 1_500;
const CALM: u64 = 500;
/// Every so many writes are deletions.
const DELETIONS: u64 = 4;

/// What is known of all keys: the number of the last write that was acknowledged.
type Acknowledged = Arc<[AtomicU64]>;

fn key(index: usize) -> String {
    format!("page:{index}")
}

async fn write(mut client: Client, writer: usize, acknowledged: Acknowledged, is_over: Arc<AtomicBool>) -> u64 {
    let mut number = 0;
    while !is_over.load(Ordering::Acquire) {
        number += 1;
        let index = writer * KEYS_OF_WRITER + number as usize % KEYS_OF_WRITER;
        let (key, value) = (key(index), number.to_string());
        let reply = match number % DELETIONS {
            0 => client.ask(&["DEL", &key]).await,
            1 => client.ask(&["SET", &key, &value, "EX", "300"]).await,
            _ => client.ask(&["SET", &key, &value]).await,
        };
        if !reply.starts_with('-') {
            acknowledged[index].store(number, Ordering::Release);
        }
        tokio::task::yield_now().await;
    }
    number
}

async fn read(mut client: Client, reader: usize, acknowledged: Acknowledged, is_over: Arc<AtomicBool>) -> u64 {
    let mut values = 0;
    let mut turn = reader;
    while !is_over.load(Ordering::Acquire) {
        turn += 7;
        let index = turn % acknowledged.len();
        let floor = acknowledged[index].load(Ordering::Acquire);
        let reply = client.get(&key(index)).await;
        if let Some(seen) = reply.strip_prefix('$').and_then(|rest| rest.split("\r\n").nth(1)?.parse::<u64>().ok()) {
            assert!(seen >= floor, "{} is {seen}, but {floor} was acknowledged before it was read", key(index));
            values += 1;
        }
        tokio::task::yield_now().await;
    }
    values
}

/// Returns when so many more writes have been acknowledged, here or by Redis.
async fn writes_pass(acknowledged: &Acknowledged, many: u64) {
    let all = || acknowledged.iter().map(|number| number.load(Ordering::Acquire)).sum::<u64>();
    let enough = all() + many * KEYS_OF_WRITER as u64;
    eventually("writes to be acknowledged", PATIENCE, || async { all() >= enough }).await;
}

/// A few faults of every kind, one after the other, in an order that depends on `seed`.
async fn disturb(stage: &Stage, acknowledged: &Acknowledged, seed: usize) {
    let modes = [Mode::Refuse, Mode::AcceptSilent, Mode::DropRequests, Mode::DropReplies, Mode::HalfOpen];
    for round in 0..ROUNDS {
        match (round * 5 + seed * 3 + round / 7) % 8 {
            5 => {
                stage.redis.pause();
                writes_pass(acknowledged, FAULT).await;
                stage.redis.resume();
            }
            6 => stage.proxy.once(OneShot::Reset { after: 0 }),
            7 => stage.proxy.reset_all().await,
            mode => {
                stage.proxy.set_mode(modes[mode]).await;
                writes_pass(acknowledged, FAULT).await;
                stage.proxy.set_mode(Mode::Pass).await;
            }
        }
        writes_pass(acknowledged, CALM * (1 + round as u64 % 3)).await;
    }
}

async fn play(seed: usize, local: &str) {
    let stage = Stage::on(Redis::start().await, |settings| {
        settings
            .set("redis.timeout", "'40ms'")
            .set("redis.connect_timeout", "'40ms'")
            .set("server.threads", "2")
            .set("local.mode", local)
    })
    .await;
    let acknowledged: Acknowledged = (0..WRITERS * KEYS_OF_WRITER).map(|_| AtomicU64::new(0)).collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        writers.push(tokio::spawn(write(stage.client().await, writer, acknowledged.clone(), is_over.clone())));
    }
    let mut readers = Vec::new();
    for reader in 0..READERS {
        readers.push(tokio::spawn(read(stage.client().await, reader, acknowledged.clone(), is_over.clone())));
    }
    disturb(&stage, &acknowledged, seed).await;
    is_over.store(true, Ordering::Release);
    let (mut written, mut found) = (0, 0);
    for writer in writers {
        written += writer.await.unwrap();
    }
    for reader in readers {
        found += reader.await.unwrap();
    }
    eventually("the journal to be empty", PATIENCE, || async {
        stage.count("failsoft_journal_entries", &[]).await == 0
    })
    .await;
    for (index, acknowledged) in acknowledged.iter().enumerate() {
        let held = stage.redis.get(&key(index)).await.map_or(u64::MAX, |held| held.parse().unwrap());
        assert!(held >= acknowledged.load(Ordering::Acquire), "{} is {held} in Redis", key(index));
    }
    let kept = stage.count("failsoft_gutter_kept_total", &[]).await;
    eprintln!("seed {seed}, {local}: {written} writes, {found} values read, {kept} values kept");
    assert!(written > 1_000 && found > 100 && kept > 10, "{written} {found} {kept}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_older_than_what_was_acknowledged_is_ever_read() {
    for seed in 0..2 {
        play(seed, "'fallback'").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_with_copies_in_front_of_redis() {
    play(2, "'front'").await;
}
