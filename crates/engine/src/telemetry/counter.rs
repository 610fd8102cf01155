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
#[derive(Debug, Default)]
pub struct CounterMap(Mutex<BTreeMap<&'static str, u64>>);

impl CounterMap {
    /// Counts one for `reason`.
    pub fn increment(&self, reason: &'static str) {
        *self.0.lock().entry(reason).or_default() += 1;
    }

    /// What has been counted, by reason.
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().iter().map(|(reason, count)| (*reason, *count)).collect()
    }

    /// What has been counted for all reasons together.
    pub fn total(&self) -> u64 {
        self.0.lock().values().sum()
    }
}
