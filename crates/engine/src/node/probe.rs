//! The background probe: is the node's data path well, not merely its event loop?
//!
//! A PING can be answered over a data path that is not (a full disk, a loading data set, a replica cut off from its
//! primary), so the probe also reads a key and, on a primary, writes it. It also asks how the node's replication stands,
//! which says nothing about its health and decides whether it is read from as a replica. It runs on a connection of its own, so that it
//! sees what a newcomer would see, and it is the only thing that spends time on a node whose circuit is open.

use std::sync::Weak;
use std::time::Duration;

use failsoft_core::circuit::{Evidence, ProbeResult, StateName};
use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::refusal::{Health as Condition, Refusal};
use failsoft_core::replication::{LONGEST_REPORT, Report};
use failsoft_core::{Outcome, Tier, Time};
use failsoft_resp::encode::{self, Protocol};
use failsoft_resp::limits::Limits;
use failsoft_resp::reply::{self, Head, ReplyScanner};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Node;
use super::handshake;
use super::replication::LEAST_INTERVAL;
use super::stats::Writable;
use crate::clock::dice;
use crate::health::Health;
use crate::wire::Wire;

/// How often a node whose circuit is not closed is looked at, at least.
const OPEN_INTERVAL: Duration = Duration::from_millis(250);
/// How long the key of the probe lives after the last probe, in milliseconds.
const KEY_TTL_MS: &[u8] = b"60000";
/// Bytes that a probe may be answered with.
const REPLY_BOUND: usize = LONGEST_REPORT + (64 << 10);

/// Probes a node until it is closed or forgotten.
pub async fn probe_forever(watched: Weak<Node>) {
    let mut wire = None;
    while let Some(node) = watched.upgrade() {
        let shutdown = node.shutdown().clone();
        let next = Instant::now() + LEAST_INTERVAL;
        let verdict = probe(&node, &mut wire).await;
        node.stats().probes.increment(verdict.name());
        tell(node.health(), verdict);
        let (health, replication) = (node.health().clone(), node.replication().clone());
        let interval = replication.interval(node.options().probe_interval);
        drop(node);
        let asked_soon = async {
            replication.asked_soon().await;
            sleep_until(next).await;
        };
        tokio::select! {
            () = rest(&health, interval) => {}
            () = asked_soon => {}
            () = shutdown.begun() => return,
        }
    }
}

/// A half-open circuit waits for one call to find out; where no client calls, the probe is that call.
fn tell(health: &Health, verdict: Verdict) {
    let now = health.now();
    let result = verdict.result();
    health.handle_probe(result, now);
    if health.state() == StateName::HalfOpen
        && let Ok(permit) = health.request_permit(now)
    {
        let evidence = match result {
            ProbeResult::Answered => Evidence::Success,
            ProbeResult::Failed => Evidence::Failure,
        };
        health.handle_evidence(permit, evidence, now);
    }
}

/// What one probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Well,
    Refused(Refusal),
    Failed(Failure),
    Silent(Silence),
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Refused(refusal) => refusal.name(),
            Self::Failed(failure) => failure.name(),
            Self::Silent(silence) => silence.name(),
        }
    }

    /// What it says to the circuit. A node that refuses failsoft's credentials is there: what follows from that is a
    /// matter of policy, and an open circuit would keep the policy from being asked.
    fn result(self) -> ProbeResult {
        let evidence = match self {
            Self::Well => Evidence::Success,
            Self::Refused(refusal) => refusal.evidence(),
            Self::Failed(failure) => Outcome::Failed(failure).evidence(),
            Self::Silent(silence) => Outcome::Silent(silence).evidence(),
        };
        if evidence == Evidence::Failure { ProbeResult::Failed } else { ProbeResult::Answered }
    }
}

/// Waits for the next probe's time, which a circuit that is not closed, or opens meanwhile, brings forward.
async fn rest(health: &Health, interval: Duration) {
    let mut left = spread(interval);
    while !left.is_zero() {
        let nap = left.min(spread(OPEN_INTERVAL));
        sleep(nap).await;
        left = if health.state() == StateName::Closed { left - nap } else { Duration::ZERO };
    }
}

/// Half to one and a half of the interval, so that sidecars do not probe in step.
fn spread(interval: Duration) -> Duration {
    interval.mul_f64(0.5 + (dice() % 1_000) as f64 / 1_000.0)
}

