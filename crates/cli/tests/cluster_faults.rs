//! docs/faults.md, rows 31, 35, 36 and 47 to 49 on a real cluster: slots without an owner, slots on the move, keys that are
//! divided, a node that is heard by some, and one that comes and goes.
#![allow(clippy::unwrap_used)]

mod clusters;

use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, slot};
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::network::Party;
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use clusters::{before, bulk, count, user, users};

const PATIENCE: Duration = Duration::from_secs(30);
const FIRST: std::ops::RangeInclusive<u16> = 0..=5_460;
const LAST: std::ops::RangeInclusive<u16> = 10_923..=16_383;

fn user_in(slots: std::ops::RangeInclusive<u16>) -> usize {
    (0..).find(|id| slots.contains(&slot::of(&format!("user:{id}")))).unwrap()
}

async fn slots_ok(sidecar: &Sidecar, slots: f64) {
    eventually(&format!("{slots} slots to be served"), PATIENCE, || async {
        count(sidecar, "redis_cluster_slots_ok", &[]).await == slots
    })
    .await;
}

async fn is_served(client: &mut HostileClient, key: &str) -> bool {
    client.ask(&["SET", key, "v"], PATIENCE).await == "+OK\r\n"
}

/// Row 31: a slot that nobody owns is answered by the next tier, and locks in it are refused; all others are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_without_an_owner_is_missed_alone() {
    let cluster = Cluster::builder().replicas(0).set("cluster-require-full-coverage", "no").start().await;
    let origin = HttpOrigin::start().await;
    let sidecar =
        before(&cluster, &format!("{}\n[[routes]]\nkeys = \"lock:*\"\nrole = \"lock\"\n", users(&origin))).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let id = user_in(FIRST);
    let gone = slot::of(&format!("user:{id}"));
    let owner = cluster.primary_of(gone).await;
    for node in cluster.nodes() {
        node.command(&["CLUSTER", "DELSLOTS", &gone.to_string()]).await;
    }
    assert_eq!(client.ask(&["GET", &format!("user:{id}")], PATIENCE).await, user(id));
    eventually("the slot to be missed", PATIENCE, || async {
        count(&sidecar, "redis_cluster_slots_assigned", &[]).await == 16_383.0
    })
    .await;
    let lock = format!("lock:{{user:{id}}}");
    let refused = client.ask(&["SET", &lock, "me", "NX"], PATIENCE).await;
    assert!(refused.starts_with("-UNAVAILABLE nothing was done"), "{refused}");
    let neighbour = slot::keys_in(FIRST, "plain").find(|key| slot::of(key) != gone).unwrap();
    for _ in 0..30 {
        let reply = client.ask(&["GET", &lock], PATIENCE).await;
        assert!(reply.starts_with("-UNAVAILABLE "), "{reply}");
        assert!(is_served(&mut client, &neighbour).await, "the owner of the other slots is held for sick");
    }
    owner.command(&["CLUSTER", "ADDSLOTS", &gone.to_string()]).await;
    eventually("locks to be granted", PATIENCE, || async {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        client.ask(&["SET", &lock, "me", "NX"], PATIENCE).await == "+OK\r\n"
    })
    .await;
}

/// Row 31: a primary without a replica dies. Without full coverage the others serve on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_primary_without_a_replica_is_missed_alone() {
    let cluster = Cluster::builder().replicas(0).set("cluster-require-full-coverage", "no").start().await;
    let origin = HttpOrigin::start().await;
    let sidecar = before(&cluster, &users(&origin)).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let dead = cluster.primary_of(0).await;
    dead.kill().await;
    slots_ok(&sidecar, 10_923.0).await;
    let (lost, kept) = (user_in(FIRST), user_in(LAST));
    assert_eq!(client.ask(&["GET", &format!("user:{lost}")], PATIENCE).await, user(lost));
    assert_eq!(client.ask(&["GET", &format!("user:{kept}")], PATIENCE).await, user(kept));
    let refused = client.ask(&["SET", &slot::key_in(FIRST, "plain"), "v"], PATIENCE).await;
    assert!(refused.starts_with("-UNAVAILABLE nothing was done"), "{refused}");
    for key in slot::keys_in(LAST, "plain").take(100) {
        assert!(is_served(&mut client, &key).await);
    }
    dead.restart().await;
    slots_ok(&sidecar, 16_384.0).await;
    assert!(is_served(&mut client, &slot::key_in(FIRST, "plain")).await);
}

