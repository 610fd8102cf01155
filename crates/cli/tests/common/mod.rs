//! The stage that the sidecar's tests play on: client, sidecar, fault proxy, Redis, and beside them an origin that counts.
//!
//! Everything is real but the faults. The settings make a fault hit what the test aims it at: one worker thread, so one
//! connection carries all requests; background probes a minute apart while all is well, so that a fault for the next
//! reply is not spent on a probe (while a circuit is open they come four times a second, whatever is set); and three
//! failures open a circuit, so that few requests show it.
//!
//! A [`Stage`] owns its servers: keep it whole. `let Stage { proxy, .. } = stage` would drop, and so kill, the rest.

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code)]

pub(crate) mod client;
pub(crate) mod replies;
pub(crate) mod settings;

use std::path::Path;
use std::time::Duration;

use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::proxy::FaultProxy;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

pub(crate) use client::Client;
use replies::bulk;
pub(crate) use settings::Settings;

/// For anything that must happen at all; no test is about how long it takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Client, sidecar, fault proxy, Redis; and the origin of the route `user:{id}`.
pub(crate) struct Stage {
    pub(crate) sidecar: Sidecar,
    pub(crate) proxy: FaultProxy,
    pub(crate) origin: HttpOrigin,
    pub(crate) redis: Redis,
    /// What the sidecar was started with, to be changed for a reload.
    pub(crate) settings: Settings,
}

impl Stage {
    /// All is well, with the usual settings.
    pub(crate) async fn start() -> Self {
        Self::with(|settings| settings).await
    }

    /// All is well, with settings that differ from the usual ones.
    pub(crate) async fn with(change: impl FnOnce(Settings) -> Settings) -> Self {
        let stage = Self::on(Redis::start().await, change).await;
        stage.settled().await;
        stage
    }

    /// Before a Redis that need not be well; nothing is waited for.
    pub(crate) async fn on(redis: Redis, change: impl FnOnce(Settings) -> Settings) -> Self {
        let proxy = FaultProxy::start(redis.addr()).await;
        let origin = HttpOrigin::start().await;
        let settings = change(Settings::new(&proxy.url()).users_from(&origin.url()));
        let sidecar = sidecar(&settings).await;
        Self { sidecar, proxy, origin, redis, settings }
    }

    /// Returns when the worker is connected, the first probe is over, and traffic flows: nothing is under way.
    pub(crate) async fn settled(&self) {
        eventually("the sidecar to be connected", PATIENCE, || async {
            let metrics = self.sidecar.metrics().await;
            let is = |name, labels: &[(&str, &str)], value| metrics.get(name, labels) == Some(value);
            is("failsoft_node_connections", &[("tier", "primary")], 1.0)
                && is("failsoft_node_pending", &[("tier", "primary")], 0.0)
                && is("failsoft_write_back_outstanding", &[], 0.0)
                && is("failsoft_node_circuit_state", &[("tier", "primary"), ("state", "closed")], 1.0)
                && metrics.get("failsoft_node_probes_total", &[("result", "well")]).is_some()
        })
        .await;
    }

    /// The circuit has closed by itself, reads come from Redis and locks can be taken.
    pub(crate) async fn assert_healed(&self) {
        self.settled().await;
        self.put("user:2001", "from redis again").await;
        assert_eq!(self.get("user:2001").await, bulk("from redis again"));
        assert_eq!(self.ask(&["SET", "lock:2001", "token", "NX"]).await, "+OK\r\n");
    }

    /// A client of the sidecar.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.sidecar.addr()).await
    }

    /// Asks one command on a connection of its own; the reply as it came.
    pub(crate) async fn ask(&self, words: &[&str]) -> String {
        self.client().await.ask(words).await
    }

    /// GETs a key on a connection of its own; the reply as it came.
    pub(crate) async fn get(&self, key: &str) -> String {
        self.ask(&["GET", key]).await
    }

    /// Puts a value into Redis behind the sidecar's back.
    pub(crate) async fn put(&self, key: &str, value: &str) {
        self.redis.command(&["SET", key, value]).await;
    }

    /// The sum of the samples of a metric with these labels; 0 before the first.
    pub(crate) async fn count(&self, metric: &str, labels: &[(&str, &str)]) -> u64 {
        self.sidecar.metric(metric, labels).await.unwrap_or(0.0) as u64
    }

    /// Returns when the metric has reached `least`.
    pub(crate) async fn await_count(&self, metric: &str, labels: &[(&str, &str)], least: u64) {
        let what = format!("{metric} {labels:?} to reach {least}");
        eventually(&what, PATIENCE, || async { self.count(metric, labels).await >= least }).await;
    }

    /// The state of the primary's circuit.
    pub(crate) async fn circuit(&self) -> String {
        let metrics = self.sidecar.metrics().await;
        let states = ["closed", "open", "half-open", "ramp"];
        let is = |state: &&str| {
            metrics.get("failsoft_node_circuit_state", &[("tier", "primary"), ("state", state)]) == Some(1.0)
        };
        states.into_iter().find(is).expect("a circuit is in one of its states").to_owned()
    }

    /// Returns when the primary's circuit is in that state.
    pub(crate) async fn await_circuit(&self, state: &str) {
        let what = format!("the primary's circuit to be {state}");
        eventually(&what, PATIENCE, || async { self.circuit().await == state }).await;
    }

    /// What `/api/v1/state` says.
    pub(crate) async fn state(&self) -> serde_json::Value {
        serde_json::from_str(&self.sidecar.state().await).expect("the state is JSON")
    }

    /// How often the primary's circuit has opened.
    pub(crate) async fn opened(&self) -> u64 {
        self.count("failsoft_node_circuit_opened_total", &[("tier", "primary")]).await
    }

    /// Background probes of the primary that have ended.
    pub(crate) async fn probes(&self) -> u64 {
        self.count("failsoft_node_probes_total", &[("tier", "primary")]).await
    }
}

/// The `failsoft` binary of this build, serving with these settings.
pub(crate) async fn sidecar(settings: &Settings) -> Sidecar {
    Sidecar::start(Path::new(env!("CARGO_BIN_EXE_failsoft")), &settings.to_string()).await
}
