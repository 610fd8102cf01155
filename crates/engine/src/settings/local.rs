//! `[local]` and `[write_back]`: what is kept in this process' memory, and what goes from an origin back to Redis.

use super::judge::Judge;
use super::redis::Topology;
use super::units::{WrittenDuration, WrittenSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The memory of this process as a tier.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenLocal {
    /// Bytes of values that may be kept; "0" leaves the tier out.
    #[schemars(extend("x-min" = "0", "x-max" = "1TiB"))]
    capacity: WrittenSize,
    /// How long a copy counts as fresh; shorter where the route's own ttl is.
    #[schemars(extend("x-min" = "10ms", "x-max" = "1day"))]
    ttl: WrittenDuration,
    /// Whether local memory is asked after Redis ("fallback") or before it too ("front": a near cache that Redis keeps
    /// coherent by telling of every write), where a route does not say so itself and its role allows it.
    mode: LocalMode,
    /// The largest value that is kept; at most `capacity`.
    #[schemars(extend("x-min" = "64B", "x-max" = "512MiB"))]
    max_entry: WrittenSize,
    /// Bytes of flags' values that may be kept beside `capacity`: nothing else pushes them out.
    #[schemars(extend("x-min" = "4KiB", "x-max" = "64GiB"))]
    flags: WrittenSize,
}

/// When local memory is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LocalMode {
    /// After primary and replica.
    #[default]
    Fallback,
    /// Before them too, while Redis tells of every write.
    Front,
}

impl Default for WrittenLocal {
    fn default() -> Self {
        Self {
            capacity: WrittenSize::mib(64),
            ttl: WrittenDuration::secs(30),
            mode: LocalMode::default(),
            max_entry: WrittenSize::mib(1),
            flags: WrittenSize::mib(4),
        }
    }
}

/// The memory of this process as a tier.
#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    capacity: u64,
    ttl: Duration,
    mode: LocalMode,
    max_entry: u64,
    flags: u64,
}

impl Local {
    pub(crate) fn mean(written: &WrittenLocal, topology: Topology, judge: &mut Judge<'_>) -> Self {
        if written.mode == LocalMode::Front
            && let Some(why) = why_not_in_front(topology)
        {
            judge
                .error("local.mode", format!("local memory cannot be asked before Redis: {why}"))
                .hint("mode = \"fallback\" asks it after the nodes");
        }
        if written.max_entry > written.capacity && judge.was_written("local.max_entry") {
            judge
                .error("local.max_entry", "`max_entry` is larger than `capacity`, so such a value could never be kept");
        }
        let max_entry = written.max_entry.0.min(written.capacity.0);
        let (capacity, flags) = (written.capacity.0, written.flags.0);
        Self { capacity, ttl: written.ttl.0, mode: written.mode, max_entry, flags }
    }

    /// Whether there is such a tier at all.
    pub fn is_used(&self) -> bool {
        self.capacity > 0
    }

    /// Bytes of values that may be kept.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// How long a copy counts as fresh, at most.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// When the tier is asked, on routes that do not say so themselves.
    pub fn mode(&self) -> LocalMode {
        self.mode
    }

    /// The largest value that is kept, in bytes.
    pub fn max_entry(&self) -> u64 {
        self.max_entry
    }

    /// Bytes of flags' values that may be kept beside [`capacity`](Self::capacity).
    pub fn flags(&self) -> u64 {
        self.flags
    }
}

/// Why copies cannot be kept true in a deployment, if they cannot: each of its nodes would have to tell of writes.
pub(super) fn why_not_in_front(topology: Topology) -> Option<&'static str> {
    match topology {
        Topology::Standalone => None,
        Topology::Sentinel => Some("with topology \"sentinel\" that is not available in this version"),
        Topology::Cluster => Some("with topology \"cluster\" that is not available in this version"),
    }
}

/// What goes from an origin back to Redis, in the background.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenWriteBack {
    /// Values that may wait to be written; the next one is dropped, which costs another load and nothing else.
    #[schemars(range(min = 1, max = 1_000_000))]
    queue: u32,
    /// By what share a time to live is varied, so that values loaded together do not expire together.
    #[schemars(range(min = 0.0, max = 0.5))]
    ttl_jitter: f64,
}

impl Default for WrittenWriteBack {
    fn default() -> Self {
        Self { queue: 1024, ttl_jitter: 0.1 }
    }
}

/// What goes from an origin back to Redis, in the background.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteBack {
    queue: usize,
    ttl_jitter: f64,
}

impl WriteBack {
    pub(crate) fn mean(written: &WrittenWriteBack) -> Self {
        Self { queue: written.queue as usize, ttl_jitter: written.ttl_jitter }
    }

    /// Values that may wait to be written.
    pub fn queue(&self) -> usize {
        self.queue
    }

    /// By what share a time to live is varied, 0 to 0.5.
    pub fn ttl_jitter(&self) -> f64 {
        self.ttl_jitter
    }
}
