//! What one process remembers of rate limits while Redis is away, and the task that tells Redis on return.
//!
//! There is one per engine, carried over by every reload. A debt is told in two ways: by the next request for its key,
//! in the same script, and by a task that looks through the debts as soon as their keys' primaries are let through
//! again. So an instance that nobody asks any more does not keep what it has let through to itself.

use std::sync::{Arc, Weak};
use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::circuit::StateName;
use failsoft_core::outage::OnOutage;
use failsoft_resp::encode::Protocol;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::count::Count;
use super::counters::{self, Counters};
use super::fleet::{Fleet, Need, Wanted};
use super::limit::{self, Wish};
use super::share::Shares;
use crate::clock::Clock;
use crate::context::Context;
use crate::node::Lane;
use crate::settings::{self, Settings};
use crate::shutdown::Shutdown;
use crate::telemetry::counter::Counter;
use crate::world::World;

/// How often debts are looked through while there are any.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often at least; the pause grows while nothing can be told.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_millis(400);
/// Debts told between two looks.
const MOST_AT_A_LOOK: usize = 256;
/// How often what no longer matters is forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(30);

/// What one process remembers of rate limits.
pub struct Limits {
    clock: Clock,
    fleet: Fleet,
    shares: Shares,
    counters: Counters,
    stats: LimitStats,
    /// Rung when something is owed.
    owing: Notify,
    /// Whose routes and nodes debts are told by.
    world: Mutex<Weak<World>>,
    shutdown: Shutdown,
}

/// What has been counted.
#[derive(Debug, Default)]
pub struct LimitStats {
    /// Debts that Redis has been told of, and what they came to.
    pub debts: Counter,
    /// Requests that Redis has been told of in them.
    pub told: Counter,
}

impl LimitStats {
    pub(super) fn handle_told(&self, debt: u32) {
        if debt > 0 {
            self.debts.increment();
            self.told.add(u64::from(debt));
        }
    }
}

impl Limits {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            fleet: Fleet::default(),
            shares: Shares::default(),
            counters: Counters::default(),
            stats: LimitStats::default(),
            owing: Notify::new(),
            world: Mutex::default(),
            shutdown: Shutdown::default(),
        }
    }

    /// How many instances share limits.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// By how many a limit is divided.
    pub fn sharers(&self) -> u32 {
        self.fleet.size()
    }

    /// What has been counted.
    pub fn stats(&self) -> &LimitStats {
        &self.stats
    }

    /// Keys remembered, and how many had to be forgotten although they mattered.
    pub fn counts(&self) -> (usize, u64) {
        let ((shares, lost_shares), (counters, lost_counters)) = (self.shares.counts(), self.counters.counts());
        (shares + counters, lost_shares + lost_counters)
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Carries `count` out on the counter of `key`, kept here meanwhile, and appends the reply; `false` if it is not kept.
    pub(crate) fn count(&self, key: &[u8], count: Count, now: Time, protocol: Protocol, out: &mut Vec<u8>) -> bool {
        let is_kept = self.counters.answer(key, count, self.sharers(), now, protocol, out);
        self.wake();
        is_kept
    }

    pub(super) fn shares(&self) -> &Shares {
        &self.shares
    }

    /// Something is owed.
    pub(super) fn wake(&self) {
        self.owing.notify_one();
    }

    /// Debts are told by this world from here on.
    pub(crate) fn attach(&self, world: &Arc<World>) {
        *self.world.lock() = Arc::downgrade(world);
    }

    /// Begins to tell debts, and to count the fleet, on the present runtime.
    pub(crate) fn start(self: &Arc<Self>) {
        let (telling, beating) = (self.clone(), self.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = telling.tell_forever() => {}
                () = telling.shutdown.begun() => {}
            }
        });
        tokio::spawn(async move {
            tokio::select! {
                () = beating.fleet.beat_forever(|| beating.context()) => {}
                () = beating.shutdown.begun() => {}
            }
        });
    }

    /// Ends both.
    pub(crate) fn close(&self) {
        self.shutdown.begin();
    }

    /// Goes by these settings from here on.
    pub(crate) fn take_up(&self, settings: &Settings, world: &World) {
        let (wanted, is_local) = (settings.fleet(), |route: &settings::Route| route.on_outage() == OnOutage::Local);
        let has_budget = |route: &settings::Route| route.lease().is_some_and(|lease| lease.max_misses().is_some());
        let divides = settings.routes().iter().any(|route| is_local(route) || has_budget(route))
            || settings.origins().iter().any(|origin| origin.max_rate().is_some());
        self.fleet.take_up(Wanted {
            size: wanted.size(),
            least: wanted.min_size(),
            name: wanted.name().clone(),
            need: if divides { Need::Divides } else { Need::Nothing },
        });
        world.set_sharers(self.fleet.size());
    }

    fn context(&self) -> Option<Context> {
        let world = self.world.lock().upgrade()?;
        Some(Context { views: world.views(), world, worker: 0, lane: Lane::default(), clock: self.clock })
    }

    async fn tell_forever(&self) {
        loop {
            // Whoever rings before it is waited for is not missed.
            let rung = tokio::time::timeout(TIDY_EVERY, self.owing.notified()).await;
            let Some(context) = self.context() else { return };
            match rung {
                Ok(()) => self.tell_until_done(context).await,
                Err(_) => {
                    self.shares.tidy(self.clock.now());
                    self.counters.tidy(self.clock.now());
                }
            }
        }
    }

    async fn tell_until_done(&self, mut context: Context) {
        let mut pause = LOOK_EVERY;
        loop {
            tokio::time::sleep(pause).await;
            let (now, told) = (self.clock.now(), self.stats.debts.get());
            if self.shares.indebted(1, |_| true, now).is_empty() && self.counters.untold(1, |_| true, now).is_empty() {
                return;
            }
            let is_let_through = |key: &[u8]| is_let_through(&context.world, key);
            for (key, limit) in self.shares.indebted(MOST_AT_A_LOOK, is_let_through, now) {
                let route = context.world.route_of(&key);
                // What could not be told is owed still.
                let _ = limit::ask(&context, Wish { route, key: &key, limit, cost: 0 }).await;
            }
            for (key, telling) in self.counters.untold(MOST_AT_A_LOOK, is_let_through, now) {
                counters::tell(&context, self, &key, telling).await;
            }
            pause = if self.stats.debts.get() > told { LOOK_EVERY } else { (pause * 2).min(LOOK_AT_LEAST_EVERY) };
            match self.context() {
                Some(present) => context = present,
                None => return,
            }
        }
    }
}

/// Telling is no reason to probe a node.
fn is_let_through(world: &World, key: &[u8]) -> bool {
    world.owner_of(key).is_some_and(|primary| match primary.health().state() {
        StateName::Closed | StateName::Ramp => true,
        StateName::Open | StateName::HalfOpen => false,
    })
}
