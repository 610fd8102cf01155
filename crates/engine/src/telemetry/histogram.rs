//! A latency histogram of plain atomics.
//!
//! Own code because the metrics library's histogram takes a mutex for each observation, which the path of every
//! request cannot afford. The buckets are fixed, so that those of all nodes, routes and threads can be added up.

use std::ops::AddAssign;
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
        self.observe_many(took, 1);
    }

    /// Counts the same duration `count` times.
    pub fn observe_many(&self, took: Duration, count: u64) {
        let took = nanos(took);
        let bucket = BOUNDS_NANOS.partition_point(|bound| *bound < took);
        self.buckets[bucket].fetch_add(count, Ordering::Relaxed);
        self.sum_nanos.fetch_add(took.saturating_mul(count), Ordering::Relaxed);
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

    /// Upper bounds in seconds with the number of durations up to each, the last bound infinite.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.buckets.iter().scan(0, |sum, bucket| {
            *sum += bucket;
            Some(*sum)
        }))
    }

    /// The duration in seconds that a share of `quantile` (0 to 1) does not exceed; `None` if nothing was counted.
    ///
    /// Estimated as Prometheus' `histogram_quantile` does, evenly within a bucket, so that both say the same; beyond
    /// the last finite bound it is that bound.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = quantile.clamp(0.0, 1.0) * self.count() as f64;
        let (mut lower, mut below) = (0.0, 0);
        for (upper, up_to) in self.cumulative() {
            if up_to > 0 && up_to as f64 >= rank {
                let within = (rank - below as f64) / (up_to - below) as f64;
                return Some(if upper.is_finite() { lower + (upper - lower) * within } else { lower });
            }
            (lower, below) = (upper, up_to);
        }
        None
    }
}

impl AddAssign<&Self> for Snapshot {
    fn add_assign(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(sum, more)| *sum += more);
        self.sum_seconds += other.sum_seconds;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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

    fn of(millis: &[u64]) -> Snapshot {
        let histogram = Histogram::default();
        millis.iter().for_each(|millis| histogram.observe(Duration::from_millis(*millis)));
        histogram.snapshot()
    }

    #[test]
    fn cumulative_buckets_never_fall_and_end_with_the_count() {
        let snapshot = of(&[1, 1, 40, 20_000]);
        let counts: Vec<_> = snapshot.cumulative().map(|(_, count)| count).collect();
        assert!(counts.is_sorted());
        assert_eq!(snapshot.cumulative().last(), Some((f64::INFINITY, 4)));
        assert_eq!(snapshot.cumulative().find(|(bound, _)| *bound == 0.05), Some((0.05, 3)));
    }

    #[test]
    fn quantiles_lie_evenly_within_their_bucket() {
        let near = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 1e-9, "{found:?}");
        let snapshot = of(&[4; 100]);
        near(snapshot.quantile(0.5), 0.003_75);
        near(snapshot.quantile(1.0), 0.005);
        near(of(&[4, 4, 4, 40]).quantile(0.99), 0.025 + 0.025 * 0.96);
    }

    #[test]
    fn a_quantile_of_nothing_is_nothing_and_beyond_the_last_bound_it_is_that_bound() {
        assert_eq!(Snapshot::default().quantile(0.5), None);
        assert_eq!(of(&[60_000]).quantile(0.5), Some(10.0));
    }

    #[test]
    fn snapshots_add_up() {
        let mut sum = of(&[1, 2]);
        sum += &of(&[2, 3_000]);
        assert_eq!(sum, of(&[1, 2, 2, 3_000]));
    }
}
