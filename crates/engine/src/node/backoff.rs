//! How long to wait before connecting again.
//!
//! Doubling with full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015), so that threads and
//! sidecars that lost a node together do not come back together. The first attempt after a loss is made at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// The waits between attempts to connect.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The connection was good.
    pub(crate) fn handle_success(&mut self) {
        self.failures = 0;
    }

    /// An attempt failed; returns the wait before the next.
    pub(crate) fn handle_failure(&mut self, dice: u64) -> Duration {
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let floor = FIRST / 2;
        let span = (ceiling - floor).as_micros().max(1) as u64;
        floor + Duration::from_micros(dice % span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_over_after_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..20).map(|_| backoff.handle_failure(u64::MAX / 3)).collect();
        assert!(waits.iter().all(|wait| *wait >= FIRST / 2 && *wait <= LONGEST));
        backoff.handle_success();
        assert!(backoff.handle_failure(u64::MAX) <= FIRST);
    }
}
