//! Who is at work: calls under way, and the word that no more are taken.
//!
//! A call counts from its first poll until its future is finished or dropped, so that a shutdown knows when the last has
//! ended. Tasks that the library keeps for a caller (a lock that is extended, a subscription) count too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::Error;
use crate::shutdown::Shutdown;

/// The calls of one client.
#[derive(Default)]
pub(crate) struct Calls {
    under_way: AtomicUsize,
    one_ended: Notify,
    shutdown: Shutdown,
}

/// One call under way.
pub(crate) struct Call(Arc<Calls>);

impl Calls {
    /// Begins a call.
    ///
    /// # Errors
    /// [`Error::ShutDown`].
    pub(crate) fn begin(self: &Arc<Self>) -> Result<Call, Error> {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        // Counted before it is looked: a shutdown that does not see the call is seen by it.
        let call = Call(self.clone());
        if self.shutdown.has_begun() { Err(Error::ShutDown) } else { Ok(call) }
    }

    /// How many are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }

    /// The word that no more are taken.
    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Returns when none is under way.
    pub(crate) async fn all_ended(&self) {
        loop {
            let ended = self.one_ended.notified();
            if self.under_way() == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.one_ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_shutdown_waits_for_those_under_way_and_lets_nobody_in() {
        let calls = Arc::<Calls>::default();
        let first = calls.begin().unwrap();
        calls.shutdown().begin();
        assert!(matches!(calls.begin(), Err(Error::ShutDown)));
        assert_eq!(calls.under_way(), 1, "who was turned away is not counted");
        let all_ended = tokio::spawn({
            let calls = calls.clone();
            async move { calls.all_ended().await }
        });
        tokio::task::yield_now().await;
        assert!(!all_ended.is_finished());
        drop(first);
        all_ended.await.unwrap();
    }
}
