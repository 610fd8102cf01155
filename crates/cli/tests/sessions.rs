//! Sessions while Redis is away: nobody is given an empty one, nobody waits, and everybody has his own again afterwards.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::time::{Duration, Instant};

use common::replies::{assert_outcome_unknown, assert_unavailable, bulk};
use common::{Client, PATIENCE, Stage};
use failsoft_testkit::Output;
use failsoft_testkit::proxy::Mode;
use failsoft_testkit::scripts::python;
use failsoft_testkit::wait::eventually;
use tokio::task::JoinSet;

const NIL: &str = "$-1\r\n";
const CLIENTS: usize = 8;
const REQUESTS_EACH: usize = 500;
/// What opens the circuit.
const FAILURES: usize = 5;
/// What a silent reply is waited for.
const TIMEOUT: Duration = Duration::from_millis(200);

/// Right: Flask-Session's own code meets an error, of which an application can make "503, come back later".
#[tokio::test]
async fn flask_session_is_told_of_the_outage_and_finds_its_sessions_again() {
    let stage = Stage::with(|settings| settings.patient()).await;
    let port = stage.sidecar.addr().port().to_string();
    let script = include_str!("clients/flask_cart.py");
    let output = fine(python(script, &[&port, "well"]).await);
    let cookie = output.stdout.split_whitespace().nth(1).expect("the script has told its cookie").to_owned();

    stage.redis.save().await;
    stage.redis.kill().await;
    fine(python(script, &[&port, "away", &cookie]).await);

    stage.redis.restart().await;
    wait_healed(&stage).await;
    fine(python(script, &[&port, "back", &cookie]).await);
}

async fn wait_healed(stage: &Stage) {
    eventually("sessions to be had", PATIENCE, async || stage.get("session:nobody's").await == NIL).await;
    stage.await_circuit("closed").await;
}

#[track_caller]
fn fine(output: Output) -> Output {
    assert!(output.status.success() && output.stdout.contains("fine"), "{}{}", output.stdout, output.stderr);
    output
}

/// One request: when it was asked, and how long its answer took.
struct Waited {
    asked: Instant,
    lasted: Duration,
}

/// Requests of all kinds from several clients at once. Each reply is UNAVAILABLE, or of a write that was sent unknown.
async fn refused_by_all(stage: &Stage) -> Vec<Waited> {
    let mut asking = JoinSet::new();
    for number in 0..CLIENTS {
        asking.spawn(refused_by_one(stage.client().await, number));
    }
    asking.join_all().await.into_iter().flatten().collect()
}

async fn refused_by_one(mut client: Client, number: usize) -> Vec<Waited> {
    let mut waits = Vec::new();
    for request in 0..REQUESTS_EACH {
        let key = format!("session:{number}:{request}");
        let asked = Instant::now();
        match request % 4 {
            0 => refused(&client.ask(&["SET", &key, "cart", "EX", "3600"]).await),
            1 => refused(&client.ask(&["DEL", &key]).await),
            _ => assert_unavailable(&client.get(&key).await),
        }
        waits.push(Waited { asked, lasted: asked.elapsed() });
    }
    waits
}

fn print(phase: &str, waits: &[Waited]) {
    let mut lasted: Vec<Duration> = waits.iter().map(|wait| wait.lasted).collect();
    lasted.sort_unstable();
    let at = |share: f64| lasted[((lasted.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    let quick = lasted.iter().filter(|lasted| **lasted < Duration::from_millis(5)).count();
    println!(
        "{phase}: {} requests, all refused, with retry-after-ms; p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms; {} took 5 ms or more",
        lasted.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        lasted.len() - quick,
    );
}

/// How long after the refusal that made the evidence enough somebody was still sent into the silence.
fn print_isolation(waits: &[Waited]) {
    let mut ends: Vec<Instant> = waits.iter().map(|wait| wait.asked + wait.lasted).collect();
    ends.sort_unstable();
    let enough = ends[FAILURES - 1];
    let into_silence = waits.iter().filter(|wait| wait.lasted >= TIMEOUT).map(|wait| wait.asked);
    let last = into_silence.max().map_or(Duration::ZERO, |asked| asked.saturating_duration_since(enough));
    println!("isolated {:.2} ms after the {FAILURES}th refusal", last.as_secs_f64() * 1_000.0);
}

#[track_caller]
fn refused(reply: &str) {
    match reply.starts_with("-OUTCOMEUNKNOWN") {
        true => assert_outcome_unknown(reply),
        false => assert_unavailable(reply),
    }
}

/// Right: every request is refused and says when to come back, whether connections are refused or nobody answers; once
/// the circuit is open that costs nothing. Printed, because a busy machine has times of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measured_every_request_of_a_session_route_is_refused_at_once() {
    let stage = Stage::with(|settings| settings.set("breaker.failures", &FAILURES.to_string())).await;
    stage.put("session:0:0", "cart").await;
    assert_eq!(stage.get("session:0:0").await, bulk("cart"));

    stage.proxy.set_mode(Mode::Refuse).await;
    print("connections refused, from the first request on", &refused_by_all(&stage).await);
    assert_eq!(stage.circuit().await, "open");
    print("connections refused, circuit open", &refused_by_all(&stage).await);
    stage.proxy.set_mode(Mode::Pass).await;
    wait_healed(&stage).await;

    stage.redis.pause();
    let waits = refused_by_all(&stage).await;
    print("silent, from the first request on", &waits);
    print_isolation(&waits);
    assert_eq!(stage.circuit().await, "open");
    print("silent, circuit open", &refused_by_all(&stage).await);
    stage.redis.resume();
    wait_healed(&stage).await;
}
