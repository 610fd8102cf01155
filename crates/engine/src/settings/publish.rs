//! `[publish]`: what is kept of messages to invalidation routes that could not be published.

use super::units::{WrittenDuration, WrittenSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is kept of messages to channels of role "invalidation" while Redis is away, to be published on its return.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Publish {
    /// Messages that may wait; 0 keeps none. The oldest goes for the next, and its channel is told of the gap.
    #[schemars(range(min = 0, max = 10_000_000))]
    queue: u32,
    /// Bytes that waiting messages may take; beyond that it is as beyond `queue`.
    #[schemars(extend("x-min" = "1KiB", "x-max" = "64GiB"))]
    queue_bytes: WrittenSize,
    /// For how long a message may wait: an older one is not published any more, and its channel is told of the gap.
    #[schemars(extend("x-min" = "1s", "x-max" = "1day"))]
    queue_for: WrittenDuration,
}

impl Default for Publish {
    fn default() -> Self {
        Self { queue: 10_000, queue_bytes: WrittenSize::mib(16), queue_for: WrittenDuration::secs(60) }
    }
}

impl Publish {
    /// Messages that may wait.
    pub fn queue(&self) -> usize {
        self.queue as usize
    }

    /// Bytes that waiting messages may take.
    pub fn queue_bytes(&self) -> u64 {
        self.queue_bytes.0
    }

    /// For how long a message may wait.
    pub fn queue_for(&self) -> Duration {
        self.queue_for.0
    }
}
