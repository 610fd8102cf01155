//! Counters that only grow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// A counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// What has been counted.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for each of a few reasons. Takes a lock: for what goes wrong, not for what flows.
///
/// Bounded by its key type: reasons are names of enum variants.
#[derive(Debug)]
pub struct CounterMap<K = &'static str>(Mutex<BTreeMap<K, u64>>);

impl<K> Default for CounterMap<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Copy> CounterMap<K> {
    /// Counts one for `reason`.
    pub fn increment(&self, reason: K) {
        *self.0.lock().entry(reason).or_default() += 1;
    }

    /// What has been counted, by reason.
    pub fn snapshot(&self) -> Vec<(K, u64)> {
        self.0.lock().iter().map(|(reason, count)| (*reason, *count)).collect()
    }

    /// What has been counted for all reasons together.
    pub fn total(&self) -> u64 {
        self.0.lock().values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_by_itself_and_all_together() {
        let counts = CounterMap::default();
        for reason in ["timeout", "reset", "timeout"] {
            counts.increment(reason);
        }
        assert_eq!(counts.snapshot(), [("reset", 1), ("timeout", 2)]);
        assert_eq!(counts.total(), 3);
    }
}
