//! Real nodes and clusters, and peers that answer like no node.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use failsoft_core::cluster::{Disbelief, Layout, MemberLayout, NodeId, Role, Slot, Standing, believe, mark};
use failsoft_core::outcome::Failure;
use failsoft_core::refusal::Refusal;
use failsoft_testkit::cluster::{Cluster, Node};
use failsoft_testkit::hostile::{Act, HostileServer, Script};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually_some;

use super::*;
use crate::node::{Credentials, Leads, Reads};
use crate::wire::Socket;

/// For an answer that is expected, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn options(addr: SocketAddr, timeout: Duration) -> NodeOptions {
    NodeOptions {
        address: NodeAddress::plain(addr.ip().to_string(), addr.port()),
        leads: Leads::Anywhere,
        tls: None,
        credentials: Credentials::default(),
        database: 0,
        reads: Reads::OfPrimary,
        connect_timeout: PATIENCE,
        timeout,
        connections: 1,
        max_pending: 1,
        max_dedicated: 1,
        max_connects: 1,
        max_value: 1 << 20,
        probe_interval: PATIENCE,
        probe_key: String::new(),
    }
}

async fn ask(addr: SocketAddr) -> Result<Witness, Unheard> {
    interview(&options(addr, PATIENCE)).await
}

async fn lone_node() -> Redis {
    let redis = Redis::builder().set("cluster-enabled", "yes").start().await;
    redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "5", "7", "9"]).await;
    redis
}

async fn wire_to(addr: SocketAddr) -> Wire {
    Wire::Plain(Socket::connect_tcp(&addr.ip().to_string(), addr.port()).await.unwrap())
}

#[tokio::test]
async fn a_lone_node_that_never_met_another_is_where_it_was_asked_in_both_protocols() {
    let redis = lone_node().await;
    let witness = ask(redis.addr()).await.unwrap();
    let own = witness.itself().unwrap();
    let slot = |number| Slot::new(number).unwrap();
    assert_eq!(own.slots, [slot(0)..=slot(5), slot(7)..=slot(9)]);
    assert_eq!(own.endpoint, Some(Endpoint::new("127.0.0.1", redis.port())));
    assert!(witness.sees_majority() && witness.members.len() == 1);

    let mut wire = handshake::connect(&options(redis.addr(), PATIENCE), Protocol::Resp3).await.unwrap();
    let address = NodeAddress::plain("127.0.0.1", redis.port());
    for _ in 0..2 {
        assert_eq!(question(&mut wire, &address, PATIENCE).await.as_ref(), Ok(&witness));
    }
}

