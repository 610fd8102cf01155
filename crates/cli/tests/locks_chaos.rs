//! Locks and idempotency records while everything around them fails: 50 workers on one lock through two sidecars, a
//! primary that is killed, stopped, cut off and replaced, sidecars that stop.
//!
//! What happened is written down by those to whom it happened, and checked afterwards: tokens grow, the resource lets
//! nobody through behind a greater token, nothing runs again after its result was acknowledged. That two believe at one
//! moment to be alone is counted and printed, not forbidden: no lock that ends by itself can forbid it. A round of every
//! fault in CI; `make chaos MINUTES=10` goes on.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod leases;

use std::path::Path;
use std::time::{Duration, Instant};

use failsoft_testkit::leases::{Events, Finding, Verdict};
use failsoft_testkit::proxy::{FaultProxy, Mode};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sentinel::{NAME, Sentinels};
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use tokio::time::sleep;

use leases::{Field, Resource, TTL, Worker};

const PATIENCE: Duration = Duration::from_secs(60);
const WORKERS: usize = 50;
/// Of them, those who know nothing of failsoft.
const PLAIN: usize = 10;
const ONCE: usize = 20;
const LOCK: &str = "lock:chaos";

fn bin() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_failsoft"))
}

fn routes(wait_replicas: u32) -> String {
    let route = |keys, role| {
        format!(
            "[[routes]]\nkeys = \"{keys}\"\nrole = \"{role}\"\nwait_replicas = {wait_replicas}\ndeadline = \"500ms\"\n"
        )
    };
    route("lock:*", "lock") + &route("once:*", "idempotency")
}

async fn before_sentinels(group: &Sentinels) -> Sidecar {
    let urls = group.urls().iter().map(|url| format!("\"{url}\"")).collect::<Vec<_>>().join(", ");
    let settings = format!(
        "server.listen = \"{{listen}}\"\nserver.admin = \"{{admin}}\"\nserver.threads = 1\n\
         redis.topology = \"sentinel\"\nredis.master_name = \"{NAME}\"\nredis.nodes = [{urls}]\n\
         breaker.cooldown = \"500ms\"\nbreaker.probe_cooldown = \"100ms\"\nbreaker.ramp = \"100ms\"\n{}",
        routes(1)
    );
    Sidecar::start(bin(), &settings).await
}

/// What goes wrong, one after the other.
#[derive(Debug, Clone, Copy)]
enum Fault {
    OrderedFailover,
    PrimaryKilled,
    PrimaryStopped,
    PrimaryCutOff,
    SidecarStopped,
}

const FAULTS: [Fault; 5] =
    [Fault::OrderedFailover, Fault::PrimaryStopped, Fault::SidecarStopped, Fault::PrimaryKilled, Fault::PrimaryCutOff];

async fn strike(fault: Fault, group: &Sentinels, sidecars: &[Sidecar; 2]) {
    let old = group.primary().await;
    match fault {
        Fault::OrderedFailover => {
            group.failover().await;
            group.wait_promoted(old).await;
        }
        Fault::PrimaryKilled => {
            old.kill().await;
            group.wait_promoted(old).await;
            old.restart().await;
        }
        Fault::PrimaryStopped => {
            old.pause();
            group.wait_promoted(old).await;
            old.resume();
        }
        Fault::PrimaryCutOff => {
            let minority = &group.sentinels()[0];
            group.partition(&[old, minority], &group.all_but(&[old, minority]));
            group.wait_promoted(old).await;
            group.heal();
        }
        Fault::SidecarStopped => {
            sidecars[0].pause();
            // sleeps: how long it is stopped is the fault
            sleep(2 * TTL).await;
            sidecars[0].resume();
        }
    }
}

/// Locks are granted again, through each of the sidecars.
async fn wait_recovered(sidecars: &[Sidecar; 2]) {
    for sidecar in sidecars {
        let granted =
            async || sidecar.metric("failsoft_leases_total", &[("command", "lock"), ("result", "granted")]).await;
        let before = granted().await;
        eventually("locks to be granted again", PATIENCE, async || granted().await > before).await;
    }
}

