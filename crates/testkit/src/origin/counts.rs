//! What an origin has seen. Arrival times are kept, all of them, so that a peak rate is exact over any window.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

#[derive(Default, Clone)]
pub(super) struct Counts(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    arrivals: Vec<Instant>,
    paths: HashMap<String, u64>,
    under_way: usize,
    peak: usize,
}

/// A request being answered, until dropped.
pub(super) struct UnderWay(Counts);

impl Counts {
    pub(super) fn arrived(&self, path: &str) -> UnderWay {
        let mut seen = self.0.lock();
        seen.arrivals.push(Instant::now());
        *seen.paths.entry(path.to_owned()).or_default() += 1;
        seen.under_way += 1;
        seen.peak = seen.peak.max(seen.under_way);
        UnderWay(self.clone())
    }

    pub(super) fn requests(&self) -> u64 {
        self.0.lock().arrivals.len() as u64
    }

    pub(super) fn requests_for(&self, path: &str) -> u64 {
        self.0.lock().paths.get(path).copied().unwrap_or(0)
    }

    pub(super) fn peak_concurrency(&self) -> usize {
        self.0.lock().peak
    }

    pub(super) fn peak_within(&self, window: Duration) -> usize {
        most_within(window, &self.0.lock().arrivals)
    }

    /// Requests still under way stay counted as such.
    pub(super) fn reset(&self) {
        let mut seen = self.0.lock();
        seen.arrivals.clear();
        seen.paths.clear();
        seen.peak = seen.under_way;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.lock().under_way -= 1;
    }
}

/// The most instants any half-open window of this length holds; `instants` ascend.
fn most_within(window: Duration, instants: &[Instant]) -> usize {
    let mut inside = VecDeque::new();
    let mut most = 0;
    for &instant in instants {
        inside.push_back(instant);
        while inside.front().is_some_and(|&first| instant - first >= window) {
            inside.pop_front();
        }
        most = most.max(inside.len());
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_over_second_boundaries() {
        let start = Instant::now();
        let at = [0, 800, 900, 1000, 1700, 1800, 3000].map(|ms| start + Duration::from_millis(ms));
        assert_eq!(most_within(Duration::from_secs(1), &at), 4);
        assert_eq!(most_within(Duration::from_millis(1), &at), 1);
        assert_eq!(most_within(Duration::from_secs(1), &[]), 0);
    }

    #[test]
    fn the_peak_is_of_requests_at_once() {
        let counts = Counts::default();
        let one = counts.arrived("/a");
        let two = counts.arrived("/a");
        drop(one);
        let three = counts.arrived("/b");
        assert_eq!((counts.peak_concurrency(), counts.requests(), counts.requests_for("/a")), (2, 3, 2));
        drop((two, three));
        counts.reset();
        assert_eq!((counts.peak_concurrency(), counts.requests()), (0, 0));
    }
}
