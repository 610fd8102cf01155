//! docs/faults.md, rows 33, 34 and 35 against a server that says it is a cluster and sends requests astray: to itself, round in
//! a circle, to nobody, and to where no node may be.
#![allow(clippy::unwrap_used)]

mod clusters;

use std::net::SocketAddr;
use std::time::Duration;

use failsoft_testkit::cluster::slot;
use failsoft_testkit::hostile::{Act, HostileClient, HostileServer, Script};
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use clusters::{bin, count, user, users};

const PATIENCE: Duration = Duration::from_secs(30);
/// Redirections that one request follows, and the question that each of its ways begins with: by the map it had, and by the
/// one that was learned for its sake.
const MOST_ASKED: usize = 2 + 5;
const KEY: &str = "user:1";

/// A cluster of one that answers every GET and SET with `astray`, made of its own address, and probes as it should.
async fn cluster_of_one(astray: impl Fn(SocketAddr) -> String) -> HostileServer {
    HostileServer::start_with(|addr| {
        let astray = astray(addr);
        Script::answer("+OK\r\n")
            .polite()
            .cluster_of_one(addr)
            .on(&format!("GET {KEY}"), [Act::send(&astray)])
            .on(&format!("SET {KEY}"), [Act::send(&astray)])
    })
    .await
}

async fn before(servers: &[&HostileServer], origin: &HttpOrigin) -> Sidecar {
    let nodes = servers.iter().map(|server| format!("\"{}\"", server.url())).collect::<Vec<_>>().join(", ");
    let settings = format!(
        "server.listen = \"{{listen}}\"\nserver.admin = \"{{admin}}\"\nserver.threads = 1\n\
         redis.topology = \"cluster\"\nredis.nodes = [{nodes}]\n{}",
        users(origin)
    );
    let sidecar = Sidecar::start(bin(), &settings).await;
    eventually("the sidecar to believe it", PATIENCE, || async {
        count(&sidecar, "redis_cluster_slots_ok", &[]).await == 16_384.0
    })
    .await;
    sidecar
}

fn asked(server: &HostileServer, word: &str) -> usize {
    server.asked().iter().filter(|words| words[0] == word && words.get(1).is_some_and(|key| key == KEY)).count()
}

/// Reads are answered by the origin, writes are refused, and neither is asked more often than it may be.
async fn assert_left_for_the_next_tier(sidecar: &Sidecar, servers: &[&HostileServer]) {
    let mut client = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["GET", KEY], PATIENCE).await, user(1));
    let total = |word| servers.iter().map(|server| asked(server, word)).sum::<usize>();
    assert!((1..=MOST_ASKED).contains(&total("GET")), "{} times", total("GET"));
    let refused = client.ask(&["SET", KEY, "v", "KEEPTTL"], PATIENCE).await;
    assert!(refused.starts_with("-UNAVAILABLE nothing was done"), "{refused}");
    // The fill after the origin's answer is a SET as well.
    assert!(total("SET") <= 2 * MOST_ASKED, "{} times", total("SET"));
    assert_eq!(client.ask(&["SET", "plain", "v"], PATIENCE).await, "+OK\r\n", "other keys are nobody's business");
}

/// Row 33.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_moves_a_slot_to_itself_is_not_asked_for_ever() {
    let slot = slot::of(KEY);
    let origin = HttpOrigin::start().await;
    let server = cluster_of_one(|addr| format!("-MOVED {slot} {addr}\r\n")).await;
    let sidecar = before(&[&server], &origin).await;
    assert_left_for_the_next_tier(&sidecar, &[&server]).await;
}

/// Row 35.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_says_ask_myself_is_not_asked_for_ever() {
    let slot = slot::of(KEY);
    let origin = HttpOrigin::start().await;
    let server = cluster_of_one(|addr| format!("-ASK {slot} {addr}\r\n")).await;
    let sidecar = before(&[&server], &origin).await;
    assert_left_for_the_next_tier(&sidecar, &[&server]).await;
}

/// Row 34: nothing is connected to there, the operator is told, and it is counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_node_may_be_nobody_is_sent() {
    let slot = slot::of(KEY);
    for forbidden in ["169.254.169.254:80", "[fe80::1]:6379", "0.0.0.0:6379", "224.0.0.1:6379", "255.255.255.255:6379"]
    {
        for kind in ["MOVED", "ASK"] {
            let origin = HttpOrigin::start().await;
            let server = cluster_of_one(|_| format!("-{kind} {slot} {forbidden}\r\n")).await;
            let sidecar = before(&[&server], &origin).await;
            assert_left_for_the_next_tier(&sidecar, &[&server]).await;
            assert!(count(&sidecar, "failsoft_topology_off_limits_total", &[]).await >= 1.0, "{kind} {forbidden}");
            let forbade = count(&sidecar, "failsoft_topology_redirects_total", &[("result", "forbidden")]).await;
            assert!(forbade >= 1.0, "{kind} {forbidden}");
            let (host, _port) = forbidden.rsplit_once(':').unwrap();
            assert!(sidecar.log_contains(host), "{kind} {forbidden}: {}", sidecar.log());
            let metrics = sidecar.metrics().await.all();
            let node = metrics.keys().find(|name| name.contains(&format!("node=\"{forbidden}")));
            assert!(node.is_none(), "it has become a node: {node:?}");
        }
    }
}

