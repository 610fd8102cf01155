//! A replica is told to take over while clients read and write: reads of a cache go on, and writes are done, refused, or
//! of unknown outcome, and said to be that.
//!
//! A plain failover loses nothing that was acknowledged. FORCE and TAKEOVER do not wait for the replica to have everything, so
//! that Redis itself may lose what it acknowledged in the last moment; that is not counted here.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod clusters;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, Failover, Node, slot};
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use clusters::load::{Answered, Load, kinds};
use clusters::{before, bulk, user, users};

const PATIENCE: Duration = Duration::from_secs(30);
/// Between two requests of a client.
const PACE: Duration = Duration::from_millis(2);
const SHARD: RangeInclusive<u16> = 0..=5_460;
const READERS: usize = 6;
const WRITERS: usize = 6;

/// Users of the shard whose primary changes.
fn ids() -> Vec<usize> {
    (0..).filter(|id| SHARD.contains(&slot::of(&format!("user:{id}")))).take(100).collect()
}

/// Each writer has keys of its own and writes ever greater numbers to them.
fn writer_key(client: usize, number: usize) -> String {
    let tag = slot::key_in(SHARD, &format!("w{client}"));
    format!("{{{tag}}}:{}", number % 10)
}

async fn assert_survives(cluster: &Cluster, sidecar: &Sidecar, how: Failover) {
    let old = cluster.primary_of(*SHARD.start()).await;
    let [replica] = cluster.replicas_of(old).await[..] else { panic!("one replica") };
    let users = ids();
    let reads = Load::start(sidecar.addr(), READERS, PACE, move |client, number| {
        vec!["GET".to_owned(), format!("user:{}", users[(client * 17 + number) % users.len()])]
    });
    let writes = Load::start(sidecar.addr(), WRITERS, PACE, |client, number| {
        vec!["SET".to_owned(), writer_key(client, number), number.to_string()]
    });
    reads.each_answered(50).await;
    writes.each_answered(50).await;
    cluster.failover(replica, how).await;
    cluster.wait_promoted(replica).await;
    writes_flow(sidecar).await;
    cluster.wait_ok().await;
    writes.each_answered(50).await;
    let (reads, writes) = (reads.end().await, writes.end().await);
    eprintln!("{how:?}: {:?} {:?}", kinds(&reads), kinds(&writes));
    for read in &reads {
        let id = read.words[1].trim_start_matches("user:").parse().unwrap();
        assert_eq!(read.reply, user(id), "{how:?}");
    }
    assert_told_honestly(&writes, how);
    match how {
        Failover::Plain => assert_nothing_is_lost(&writes, replica).await,
        Failover::Force | Failover::Takeover => {}
    }
}

fn assert_told_honestly(writes: &[Answered], how: Failover) {
    let is_honest = |reply: &str| reply.starts_with("-UNAVAILABLE ") || reply.starts_with("-OUTCOMEUNKNOWN ");
    let strange = writes.iter().find(|write| write.is_error() && !is_honest(&write.reply));
    assert!(strange.is_none(), "{how:?}: {strange:?}");
    assert!(writes.iter().any(|write| !write.is_error()));
}

/// What was acknowledged last, or what may have been done after it, stands at the new primary.
async fn assert_nothing_is_lost(writes: &[Answered], primary: &Node) {
    let mut may_hold: HashMap<&str, Vec<&str>> = HashMap::new();
    for write in writes {
        let [_, key, value] = &write.words[..] else { panic!("a SET has three words") };
        let values = may_hold.entry(key).or_default();
        if write.reply == "+OK\r\n" {
            values.clear();
            values.push(value);
        } else if write.reply.starts_with("-OUTCOMEUNKNOWN ") {
            values.push(value);
        }
    }
    for (key, values) in may_hold.into_iter().filter(|(_, values)| !values.is_empty()) {
        let held = primary.redis().get(key).await;
        assert!(held.as_deref().is_some_and(|held| values.contains(&held)), "{key}: {held:?}, not one of {values:?}");
    }
}

async fn writes_flow(sidecar: &Sidecar) {
    let key = slot::key_in(SHARD, "flows");
    eventually("writes to flow", PATIENCE, || async {
        HostileClient::connect(sidecar.addr()).await.ask(&["SET", &key, "v"], PATIENCE).await == "+OK\r\n"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failovers_that_are_told_to_happen_lose_no_read_and_lie_about_no_write() {
    let (cluster, origin) = (Cluster::start().await, HttpOrigin::start().await);
    let sidecar = before(&cluster, &users(&origin)).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    for id in ids() {
        assert_eq!(client.ask(&["GET", &format!("user:{id}")], PATIENCE).await, user(id));
    }
    for how in [Failover::Plain, Failover::Force, Failover::Takeover] {
        assert_survives(&cluster, &sidecar, how).await;
    }
    assert_eq!(client.ask(&["ECHO", "served"], PATIENCE).await, bulk("served"));
}
