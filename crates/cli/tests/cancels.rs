//! A cancelled request keeps its place: clients that leave without waiting, and requests that are given up, by the million.
//!
//! Leavers send pipelines and vanish at any moment; meanwhile replies from Redis come later than anybody waits for them.
//! Every value says whose it is, and witnesses who stay look at each of theirs. `FAILSOFT_CANCELS=1000000` makes it the
//! whole million, see CONTRIBUTING.md; without it as many as a test may take.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod tools;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::proxy::{FaultProxy, Toxics};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;
use tokio::task::JoinSet;

use tools::{Dice, PATIENCE, bulk, command, metric, on_own_thread, shown, start};

/// Requests to be cancelled where nobody has said how many.
const CANCELS: usize = 100_000;
const LEAVERS: usize = 48;
const WITNESSES: usize = 8;
const KEYS: usize = 10;
const LONGEST: usize = 40;
/// Two connections to Redis carry them all, and a reply comes too late now and then.
const SETTINGS: &str = "redis.connections = 1\nredis.timeout = \"100ms\"\nrequest.deadline = \"100ms\"\nbreaker.failures = 10000\n\
    breaker.window = \"1s\"\nbreaker.min_calls = 100000\nbreaker.slow_call = \"1m\"\nbreaker.cooldown = \"100ms\"\n\
    breaker.probe_cooldown = \"100ms\"\nbreaker.ramp = \"100ms\"\n";
/// After an error, as applications do; who asks again at once makes nothing but errors.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Count {
    /// Requests sent by clients that left before they were answered.
    left: AtomicUsize,
    /// Requests that failsoft gave up, whose replies came later or never.
    given_up: AtomicUsize,
    /// Values that were looked at.
    values: AtomicUsize,
    /// Clients that vanished.
    vanished: AtomicUsize,
}

impl Count {
    fn cancels(&self) -> usize {
        self.left.load(Ordering::Relaxed) + self.given_up.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn of_a_million_random_cancels_not_one_leads_a_reply_astray() {
    let wanted = std::env::var("FAILSOFT_CANCELS").map_or(CANCELS, |wanted| wanted.parse().unwrap());
    let redis = Redis::start().await;
    for own in 0..LEAVERS + WITNESSES {
        let values = (0..KEYS).flat_map(|key| [name(own, key), tag(own, key)]);
        let words: Vec<String> = ["MSET".to_owned()].into_iter().chain(values).collect();
        redis.command(&words.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let addr = redis.addr();
    let proxy = on_own_thread(async move { FaultProxy::start(addr).await }).await;
    let sidecar = start(&proxy.url(), SETTINGS).await;
    let count = Arc::new(Count::default());
    let mut clients = JoinSet::new();
    for own in 0..LEAVERS + WITNESSES {
        let (addr, count) = (sidecar.addr(), count.clone());
        clients.spawn(async move {
            let mut client = Client { addr, own, dice: Dice(own as u64), count };
            if own < LEAVERS { client.leave(wanted).await } else { client.stay(wanted).await }
        });
    }
    let mut dice = Dice(77);
    while !clients.is_empty() {
        let latency = Duration::from_millis([0, 0, 2, 70][dice.roll(4)]);
        proxy.set_toxics(Toxics { latency, jitter: latency / 2, ..Toxics::default() });
        // sleeps: the pace at which the way to Redis changes
        tokio::time::sleep(Duration::from_millis(50 + dice.roll(100) as u64)).await;
        while let Some(done) = clients.try_join_next() {
            done.unwrap();
        }
    }
    proxy.reset_all().await;
    println!("{} requests cancelled: {count:?}", count.cancels());
    assert!(count.given_up.load(Ordering::Relaxed) > wanted / 1_000, "{count:?}");
    assert!(count.values.load(Ordering::Relaxed) > wanted / 100, "{count:?}");
    eventually("everything to be given back", PATIENCE, || async {
        let gauges = ["failsoft_clients", "failsoft_node_dedicated_connections", "failsoft_node_pending"];
        let mut left = 0.0;
        for gauge in gauges {
            left += metric(&sidecar, gauge, &[]).await;
        }
        left == 0.0
    })
    .await;
}

struct Client {
    addr: SocketAddr,
    own: usize,
    dice: Dice,
    count: Arc<Count>,
}

impl Client {
    /// Comes and goes until enough has been cancelled.
    async fn leave(&mut self, wanted: usize) {
        while self.count.cancels() < wanted {
            let mut wire = HostileClient::connect(self.addr).await;
            for _ in 0..=self.dice.roll(3) {
                let (requests, keys) = self.pipeline();
                wire.send(&requests).await.unwrap();
                let heard = self.dice.roll(keys.len() + 1);
                self.hear(&mut wire, &keys[..heard]).await;
                if heard < keys.len() {
                    self.count.left.fetch_add(keys.len() - heard, Ordering::Relaxed);
                    break;
                }
            }
            if self.dice.roll(4) == 0 {
                // What cannot be finished: half a request, a transaction, a pop that nobody feeds.
                let endings = [
                    command(&["GET", &name(self.own, 0)])[..9].to_vec(),
                    [command(&["MULTI"]), command(&["GET", &name(self.own, 0)])].concat(),
                    command(&["BLPOP", &format!("{}:nothing", self.own), "0"]),
                ];
                let _ = wire.send(&endings[self.dice.roll(endings.len())]).await;
            }
            for _ in 0..self.dice.roll(20) {
                tokio::task::yield_now().await;
            }
            wire.reset();
            self.count.vanished.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Looks at every value of its own for as long as others are cancelled.
    async fn stay(&mut self, wanted: usize) {
        let mut wire = HostileClient::connect(self.addr).await;
        while self.count.cancels() < wanted {
            let (requests, keys) = self.pipeline();
            wire.send(&requests).await.unwrap();
            self.hear(&mut wire, &keys).await;
        }
    }

    fn pipeline(&mut self) -> (Vec<u8>, Vec<usize>) {
        let keys: Vec<usize> = (0..=self.dice.roll(LONGEST)).map(|_| self.dice.roll(KEYS)).collect();
        (keys.iter().flat_map(|key| command(&["GET", &name(self.own, *key)])).collect(), keys)
    }

    async fn hear(&self, wire: &mut HostileClient, keys: &[usize]) {
        let mut errors = 0;
        for key in keys {
            let reply = wire.read_reply(PATIENCE).await;
            if reply.starts_with(b"-UNAVAILABLE ") {
                errors += 1;
                // It was sent, and its reply may still come.
                let was_sent = shown(reply).contains("outcome=silent");
                self.count.given_up.fetch_add(usize::from(was_sent), Ordering::Relaxed);
            } else {
                assert_eq!(shown(reply), shown(bulk(tag(self.own, *key))), "client {}", self.own);
                self.count.values.fetch_add(1, Ordering::Relaxed);
            }
        }
        if errors > 0 {
            // sleeps: the pause after an error
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn name(own: usize, key: usize) -> String {
    format!("{own}:{key}")
}

/// Of a length that differs from its neighbours'.
fn tag(own: usize, key: usize) -> String {
    format!("{own}/{key}/{}", "x".repeat(own * 7 % 50 + key))
}
