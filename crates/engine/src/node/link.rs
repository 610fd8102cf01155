//! One connection to one node, as those who ask see it: a queue that takes frames.
//!
//! Askers append bytes and a place in the queue under a short lock and go away; the connection's own task (see
//! [`driver`](super::driver)) writes what has gathered in one system call, so that requests from many clients share it.
//! Nothing here waits: what cannot be taken now is refused now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use failsoft_core::circuit::{Evidence, PermitKind, ProbeResult};
use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::refusal::Health as Condition;
use failsoft_core::request::Manner;
use failsoft_core::{Outcome, Time};
use failsoft_resp::Protocol;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::batch::ENOUGH;
use super::pending::{Pending, Phase, Queue};
use super::replication::Replication;
use super::stats::NodeStats;
use super::{NodeOptions, Question, driver};
use crate::clock::Clock;
use crate::delivery::{Deliver, Sink};
use crate::health::Health;
use crate::shutdown::Shutdown;

/// Bytes that may wait for the socket beyond one value of the greatest size.
const OUTBOX_SLACK: usize = 64 << 20;

/// Goes before a command for a slot that its node is taking over, in the same write: it holds for the next command alone.
const ASKING: &[u8] = b"*1\r\n$6\r\nASKING\r\n";

/// What all connections to a node find out about it together.
#[derive(Clone)]
pub(super) struct Findings {
    pub(super) health: Arc<Health>,
    pub(super) stats: Arc<NodeStats>,
    pub(super) replication: Arc<Replication>,
}

/// One connection to a node.
pub struct Link {
    pub(super) options: NodeOptions,
    pub(super) protocol: Protocol,
    pub(super) slow_call: Duration,
    pub(super) clock: Clock,
    pub(super) health: Arc<Health>,
    pub(super) stats: Arc<NodeStats>,
    replication: Arc<Replication>,
    pub(super) shutdown: Shutdown,
    pub(super) queue: Mutex<Queue>,
    /// There is something to write, or a nearer deadline.
    pub(super) work: Notify,
    /// A permit to probe was given: connect now.
    pub(super) hurry: Notify,
    started: AtomicBool,
}

impl Link {
    pub(super) fn new(
        options: NodeOptions,
        protocol: Protocol,
        slow_call: Duration,
        clock: Clock,
        findings: Findings,
        shutdown: Shutdown,
    ) -> Self {
        let Findings { health, stats, replication } = findings;
        Self {
            options,
            protocol,
            slow_call,
            clock,
            health,
            stats,
            replication,
            shutdown,
            queue: Mutex::new(Queue::new()),
            work: Notify::new(),
            hurry: Notify::new(),
            started: AtomicBool::new(false),
        }
    }

    /// Starts the connection's task on the present runtime, once.
    pub(super) fn start(self: &Arc<Self>) {
        if !self.started.load(Ordering::Acquire) && !self.started.swap(true, Ordering::AcqRel) {
            self.queue.lock().phase = Phase::Welcoming;
            tokio::spawn(driver::drive(self.clone()));
        }
    }

    /// Requests that have not been answered.
    pub(super) fn pending(&self) -> usize {
        self.queue.lock().len()
    }

    /// Takes a frame, or says why not; see [`Node::ask`](super::Node::ask).
    pub(super) fn submit(self: &Arc<Self>, frame: &[u8], ask: Question) -> Result<(), Failure> {
        self.start();
        let mut queue = self.queue.lock();
        match (queue.phase, ask.permit.kind) {
            (Phase::Up | Phase::Welcoming | Phase::Idle, _) => {}
            (Phase::Down(_), PermitKind::Probe) => {
                queue.phase = Phase::Welcoming;
                self.hurry.notify_one();
            }
            (Phase::Down(because), PermitKind::Normal) => return Err(while_down(because)),
        }
        let outbox_bound = self.options.max_value.saturating_add(OUTBOX_SLACK);
        if queue.len() >= self.options.max_pending || queue.outbox.len().saturating_add(frame.len()) > outbox_bound {
            self.stats.queue_full.increment();
            return Err(Failure::QueueFull);
        }
        let gathered = queue.outbox.len();
        if ask.manner == Manner::Asking {
            queue.push(ASKING, Question { sink: Sink { to: Arc::new(Nobody), ticket: 0 }, ..ask });
        }
        queue.push(frame, ask);
        drop(queue);
        if gathered == 0 || (gathered < ENOUGH && gathered + frame.len() >= ENOUGH) {
            self.work.notify_one();
        }
        Ok(())
    }

