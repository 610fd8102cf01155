//! What can be done to traffic, as plain values.

use std::time::Duration;

/// What happens to all traffic, on open connections too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Passes.
    #[default]
    Pass,
    /// The port is closed and open connections are reset, as when the process is killed.
    Refuse,
    /// Connections are accepted and requests read; nothing is passed on and nothing answered.
    AcceptSilent,
    /// Requests are read and lost; replies to earlier ones pass.
    DropRequests,
    /// Requests are passed on and executed; their replies are lost.
    DropReplies,
    /// Nothing is read or written in either direction, not even the end: the other side has vanished.
    HalfOpen,
}

/// How what passes is shaped, in both directions. The default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Toxics {
    /// Added to each direction, so that a round trip takes twice as long. Throughput is unaffected.
    pub latency: Duration,
    /// A random part of this is added to the latency. Order is kept.
    pub jitter: Duration,
    /// The share of frames, 0.0 to 1.0, that latency and jitter apply to (a grey failure is a small share).
    pub toxicity: f64,
    /// Bytes per second and direction.
    pub bandwidth: Option<u64>,
    /// Written in slices of this many bytes, at least 1.
    pub slice: Option<usize>,
    /// How long the end of one side is kept from the other.
    pub slow_close: Duration,
}

impl Default for Toxics {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            toxicity: 1.0,
            bandwidth: None,
            slice: None,
            slow_close: Duration::ZERO,
        }
    }
}

/// What happens to a single reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneShot {
    /// Its first `keep` bytes, then an orderly end (FIN).
    Truncate {
        /// Bytes that still arrive; more than the reply has means all of it.
        keep: usize,
    },
    /// Its first `after` bytes, then a reset (RST).
    Reset {
        /// Bytes that still arrive; more than the reply has means all of it.
        after: usize,
    },
    /// Its type byte is replaced by one no protocol version knows.
    Garbage,
    /// It comes twice.
    Duplicate,
    /// It comes, and then these bytes nobody asked for.
    Extra(Vec<u8>),
    /// These bytes come in its place.
    Replace(Vec<u8>),
    /// It comes this much later, and what follows on the connection waits behind it.
    Delay(Duration),
    /// It is lost, with everything that would follow on the connection, which stays open.
    Lose,
}
