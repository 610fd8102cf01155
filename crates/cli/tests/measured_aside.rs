//! Applications that fill their cache themselves, many readers at once, before a Redis that is empty: each value is made
//! once, and the database is asked no more often than it can bear.
//!
//! Readers do what cache-aside is: read, and on nothing load and write. The database counts, and knows every value. What the
//! same comes to with redis-py, at full size and with Redis killed in the middle, `scripts/measure-aside.py` tells.
#![allow(clippy::unwrap_used)]

mod tools;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::redis::Redis;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use tools::{Dice, PATIENCE, metric, start};

const KEYS: usize = 200;
const READERS: usize = 40;
/// Queries that the database works on at once, and how long each takes.
const AT_ONCE: usize = 10;
const QUERY: Duration = Duration::from_millis(10);

/// What values are made from.
struct Database {
    free: Semaphore,
    queries: Mutex<Vec<(Instant, String)>>,
}

impl Database {
    fn new() -> Arc<Self> {
        Arc::new(Self { free: Semaphore::new(AT_ONCE), queries: Mutex::default() })
    }

    async fn load(&self, key: &str) -> String {
        self.queries.lock().unwrap().push((Instant::now(), key.to_owned()));
        let _place = self.free.acquire().await.unwrap();
        // sleeps: this is how long a query takes.
        sleep(QUERY).await;
        value_of(key)
    }

    /// How often each key was asked for.
    fn loads(&self) -> HashMap<String, usize> {
        let mut loads = HashMap::new();
        self.queries.lock().unwrap().iter().for_each(|(_, key)| *loads.entry(key.clone()).or_default() += 1);
        loads
    }

    /// The most queries in any window of a second.
    fn busiest_second(&self) -> usize {
        let queries = self.queries.lock().unwrap();
        let since =
            |from: Instant| queries.iter().filter(move |(at, _)| (from..from + Duration::from_secs(1)).contains(at));
        queries.iter().map(|(from, _)| since(*from).count()).max().unwrap_or(0)
    }
}

fn value_of(key: &str) -> String {
    format!("value of {key}")
}

/// What came of reading.
#[derive(Default)]
struct Tally {
    answered: usize,
    overloaded: usize,
    slowest: Duration,
}

/// Reads each key `rounds` times, in an order of its own.
async fn read(addr: SocketAddr, database: Arc<Database>, seed: usize, rounds: usize) -> Tally {
    let mut client = HostileClient::connect(addr).await;
    let mut tally = Tally::default();
    let mut dice = Dice(seed as u64);
    let first = dice.roll(KEYS);
    for nth in 0..KEYS * rounds {
        let key = format!("page:{}", (first + nth * 7) % KEYS);
        let begun = Instant::now();
        let reply = client.ask(&["GET", &key], PATIENCE).await;
        match reply.as_bytes()[0] {
            b'-' => {
                assert!(reply.starts_with("-OVERLOADED "), "{reply}");
                tally.overloaded += 1;
                continue;
            }
            _ if reply == "$-1\r\n" => {
                let value = database.load(&key).await;
                assert_eq!(client.ask(&["SET", &key, &value, "EX", "600"], PATIENCE).await, "+OK\r\n");
            }
            _ => assert_eq!(reply, format!("${}\r\n{}\r\n", value_of(&key).len(), value_of(&key))),
        }
        tally.answered += 1;
        tally.slowest = tally.slowest.max(begun.elapsed());
    }
    tally
}

async fn read_all(addr: SocketAddr, database: &Arc<Database>, rounds: usize) -> Tally {
    let mut readers = JoinSet::new();
    (0..READERS).for_each(|seed| drop(readers.spawn(read(addr, database.clone(), seed, rounds))));
    let mut all = Tally::default();
    for tally in readers.join_all().await {
        all.answered += tally.answered;
        all.overloaded += tally.overloaded;
        all.slowest = all.slowest.max(tally.slowest);
    }
    all
}

#[tokio::test]
async fn each_value_is_made_once_however_many_ask_for_it() {
    let (redis, database) = (Redis::start().await, Database::new());
    // Leases and waits outlast the test, however busy the machine.
    let route =
        "request.deadline = '1m'\n[[routes]]\nkeys = 'page:*'\nrole = 'cache'\nlease = '5m'\nlease_wait = '30s'\n";
    let sidecar = start(&redis.url(), &route.replace('\'', "\"")).await;
    let tally = read_all(sidecar.addr(), &database, 1).await;
    assert_eq!((tally.answered, tally.overloaded), (READERS * KEYS, 0));
    let loads = database.loads();
    assert_eq!((loads.len(), loads.values().max()), (KEYS, Some(&1)), "{loads:?}");
    let waited = metric(&sidecar, "failsoft_lease_waits_total", &[("result", "filled")]).await;
    println!(
        "{} reads, {} queries, {waited} reads waited for another's, slowest {:?}",
        tally.answered, KEYS, tally.slowest
    );
}

#[tokio::test]
async fn the_database_is_asked_no_more_often_than_it_can_bear() {
    const MAX_MISSES: usize = 100;
    let (redis, database) = (Redis::start().await, Database::new());
    let route = format!("[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nmax_misses = {MAX_MISSES}\n");
    let sidecar = start(&redis.url(), &route).await;
    let mut rounds = 0;
    while database.loads().len() < KEYS {
        let tally = read_all(sidecar.addr(), &database, 1).await;
        rounds += 1;
        println!("round {rounds}: {} answered, {} overloaded", tally.answered, tally.overloaded);
    }
    let busiest = database.busiest_second();
    println!("{rounds} rounds, {busiest} queries in the busiest second");
    // Callers are sent at the pace; how long each takes to get to the database is the machine's matter.
    assert!(busiest <= MAX_MISSES + MAX_MISSES / 20, "{busiest}");
}

#[tokio::test]
async fn while_redis_is_dead_each_value_is_made_once_and_found_where_it_is_kept() {
    let (redis, database) = (Redis::start().await, Database::new());
    let route = "request.deadline = '1m'\nbreaker.failures = 3\n[[routes]]\nkeys = 'page:*'\nrole = 'cache'\n\
        lease = '5m'\nlease_wait = '30s'\n";
    let sidecar = start(&redis.url(), &route.replace('\'', "\"")).await;
    redis.kill().await;
    tools::reaches(&sidecar, "failsoft_node_circuit_state", &[("state", "open")], 1.0).await;
    let tally = read_all(sidecar.addr(), &database, 3).await;
    assert_eq!((tally.answered, tally.overloaded), (READERS * KEYS * 3, 0));
    assert_eq!((database.loads().len(), database.loads().values().max()), (KEYS, Some(&1)));
    println!("{} reads, {KEYS} queries, slowest {:?}", tally.answered, tally.slowest);
}