    /// The connection is through its handshake.
    pub(super) fn handle_up(&self) {
        self.stats.connects.increment();
        self.stats.note_connect(&self.options.address, Ok(()));
        self.stats.connections.fetch_add(1, Ordering::Relaxed);
        self.queue.lock().phase = Phase::Up;
    }

    /// An attempt to connect has failed: nothing of what waits for it was sent.
    pub(super) fn handle_unreachable(&self, failure: Failure) {
        self.stats.connect_failures.increment(failure.name());
        self.stats.note_connect(&self.options.address, Err(failure));
        let waiting = self.queue.lock().take_all(Phase::Down(failure));
        if waiting.is_empty() && Outcome::Failed(failure).evidence() == Evidence::Failure {
            self.health.handle_probe(ProbeResult::Failed, self.clock.now());
        }
        self.finish(waiting, |_| Outcome::Failed(failure));
    }

    /// Somebody's time is up before the connection is there: everybody who waits for it is turned away, and nobody else
    /// is let in until it is.
    pub(super) fn handle_waited_in_vain(&self, now: Time) {
        let waiting = {
            let mut queue = self.queue.lock();
            if queue.earliest() > now {
                return;
            }
            queue.take_all(Phase::Down(Failure::ConnectTimeout))
        };
        self.finish(waiting, |_| Outcome::Failed(Failure::ConnectTimeout));
    }

    /// The connection is gone. What had begun to be written by `written` may have happened.
    pub(super) fn handle_lost(&self, silence: Silence, written: u64) {
        self.stats.disconnects.increment(silence.name());
        self.replication.handle_lost(self.clock.now());
        self.stats.connections.fetch_sub(1, Ordering::Relaxed);
        let waiting = self.queue.lock().take_all(Phase::Welcoming);
        self.finish(waiting, |pending| {
            if pending.start < written { Outcome::Silent(silence) } else { Outcome::Failed(Failure::Disconnected) }
        });
    }

    /// The connection will not be made again.
    pub(super) fn handle_closed(&self) {
        let (was, waiting) = {
            let mut queue = self.queue.lock();
            (queue.phase, queue.take_all(Phase::Down(Failure::ShuttingDown)))
        };
        if was == Phase::Up {
            self.stats.connections.fetch_sub(1, Ordering::Relaxed);
        }
        self.finish(waiting, |_| Outcome::Failed(Failure::ShuttingDown));
    }

    /// Delivers `Silent(Timeout)` to all who have waited long enough; `evidence` is what that says about the node.
    pub(super) fn handle_overdue(&self, evidence: Evidence, now: Time) {
        let mut overdue = Vec::new();
        self.queue.lock().take_overdue(now, &mut overdue);
        let outcome = Outcome::Silent(Silence::Timeout);
        for (sink, permit) in overdue {
            self.stats.silences.increment(Silence::Timeout.name());
            match evidence {
                Evidence::Failure => self.health.handle_outcome(permit, outcome, now),
                Evidence::Success | Evidence::Slow | Evidence::Abandoned => {
                    self.health.handle_evidence(permit, evidence, now);
                }
            }
            sink.to.deliver(sink.ticket, outcome, &[], now);
            sink.to.wake();
        }
    }

    fn finish(&self, waiting: Vec<Pending>, outcome_of: impl Fn(&Pending) -> Outcome) {
        let now = self.clock.now();
        for pending in waiting {
            let outcome = outcome_of(&pending);
            if let Outcome::Silent(silence) = outcome {
                self.stats.silences.increment(silence.name());
            }
            if let Some(Sink { to, ticket }) = pending.sink {
                self.health.handle_outcome(pending.permit, outcome, now);
                to.deliver(ticket, outcome, &[], now);
                to.wake();
            }
        }
    }
}

/// What a request hears while there is no connection. That the node refuses failsoft itself, or cannot be trusted, is
/// told each time: somebody has something to mend, and whether anything else may answer then is a matter of policy.
pub(super) fn while_down(because: Failure) -> Failure {
    match because {
        Failure::Handshake(refusal) if refusal.health() != Condition::Sick => because,
        Failure::Tls(_) => because,
        _ => Failure::Disconnected,
    }
}

/// Takes answers that nobody waits for.
pub(super) struct Nobody;

impl Deliver for Nobody {
    fn deliver(&self, _ticket: u64, _outcome: Outcome, _reply: &[u8], _now: Time) {}

    fn wake(&self) {}
}