/// Keys of a few bytes, among them many braces; the same every time.
fn keys(count: u64) -> Vec<Vec<u8>> {
    const LETTERS: &[u8; 8] = b"{{}}ab\x00\xff";
    let mixed =
        |seed: u64| (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let letter = |bits: u64, place: u64| LETTERS[(bits >> (3 * place) & 7) as usize];
    (0..count).map(mixed).map(|bits| (0..bits >> 60).map(|place| letter(bits, place)).collect()).collect()
}

#[tokio::test]
async fn every_key_lies_where_redis_says() {
    let redis = lone_node().await;
    let keys = keys(5_000);
    let mut wire = wire_to(redis.addr()).await;
    let mut replies = Replies::of(&mut wire);
    let mut questions = Vec::new();
    keys.iter().for_each(|key| encode::command(&mut questions, [&b"CLUSTER"[..], b"KEYSLOT", key]));
    replies.ask(&questions).await.unwrap();
    for key in &keys {
        let reply = replies.next().await.unwrap();
        assert_eq!(reply::head(&reply), Some(Head::Integer(Slot::of(key).number().into())), "{}", key.escape_ascii());
    }
    assert!(keys.iter().filter(|key| key.contains(&b'{') && key.contains(&b'}')).count() > 1_000);
}

#[tokio::test]
async fn nodes_are_where_clients_are_to_find_them_whichever_question_says_so() {
    let names = ["redis-1.example.com", "redis-2.example.com", "redis-3.example.com"];
    let cluster = Cluster::builder().replicas(0).hostnames(&names).start().await;
    let node = &cluster.nodes()[0];
    let witness = ask(node.addr()).await.unwrap();
    for (node, name) in cluster.nodes().iter().zip(names) {
        let member = witness.member(NodeId::parse(node.id()).unwrap()).unwrap();
        assert_eq!(member.endpoint, Some(Endpoint::new(name, node.port())));
    }
    node.command(&["ACL", "SETUSER", "default", "-cluster|shards"]).await;
    assert_eq!(ask(node.addr()).await.map(|older| endpoints_of(&older)), Ok(endpoints_of(&witness)));
}

fn endpoints_of(witness: &Witness) -> Vec<(NodeId, Option<Endpoint>)> {
    let mut endpoints = witness.members.iter().map(|member| (member.id, member.endpoint.clone())).collect::<Vec<_>>();
    endpoints.sort();
    endpoints
}

/// What is believed after all nodes that answer have been asked.
async fn verdict(cluster: &Cluster, before: Option<&Layout>) -> Option<Layout> {
    let mut witnesses = Vec::new();
    for node in cluster.nodes() {
        witnesses.extend(ask(node.addr()).await.ok());
    }
    believe(&witnesses, before).ok()
}

fn owner(layout: &Layout, slot: u16) -> &MemberLayout {
    layout.shard_of(Slot::new(slot).unwrap()).unwrap().primary.as_ref().unwrap()
}

fn is(member: &MemberLayout, node: &Node) -> bool {
    member.id.to_string() == node.id() && member.endpoint == Endpoint::new(node.addr().ip().to_string(), node.port())
}

#[tokio::test]
async fn a_real_cluster_is_believed_before_a_failover_and_after_it() {
    let cluster = Cluster::start().await;
    let before = verdict(&cluster, None).await.unwrap();
    assert_eq!((before.shards.len(), before.slots_ok(), before.members().count()), (3, Slot::COUNT, 6));
    assert!(before.members().all(|member| member.standing == Standing::Sound));
    let lost = cluster.primary_of(0).await;
    assert!(is(owner(&before, 0), lost));

    lost.kill().await;
    let successor = cluster.wait_successor(lost).await;
    let after = eventually_some("the successor to be believed", PATIENCE, || async {
        let layout = verdict(&cluster, Some(&before)).await?;
        (owner(&layout, 0).standing == Standing::Sound && is(owner(&layout, 0), successor)).then_some(layout)
    })
    .await;
    assert_eq!((after.slots_ok(), after.members().count()), (Slot::COUNT, 5));

    lost.restart().await;
    let returned = eventually_some("the old primary to follow", PATIENCE, || async {
        let layout = verdict(&cluster, Some(&after)).await?;
        let replicas = &layout.shard_of(Slot::FIRST)?.replicas;
        replicas.iter().any(|member| is(member, lost) && member.standing == Standing::Sound).then_some(layout)
    })
    .await;
    assert!(is(owner(&returned, 0), successor));
}

#[tokio::test]
async fn a_primary_on_the_small_side_of_a_split_is_marked_and_its_map_is_not_taken() {
    let cluster = Cluster::builder().partitionable().start().await;
    let before = verdict(&cluster, None).await.unwrap();
    let cut_off = cluster.primary_of(0).await;
    cluster.partition(&[cut_off], &cluster.nodes_but(&[cut_off]));
    let alone = eventually_some("the primary to notice", PATIENCE, || async {
        let witness = ask(cut_off.addr()).await.ok()?;
        (!witness.sees_majority()).then_some(witness)
    })
    .await;
    assert_eq!(alone.itself().map(|own| own.role), Some(Role::Primary), "it believes in itself");
    assert_eq!(believe(std::slice::from_ref(&alone), Some(&before)), Err(Disbelief::NoMajority));
    assert_eq!(owner(&mark(&before, &[alone]), 0).standing, Standing::Minority);

    let successor = cluster.wait_successor(cut_off).await;
    let split = eventually_some("the successor to be believed", PATIENCE, || async {
        let layout = verdict(&cluster, Some(&before)).await?;
        is(owner(&layout, 0), successor).then_some(layout)
    })
    .await;
    assert_eq!(owner(&split, 0).standing, Standing::Sound);
    assert!(split.members().all(|member| !is(member, cut_off)));
}

#[tokio::test]
async fn a_redis_without_cluster_support_is_no_witness_and_that_is_said() {
    let redis = Redis::start().await;
    let unheard = ask(redis.addr()).await.unwrap_err();
    assert_eq!(unheard, Unheard::NotACluster);
    assert!(unheard.to_string().contains("cluster support is disabled"), "{unheard}");
}

#[tokio::test]
async fn who_may_not_ask_is_told_what_was_refused() {
    let redis = lone_node().await;
    redis.command(&["ACL", "SETUSER", "default", "-cluster"]).await;
    assert_eq!(ask(redis.addr()).await, Err(Unheard::Refused(Refusal::NoPermission)));
    redis.kill().await;
    assert_eq!(ask(redis.addr()).await, Err(Unheard::Failed(Failure::ConnectRefused)));
}

const ID: &str = "07c37dfeb235213a872192d90877d0cd55635b91";

fn bulk(text: &str) -> Act {
    Act::send(format!("${}\r\n{text}\r\n", text.len()))
}

/// A node that answers to INFO and NODES as Redis 6.2 does.
fn old_node() -> Script {
    let nodes =
        format!("{ID} 10.0.0.1:7001@17001 myself,slave 67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 0 0 4 connected\n");
    Script::always([bulk("cluster_state:ok\r\ncluster_current_epoch:6\r\ncluster_my_epoch:4\r\n")]).then([bulk(&nodes)])
}

#[tokio::test]
async fn an_older_node_is_asked_for_slots_instead() {
    let refusal = "-ERR Unknown subcommand or wrong number of arguments for 'SHARDS'. Try CLUSTER HELP.\r\n";
    let slots = format!("*1\r\n*3\r\n:0\r\n:5460\r\n*3\r\n$8\r\n10.1.0.1\r\n:7001\r\n$40\r\n{ID}\r\n");
    let server = HostileServer::start(old_node().then([Act::send(refusal)]).then([Act::send(slots)]).polite()).await;
    let witness = ask(server.addr()).await.unwrap();
    assert_eq!((witness.current_epoch, witness.my_epoch), (6, 4));
    let own = witness.itself().unwrap();
    assert_eq!(own.endpoint, Some(Endpoint::new("10.1.0.1", 7001)));
    assert!(matches!(own.role, Role::Replica { .. }));
    let asked = server.asked().into_iter().filter(|words| words[0] == "CLUSTER").map(|words| words[1].clone());
    assert_eq!(asked.collect::<Vec<_>>(), ["INFO", "NODES", "SHARDS", "SLOTS"]);
}

async fn unheard(script: Script) -> Unheard {
    ask(HostileServer::start(script.polite()).await.addr()).await.unwrap_err()
}

#[tokio::test]
async fn peers_that_answer_like_no_node_are_no_witnesses() {
    let endless = "$5242880\r\n".to_owned() + &"x".repeat(5 << 20);
    let answer = |bytes: &str| Script::always([Act::send(bytes)]);
    let shards = |bytes: &str| old_node().then([Act::send(bytes)]);
    let violation = Unheard::Silent(Silence::ProtocolViolation);
    let cases = [
        (answer("+OK\r\n"), "unreadable"),
        (answer("*0\r\n"), "unreadable"),
        (answer("$3\r\nabc\r\n"), "unreadable"),
        (answer("?\r\n"), violation.name()),
        (answer(&endless), violation.name()),
        (Script::deep_nesting(100), violation.name()),
        (Script::always([Act::Close]), Silence::ConnectionLost.name()),
        (Script::always([Act::send("$100\r\nabc"), Act::Close]), Silence::ConnectionLost.name()),
        (answer("-LOADING Redis is loading the dataset in memory\r\n"), Refusal::Loading.name()),
        (shards("$1\r\nx\r\n"), "unreadable"),
        (shards("*0\r\n+more\r\n"), violation.name()),
        (shards("-ERR unknown\r\n").then([Act::send("-NOPERM no\r\n")]), Refusal::NoPermission.name()),
    ];
    for (script, name) in cases {
        let shown = format!("{script:.200?}");
        assert_eq!(unheard(script).await.name(), name, "{shown}");
    }
}

#[tokio::test]
async fn a_silent_node_is_waited_for_as_long_as_was_said() {
    let server = HostileServer::start(Script::hang().polite()).await;
    let asked = interview(&options(server.addr(), Duration::from_millis(50))).await;
    assert_eq!(asked, Err(Unheard::Silent(Silence::Timeout)));
}
