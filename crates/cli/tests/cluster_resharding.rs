//! A thousand slots go from one primary to another under reads and writes: nothing fails, nothing written is lost, and
//! neither redirections nor looks at the topology are more than the move explains.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod clusters;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use failsoft_testkit::cluster::{Cluster, slot};
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use tokio::sync::watch;
use tokio::task::JoinSet;

use clusters::{PATIENT, before, bulk, count};

const PATIENCE: Duration = Duration::from_secs(30);
const MOVED: RangeInclusive<u16> = 0..=999;
/// Looks at the topology begin at least this far apart.
const LEAST_GAP: Duration = Duration::from_millis(100);

/// A client with keys of its own, so that it knows what each of them holds.
struct Client {
    connection: HostileClient,
    keys: Vec<String>,
    /// Two keys each that one tag keeps in one slot.
    pairs: Vec<[String; 2]>,
    held: HashMap<String, String>,
    /// Requests whose slot is one of those that move.
    touching: usize,
    requests: usize,
}

impl Client {
    async fn connect(addr: std::net::SocketAddr, number: usize) -> Self {
        let prefix = format!("moving:{number}");
        let moving = slot::keys_in(MOVED, &prefix).take(60);
        let staying = (0..30).map(|key| format!("any:{number}:{key}"));
        let tags: Vec<_> = slot::keys_in(MOVED, &format!("tag:{number}")).take(20).collect();
        Self {
            connection: HostileClient::connect(addr).await,
            keys: moving.chain(staying).collect(),
            pairs: tags.iter().map(|tag| [format!("{{{tag}}}:a"), format!("{{{tag}}}:b")]).collect(),
            held: HashMap::new(),
            touching: 0,
            requests: 0,
        }
    }

    /// Goes round and round until it is told to stop; a reply that is not the right one ends the test.
    async fn work(mut self, is_over: watch::Receiver<bool>) -> Self {
        for round in 0.. {
            if *is_over.borrow() {
                break;
            }
            self.write_and_read(round).await;
            self.pipeline(round).await;
            self.several(round).await;
        }
        self
    }

    async fn write_and_read(&mut self, round: usize) {
        for index in (0..self.keys.len()).step_by(7) {
            let key = self.keys[(index + round) % self.keys.len()].clone();
            self.ask(&["SET", &key, &round.to_string()], "+OK\r\n").await;
            self.ask(&["GET", &key], &bulk(&round.to_string())).await;
            self.held.insert(key, round.to_string());
        }
    }

    /// All keys at once.
    async fn pipeline(&mut self, round: usize) {
        let value = format!("p{round}");
        for key in self.keys.clone() {
            self.send(&["SET", &key, &value]).await;
            self.send(&["GET", &key]).await;
            self.held.insert(key, value.clone());
        }
        for key in self.keys.clone() {
            self.expect("+OK\r\n", &key).await;
            self.expect(&bulk(&value), &key).await;
        }
    }

    /// Commands on two keys that one slot has.
    async fn several(&mut self, round: usize) {
        let value = format!("m{round}");
        for [left, right] in self.pairs.clone() {
            self.ask(&["MSET", &left, &value, &right, &value], "+OK\r\n").await;
            self.ask(&["MGET", &left, &right], &format!("*2\r\n{}{}", bulk(&value), bulk(&value))).await;
            self.held.extend([(left, value.clone()), (right, value.clone())]);
        }
    }

    async fn ask(&mut self, words: &[&str], expected: &str) {
        self.send(words).await;
        self.expect(expected, words[1]).await;
    }

    async fn send(&mut self, words: &[&str]) {
        self.requests += 1;
        self.touching += usize::from(MOVED.contains(&slot::of(words[1])));
        self.connection.send_command(words).await.unwrap();
    }

    async fn expect(&mut self, expected: &str, about: &str) {
        let reply = self.connection.read_reply(PATIENCE).await;
        assert_eq!(String::from_utf8_lossy(&reply), expected, "{about} in slot {}", slot::of(about));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slots_move_under_load_and_no_request_notices() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, PATIENT).await;
    let target = cluster.primary_of(16_383).await;
    let (stop, is_over) = watch::channel(false);
    let mut clients = JoinSet::new();
    for number in 0..4 {
        clients.spawn(Client::connect(sidecar.addr(), number).await.work(is_over.clone()));
    }
    let looks_before = count(&sidecar, "failsoft_topology_looks_total", &[]).await;
    let began = Instant::now();
    cluster.reshard(MOVED, target).await;
    let took = began.elapsed();
    stop.send(true).unwrap();
    let clients = clients.join_all().await;
    let (requests, touching) =
        clients.iter().fold((0, 0), |(all, some), client| (all + client.requests, some + client.touching));
    let redirects = count(&sidecar, "failsoft_topology_redirects_total", &[]).await;
    let looks = count(&sidecar, "failsoft_topology_looks_total", &[]).await - looks_before;
    eprintln!(
        "moved in {took:?}: {requests} requests, {touching} of moving slots, {redirects} redirections, {looks} looks"
    );
    assert!(redirects < 1.2 * touching as f64, "{redirects} redirections of {touching}");
    assert!(looks <= (began.elapsed().as_nanos() / LEAST_GAP.as_nanos()) as f64 + 2.0, "{looks} looks in {took:?}");
    assert_nothing_is_lost(&clients, &cluster).await;
    assert_map_is_known(&sidecar, &clients).await;
}

/// What was written last stands at the owner, behind the sidecar's back.
async fn assert_nothing_is_lost(clients: &[Client], cluster: &Cluster) {
    for (key, value) in clients.iter().flat_map(|client| &client.held) {
        let owner = cluster.primary_of(slot::of(key)).await;
        assert_eq!(owner.redis().get(key).await.as_ref(), Some(value), "{key}");
    }
}

/// Soon after, nobody is sent elsewhere any more.
async fn assert_map_is_known(sidecar: &Sidecar, clients: &[Client]) {
    let redirects = async || count(sidecar, "failsoft_topology_redirects_total", &[]).await;
    eventually("the map to be known", PATIENCE, async || {
        let before = redirects().await;
        let mut client = HostileClient::connect(sidecar.addr()).await;
        for (key, value) in clients.iter().flat_map(|client| &client.held) {
            assert_eq!(client.ask(&["GET", key], PATIENCE).await, bulk(value), "{key}");
        }
        redirects().await == before
    })
    .await;
}