/// Rows 35 and 36: to a node that has had no slot until now, as in a cluster that grows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_on_the_way_to_a_new_node_is_read_and_written_whole_or_divided() {
    let cluster = Cluster::builder().replicas(0).empty_primaries(1).start().await;
    let sidecar = before(&cluster, "[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\n").await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let target = &cluster.nodes()[3];
    let tag = slot::key_in(FIRST, "t");
    let [left, right] = ["left", "right"].map(|name| format!("page:{{{tag}}}:{name}"));
    for key in [&left, &right] {
        assert!(is_served(&mut client, key).await);
    }
    let moving = cluster.begin_move(slot::of(&tag), target).await;
    moving.move_key(&left).await;
    for key in [&left, &right, &format!("page:{{{tag}}}:new")] {
        assert_eq!(client.ask(&["SET", key, "w"], PATIENCE).await, "+OK\r\n", "{key}");
        assert_eq!(client.ask(&["GET", key], PATIENCE).await, bulk("w"), "{key}");
    }
    let both = format!("*2\r\n{}{}", bulk("w"), bulk("w"));
    assert_eq!(client.ask(&["MGET", &left, &right], PATIENCE).await, both);
    for act in [vec!["RENAME", &left, &right], vec!["MSET", &left, "x", &right, "x"]] {
        let refused = client.ask(&act, PATIENCE).await;
        assert!(refused.starts_with("-TRYAGAIN "), "after a bounded number of repeats: {refused}");
    }
    assert_eq!(client.ask(&["MGET", &left, &right], PATIENCE).await, both, "nothing was done");
    while moving.move_keys(10).await > 0 {}
    assert_eq!(client.ask(&["MSET", &left, "x", &right, "x"], PATIENCE).await, "+OK\r\n");
    moving.finish().await;
    assert_eq!(client.ask(&["MSET", &left, "y", &right, "y"], PATIENCE).await, "+OK\r\n");
    assert_eq!(client.ask(&["GET", &left], PATIENCE).await, bulk("y"));
}

/// Rows 47 and 48: what failsoft says arrives at one primary, and what that one answers does not arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_answers_do_not_arrive_is_isolated_alone() {
    let cluster = Cluster::builder().partitionable().start().await;
    let origin = HttpOrigin::start().await;
    let sidecar = before(&cluster, &users(&origin)).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let mute = cluster.primary_of(0).await;
    let id = user_in(FIRST);
    assert_eq!(client.ask(&["GET", &format!("user:{id}")], PATIENCE).await, user(id));
    cluster.partition_one_way(&[Party::from(mute)], &[Party::Clients]);
    let key = slot::key_in(FIRST, "plain");
    let told = client.ask(&["SET", &key, "v"], PATIENCE).await;
    assert!(told.starts_with("-OUTCOMEUNKNOWN "), "{told}");
    slots_ok(&sidecar, 10_923.0).await;
    let told = client.ask(&["SET", &key, "w"], PATIENCE).await;
    assert!(told.starts_with("-UNAVAILABLE nothing was done"), "{told}");
    assert_eq!(client.ask(&["GET", &format!("user:{id}")], PATIENCE).await, user(id));
    for key in slot::keys_in(LAST, "plain").take(100) {
        assert!(is_served(&mut client, &key).await);
    }
    cluster.heal();
    slots_ok(&sidecar, 16_384.0).await;
    assert!(is_served(&mut client, &key).await);
}

/// Row 49: the network to one primary comes and goes. Its circuit opens and closes; others and reads do not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_comes_and_goes_disturbs_nobody_else() {
    let cluster = Cluster::builder().partitionable().start().await;
    let origin = HttpOrigin::start().await;
    let sidecar = before(&cluster, &format!("breaker.ramp = \"100ms\"\n{}", users(&origin))).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let flapping = cluster.primary_of(0).await;
    let (id, other) = (user_in(FIRST), slot::key_in(LAST, "plain"));
    for _ in 0..2 {
        cluster.partition(&[Party::Clients], &[Party::from(flapping)]);
        eventually("it to be given up", PATIENCE, || async {
            let mut client = HostileClient::connect(sidecar.addr()).await;
            assert_eq!(client.ask(&["GET", &format!("user:{id}")], PATIENCE).await, user(id));
            count(&sidecar, "redis_cluster_slots_ok", &[]).await == 10_923.0
        })
        .await;
        assert!(is_served(&mut client, &other).await);
        cluster.heal();
        slots_ok(&sidecar, 16_384.0).await;
        assert!(is_served(&mut client, &slot::key_in(FIRST, "plain")).await);
    }
    assert_eq!(count(&sidecar, "failsoft_topology_version", &[]).await, 1.0, "the cluster itself has not changed");
}
