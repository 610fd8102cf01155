//! Sums over all routes that outlive the routes.
//!
//! A route that goes with a reload takes its counters with it. Its own series may end; a sum over all routes must not
//! fall, because Prometheus reads a fall as a restart and would take the whole remainder for new: one reload, and the
//! fallback share of all time would alarm as that of the last minute. So the counters of routes that have gone are
//! added to what is kept here. What a request still counts on a gone route after that is lost.

use std::sync::Arc;

use parking_lot::Mutex;

use super::histogram::Snapshot;
use super::route::{RouteStats, Status};
use crate::world::World;

/// Remembers the counters that have been summed.
#[derive(Debug, Default)]
pub(super) struct Totals(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    present: Vec<Arc<RouteStats>>,
    gone: Sums,
}

/// What all routes have counted since the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sums {
    /// Requests by how they were routed, in the order of [`Status::ALL`].
    pub(super) statuses: [u64; Status::ALL.len()],
    /// Time from asking to the answer.
    pub(super) latency: Snapshot,
}

impl Totals {
    /// The sums, the routes of `world` and all that were summed before included.
    pub(super) fn sum(&self, world: &World) -> Sums {
        self.sum_of(world.routes().map(|(_, route)| route.stats.clone()).collect())
    }

    fn sum_of(&self, present: Vec<Arc<RouteStats>>) -> Sums {
        let mut known = self.0.lock();
        let before = std::mem::replace(&mut known.present, present);
        if !is_same(&before, &known.present) {
            let Known { present, gone } = &mut *known;
            before.iter().filter(|stats| !contains(present, stats)).for_each(|stats| gone.add(stats));
        }
        let mut sums = known.gone.clone();
        known.present.iter().for_each(|stats| sums.add(stats));
        sums
    }
}

impl Sums {
    fn add(&mut self, stats: &RouteStats) {
        self.statuses.iter_mut().zip(Status::ALL).for_each(|(sum, status)| *sum += stats.status(status));
        self.latency += &stats.latency().snapshot();
    }
}

fn is_same(before: &[Arc<RouteStats>], present: &[Arc<RouteStats>]) -> bool {
    before.len() == present.len() && before.iter().zip(present).all(|(old, new)| Arc::ptr_eq(old, new))
}

fn contains(present: &[Arc<RouteStats>], stats: &Arc<RouteStats>) -> bool {
    present.iter().any(|other| Arc::ptr_eq(other, stats))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn counted(times: u64) -> Arc<RouteStats> {
        let stats = RouteStats::default();
        (0..times).for_each(|_| stats.latency().observe(Duration::from_millis(1)));
        Arc::new(stats)
    }

    #[test]
    fn a_route_that_goes_leaves_its_counts_behind_once() {
        let totals = Totals::default();
        let (stays, goes) = (counted(2), counted(3));
        let count =
            |present: &[&Arc<RouteStats>]| totals.sum_of(present.iter().copied().cloned().collect()).latency.count();
        assert_eq!(count(&[&stays, &goes]), 5);
        goes.latency().observe(Duration::from_millis(1));
        assert_eq!(count(&[&stays]), 6);
        assert_eq!(count(&[&stays]), 6);
        assert_eq!(count(&[&counted(1), &stays]), 7);
    }
}
