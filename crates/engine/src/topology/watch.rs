//! Keeps what is believed of a deployment true: looks when asked to, and from time to time.
//!
//! One task a deployment asks nodes about the topology; nobody else does. While something is amiss (a primary is down,
//! or not believed, or nobody could be believed) it looks often, since that is when the answer is about to change; when
//! that lasts, seldom, so that a deployment that is gone is not asked forever at the pace of a failover.

use std::fmt::Display;
use std::sync::{Arc, Weak};
use std::time::Duration;

use failsoft_core::Time;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::cluster::watching::Cluster;
use super::deployment::{Deployment, Hint};
use super::seen::Seen;
use super::sentinel::watching::Sentinels;
use crate::clock::dice;
use crate::settings::{NodeAddress, Topology};

/// No two looks begin closer together than this.
const LEAST_GAP: Duration = Duration::from_millis(100);
/// How often it is looked while something is amiss.
const HURRY: Duration = Duration::from_millis(100);
/// The same where sentinels tell what happens.
const SENTINELS_HURRY: Duration = Duration::from_millis(500);
/// For how long there is hurry: longer than a failover takes with the usual settings.
const HURRY_FOR: Duration = Duration::from_secs(60);
/// How often it is looked when something stays amiss.
const PATIENT: Duration = Duration::from_secs(1);

/// Who is asked about a deployment.
enum Source {
    Cluster(Cluster),
    Sentinels(Sentinels),
}

impl Source {
    fn of(deployment: &Arc<Deployment>) -> Option<Self> {
        match deployment.topology() {
            Topology::Standalone => None,
            Topology::Sentinel => Sentinels::of(deployment).map(Self::Sentinels),
            Topology::Cluster => Some(Self::Cluster(Cluster::of(deployment))),
        }
    }

    /// Begins to be told what happens, where somebody tells it.
    fn listen(&mut self, deployment: &Arc<Deployment>) {
        match self {
            Self::Cluster(_) => {}
            Self::Sentinels(sentinels) => {
                let told = Arc::downgrade(deployment);
                sentinels.listen(move || {
                    told.upgrade().and_then(|deployment| deployment.hint(Hint::Told));
                });
            }
        }
    }

    /// How often it is looked while something is amiss. Sentinels say themselves when something has happened.
    fn hurry(&self) -> Duration {
        match self {
            Self::Cluster(_) => HURRY,
            Self::Sentinels(_) => SENTINELS_HURRY,
        }
    }

    /// Returns when there is reason to look although nobody has asked for it.
    async fn stirred(&mut self) {
        match self {
            Self::Cluster(cluster) => cluster.stirred().await,
            Self::Sentinels(_) => std::future::pending().await,
        }
    }

    async fn look(&mut self, deployment: &Deployment) -> Result<Seen, Blind> {
        match self {
            Self::Cluster(cluster) => cluster.look(deployment).await,
            Self::Sentinels(sentinels) => sentinels.look(deployment).await,
        }
    }
}

/// Nothing new could be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blind {
    /// The name used in metric labels.
    pub(super) reason: &'static str,
    /// A sentence for the log.
    pub(super) why: String,
    /// What became of those who were asked and said nothing, a sentence each; who was not asked again is not in it.
    pub(super) unheard: Vec<String>,
    /// What is believed all the same: what was believed before, marked.
    pub(super) still: Option<Seen>,
}

/// One look has not shown what a deployment is like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[{deployment}]: {why}")]
pub struct NotSeen {
    /// The name of its table in the settings.
    pub deployment: &'static str,
    /// Who has said what instead.
    pub why: String,
}

impl Blind {
    /// All of it.
    pub(super) fn sentence(&self) -> String {
        std::iter::once(&self.why).chain(&self.unheard).cloned().collect::<Vec<_>>().join("; ")
    }
}

/// A sentence about each who has said nothing, in an order that is always the same.
pub(super) fn each<U: Display>(unheard: &[(NodeAddress, U)]) -> Vec<String> {
    let mut sentences: Vec<_> = unheard.iter().map(|(address, unheard)| format!("{address} {unheard}")).collect();
    sentences.sort_unstable();
    sentences
}

