//! A latency histogram of plain atomics.
//!
//! Own code because the metrics library's histogram takes a mutex for each observation, which the path of every
//! request cannot afford. The buckets are fixed, so that those of all nodes, routes and threads can be added up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use failsoft_core::time::nanos;

/// Upper bounds of the buckets, in seconds: from a twentieth of a millisecond to ten seconds.
pub const BOUNDS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

const BOUNDS_NANOS: [u64; BOUNDS.len()] = {
    let mut nanos = [0; BOUNDS.len()];
    let mut i = 0;
    while i < BOUNDS.len() {
        nanos[i] = (BOUNDS[i] * 1e9) as u64;
        i += 1;
    }
    nanos
};

/// Counts of durations by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_nanos: AtomicU64,
}

/// What a histogram held at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Observations in each bucket, not cumulative; the last has no upper bound.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// Sum of all observations, in seconds.
    pub sum_seconds: f64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, took: Duration) {
        let took = nanos(took);
        let bucket = BOUNDS_NANOS.partition_point(|bound| *bound < took);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_nanos.fetch_add(took, Ordering::Relaxed);
    }

    /// What has been counted.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            buckets: std::array::from_fn(|i| self.buckets[i].load(Ordering::Relaxed)),
            sum_seconds: self.sum_nanos.load(Ordering::Relaxed) as f64 / 1e9,
        }
    }
}

impl Snapshot {
    /// How many durations have been counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_at_a_bound_belongs_to_that_bucket_and_one_past_it_to_the_next() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(1));
        histogram.observe(Duration::from_nanos(1_000_001));
        histogram.observe(Duration::from_secs(3_600));
        let snapshot = histogram.snapshot();
        let millisecond = BOUNDS.iter().position(|bound| *bound == 0.001).unwrap();
        assert_eq!(snapshot.buckets[millisecond], 1);
        assert_eq!(snapshot.buckets[millisecond + 1], 1);
        assert_eq!(snapshot.buckets[BOUNDS.len()], 1);
        assert_eq!(snapshot.count(), 3);
    }
}
