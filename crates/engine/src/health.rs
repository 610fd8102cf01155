//! The circuit of one node or origin, shared by all threads.
//!
//! The circuit itself is pure and sits behind a lock; what the healthy path needs of it (may I, and in which epoch) is
//! published in one atomic word after every change. So a healthy request reads a word, and only evidence, which comes
//! in batches, takes the lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use failsoft_core::circuit::{
    Circuit, CircuitSettings, Denial, Evidence, Gate, Override, Permit, ProbeResult, StateName, Transition,
};
use failsoft_core::{Outcome, Time};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::{Clock, dice};

/// The throw of the dice that is in every share.
const FIRST: u32 = 0;

/// The health of one node or origin, as its circuit sees it.
pub struct Health {
    subject: Arc<str>,
    clock: Clock,
    circuit: Mutex<Circuit>,
    gate: AtomicU64,
    changed: Notify,
    transitions: AtomicU64,
    opened: AtomicU64,
    /// The last outcome that was evidence against the subject, for the log.
    last_trouble: Mutex<&'static str>,
}

impl Health {
    /// The health of `subject` (a name for the log), about which nothing bad is known yet.
    pub fn new(subject: Arc<str>, settings: CircuitSettings, clock: Clock) -> Self {
        let circuit = Circuit::new(settings);
        Self {
            subject,
            clock,
            gate: AtomicU64::new(circuit.gate().to_bits()),
            circuit: Mutex::new(circuit),
            changed: Notify::new(),
            transitions: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            last_trouble: Mutex::new("none"),
        }
    }

    /// Leave to send traffic.
    pub fn request_permit(&self, now: Time) -> Result<Permit, Denial> {
        match self.gate().admits_freely() {
            Some(permit) => Ok(permit),
            None => self.with_circuit(|circuit| circuit.request_permit(now, dice() as u32)),
        }
    }

    /// Leave for what has to be done before traffic comes back: the ramp does not hold it up.
    pub fn request_first(&self, now: Time) -> Result<Permit, Denial> {
        match self.gate().admits_freely() {
            Some(permit) => Ok(permit),
            None => self.with_circuit(|circuit| circuit.request_permit(now, FIRST)),
        }
    }

    /// When it counts as sick.
    pub fn settings(&self) -> CircuitSettings {
        self.circuit.lock().settings().clone()
    }

    /// What came of a request that had `permit`.
    pub fn handle_evidence(&self, permit: Permit, evidence: Evidence, now: Time) {
        self.with_circuit(|circuit| circuit.handle_evidence(permit, evidence, now));
    }

    /// Like [`handle_evidence`](Self::handle_evidence), remembering which outcome it was.
    pub fn handle_outcome(&self, permit: Permit, outcome: Outcome, now: Time) {
        let evidence = outcome.evidence();
        if evidence == Evidence::Failure {
            *self.last_trouble.lock() = outcome.reason();
        }
        self.handle_evidence(permit, evidence, now);
    }

    /// `count` requests of one epoch were answered, `slow` of them slowly.
    pub fn handle_successes(&self, epoch: u32, count: u32, slow: u32, now: Time) {
        self.with_circuit(|circuit| circuit.handle_successes(epoch, count, slow, now));
    }

    /// What the background probe found.
    pub fn handle_probe(&self, result: ProbeResult, now: Time) {
        self.with_circuit(|circuit| circuit.handle_probe(result, now));
    }

    /// Sets what the operator wishes, whatever is observed.
    pub fn set_override(&self, wish: Override) {
        self.with_circuit(|circuit| circuit.set_override(wish));
    }

    /// What the circuit lets through, without a lock.
    pub fn gate(&self) -> Gate {
        Gate::from_bits(self.gate.load(Ordering::Acquire))
    }

    /// Whether traffic flows freely.
    pub fn is_closed(&self) -> bool {
        self.gate().admits_freely().is_some()
    }

    /// Whether no traffic at all flows, so that not even a connection should be made.
    pub fn is_open(&self) -> bool {
        matches!(self.state(), StateName::Open)
    }

    /// The circuit's state.
    pub fn state(&self) -> StateName {
        self.circuit.lock().state_name()
    }

    /// How often the circuit has changed its state, and how often it has opened.
    pub fn transitions(&self) -> (u64, u64) {
        (self.transitions.load(Ordering::Relaxed), self.opened.load(Ordering::Relaxed))
    }

    /// Returns when the circuit next changes its state.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn with_circuit<T>(&self, act: impl FnOnce(&mut Circuit) -> T) -> T {
        let mut circuit = self.circuit.lock();
        let result = act(&mut circuit);
        let gate = circuit.gate().to_bits();
        if self.gate.swap(gate, Ordering::AcqRel) != gate {
            self.tell(&mut circuit);
        }
        result
    }

    fn tell(&self, circuit: &mut Circuit) {
        while let Some(transition) = circuit.poll_transition() {
            self.transitions.fetch_add(1, Ordering::Relaxed);
            if transition.to == StateName::Open {
                self.opened.fetch_add(1, Ordering::Relaxed);
            }
            self.log(&transition);
        }
        self.changed.notify_waiters();
    }

    fn log(&self, transition: &Transition) {
        let Transition { from, to, reason, epoch, .. } = transition;
        match to {
            StateName::Open => {
                let last = *self.last_trouble.lock();
                tracing::warn!(subject = %self.subject, %from, %to, %reason, last, epoch, "circuit opened");
            }
            StateName::Closed | StateName::HalfOpen | StateName::Ramp => {
                tracing::info!(subject = %self.subject, %from, %to, %reason, epoch, "circuit changed");
            }
        }
    }

    /// The present moment, by the clock that the circuit is told the time with.
    pub fn now(&self) -> Time {
        self.clock.now()
    }
}
