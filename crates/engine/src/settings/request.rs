//! `[request]`: how long one request may take, and how often it may be tried.

use super::units::WrittenDuration;
use crate::mode::why_not;
use failsoft_core::mode::Mode;
use failsoft_core::role::Role;
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
    /// What is done with requests of every route that does not say otherwise, until somebody switches it. "origin-only"
    /// is for routes with role "cache" or "flag", and leaves others as they are.
    mode: WrittenMode,
}

/// What an operator wants of a route, whatever is observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) enum WrittenMode {
    /// As circuits and answers say.
    #[default]
    Auto,
    /// As in an outage: no Redis node is asked.
    OriginOnly,
    /// As plain Redis: the primary alone is asked, and nothing is masked.
    PassThrough,
}

impl From<WrittenMode> for Mode {
    fn from(written: WrittenMode) -> Self {
        match written {
            WrittenMode::Auto => Self::Auto,
            WrittenMode::OriginOnly => Self::OriginOnly,
            WrittenMode::PassThrough => Self::PassThrough,
        }
    }
}

impl Default for WrittenRequest {
    fn default() -> Self {
        Self { deadline: WrittenDuration::secs(1), attempts: 2, mode: WrittenMode::Auto }
    }
}

/// How long one request may take over all tiers, and how often one tier may be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    deadline: Duration,
    attempts: u8,
    mode: Mode,
}

impl Request {
    pub(crate) fn mean(written: &WrittenRequest) -> Self {
        Self { deadline: written.deadline.0, attempts: written.attempts, mode: written.mode.into() }
    }

    /// How long a request may take over all tiers, unless its route says otherwise.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The mode in which a route of `role` begins that does not say so.
    pub(crate) fn mode_of(&self, role: Role) -> Mode {
        if why_not(self.mode, role).is_none() { self.mode } else { Mode::Auto }
    }

    /// How often a request may be sent to Redis, where repeating it is safe: 1 or 2.
    pub fn attempts(&self) -> u8 {
        self.attempts
    }
}
