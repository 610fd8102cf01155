//! What a node has said of its replication.
//!
//! The background probe asks; every request that wonders whether a replica may answer reads. What is known is swapped
//! whole, so that reading takes no lock. How often the probe asks follows from how old a replica may be at most that
//! somebody wants to read: a bound on an age is never tighter than two questions are apart.
//!
//! A replica that has been started anew may hold nothing until it has caught up, and answers all the same. Its connections
//! are lost before it can, and from then on nothing is believed that it said before.

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
pub(super) const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// Answers in one stream before a node is asked at its usual pace: until then hardly anything can be measured by it.
const FIRST_ANSWERS: usize = 3;

/// The budget where no route reads from replicas.
const NOBODY_READS: u64 = u64::MAX;

/// What a node has said of its replication.
#[derive(Debug)]
pub struct Replication {
    known: ArcSwapOption<Known>,
    /// When a connection to the node was last lost, in nanoseconds: what it had said until then may have been said by a
    /// process that is no more, whose successor holds less.
    lost: AtomicU64,
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
            lost: AtomicU64::new(0),
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
        let lost = Time::from_nanos(self.lost.load(Ordering::Acquire));
        let heard = known.as_ref().map(|known| &known.heard).filter(|heard| heard.asked >= lost);
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

    /// A connection to the node is lost: it is not read from as a replica until it has said anew how it stands.
    pub(super) fn handle_lost(&self, now: Time) {
        self.lost.fetch_max(now.as_nanos(), Ordering::AcqRel);
        self.ask_soon();
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
    fn what_a_replica_said_before_a_connection_was_lost_is_not_believed() {
        let moment = Time::from_millis;
        let replication = Replication::default();
        let primary = Known {
            heard: heard(moment(1)),
            history: heard(moment(1)).report.position.map(|position| History::new(moment(1), position)),
        };
        let judged =
            |now| replication.judge(Some(&primary), Presence::Lost, Duration::from_secs(1), now).map(|fit| fit.age);
        replication.handle_report(moment(2), replica());
        assert_eq!(judged(moment(3)), Ok(Duration::from_millis(2)));
        replication.handle_lost(moment(4));
        assert_eq!(judged(moment(5)), Err(Unfit::Unheard));
        replication.handle_report(moment(3), replica());
        assert_eq!(judged(moment(5)), Err(Unfit::Unheard), "said before, heard after");
        replication.handle_report(moment(6), replica());
        assert_eq!(judged(moment(7)), Ok(Duration::from_millis(6)));
    }

    fn heard(asked: Time) -> Heard {
        Heard { asked, report: report('a', 1) }
    }

    fn replica() -> Report {
        let text = format!(
            "role:slave\nmaster_link_status:up\nmaster_sync_in_progress:0\nslave_read_repl_offset:1\nslave_repl_offset:1\nslave_priority:100\nmaster_replid:{}\nmaster_repl_offset:1\n",
            "a".repeat(40)
        );
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
