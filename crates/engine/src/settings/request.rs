//! `[request]`: how long one request may take, and how often it may be tried.

use super::units::WrittenDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long one request may take over all tiers, and how often one tier may be asked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenRequest {
    /// How long a request may take over all tiers, unless its route says otherwise.
    #[schemars(extend("x-min" = "5ms", "x-max" = "1m"))]
    deadline: WrittenDuration,
    /// How often a request may be sent to Redis, where repeating it is safe.
    #[schemars(range(min = 1, max = 2))]
    attempts: u8,
}

impl Default for WrittenRequest {
    fn default() -> Self {
        Self { deadline: WrittenDuration::secs(1), attempts: 2 }
    }
}

/// How long one request may take over all tiers, and how often one tier may be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    deadline: Duration,
    attempts: u8,
}

impl Request {
    pub(crate) fn mean(written: &WrittenRequest) -> Self {
        Self { deadline: written.deadline.0, attempts: written.attempts }
    }

    /// How long a request may take over all tiers, unless its route says otherwise.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// How often a request may be sent to Redis, where repeating it is safe: 1 or 2.
    pub fn attempts(&self) -> u8 {
        self.attempts
    }
}
