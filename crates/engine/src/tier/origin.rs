//! The origin tier: one database or service, with everything that keeps it from being melted.
//!
//! A load goes through four hands: the *circuit* (is the origin there at all?), *coalescing* (is somebody loading this
//! key already?), the *guard* (may one more load start now?), and only then the origin. Loads run in tasks of their
//! own: an asker who gives up does not abort a load that others wait for, and what was loaded is kept even if nobody
//! waits any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use failsoft_core::circuit::{CircuitSettings, Evidence, Permit};
use failsoft_core::flights::{Boarding, FlightId, Flights, Seat};
use failsoft_core::guard::{GuardSettings, GuardStats, LoadResult};
use failsoft_core::outcome::{Failure, MissCause};
use failsoft_core::{Outcome, Time};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::gate::Gate;
use crate::clock::Clock;
use crate::errand::Errand;
use crate::health::Health;
use crate::origin::{Kind, Origin, OriginError, StatementFault};
use crate::telemetry::counter::{Counter, CounterMap};
use crate::telemetry::histogram::Histogram;
use crate::value::Value;

/// Keys that may be loaded at once, waiting for the guard included.
const MAX_FLIGHTS: u32 = 16_384;
/// Askers that may wait for loads of others.
const MAX_WAITERS: u32 = 262_144;

/// What came of a load.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Hit, miss or failed; a load changes nothing, so it is never silent.
    pub outcome: Outcome,
    /// The value of a hit.
    pub value: Option<Value>,
    /// When the load was begun: the value is at least as old.
    pub obtained: Time,
}

/// One origin, guarded.
pub struct OriginTier {
    name: Arc<str>,
    origin: Arc<dyn Origin>,
    health: Health,
    clock: Clock,
    timeout: Duration,
    /// Loads a second by the whole fleet.
    max_rate: Option<f64>,
    gate: Arc<Gate>,
    flights: Mutex<Departures>,
    stats: OriginStats,
}

/// What has been counted about an origin.
#[derive(Debug, Default)]
pub struct OriginStats {
    /// Loads that were begun, by how they ended.
    pub loads: CounterMap,
    /// Askers who shared another's load.
    pub coalesced: Counter,
    /// Askers turned away to protect the origin, by reason.
    pub shed: CounterMap,
    /// Time of a load, waiting for the guard not included, in seconds.
    pub latency: Histogram,
    /// Time spent waiting for the guard, in seconds.
    pub queueing: Histogram,
}

struct Departures {
    flights: Flights<Box<[u8]>>,
    seats: HashMap<Seat, oneshot::Sender<Loaded>>,
}

impl OriginTier {
    /// Guards `origin`, whose rate is the whole fleet's; `timeout` bounds one load.
    pub fn new(
        name: Arc<str>,
        origin: Arc<dyn Origin>,
        guard: &GuardSettings,
        circuit: CircuitSettings,
        timeout: Duration,
        clock: Clock,
    ) -> Self {
        Self {
            health: Health::new(format!("origin {name}").into(), circuit, clock),
            name,
            max_rate: guard.max_rate,
            origin,
            clock,
            timeout,
            gate: Arc::new(Gate::new(guard, clock)),
            flights: Mutex::new(Departures { flights: Flights::new(MAX_FLIGHTS, MAX_WAITERS), seats: HashMap::new() }),
            stats: OriginStats::default(),
        }
    }

    /// The origin's name in settings.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How it is.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// What kind of thing it is.
    pub fn kind(&self) -> Kind {
        self.origin.kind()
    }

    /// Loads under way, those that wait for the guard included.
    pub fn loading(&self) -> usize {
        self.flights.lock().flights.in_flight() as usize
    }

    /// Whether it can make a value without a loader that the caller brings.
    pub fn loads_by_itself(&self) -> bool {
        self.origin.loads_by_itself()
    }