/// Watches a deployment for as long as it is wanted.
pub(super) async fn watch_forever(watched: Weak<Deployment>) {
    let Some((mut source, mut pace)) = watched.upgrade().and_then(|deployment| {
        let mut source = Source::of(&deployment)?;
        source.listen(&deployment);
        let pace = Pace::new(deployment.settings().refresh_interval(), source.hurry());
        Some((source, pace))
    }) else {
        return;
    };
    while let Some(deployment) = watched.upgrade() {
        let (looks, shutdown) = (deployment.looks().clone(), deployment.shutdown().clone());
        let next = Instant::now() + LEAST_GAP;
        looks.handle_begun();
        let looked = source.look(&deployment).await;
        deployment.handle_look(looked);
        deployment.watch_nodes();
        looks.handle_done();
        let (is_settled, now) = (deployment.is_settled(), deployment.now());
        drop(deployment);
        let asked = async {
            looks.asked().await;
            sleep_until(next).await;
        };
        tokio::select! {
            () = sleep(pace.rest(is_settled, now)) => {}
            () = asked => {}
            () = source.stirred(), if is_settled => {}
            () = shutdown.begun() => return,
        }
    }
}

/// Looks once, and watches nothing.
///
/// # Errors
/// Nothing could be believed, or not within `patience`.
pub(super) async fn look_once(deployment: &Arc<Deployment>, patience: Duration) -> Result<(), NotSeen> {
    let Some(mut source) = Source::of(deployment) else { return Ok(()) };
    let not_seen = |why| NotSeen { deployment: deployment.name(), why };
    let Ok(looked) = timeout(patience, source.look(deployment)).await else {
        return Err(not_seen(format!("nobody has said enough within {} s", patience.as_secs())));
    };
    let why = looked.as_ref().err().map(Blind::sentence);
    deployment.handle_look(looked);
    why.map_or(Ok(()), |why| Err(not_seen(why)))
}

/// How long to wait until the next look.
struct Pace {
    interval: Duration,
    hurry: Duration,
    amiss_since: Option<Time>,
}

impl Pace {
    fn new(interval: Duration, hurry: Duration) -> Self {
        Self { interval, hurry, amiss_since: None }
    }

    fn rest(&mut self, is_settled: bool, now: Time) -> Duration {
        if is_settled {
            self.amiss_since = None;
            return spread(self.interval);
        }
        let since = *self.amiss_since.get_or_insert(now);
        if now.since(since) < HURRY_FOR { self.hurry } else { spread(PATIENT).min(self.interval) }
    }
}

/// Three quarters to five quarters, so that sidecars do not look in step.
fn spread(interval: Duration) -> Duration {
    interval.mul_f64(0.75 + (dice() % 1_000) as f64 / 2_000.0)
}

/// Begins to watch `deployment` on the present runtime, if there is anything to learn of it.
pub(super) fn start(deployment: &Arc<Deployment>) {
    if deployment.is_discovered() {
        tokio::spawn(watch_forever(Arc::downgrade(deployment)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn trouble_is_looked_at_often_and_after_a_minute_seldom() {
        let mut pace = Pace::new(15 * SECOND, HURRY);
        let start = Time::ZERO + SECOND;
        assert!((11 * SECOND..=19 * SECOND).contains(&pace.rest(true, start)));
        assert_eq!(pace.rest(false, start), HURRY);
        assert_eq!(pace.rest(false, start + 59 * SECOND), HURRY);
        let patient = pace.rest(false, start + 61 * SECOND);
        assert!((SECOND * 3 / 4..=SECOND * 5 / 4).contains(&patient), "{patient:?}");
        assert!(pace.rest(true, start + 62 * SECOND) > 10 * SECOND);
        assert_eq!(pace.rest(false, start + 70 * SECOND), HURRY, "new trouble");
    }
}
