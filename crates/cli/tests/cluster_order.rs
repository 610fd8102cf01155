//! Commands of one client on one key are carried out in the order in which it sent them, also while their slot goes from one
//! primary to the other and back under a pipeline of them.
//!
//! Every write says what it has replaced, so that a single one that was passed, lost or done twice is seen where it
//! happened, and not only if it was the last. The slots move key by key, so that commands on two keys find them divided.
//!
//! A slot whose second trip begins while a pipeline is under way can leave a write that could only be done behind later
//! ones: it is told that nothing was done, which the next write to its key then shows to be true.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod clusters;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, slot};
use failsoft_testkit::hostile::HostileClient;
use tokio::sync::watch;
use tokio::task::JoinSet;

use clusters::{PATIENT, before, bulk, count};

const PATIENCE: Duration = Duration::from_secs(30);
/// How often the slots go to the other side.
const TRIPS: usize = 6;
const MOVED: RangeInclusive<u16> = 0..=19;
const CLIENTS: usize = 3;
const PIPELINE: usize = 200;
/// What a write is told that a second trip of its slot within one pipeline has put behind later ones.
const GIVEN_UP: &str = "-UNAVAILABLE nothing was done";
/// One in so many writes may be told that.
const MOST_GIVEN_UP: usize = 1_000;

/// A client that writes 1, 2, 3, ... to its keys, many at once.
struct Writer {
    connection: HostileClient,
    /// Two keys for each slot that moves.
    pairs: Vec<[String; 2]>,
    /// What each key must hold once everything that was sent has been done.
    held: HashMap<String, String>,
    written: usize,
    /// Writes of two keys that found them divided, so that nothing was done.
    divided: usize,
    /// Writes that could not be done any more without passing later ones, so that they were not done.
    given_up: usize,
}

impl Writer {
    async fn connect(addr: SocketAddr, number: usize) -> Self {
        let tags = MOVED.map(|slot| slot::key_in(slot..=slot, &format!("t{number}")));
        let pairs = tags.map(|tag| [format!("{{{tag}}}:a"), format!("{{{tag}}}:b")]).collect();
        let connection = HostileClient::connect(addr).await;
        Self { connection, pairs, held: HashMap::new(), written: 0, divided: 0, given_up: 0 }
    }

    async fn work(mut self, is_over: watch::Receiver<bool>) -> Self {
        while !*is_over.borrow() {
            self.write().await;
        }
        self
    }

    /// One pipeline: both keys of a slot together, then one of them, then the other.
    async fn write(&mut self) {
        let numbers = self.written..self.written + PIPELINE;
        for number in numbers.clone() {
            let [left, right] = &self.pairs[number % self.pairs.len()];
            let [both, one, other] = ["both", "one", "other"].map(|what| format!("{what}:{number}"));
            self.connection.send_command(&["MSET", left, &both, right, &both]).await.unwrap();
            self.connection.send_command(&["SET", left, &one, "GET"]).await.unwrap();
            self.connection.send_command(&["SET", right, &other, "GET"]).await.unwrap();
        }
        for number in numbers {
            let [left, right] = self.pairs[number % self.pairs.len()].clone();
            let both = self.reply().await;
            if both == "+OK\r\n" {
                self.held.extend([&left, &right].map(|key| (key.clone(), format!("both:{number}"))));
            } else if both.starts_with(GIVEN_UP) {
                self.given_up += 1;
            } else {
                assert!(both.starts_with("-TRYAGAIN "), "{both}");
                self.divided += 1;
            }
            self.expect_replaced(left, format!("one:{number}")).await;
            self.expect_replaced(right, format!("other:{number}")).await;
        }
        self.written += PIPELINE;
    }

    async fn expect_replaced(&mut self, key: String, by: String) {
        let reply = self.reply().await;
        if reply.starts_with(GIVEN_UP) {
            // It was not done: the next write to the key would tell otherwise.
            self.given_up += 1;
            return;
        }
        let expected = self.held.get(&key).map_or_else(|| "$-1\r\n".to_owned(), |held| bulk(held));
        assert_eq!(reply, expected, "replaced by {by} at {key}");
        self.held.insert(key, by);
    }

    async fn reply(&mut self) -> String {
        String::from_utf8(self.connection.read_reply(PATIENCE).await).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_to_a_key_of_a_slot_that_goes_to_and_fro_keep_their_order() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, PATIENT).await;
    let (here, there) = (cluster.primary_of(0).await, cluster.primary_of(16_383).await);
    let (stop, is_over) = watch::channel(false);
    let mut writing = JoinSet::new();
    for number in 0..CLIENTS {
        writing.spawn(Writer::connect(sidecar.addr(), number).await.work(is_over.clone()));
    }
    for target in [there, here].into_iter().cycle().take(TRIPS) {
        for slot in MOVED {
            let moving = cluster.begin_move(slot, target).await;
            while moving.move_keys(1).await > 0 {}
            moving.finish().await;
        }
        // They have gone: this waits until everybody knows.
        cluster.reshard(MOVED, target).await;
        assert!(writing.try_join_next().is_none(), "a writer has ended");
    }
    stop.send(true).unwrap();
    let writers = writing.join_all().await;
    let total = |count: fn(&Writer) -> usize| writers.iter().map(count).sum::<usize>();
    let (written, divided, given_up) = (total(|w| w.written), total(|w| w.divided), total(|w| w.given_up));
    let followed = count(&sidecar, "failsoft_topology_redirects_total", &[("result", "followed")]).await;
    eprintln!("{written} of each, {followed} sent elsewhere, {divided} found their keys divided, {given_up} given up");
    assert!(given_up * MOST_GIVEN_UP <= 3 * written, "{given_up} of {} writes were given up", 3 * written);
    assert!(followed > TRIPS as f64, "{followed} were sent elsewhere: the slots did not move under them");
    for (key, value) in writers.iter().flat_map(|writer| &writer.held) {
        let owner = cluster.primary_of(slot::of(key)).await;
        assert_eq!(owner.redis().get(key).await.as_ref(), Some(value), "{key}");
    }
}
