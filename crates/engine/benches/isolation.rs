//! How soon a dead or silent primary is left alone, and what requests pay afterwards.
//!
//! A real Redis is killed, then another stopped, under a steady load of reads whose values local memory holds. Printed:
//! how many requests had to find out, how long after the last of them needed by the settings the circuit was open, and
//! how long the requests after that took from beginning to answer, local copy included.
//!
//! Run it with `cargo bench -p failsoft --bench isolation`. It ends with an error if a promise is broken: 50 ms from the
//! evidence to the open circuit, 1 ms at p99 from then on.

#![allow(clippy::print_stdout, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use failsoft::Engine;
use failsoft::job::{Job, Matter};
use failsoft::node::Lane;
use failsoft::route::Way;
use failsoft::settings;
use failsoft::topology::Place;
use failsoft::verb::Verb;
use failsoft_core::Tier;
use failsoft_core::request::Ending;
use failsoft_resp::encode::{self, Protocol};
use failsoft_testkit::redis::Redis;

const READERS: usize = 8;
const KEYS: usize = 200;
const AFTER_FAULT: Duration = Duration::from_secs(2);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        println!(
            "{:<22}{:>10}{:>16}{:>14}{:>12}{:>12}",
            "fault", "found out", "evidence→open", "afterwards", "p50", "p99"
        );
        measure("killed (SIGKILL)", Fault::Kill).await;
        measure("stopped (SIGSTOP)", Fault::Stop).await;
    });
}

#[derive(Clone, Copy)]
enum Fault {
    Kill,
    Stop,
}

/// One read: when it began and ended, and whether the primary's failure was found out by it.
struct Sample {
    began: Instant,
    ended: Instant,
    tier: Option<Tier>,
}

async fn measure(name: &str, fault: Fault) {
    let redis = Redis::start().await;
    for key in 0..KEYS {
        redis.command(&["SET", &format!("k:{key}"), "value"]).await;
    }
    let text = format!(
        "[redis]\nnodes = [\"{}\"]\n[[routes]]\nkeys = \"k:*\"\nrole = \"cache\"\nttl = \"60s\"\nmax_stale = \"10m\"\n",
        redis.url()
    );
    let settings = settings::parse(&text, "bench.toml").expect("sound settings").settings;
    let engine = Arc::new(Engine::new(settings, 1).expect("an engine"));
    engine.start_worker(0);
    read_all(&engine, KEYS).await;
    let opened_before = engine.world().0.views().redis.nodes()[0].health().transitions().1;

    let broken = Instant::now();
    match fault {
        Fault::Kill => drop(redis.kill().await),
        Fault::Stop => redis.pause(),
    }
    let watcher = tokio::spawn(watch_circuit(engine.clone(), opened_before));
    let readers: Vec<_> = (0..READERS).map(|reader| tokio::spawn(read_until(engine.clone(), reader, broken))).collect();
    let mut samples = Vec::new();
    for reader in readers {
        samples.extend(reader.await.expect("a reader"));
    }
    let opened = watcher.await.expect("the watcher");
    report(name, &samples, opened);
    redis.resume();
    engine.close();
}

async fn watch_circuit(engine: Arc<Engine>, before: u64) -> Instant {
    let view = engine.world().0.views().redis;
    let primary = &view.nodes()[0];
    while primary.health().transitions().1 == before {
        tokio::select! {
            () = primary.health().changed() => {}
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
    Instant::now()
}

async fn read_until(engine: Arc<Engine>, reader: usize, broken: Instant) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut turn = reader;
    while broken.elapsed() < AFTER_FAULT {
        turn = (turn + READERS) % KEYS;
        samples.push(read(&engine, turn).await);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    samples
}

async fn read_all(engine: &Engine, keys: usize) {
    for key in 0..keys {
        read(engine, key).await;
    }
}

async fn read(engine: &Engine, key: usize) -> Sample {
    let context = engine.context(0, Lane::default());
    let key = format!("k:{key}");
    let mut frame = Vec::new();
    encode::command(&mut frame, [&b"GET"[..], key.as_bytes()]);
    let end = (frame.len() - 2) as u32;
    let matter = Matter {
        route: context.world.route_of(key.as_bytes()),
        way: Way::Through,
        verb: Some(Verb::Get),
        key: end - key.len() as u32..end,
        place: Place::Anywhere,
        protocol: Protocol::Resp2,
        stand_in: None,
    };
    let began = Instant::now();
    let answered = context.answer(Job::new(&context.world, matter, frame, context.now())).await;
    let tier = match answered.facts.ending {
        Some(Ending::Value(tier)) => Some(tier),
        Some(
            Ending::Absent(_)
            | Ending::PassOn(_)
            | Ending::Unavailable(_)
            | Ending::Overloaded(_)
            | Ending::OutcomeUnknown(_),
        )
        | None => None,
    };
    Sample { began, ended: Instant::now(), tier }
}

fn report(name: &str, samples: &[Sample], opened: Instant) {
    assert!(samples.iter().all(|sample| sample.tier.is_some()), "every read is answered");
    let mut found_out: Vec<_> =
        samples.iter().filter(|sample| sample.began < opened).map(|sample| sample.ended).collect();
    found_out.sort();
    let fifth = found_out.iter().filter(|ended| **ended <= opened + Duration::from_millis(5)).nth(4);
    let lag = fifth.map_or(Duration::ZERO, |fifth| opened.saturating_duration_since(*fifth));
    let mut after: Vec<_> =
        samples.iter().filter(|sample| sample.began > opened).map(|sample| sample.ended - sample.began).collect();
    after.sort();
    let quantile = |share: f64| after[((after.len() - 1) as f64 * share) as usize];
    assert!(lag <= Duration::from_millis(50), "{lag:?} from the evidence to the open circuit");
    assert!(quantile(0.99) <= Duration::from_millis(1), "{:?} at p99 after the circuit was open", quantile(0.99));
    println!(
        "{name:<22}{:>10}{:>16}{:>14}{:>12}{:>12}",
        found_out.len(),
        format!("{lag:.0?}"),
        after.len(),
        format!("{:.1?}", quantile(0.5)),
        format!("{:.1?}", quantile(0.99)),
    );
}
