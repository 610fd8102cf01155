//! What is counted about looking at a deployment.

use std::sync::atomic::AtomicU64;

use failsoft_core::request::Astray;

use crate::telemetry::counter::{Counter, CounterMap};

/// What is counted about looking at a deployment.
#[derive(Debug, Default)]
pub struct TopologyStats {
    /// Looks that have been done, by what came of them.
    pub looks: CounterMap,
    /// Why a look was asked for.
    pub hints: CounterMap,
    /// Redirections, by what came of them.
    pub redirects: CounterMap,
    /// Views that differ from the one before.
    pub changes: Counter,
    /// Nodes that were named and may not be spoken to.
    pub off_limits: Counter,
    /// When it was last understood, in nanoseconds of the engine's clock.
    pub(super) seen_at: AtomicU64,
}

impl TopologyStats {
    /// A primary has sent a request elsewhere; `astray` is why it did not go there.
    pub(crate) fn handle_redirected(&self, astray: Option<Astray>) {
        match astray {
            None => self.redirects.increment("followed"),
            Some(Astray::Nowhere) => {}
            Some(Astray::Unknown) => self.redirects.increment("unknown"),
            Some(Astray::Back) => self.redirects.increment("back"),
            Some(Astray::Refused) => self.redirects.increment("forbidden"),
            Some(Astray::Barred(_)) => self.redirects.increment("barred"),
        }
    }
}
