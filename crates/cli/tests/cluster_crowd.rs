//! All primaries are restarted at once under a crowd of clients: the nodes are not run down by connections, and the clients
//! are served as soon as the cluster serves.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod clusters;

use std::sync::Arc;
use std::time::{Duration, Instant};

use failsoft_testkit::cluster::{Cluster, Node};
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::sidecar::Sidecar;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use clusters::{before, count};

const PATIENCE: Duration = Duration::from_secs(60);
const CLIENTS: usize = 400;
/// Between two attempts of a client.
const PACE: Duration = Duration::from_millis(50);
/// How long the cluster may have served before the last client is.
const RECOVERY: Duration = Duration::from_secs(2);

/// A client that writes to its key until it is told OK, having found that it is not.
async fn come_back(addr: std::net::SocketAddr, number: usize, ready: Arc<Barrier>) -> (Instant, usize) {
    let mut client = HostileClient::connect(addr).await;
    let key = format!("plain:{number}");
    assert_eq!(client.ask(&["SET", &key, "before"], PATIENCE).await, "+OK\r\n");
    ready.wait().await;
    let mut refusals = 0;
    let mut turns = tokio::time::interval(PACE);
    loop {
        turns.tick().await;
        let reply = client.ask(&["SET", &key, "after"], PATIENCE).await;
        if reply == "+OK\r\n" && refusals > 0 {
            return (Instant::now(), refusals);
        }
        refusals += usize::from(reply.starts_with('-'));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_served_again_as_soon_as_all_primaries_are_back() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let ready = Arc::new(Barrier::new(CLIENTS + 1));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(come_back(sidecar.addr(), number, ready.clone()));
    }
    ready.wait().await;
    let primaries = &cluster.nodes()[..3];
    tokio::join!(primaries[0].restart(), primaries[1].restart(), primaries[2].restart());
    let began = Instant::now();
    cluster.wait_ok().await;
    let served = Instant::now();
    let back = clients.join_all().await;
    let last = back.iter().map(|(at, _)| *at).max().unwrap();
    let refusals: usize = back.iter().map(|(_, refusals)| refusals).sum();
    eprintln!(
        "cluster ok {:?} after the restart, the last of {CLIENTS} clients {:?} after that, {refusals} refusals",
        served - began,
        last.saturating_duration_since(served)
    );
    assert_connections_are_few(primaries, &sidecar).await;
    assert!(last.saturating_duration_since(served) < RECOVERY * 3, "{:?}", last - served);
}

/// By the nodes' own count since they are back.
async fn assert_connections_are_few(primaries: &[Node], sidecar: &Sidecar) {
    let attempts = count(sidecar, "failsoft_node_connects_total", &[]).await;
    for node in primaries {
        let tally = node.redis().tally().await;
        eprintln!("{}: {} connections since it is back; {attempts}", node.addr(), tally.connections());
        assert!(tally.connections() < 40, "{} new connections at {}", tally.connections(), node.addr());
    }
}
