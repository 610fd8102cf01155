//! What a node has said of its replication.
//!
//! The background probe asks; every request that wonders whether a replica may answer reads. What is known is swapped
//! whole, so that reading takes no lock. How often the probe asks follows from how old a replica may be at most that
//! somebody wants to read: a bound on an age is never tighter than two questions are apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use failsoft_core::replication::{Fit, Heard, History, Presence, Report, Unfit, judge};
use failsoft_core::time::nanos;
use failsoft_core::{Time, refusal::Refusal};
use tokio::sync::Notify;

/// How many times within the age that a reader allows a node is asked.
const TIMES_WITHIN_BUDGET: u32 = 4;
/// No two questions are closer together than this on average.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// Answers in one stream before a node is asked at its usual pace: until then hardly anything can be measured by it.
const FIRST_ANSWERS: usize = 3;

/// The budget where no route reads from replicas.
const NOBODY_READS: u64 = u64::MAX;

/// What a node has said of its replication.
#[derive(Debug)]
pub struct Replication {
    known: ArcSwapOption<Known>,
    /// The shortest age that a reader allows, in nanoseconds, or [`NOBODY_READS`].
    budget: AtomicU64,
    soon: Notify,
    is_refusal_told: AtomicBool,
}

/// What is known of a node's replication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    heard: Heard,
    history: Option<History>,
}

impl Default for Replication {
    fn default() -> Self {
        Self {
            known: ArcSwapOption::empty(),
            budget: AtomicU64::new(NOBODY_READS),
            soon: Notify::new(),
            is_refusal_told: AtomicBool::new(false),
        }
    }
}

impl Replication {
    /// What was last heard, if anything was.
    pub fn known(&self) -> Guard<Option<Arc<Known>>> {
        self.known.load()
    }

    /// Whether the node may answer a reader who allows its values to be `budget` old. `primary` is that of its primary.
    pub(crate) fn judge(
        &self,
        primary: Option<&Known>,
        presence: Presence,
        budget: Duration,
        now: Time,
    ) -> Result<Fit, Unfit> {
        let known = self.known();
        let heard = known.as_ref().map(|known| &known.heard);
        judge(heard, primary.and_then(|primary| primary.history.as_ref()), presence, budget, now)
    }

    /// The node, asked at `asked`, has said this. Told by one task only.
    pub(crate) fn handle_report(&self, asked: Time, report: Report) {
        let before = self.known.load_full().and_then(|known| known.history.clone());
        let history = report.position.map(|position| match before {
            Some(mut history) => {
                history.handle_position(asked, position);
                history
            }
            None => History::new(asked, position),
        });
        self.known.store(Some(Arc::new(Known { heard: Heard { asked, report }, history })));
    }

    /// The node does not answer that question.
    pub(super) fn handle_refused(&self, node: &str, refusal: Refusal) {
        if !self.is_refusal_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(node, %refusal, "does not say how its replication stands (INFO), so replicas are not read by it");
        }
    }

    /// The strictest reader allows this age; [`Duration::MAX`]: there is none.
    pub(crate) fn set_budget(&self, budget: Duration) {
        self.budget.store(nanos(budget), Ordering::Relaxed);
    }

    /// Something has happened that makes what is known old; it matters to those who read from replicas.
    pub(crate) fn ask_soon(&self) {
        if self.budget.load(Ordering::Relaxed) != NOBODY_READS {
            self.soon.notify_one();
        }
    }

    /// Returns when that is so.
    pub(super) async fn asked_soon(&self) {
        self.soon.notified().await;
    }

    /// How long to wait on average until the node is asked again, if `interval` is long enough for everything else.
    pub(super) fn interval(&self, interval: Duration) -> Duration {
        let budget = match self.budget.load(Ordering::Relaxed) {
            NOBODY_READS => return interval,
            nanos => Duration::from_nanos(nanos),
        };
        let is_new = self.known().as_ref().is_some_and(|known| known.is_new());
        let wanted = if is_new { Duration::ZERO } else { budget / TIMES_WITHIN_BUDGET };
        interval.min(wanted.max(LEAST_INTERVAL))
    }
}

impl Known {
    /// What was said last.
    pub fn report(&self) -> &Report {
        &self.heard.report
    }

    fn is_new(&self) -> bool {
        self.history.as_ref().is_some_and(|history| history.len() < FIRST_ANSWERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(stream: char, offset: u64) -> Report {
        let text =
            format!("role:master\nmaster_replid:{}\nmaster_repl_offset:{offset}\n", String::from(stream).repeat(40));
        Report::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_node_is_asked_often_while_it_is_new_and_as_often_as_the_youngest_age_needs() {
        let second = Duration::from_secs(1);
        let replication = Replication::default();
        replication.handle_report(Time::ZERO, report('z', 1));
        assert_eq!(replication.interval(second), second, "nobody reads from replicas");
        replication.set_budget(60 * second);
        for moment in 1..=3 {
            replication.handle_report(Time::from_millis(moment), report('a', moment));
            assert_eq!(replication.interval(second), if moment < 3 { LEAST_INTERVAL } else { second });
        }
        replication.set_budget(2 * second);
        assert_eq!(replication.interval(second), second / 2);
        replication.set_budget(second / 10);
        assert_eq!(replication.interval(second), LEAST_INTERVAL);
        replication.set_budget(60 * second);
        assert_eq!(replication.interval(second), second);
        replication.handle_report(Time::from_millis(4), report('b', 1));
        assert_eq!(replication.interval(second), LEAST_INTERVAL, "another stream");
    }
}