    /// The bound on one load.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The rate, if there is one, is shared with `sharers - 1` others from here on.
    pub(crate) fn set_sharers(&self, sharers: u32) {
        if let Some(max_rate) = self.max_rate {
            self.gate.set_max_rate(max_rate / f64::from(sharers.max(1)));
        }
    }

    /// What has been counted.
    pub fn stats(&self) -> &OriginStats {
        &self.stats
    }

    /// How its guard is doing.
    pub fn guard_stats(&self) -> GuardStats {
        self.gate.stats()
    }

    /// Loads that reached the database, as counted there or at its driver.
    pub fn statements(&self) -> u64 {
        self.origin.statements()
    }

    /// A write to `key` passes: who asks from here on does not share a load that began before it.
    pub fn handle_invalidated(&self, key: &[u8]) {
        self.flights.lock().flights.handle_invalidated(key);
    }

    /// A command passes that empties Redis.
    pub fn handle_all_invalidated(&self) {
        self.flights.lock().flights.handle_all_invalidated();
    }

    /// Ends the guard's timer and closes the origin's idle connections.
    pub fn close(&self) {
        self.gate.close();
        self.origin.close();
    }

    /// Loads what `errand` is for, or waits for whoever is loading it, until `by`.
    pub async fn load(self: &Arc<Self>, errand: Errand, permit: Permit, by: Time) -> Loaded {
        let asked = self.clock.now();
        let (sender, receiver) = oneshot::channel();
        let _aboard = match self.board(errand, permit, by, sender) {
            Err(loaded) => return loaded,
            Ok(aboard) => aboard,
        };
        match timeout_at(self.clock.instant(by), receiver).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(_)) => failed(Failure::OriginError, asked),
            Err(_) => failed(Failure::OriginTimeout, asked),
        }
    }

    /// Takes a seat on a load under way, or begins one.
    fn board(
        self: &Arc<Self>,
        errand: Errand,
        permit: Permit,
        by: Time,
        sender: oneshot::Sender<Loaded>,
    ) -> Result<Option<Aboard<'_>>, Loaded> {
        let now = self.clock.now();
        let mut departures = self.flights.lock();
        match departures.flights.request(errand.key().into()) {
            Boarding::Lead(flight) => {
                drop(departures);
                let landing = Landing { tier: self.clone(), flight, leader: Some(sender), permit: Some(permit) };
                tokio::spawn(landing.fly(errand, by));
                Ok(None)
            }
            Boarding::Join(flight, seat) => {
                departures.seats.insert(seat, sender);
                drop(departures);
                self.health.handle_evidence(permit, Evidence::Abandoned, now);
                self.stats.coalesced.increment();
                Ok(Some(Aboard { tier: self, flight, seat }))
            }
            Boarding::Full(_) => {
                drop(departures);
                self.health.handle_evidence(permit, Evidence::Abandoned, now);
                self.stats.shed.increment("too_many_keys");
                Err(failed(Failure::QueueFull, now))
            }
        }
    }

    fn land(&self, flight: FlightId, loaded: &Loaded) {
        let told: Vec<_> = {
            let mut departures = self.flights.lock();
            let seats = departures.flights.handle_landed(flight);
            seats.taken.into_iter().filter_map(|seat| departures.seats.remove(&seat)).collect()
        };
        for sender in told {
            // Whoever has stopped waiting does not want to know.
            let _ = sender.send(loaded.clone());
        }
    }

    async fn load_guarded(self: &Arc<Self>, errand: &mut Errand, by: Time) -> Loaded {
        let asked = self.clock.now();
        let passage = match self.gate.pass(asked, by.min(asked + errand.patience())).await {
            Ok(passage) => passage,
            Err(reason) => {
                self.stats.shed.increment(reason.name());
                return failed(Failure::Shed, asked);
            }
        };
        let begun = self.clock.now();
        self.stats.queueing.observe(begun.since(asked));
        let result = self.ask(errand).await;
        self.stats.latency.observe(self.clock.now().since(begun));
        let loaded = self.judge(result, errand, begun);
        self.stats.loads.increment(loaded.outcome.reason());
        passage.end(load_result(loaded.outcome));
        loaded
    }

    async fn ask(&self, errand: &mut Errand) -> Result<Option<Value>, OriginError> {
        errand.load_from(self.origin.as_ref(), self.timeout).await
    }

    fn judge(&self, result: Result<Option<Value>, OriginError>, errand: &Errand, obtained: Time) -> Loaded {
        match result {
            Ok(Some(value)) => Loaded { outcome: Outcome::Hit, value: Some(value), obtained },
            Ok(None) => Loaded { outcome: Outcome::Miss(MissCause::NoSuchRow), value: None, obtained },
            Err(error) => {
                tracing::warn!(origin = %self.name, route = %errand.route_name(), %error, "load failed");
                failed(failure_of(&error), obtained)
            }
        }
    }
}

