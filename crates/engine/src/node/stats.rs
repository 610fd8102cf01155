//! What is counted about one node.

use std::sync::atomic::{AtomicU64, Ordering};

use failsoft_core::outcome::{Failure, TlsFault};
use parking_lot::Mutex;

use super::eviction::Eviction;
use crate::settings::NodeAddress;
use crate::telemetry::counter::{Counter, CounterMap};
use crate::telemetry::histogram::Histogram;

/// Counters of one node, shared by all its connections.
#[derive(Debug, Default)]
pub struct NodeStats {
    /// Connections that are open and through their handshake.
    pub connections: AtomicU64,
    /// Connections that were opened.
    pub connects: Counter,
    /// Connections that were opened for single clients.
    pub dedicated_connects: Counter,
    /// Clients turned away because too many such connections were being opened.
    pub dedicated_paced: Counter,
    /// Attempts to connect that failed, by reason.
    pub connect_failures: CounterMap,
    /// Connections that were lost or given up, by reason.
    pub disconnects: CounterMap,
    /// Error replies, by Redis' word.
    pub refusals: CounterMap,
    /// Requests that were not answered, by reason.
    pub silences: CounterMap,
    /// Requests turned away because too many were in flight.
    pub queue_full: Counter,
    /// Replies that came after their asker had stopped waiting.
    pub late: Counter,
    /// Background probes, by result.
    pub probes: CounterMap,
    /// Time from asking to the reply, in seconds.
    pub latency: Histogram,
    /// Whether it may evict locks.
    pub eviction: Eviction,
    /// Why the last attempt to connect has found no TLS, if it has not.
    tls_fault: Mutex<Option<TlsFault>>,
    /// 0 until a probe has tried to write, then one more than [`Writable`].
    writable: AtomicU64,
}

impl NodeStats {
    /// Says why there is no connection to the node at `address` where that is a matter of TLS, when it becomes so or
    /// becomes different; and that there is one again.
    pub(super) fn note_connect(&self, address: &NodeAddress, connected: Result<(), Failure>) {
        let fault = match connected {
            Ok(()) => None,
            Err(Failure::Tls(fault)) => Some(fault),
            // The node is not there at all, which says nothing about TLS.
            Err(_) => return,
        };
        let mut known = self.tls_fault.lock();
        match (*known, fault) {
            (before, Some(fault)) if before != Some(fault) => {
                let (reason, because) = (fault.name(), fault.explanation());
                tracing::error!(node = %address, reason, "no connection to the node: {because}");
            }
            (Some(_), None) => tracing::info!(node = %address, "there is a connection to the node again"),
            (Some(_), Some(_)) | (None, None | Some(_)) => {}
        }
        *known = fault;
    }

    /// Notes whether the node takes writes.
    pub fn set_writable(&self, writable: Writable) {
        self.writable.store(writable as u64 + 1, Ordering::Relaxed);
    }

    /// Whether the node took the last background probe's write; `None` before the first.
    pub fn writable(&self) -> Option<bool> {
        match self.writable.load(Ordering::Relaxed) {
            0 => None,
            value => Some(value == Writable::Yes as u64 + 1),
        }
    }
}

/// Whether a node takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writable {
    /// It refused one.
    No = 0,
    /// It took one.
    Yes = 1,
}
