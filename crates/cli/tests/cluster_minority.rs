//! An old primary on the small side of a split is neither read from nor written to, however willing it is.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod clusters;

use std::time::{Duration, Instant};

use failsoft_testkit::cluster::{Cluster, Node, slot};
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use clusters::load::{Answered, Load, kinds};
use clusters::{before, count};

const PATIENCE: Duration = Duration::from_secs(30);
const NODE_TIMEOUT: Duration = Duration::from_secs(2);
const OLD: std::ops::RangeInclusive<u16> = 0..=5_460;

/// Reads in words that nobody else says, so that the node's own count tells them from probes.
fn reads(sidecar: &Sidecar) -> Load {
    let keys: Vec<_> = slot::keys_in(OLD, "plain").take(50).collect();
    Load::start(sidecar.addr(), 4, Duration::from_millis(5), move |client, number| {
        vec!["STRLEN".to_owned(), keys[(client + number) % keys.len()].clone()]
    })
}

fn writes(sidecar: &Sidecar) -> Load {
    let keys: Vec<_> = slot::keys_in(OLD, "plain").take(50).collect();
    Load::start(sidecar.addr(), 2, Duration::from_millis(5), move |client, number| {
        vec!["APPEND".to_owned(), keys[(client + number) % keys.len()].clone(), "x".to_owned()]
    })
}

/// When the old primary was no longer asked, by what the sidecar says.
async fn detection(sidecar: &Sidecar) -> Instant {
    eventually("the sidecar to leave the old primary", PATIENCE, || async {
        count(sidecar, "redis_cluster_slots_ok", &[]).await < 16_384.0
    })
    .await;
    Instant::now()
}

/// When the first of the other nodes could not reach it any more.
async fn doubt(old: &Node, others: &[&Node]) -> Instant {
    eventually("the old primary to be doubted", PATIENCE, || async {
        let [one, another, ..] = others else { panic!("more than two others") };
        let views = tokio::join!(one.view(), another.view());
        [views.0, views.1]
            .into_iter()
            .flatten()
            .any(|view| view.of(old.id()).is_some_and(|member| member.is("fail?") || member.is("fail")))
    })
    .await;
    Instant::now()
}

async fn asked(old: &Node) -> u64 {
    let tally = old.redis().tally().await;
    tally.of("strlen") + tally.of("append")
}

async fn whole(sidecar: &Sidecar) {
    eventually("all slots to be served", PATIENCE, || async {
        count(sidecar, "redis_cluster_slots_ok", &[]).await == 16_384.0
    })
    .await;
}

/// Cuts the first primary off from the other nodes, not from the sidecar, under what `load` starts.
async fn assert_minority_is_left(cluster: &Cluster, sidecar: &Sidecar, load: impl Fn(&Sidecar) -> Load) {
    let old = cluster.primary_of(0).await;
    let others = cluster.nodes_but(&[old]);
    let loads = load(sidecar);
    loads.each_answered(20).await;
    let cut = Instant::now();
    cluster.partition(&[old], &others);
    let (detected, doubted) = tokio::join!(detection(sidecar), doubt(old, &others));
    // What was on its way then has arrived.
    loads.each_answered(2).await;
    let at_detection = asked(old).await;
    let successor = cluster.wait_successor(old).await;
    let promoted = Instant::now();
    whole(sidecar).await;
    let answered = loads.end().await;
    assert_eq!(asked(old).await, at_detection, "it was asked after it was known to be in the minority");
    eprintln!(
        "doubted by others after {:?}, known after {:?}, successor after {:?}; {:?}",
        doubted - cut,
        detected - cut,
        promoted - cut,
        kinds(&answered)
    );
    assert!(detected <= promoted, "{:?} after there was a successor", detected - promoted);
    assert!(detected < doubted + NODE_TIMEOUT, "{:?} after others doubted it", detected - doubted);
    assert_served_by(successor, sidecar, &answered).await;
    cluster.heal();
    cluster.wait_ok().await;
    whole(sidecar).await;
}

async fn assert_served_by(successor: &Node, sidecar: &Sidecar, answered: &[Answered]) {
    assert!(answered.iter().any(|answered| !answered.is_error()));
    let before = asked(successor).await;
    let load = reads(sidecar);
    eventually("the successor to be asked", PATIENCE, || async { asked(successor).await > before }).await;
    let answered = load.end().await;
    assert!(answered.iter().all(|answered| !answered.is_error()), "{:?}", kinds(&answered));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_in_the_minority_is_neither_read_nor_written() {
    let cluster = Cluster::builder().partitionable().start().await;
    let sidecar = before(&cluster, "").await;
    assert_minority_is_left(&cluster, &sidecar, writes).await;
    assert_minority_is_left(&cluster, &sidecar, reads).await;
}

/// Nothing that it is asked tells that it is cut off: it must be known otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_goes_on_answering_reads_is_not_read() {
    let cluster = Cluster::builder().partitionable().set("cluster-allow-reads-when-down", "yes").start().await;
    let sidecar = before(&cluster, "").await;
    assert_minority_is_left(&cluster, &sidecar, reads).await;
}

/// What needs a connection of the client's own goes by the same rule.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_transaction_is_carried_out_at_an_old_primary_that_is_cut_off() {
    let cluster = Cluster::builder().partitionable().set("cluster-allow-reads-when-down", "yes").start().await;
    let sidecar = before(&cluster, "").await;
    let old = cluster.primary_of(0).await;
    let key = slot::key_in(OLD, "plain");
    let mut watching = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(watching.ask(&["WATCH", &key], PATIENCE).await, "+OK\r\n");
    cluster.partition(&[old], &cluster.nodes_but(&[old]));
    detection(&sidecar).await;
    let at_detection = asked(old).await;
    for _ in 0..20 {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        assert_eq!(client.ask(&["MULTI"], PATIENCE).await, "+OK\r\n");
        client.ask(&["STRLEN", &key], PATIENCE).await;
        client.ask(&["EXEC"], PATIENCE).await;
    }
    assert_eq!(asked(old).await, at_detection, "it was asked after it was known to be in the minority");
    watching.send_command(&["STRLEN", &key]).await.unwrap_or_default();
    whole(&sidecar).await;
    assert_eq!(asked(old).await, at_detection, "who had been there before was left there");
}