/// All but that two believed to be alone.
fn defects(events: &Events) -> Vec<Finding> {
    let may_be = |finding: &Finding| matches!(finding, Finding::TwoHolders(..));
    events.findings().into_iter().filter(|finding| !may_be(finding)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_every_fault_tokens_grow_and_nothing_runs_again_after_its_commit() {
    let minutes = std::env::var("FAILSOFT_CHAOS_MINUTES").ok().map(|minutes| minutes.parse::<f64>().unwrap());
    let lasting = minutes.map_or(Duration::ZERO, |minutes| Duration::from_secs_f64(minutes * 60.0));
    let group = Sentinels::builder().replicas(1).partitionable().start().await;
    group.wait_ok().await;
    let sidecars = [before_sentinels(&group).await, before_sentinels(&group).await];
    let field: &'static Field = Box::leak(Box::new(Field::new(Resource::Checking)));
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..WORKERS + ONCE {
        let worker = Worker::new(field, number, &sidecars[number % 2]).await;
        match number {
            0..PLAIN => workers.spawn(worker.take_turns_plainly(LOCK)),
            PLAIN..WORKERS => workers.spawn(worker.take_turns(LOCK)),
            _ => workers.spawn(worker.do_once()),
        };
    }
    wait_recovered(&sidecars).await;
    let began = Instant::now();
    let mut rounds = 0;
    while rounds == 0 || began.elapsed() < lasting {
        for fault in FAULTS {
            let (struck, grants) = (Instant::now(), field.grants());
            strike(fault, &group, &sidecars).await;
            wait_recovered(&sidecars).await;
            println!("{fault:?}: {:.1?}, {} locks granted meanwhile", struck.elapsed(), field.grants() - grants);
        }
        rounds += 1;
    }
    field.stop();
    workers.join_all().await;

    let events = field.history.events();
    let turned_away = events.uses.iter().filter(|used| used.verdict == Verdict::TurnedAway).count();
    let overlaps = events.findings().len() - defects(&events).len();
    println!(
        "{rounds} rounds in {:.0?}: {} locks granted, {} uses of the resource, {turned_away} turned away, {overlaps} times two \
         believed to be alone; {} things run, {} committed; errors: {:?}",
        began.elapsed(),
        events.grants.len(),
        events.uses.len(),
        events.runs.len(),
        events.commits.len(),
        field.words()
    );
    assert_eq!(defects(&events), []);
    assert!(turned_away > 0, "nobody ever came too late");
    assert!(!events.commits.is_empty());
    assert!(field.words().contains_key("UNAVAILABLE"), "nothing ever failed");
}

/// One who holds the lock at a primary that is then lost, and one who takes it at the replica that has not heard of it.
async fn lose_a_lock(resource: Resource, wait_replicas: u32) -> Events {
    let primary = Redis::start().await;
    let stream = FaultProxy::start(primary.addr()).await;
    let replica = Redis::builder().replica_of_addr(stream.addr()).start().await;
    replica.wait_synced().await;
    let sidecar = async |redis: &Redis| {
        let settings = format!(
            "server.listen = \"{{listen}}\"\nserver.admin = \"{{admin}}\"\nredis.nodes = [\"{}\"]\n{}",
            redis.url(),
            routes(wait_replicas)
        );
        Sidecar::start(bin(), &settings).await
    };
    let field = Field::new(resource);
    let before = sidecar(&primary).await;
    let mut first = Worker::new(&field, 1, &before).await;
    stream.set_mode(Mode::DropReplies).await;
    let held = first.lock(LOCK).await;
    let from = field.history.now();
    primary.kill().await;
    replica.promote().await;
    let after = sidecar(&replica).await;
    let mut second = Worker::new(&field, 2, &after).await;
    if wait_replicas == 0 {
        let (token, until) = second.lock(LOCK).await.expect("the replica has not heard of the first");
        let told = field.history.now();
        let (own, _) = held.expect("no replica was asked");
        for (holder, token) in [(2, token), (1, own)] {
            field.use_resource(LOCK, holder, token);
        }
        second.note_belief(LOCK, told, until);
        // He has not looked at his clock.
        first.note_belief(LOCK, from, Duration::MAX);
    } else {
        assert_eq!(held, None);
    }
    field.history.events()
}

#[tokio::test]
async fn the_checker_sees_a_lock_that_waits_for_nobody_before_a_resource_that_trusts_everybody() {
    let found = lose_a_lock(Resource::Trusting, 0).await.findings();
    assert!(found.iter().any(|finding| matches!(finding, Finding::TwoHolders(..))), "{found:?}");
    assert!(found.iter().any(|finding| matches!(finding, Finding::LetThrough(_))), "{found:?}");
}

#[tokio::test]
async fn the_same_lock_before_a_resource_that_checks_tokens_has_two_holders_and_does_no_harm() {
    let events = lose_a_lock(Resource::Checking, 0).await;
    assert_eq!(defects(&events), []);
    assert!(!events.findings().is_empty(), "two did believe to be alone");
}

#[tokio::test]
async fn a_lock_that_waits_for_its_replica_is_not_granted_by_a_primary_that_nobody_follows() {
    let events = lose_a_lock(Resource::Checking, 1).await;
    assert_eq!(events.findings(), []);
    assert_eq!(events.grants, []);
}
