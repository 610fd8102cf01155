//! `[breaker]` and `[origins.NAME.breaker]`: when a tier counts as sick, and how it is taken back.
//!
//! One table for all tiers; an origin may write a few keys of its own, and has the rest from here.

use super::judge::Judge;
use super::units::WrittenDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a tier counts as sick, and how it is taken back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenBreaker {
    /// Failures inside the window that open the circuit.
    #[schemars(range(min = 1, max = 10_000))]
    failures: u32,
    /// How far back evidence counts.
    #[schemars(extend("x-min" = "100ms", "x-max" = "10m"))]
    window: WrittenDuration,
    /// Share of failed calls in the window that opens the circuit.
    #[schemars(range(min = 0.01, max = 1.0))]
    failure_ratio: f64,
    /// Share of slow calls in the window that opens the circuit.
    #[schemars(range(min = 0.01, max = 1.0))]
    slow_ratio: f64,
    /// A call that takes longer is slow.
    #[schemars(extend("x-min" = "1ms", "x-max" = "1m"))]
    slow_call: WrittenDuration,
    /// Calls there must be in the window before a share of them means anything.
    #[schemars(range(min = 1, max = 100_000))]
    min_calls: u32,
    /// How long the circuit stays open when nobody probes.
    #[schemars(extend("x-min" = "100ms", "x-max" = "5m"))]
    cooldown: WrittenDuration,
    /// How soon after opening an answered background probe may end the open state.
    #[schemars(extend("x-min" = "0s", "x-max" = "5m"))]
    probe_cooldown: WrittenDuration,
    /// How long traffic takes to come back to a tier that is well again, step by step.
    #[schemars(extend("x-min" = "0s", "x-max" = "5m"))]
    ramp: WrittenDuration,
}

/// What differs from `[breaker]` for one origin.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenBreakerOverrides {
    /// As in [breaker].
    #[schemars(range(min = 1, max = 10_000))]
    failures: Option<u32>,
    /// As in [breaker].
    #[schemars(extend("x-min" = "100ms", "x-max" = "10m"))]
    window: Option<WrittenDuration>,
    /// As in [breaker].
    #[schemars(range(min = 0.01, max = 1.0))]
    failure_ratio: Option<f64>,
    /// As in [breaker].
    #[schemars(range(min = 0.01, max = 1.0))]
    slow_ratio: Option<f64>,
    /// As in [breaker].
    #[schemars(extend("x-min" = "1ms", "x-max" = "1m"))]
    slow_call: Option<WrittenDuration>,
    /// As in [breaker].
    #[schemars(range(min = 1, max = 100_000))]
    min_calls: Option<u32>,
    /// As in [breaker].
    #[schemars(extend("x-min" = "100ms", "x-max" = "5m"))]
    cooldown: Option<WrittenDuration>,
    /// As in [breaker].
    #[schemars(extend("x-min" = "0s", "x-max" = "5m"))]
    probe_cooldown: Option<WrittenDuration>,
    /// As in [breaker].
    #[schemars(extend("x-min" = "0s", "x-max" = "5m"))]
    ramp: Option<WrittenDuration>,
}

impl Default for WrittenBreaker {
    fn default() -> Self {
        Self {
            failures: 5,
            window: WrittenDuration::secs(10),
            failure_ratio: 0.5,
            slow_ratio: 0.8,
            slow_call: WrittenDuration::millis(100),
            min_calls: 20,
            cooldown: WrittenDuration::secs(30),
            probe_cooldown: WrittenDuration::secs(1),
            ramp: WrittenDuration::secs(2),
        }
    }
}

/// When a tier counts as sick, and how it is taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Breaker {
    failures: u32,
    window: Duration,
    failure_ratio: f64,
    slow_ratio: f64,
    slow_call: Duration,
    min_calls: u32,
    cooldown: Duration,
    probe_cooldown: Duration,
    ramp: Duration,
}

impl Breaker {
    pub(crate) fn mean(written: &WrittenBreaker, judge: &mut Judge<'_>) -> Self {
        let breaker = Self {
            failures: written.failures,
            window: written.window.0,
            failure_ratio: written.failure_ratio,
            slow_ratio: written.slow_ratio,
            slow_call: written.slow_call.0,
            min_calls: written.min_calls,
            cooldown: written.cooldown.0,
            probe_cooldown: written.probe_cooldown.0,
            ramp: written.ramp.0,
        };
        breaker.judge("breaker", judge);
        breaker
    }

    /// These settings with what `overrides`, written at `path`, says otherwise.
    pub(crate) fn with(&self, overrides: &WrittenBreakerOverrides, path: &str, judge: &mut Judge<'_>) -> Self {
        let duration = |other: Option<WrittenDuration>, own: Duration| other.map_or(own, |other| other.0);
        let breaker = Self {
            failures: overrides.failures.unwrap_or(self.failures),
            window: duration(overrides.window, self.window),
            failure_ratio: overrides.failure_ratio.unwrap_or(self.failure_ratio),
            slow_ratio: overrides.slow_ratio.unwrap_or(self.slow_ratio),
            slow_call: duration(overrides.slow_call, self.slow_call),
            min_calls: overrides.min_calls.unwrap_or(self.min_calls),
            cooldown: duration(overrides.cooldown, self.cooldown),
            probe_cooldown: duration(overrides.probe_cooldown, self.probe_cooldown),
            ramp: duration(overrides.ramp, self.ramp),
        };
        if breaker != *self {
            breaker.judge(path, judge);
        }
        breaker
    }

    fn judge(&self, path: &str, judge: &mut Judge<'_>) {
        if self.probe_cooldown > self.cooldown {
            judge.error(
                format!("{path}.probe_cooldown"),
                "`probe_cooldown` is longer than `cooldown`, so probing would delay the recovery it is there to hasten",
            );
        }
    }

    /// Failures inside the window that open the circuit.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How far back evidence counts.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// Share of failed calls that opens the circuit, above 0 and at most 1.
    pub fn failure_ratio(&self) -> f64 {
        self.failure_ratio
    }

    /// Share of slow calls that opens the circuit, above 0 and at most 1.
    pub fn slow_ratio(&self) -> f64 {
        self.slow_ratio
    }

    /// A call that takes longer is slow.
    pub fn slow_call(&self) -> Duration {
        self.slow_call
    }

    /// Calls there must be in the window before a share of them means anything.
    pub fn min_calls(&self) -> u32 {
        self.min_calls
    }

    /// How long the circuit stays open when nobody probes.
    pub fn cooldown(&self) -> Duration {
        self.cooldown
    }

    /// How soon after opening an answered background probe may end the open state.
    pub fn probe_cooldown(&self) -> Duration {
        self.probe_cooldown
    }

    /// How long traffic takes to come back.
    pub fn ramp(&self) -> Duration {
        self.ramp
    }
}