/// A redirection to a node that nobody in the cluster knows is not believed, however harmless the address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_that_is_named_is_not_spoken_to() {
    let slot = slot::of(KEY);
    let (stranger, origin) =
        (HostileServer::start(Script::answer("+OK\r\n").polite()).await, HttpOrigin::start().await);
    let named = stranger.addr();
    for kind in ["MOVED", "ASK"] {
        let server = cluster_of_one(|_| format!("-{kind} {slot} {named}\r\n")).await;
        let sidecar = before(&[&server], &origin).await;
        assert_left_for_the_next_tier(&sidecar, &[&server]).await;
        assert_eq!(stranger.accepted(), 0, "{kind}");
    }
}

/// What is no redirection at all: a slot or an address that cannot be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirections_that_make_no_sense_lead_nowhere() {
    for nonsense in
        ["-MOVED\r\n", "-MOVED 99999 127.0.0.1:1\r\n", "-MOVED 1\r\n", "-ASK 1 nowhere\r\n", "-MOVED 1 :0\r\n"]
    {
        let origin = HttpOrigin::start().await;
        let server = cluster_of_one(|_| nonsense.to_owned()).await;
        let sidecar = before(&[&server], &origin).await;
        assert_left_for_the_next_tier(&sidecar, &[&server]).await;
    }
}

/// A server that refuses the change of [`KEY`] so that the map has to be learned, and carries out everything else.
async fn refusing(refusal: &str) -> HostileServer {
    HostileServer::start_with(|addr| {
        Script::answer("+OK\r\n")
            .polite()
            .cluster_of_one(addr)
            .on(&format!("GET {KEY}"), [Act::send("$3\r\nold\r\n")])
            .on(&format!("SET {KEY}"), [Act::send(refusal)])
    })
    .await
}

/// A node that has been demoted refuses the change and answers the question behind it, with what was before the change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_behind_a_change_that_waits_for_the_map_is_read_again_behind_it() {
    let origin = HttpOrigin::start().await;
    let server = refusing("-READONLY You can't write against a read only replica.\r\n").await;
    let sidecar = before(&[&server], &origin).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    client.send_command(&["SET", KEY, "new", "KEEPTTL"]).await.unwrap();
    client.send_command(&["GET", KEY]).await.unwrap();
    let refused = String::from_utf8(client.read_reply(PATIENCE).await).unwrap();
    assert!(refused.starts_with('-'), "{refused}");
    assert_eq!(client.read_reply(PATIENCE).await, user(1).into_bytes());
    assert_eq!(
        (asked(&server, "SET"), asked(&server, "GET")),
        (2, 2),
        "once before the map was learned, and once by it; but what it holds of a cache is not believed once a write was refused"
    );
}

/// Of two changes of one key the second has been carried out when the first is sent elsewhere: it would be done after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_has_been_overtaken_is_not_made() {
    let (slot, origin) = (slot::of(KEY), HttpOrigin::start().await);
    let server = refusing(&format!("-MOVED {slot} 127.0.0.1:1\r\n")).await;
    let sidecar = before(&[&server], &origin).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    client.send_command(&["SET", KEY, "first", "KEEPTTL"]).await.unwrap();
    client.send_command(&["APPEND", KEY, "second"]).await.unwrap();
    let refused = String::from_utf8(client.read_reply(PATIENCE).await).unwrap();
    assert!(refused.starts_with("-UNAVAILABLE nothing was done"), "{refused}");
    assert_eq!(client.read_reply(PATIENCE).await, b"+OK\r\n");
    assert_eq!(asked(&server, "SET"), 1);
}

/// Whoever is sent to forbidden places is told of each once, however often, and of a few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_forbidden_places_that_are_named_in_turn_do_not_fill_the_log() {
    let origin = HttpOrigin::start().await;
    let server = HostileServer::start_with(|addr| {
        let moved = |key, port| [Act::send(format!("-MOVED {} 169.254.169.254:{port}\r\n", slot::of(key)))];
        let script = Script::answer("+OK\r\n").polite().cluster_of_one(addr);
        script.on("STRLEN one", moved("one", 1)).on("STRLEN two", moved("two", 2))
    })
    .await;
    let sidecar = before(&[&server], &origin).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    for _ in 0..10 {
        for key in ["one", "two"] {
            assert!(client.ask(&["STRLEN", key], PATIENCE).await.starts_with('-'));
        }
    }
    assert!(count(&sidecar, "failsoft_topology_off_limits_total", &[]).await >= 20.0);
    assert_eq!(sidecar.log().matches("169.254.169.254").count(), 2, "{}", sidecar.log());
}
