//! One primary of three is killed, put to sleep or stopped under load: its shard's reads are answered by others, and the
//! other shards do not notice.
//!
//! Times are compared with those of the same run, before the fault and of the cluster itself, and printed.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod clusters;

use std::time::{Duration, Instant};

use failsoft_testkit::cluster::{Cluster, Node, slot};
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use clusters::load::{Answered, Load, kinds, percentile};
use clusters::{CAP, before, count, user, users};

const PATIENCE: Duration = Duration::from_secs(30);
/// Users that are asked for; each was asked for before the fault.
const USERS: usize = 300;
const CLIENTS: usize = 16;
/// Between two requests of a client: some 4,000 a second together.
const PACE: Duration = Duration::from_millis(4);
/// Slots of the first primary of three.
const LOST: std::ops::RangeInclusive<u16> = 0..=5_460;

struct Stage {
    origin: HttpOrigin,
    sidecar: Sidecar,
    cluster: Cluster,
}

impl Stage {
    async fn start() -> Self {
        let (cluster, origin) = (Cluster::start().await, HttpOrigin::start().await);
        let sidecar = before(&cluster, &users(&origin)).await;
        let stage = Self { origin, sidecar, cluster };
        let mut client = HostileClient::connect(stage.sidecar.addr()).await;
        for id in 0..USERS {
            assert_eq!(client.ask(&["GET", &format!("user:{id}")], PATIENCE).await, user(id));
        }
        eventually("every user to be in Redis", PATIENCE, || async {
            count(&stage.sidecar, "failsoft_write_back_written_total", &[]).await >= USERS as f64
        })
        .await;
        stage.origin.reset_counts();
        stage
    }

    async fn victim(&self) -> &Node {
        self.cluster.primary_of(*LOST.start()).await
    }

    fn reads(&self) -> Load {
        Load::start(self.sidecar.addr(), CLIENTS, PACE, |client, number| {
            let id = (client * 7_919 + number * 31) % USERS;
            vec!["GET".to_owned(), format!("user:{id}")]
        })
    }

    /// Users that nobody has asked for before, so that only the origin has them.
    fn cold_reads(&self) -> Load {
        Load::start(self.sidecar.addr(), 2, PACE, |client, number| {
            vec!["GET".to_owned(), format!("user:{}", (client + 1) * 100_000 + number)]
        })
    }

    /// Nothing wrong, next to nothing unanswered, nothing at all on the other shards, and the origin within its cap.
    fn assert_answered(&self, answered: &[Answered], fault: Instant) {
        let unanswered: Vec<_> = answered.iter().filter(|answered| answered.is_error()).collect();
        for answered in answered.iter().filter(|answered| !answered.is_error()) {
            let id = answered.words[1].trim_start_matches("user:").parse().unwrap();
            assert_eq!(answered.reply, user(id), "{:?}", answered.words);
        }
        let told = kinds(answered);
        assert!(unanswered.len() * 1_000 <= answered.len(), "{told:?}");
        assert!(!unanswered.iter().any(|answered| !LOST.contains(&answered.slot)), "another shard failed: {told:?}");
        let first = |answered: &&Answered| answered.began >= fault && answered.began < fault + Duration::from_secs(1);
        let in_first = answered.iter().filter(first).filter(|answered| answered.is_error()).count();
        let rate = self.origin.peak_rate();
        assert!(rate <= CAP + CAP / 20, "{rate} of the origin in one second");
        eprintln!(
            "{} reads, {} unanswered ({in_first} in the first second), origin's peak {rate}/s of {CAP}",
            answered.len(),
            unanswered.len()
        );
    }
}

/// The other shards' requests take as long as before, give or take a busy machine.
fn assert_others_unharmed(answered: &[Answered], fault: Instant) {
    let others = || answered.iter().filter(|answered| !LOST.contains(&answered.slot));
    let (before, during) = (
        others().filter(|answered| answered.began + answered.took < fault).collect::<Vec<_>>(),
        others().filter(|answered| answered.began >= fault).collect::<Vec<_>>(),
    );
    let of = |answered: &[&Answered], hundredths| percentile(answered.iter().copied(), hundredths);
    eprintln!(
        "other shards: median {:?} -> {:?}, p99 {:?} -> {:?}, of {} and {}",
        of(&before, 50),
        of(&during, 50),
        of(&before, 99),
        of(&during, 99),
        before.len(),
        during.len()
    );
    assert!(of(&during, 50) < of(&before, 50) * 10 + Duration::from_millis(5));
}

/// When the primary's successor said of itself that it is one, and the cluster that it serves.
async fn promotion(cluster: &Cluster, lost: &Node) -> Instant {
    cluster.wait_successor(lost).await;
    Instant::now()
}

/// When the first write to a key of the shard was carried out.
async fn first_write(sidecar: &Sidecar) -> Instant {
    let key = slot::key_in(LOST, "plain");
    eventually("a write to be carried out", PATIENCE, || async {
        let reply = HostileClient::connect(sidecar.addr()).await.ask(&["SET", &key, "v"], PATIENCE).await;
        let is_refused = reply.starts_with("-UNAVAILABLE ") || reply.starts_with("-OUTCOMEUNKNOWN ");
        assert!(is_refused || reply == "+OK\r\n", "{reply}");
        !is_refused
    })
    .await;
    Instant::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_reads_is_answered_while_a_primary_is_dead_and_writes_flow_once_it_is_replaced() {
    let stage = Stage::start().await;
    let victim = stage.victim().await;
    let load = stage.reads();
    load.each_answered(250).await;
    let killed = Instant::now();
    victim.kill().await;
    let cold = stage.cold_reads();
    let (promoted, written) = tokio::join!(promotion(&stage.cluster, victim), first_write(&stage.sidecar));
    let answered = load.end().await;
    stage.assert_answered(&answered, killed);
    assert_others_unharmed(&answered, killed);
    stage.assert_answered(&cold.end().await, killed);
    assert!(stage.origin.requests() > 0, "cold users come from nowhere else");
    let (failover, behind) = (promoted - killed, written.saturating_duration_since(promoted));
    eprintln!("promoted {failover:?} after the kill, first write {behind:?} after that");
    assert!(behind * 2 < failover, "{behind:?} behind a failover of {failover:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_reads_is_answered_while_a_primary_sleeps_and_while_it_is_stopped() {
    let stage = Stage::start().await;
    let victim = stage.victim().await;
    let load = stage.reads();
    load.each_answered(150).await;
    let asleep = Instant::now();
    victim.redis().debug_sleep(Duration::from_secs(1)).await;
    victim.command(&["PING"]).await;
    let answered = load.end().await;
    stage.assert_answered(&answered, asleep);
    assert_others_unharmed(&answered, asleep);

    stage.cluster.wait_ok().await;
    whole(&stage.sidecar).await;
    let load = stage.reads();
    load.each_answered(150).await;
    let stopped = Instant::now();
    victim.pause();
    stage.cluster.wait_successor(victim).await;
    whole(&stage.sidecar).await;
    let answered = load.end().await;
    stage.assert_answered(&answered, stopped);
    assert_others_unharmed(&answered, stopped);
    victim.resume();
}

/// Every slot's owner is asked freely.
async fn whole(sidecar: &Sidecar) {
    eventually("all slots to be served", PATIENCE, || async {
        count(sidecar, "redis_cluster_slots_ok", &[]).await == 16_384.0
    })
    .await;
}