/// A seat on another's load, given back when its holder has been told, or does not wait any longer.
struct Aboard<'t> {
    tier: &'t OriginTier,
    flight: FlightId,
    seat: Seat,
}

impl Drop for Aboard<'_> {
    fn drop(&mut self) {
        let mut departures = self.tier.flights.lock();
        departures.seats.remove(&self.seat);
        departures.flights.handle_left(self.flight, self.seat);
    }
}

/// A load under way. It lands however it ends, so that nobody waits for a load that has died.
struct Landing {
    tier: Arc<OriginTier>,
    flight: FlightId,
    leader: Option<oneshot::Sender<Loaded>>,
    permit: Option<Permit>,
}

impl Landing {
    async fn fly(mut self, mut errand: Errand, by: Time) {
        let loaded = self.tier.load_guarded(&mut errand, by).await;
        errand.keep(&loaded);
        self.land(&loaded);
    }

    fn land(&mut self, loaded: &Loaded) {
        if let Some(permit) = self.permit.take() {
            let now = self.tier.clock.now();
            self.tier.health.handle_outcome(permit, loaded.outcome, now);
            self.tier.land(self.flight, loaded);
        }
        if let Some(leader) = self.leader.take() {
            // The leader may have stopped waiting.
            let _ = leader.send(loaded.clone());
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let lost = failed(Failure::OriginError, self.tier.clock.now());
        self.land(&lost);
    }
}

fn failed(failure: Failure, obtained: Time) -> Loaded {
    Loaded { outcome: Outcome::Failed(failure), value: None, obtained }
}

fn failure_of(error: &OriginError) -> Failure {
    match error {
        OriginError::Timeout(_) => Failure::OriginTimeout,
        OriginError::TooLarge { .. } => Failure::OriginShape,
        OriginError::Http { status: 408 | 429 } => Failure::OriginError,
        OriginError::Http { status: 400..500 } => Failure::OriginRefused,
        // Class 22 of SQLSTATE: the data of this one request.
        OriginError::Query(StatementFault::Running { code }) if code.starts_with("22") => Failure::OriginRefused,
        error if error.is_misconfigured() => Failure::OriginShape,
        OriginError::Address(_)
        | OriginError::OtherKind(_)
        | OriginError::Shape(_)
        | OriginError::Connect(_)
        | OriginError::Lost
        | OriginError::Query(_)
        | OriginError::Http { .. }
        | OriginError::NoProgram
        | OriginError::Program
        | OriginError::Closed => Failure::OriginError,
    }
}

fn load_result(outcome: Outcome) -> LoadResult {
    match outcome {
        Outcome::Hit | Outcome::Miss(_) | Outcome::Failed(Failure::OriginShape | Failure::OriginRefused) => {
            LoadResult::Answered
        }
        Outcome::Failed(Failure::OriginTimeout) => LoadResult::TimedOut,
        Outcome::Failed(_) | Outcome::Refused(_) | Outcome::Silent(_) => LoadResult::Failed,
    }
}
