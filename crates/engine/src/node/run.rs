//! One run of replies that were read together: each is handed to its asker, and what they say about the node is told to
//! the circuit once.
//!
//! What counts as slow is the node's own time: not that of this process while it did not run, and not that of a reply
//! that came behind a mebibyte of others on the same connection.

use std::sync::Arc;
use std::time::Duration;

use failsoft_core::circuit::{Evidence, Permit, PermitKind};
use failsoft_core::refusal::Refusal;
use failsoft_core::{Outcome, Time};
use failsoft_resp::reply::{Head, head};

use super::Author;
use super::link::Link;
use super::pending::Pending;
use crate::delivery::Sink;

/// A reply that came behind this many bytes of others was kept waiting by them, not by the node.
const MUCH_AHEAD: u64 = 1 << 20;

/// One run of replies: what they say about the node is told to the circuit once.
pub(super) struct Run<'l> {
    link: &'l Link,
    now: Time,
    /// How much of the time this process itself was away.
    late: Duration,
    received: u64,
    epoch: u32,
    successes: u32,
    slow: u32,
    /// The latency of the last replies, and how many had it: what a client pipelined was asked at one moment.
    took: Duration,
    alike: u64,
}

impl<'l> Run<'l> {
    pub(super) fn new(link: &'l Link, now: Time, late: Duration, received: u64) -> Self {
        Self { link, now, late, received, epoch: 0, successes: 0, slow: 0, took: Duration::ZERO, alike: 0 }
    }

    /// Whether the node took its time, beyond what this process and the replies ahead of this one account for.
    fn is_slow(&self, received_before: u64, took: Duration) -> bool {
        let ahead = self.received.saturating_sub(received_before);
        took.saturating_sub(self.late) > self.link.slow_call && ahead < MUCH_AHEAD
    }

    pub(super) fn hand_over(&mut self, reply: &[u8], pending: Pending, waking: &mut Option<Sink>) {
        let Some(sink) = pending.sink else {
            self.link.stats.late.increment();
            return;
        };
        let took = self.now.since(pending.asked);
        self.observe(took);
        let outcome = outcome_of(reply);
        if let Outcome::Refused(refusal) = outcome {
            self.link.stats.refusals.increment(refusal.name());
            match pending.author {
                Author::Node => self.link.health.handle_outcome(pending.permit, outcome, self.now),
                Author::Caller => self.link.health.handle_evidence(pending.permit, Evidence::Success, self.now),
            }
        } else {
            let slow = self.is_slow(pending.received, took);
            self.count(pending.permit, slow);
        }
        sink.to.deliver(sink.ticket, outcome, reply, self.now);
        match waking {
            Some(last) if Arc::ptr_eq(&last.to, &sink.to) => {}
            _ => {
                if let Some(last) = waking.replace(sink) {
                    last.to.wake();
                }
            }
        }
    }

    fn observe(&mut self, took: Duration) {
        if took != self.took {
            self.tell_latency();
            self.took = took;
        }
        self.alike += 1;
    }

    fn tell_latency(&mut self) {
        if self.alike > 0 {
            self.link.stats.latency.observe_many(self.took, self.alike);
            self.alike = 0;
        }
    }

    fn count(&mut self, permit: Permit, slow: bool) {
        if permit.kind == PermitKind::Probe {
            self.link.health.handle_evidence(permit, Evidence::Success, self.now);
            return;
        }
        if permit.epoch != self.epoch {
            self.finish();
            self.epoch = permit.epoch;
        }
        self.successes += 1;
        self.slow += u32::from(slow);
    }

    pub(super) fn finish(&mut self) {
        self.tell_latency();
        if self.successes > 0 {
            self.link.health.handle_successes(self.epoch, self.successes, self.slow, self.now);
            self.successes = 0;
            self.slow = 0;
        }
    }
}

fn outcome_of(reply: &[u8]) -> Outcome {
    match reply {
        [b'-' | b'!', ..] => match head(reply) {
            Some(Head::Error(text)) => Outcome::Refused(Refusal::from_error(text)),
            _ => Outcome::Refused(Refusal::Other),
        },
        _ => Outcome::Hit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_value_that_looks_like_an_error_is_a_value() {
        assert_eq!(outcome_of(b"$6\r\n-ERR x\r\n"), Outcome::Hit);
        assert_eq!(outcome_of(b"+MOVED 1 somewhere\r\n"), Outcome::Hit);
        assert_eq!(outcome_of(b"-LOADING x\r\n"), Outcome::Refused(Refusal::Loading));
        assert_eq!(outcome_of(b"!10\r\nLOADING xx\r\n"), Outcome::Refused(Refusal::Loading));
    }
}