async fn probe(node: &Node, wire: &mut Option<Wire>) -> Verdict {
    let connected = match wire.take() {
        Some(connected) => connected,
        None => match handshake::connect(node.options(), Protocol::Resp2).await {
            Ok(mut connected) => {
                node.stats().note_connect(&node.options().address, Ok(()));
                if timeout(node.options().timeout, node.version.learn(&mut connected)).await.is_err() {
                    return Verdict::Silent(Silence::Timeout);
                }
                connected
            }
            Err(failure) => {
                node.stats().note_connect(&node.options().address, Err(failure));
                return Verdict::Failed(failure);
            }
        },
    };
    match timeout(node.options().timeout, exchange(node, connected)).await {
        Err(_) => Verdict::Silent(Silence::Timeout),
        Ok(Err(silence)) => {
            node.replication().handle_lost(node.health().now());
            Verdict::Silent(silence)
        }
        Ok(Ok((connected, verdict))) => {
            *wire = Some(connected);
            verdict
        }
    }
}

async fn exchange(node: &Node, mut wire: Wire) -> Result<(Wire, Verdict), Silence> {
    let key = node.probe_key();
    let key = key.as_bytes();
    let mut request = Vec::new();
    encode::command(&mut request, [&b"PING"[..]]);
    encode::command(&mut request, [&b"GET"[..], key]);
    // Before the write, so that a replica that has nothing else to take in has caught up with the answer.
    encode::command(&mut request, [&b"INFO"[..], b"replication"]);
    let writes = node.tier() == Tier::Primary;
    if writes {
        encode::command(&mut request, [&b"SET"[..], key, b"probe", b"PX", KEY_TTL_MS]);
    }
    let asked = node.health().now();
    wire.write_all(&request).await.map_err(|_| Silence::ConnectionLost)?;
    let mut replies = read_replies(&mut wire, if writes { 4 } else { 3 }).await?;
    note_replication(node, asked, &replies.remove(2));
    let refusals: Vec<_> = replies.iter().map(|reply| refusal(reply)).collect();
    if writes && !is_elsewhere(refusals[2]) {
        note_writable(node, refusals[2]);
    }
    let sick = refusals.into_iter().flatten().find(|refusal| refusal.health() != Condition::Well);
    Ok((wire, sick.map_or(Verdict::Well, Verdict::Refused)))
}

/// A user who may not ask is no sign of a sick node.
fn note_replication(node: &Node, asked: Time, reply: &[u8]) {
    match reply::head(reply) {
        Some(Head::Error(text)) => node.replication().handle_refused(node.name(), Refusal::from_error(text)),
        Some(Head::Bulk(text)) => {
            if let Some(report) = Report::parse(text) {
                node.replication().handle_report(asked, report);
            }
        }
        _ => {}
    }
}

fn refusal(reply: &[u8]) -> Option<Refusal> {
    match reply::head(reply) {
        Some(Head::Error(text)) => Some(Refusal::from_error(text)),
        _ => None,
    }
}

/// The key lies in a slot that is not the node's: nothing has been learned about writing.
fn is_elsewhere(refusal: Option<Refusal>) -> bool {
    refusal.is_some_and(Refusal::is_redirection)
}

fn note_writable(node: &Node, refusal: Option<Refusal>) {
    let writable = if refusal.is_some() { Writable::No } else { Writable::Yes };
    let before = node.stats().writable();
    node.stats().set_writable(writable);
    match (before, refusal) {
        (Some(false), None) => tracing::info!(node = %node.name(), "takes writes again"),
        (Some(true) | None, Some(refusal)) => tracing::warn!(node = %node.name(), %refusal, "refuses writes"),
        (Some(true) | None, None) | (Some(false), Some(_)) => {}
    }
}

/// Reads `count` replies.
async fn read_replies(wire: &mut Wire, count: usize) -> Result<Vec<Vec<u8>>, Silence> {
    let mut replies = Vec::with_capacity(count);
    let mut buffer = Vec::new();
    let mut start = 0;
    let mut scanner = ReplyScanner::new(Limits::default());
    while replies.len() < count {
        match scanner.scan(&buffer[start..]).map_err(|_| Silence::ProtocolViolation)? {
            Some(len) => {
                replies.push(buffer[start..start + len].to_vec());
                start += len;
            }
            None if buffer.len() > REPLY_BOUND => return Err(Silence::ProtocolViolation),
            None => {
                let read = wire.read(&mut buffer).await.map_err(|_| Silence::ConnectionLost)?;
                if read == 0 {
                    return Err(Silence::ConnectionLost);
                }
            }
        }
    }
    Ok(replies)
}
