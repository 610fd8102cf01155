//! Invalidations that Redis has not had: the table that all threads share, and the tasks that work it off.
//!
//! What is in it and when it is believed again is decided in [`failsoft_core::journal`]. Here it is shared: readers look
//! at one atomic as long as it is empty, and whoever journals a key does so before anybody is told of the write. There is
//! one journal for the whole life of an engine; a reload changes its bounds, never what it holds.
//!
//! Keys never reach the log.

mod replay;
mod sweep;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::journal::recent::Recent;
use failsoft_core::journal::{Entered, Journal as Table, Key, Lateness, Trust};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::node::Node;
use crate::settings;
use crate::shutdown::Shutdown;
use crate::telemetry::counter::{Counter, CounterMap};
use crate::topology::View;
use crate::world::World;

/// The invalidations of one engine.
pub struct Journal {
    clock: Clock,
    table: RwLock<Table>,
    /// Whether the table holds anything.
    is_busy: AtomicBool,
    /// What primaries have acknowledged of late, for each thread.
    recent: Box<[Mutex<Recent>]>,
    world: Mutex<Weak<World>>,
    /// There is something to be replayed.
    wanted: Notify,
    /// A route has become stale.
    sweep_wanted: Notify,
    has_started: AtomicBool,
    shutdown: Shutdown,
    stats: JournalStats,
}

/// What has been counted about the journal and the gutter.
#[derive(Debug, Default)]
pub struct JournalStats {
    /// Invalidations that were journalled.
    pub added: Counter,
    /// Invalidations that a primary has carried out.
    pub replayed: Counter,
    /// Invalidations that it has not, by reason: they are asked again.
    pub unreplayed: CounterMap,
    /// Times that there was no room, so that a route became stale.
    pub overflows: Counter,
    /// Invalidations repeated because a primary has taken another's place.
    pub repeated: Counter,
    /// Keys that were swept away.
    pub swept: Counter,
    /// Values kept in local memory because the primary could not take them.
    pub kept: Counter,
    /// Values that could not be kept there either, by reason.
    pub dropped: CounterMap,
}

/// How full the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Keys whose invalidation has not been replayed.
    pub pending: usize,
    /// Keys whose invalidation has been, and that settle.
    pub settling: usize,
    /// Bytes that both take up.
    pub bytes: u64,
    /// Routes that are to be swept.
    pub stale: usize,
    /// Changes remembered in case of a failover.
    pub recent: usize,
    /// Changes that were forgotten before their window was over.
    pub truncated: u64,
}

impl Journal {
    /// An empty one, shared by `workers` threads.
    pub(crate) fn new(settings: &settings::Journal, workers: usize, clock: Clock) -> Self {
        let recent = || Mutex::new(Recent::new(settings.limits(), settings.window()));
        Self {
            clock,
            table: RwLock::new(Table::new(settings.limits())),
            is_busy: AtomicBool::new(false),
            recent: (0..workers.max(1)).map(|_| recent()).collect(),
            world: Mutex::default(),
            wanted: Notify::new(),
            sweep_wanted: Notify::new(),
            has_started: AtomicBool::new(false),
            shutdown: Shutdown::default(),
            stats: JournalStats::default(),
        }
    }

    /// Other bounds hold from here on.
    pub(crate) fn set_bounds(&self, settings: &settings::Journal) {
        self.table.write().set_limits(settings.limits());
        self.recent.iter().for_each(|recent| recent.lock().set_limits(settings.limits(), settings.window()));
    }

    /// In which world invalidations are replayed from here on.
    pub(crate) fn attach(&self, world: &Arc<World>) {
        *self.world.lock() = Arc::downgrade(world);
    }

    /// Begins to replay, on the present runtime, once.
    pub(crate) fn start(self: &Arc<Self>) {
        if !self.has_started.swap(true, Ordering::AcqRel) {
            tokio::spawn(replay::replay_forever(self.clone()));
            tokio::spawn(sweep::sweep_forever(self.clone()));
        }
    }

    /// Ends it. What has not been replayed is lost with the process.
    pub(crate) fn close(&self) {
        self.shutdown.begin();
        let left = self.table.read().len();
        if left > 0 {
            tracing::warn!(left, "invalidations have not been replayed and are lost");
        }
    }

    /// Whom of its nodes may be asked for `key`.
    #[inline]
    pub fn trust(&self, key: &[u8]) -> Trust {
        if self.is_busy() { self.table.read().trust(key) } else { Trust::Everybody }
    }

    /// Whose answer for `key` is to be believed, to a question that was put at `asked`.
    pub fn trust_in_answer(&self, key: &[u8], asked: Time) -> Trust {
        if self.is_busy() { self.table.read().trust_in_answer(key, asked) } else { Trust::Everybody }
    }

    /// Whether there is any key that not everybody may be asked for.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Acquire)
    }

    /// Writes to `keys` have not reached Redis, or nobody knows. Those of routes that are not journalled are left out.
    ///
    /// To be called before anybody is told of the write, and before copies of the keys are made void: what is read in
    /// between is older than the write, and is not kept.
    pub fn handle_invalidated<'k>(&self, world: &World, keys: impl IntoIterator<Item = &'k [u8]>, lateness: Lateness) {
        let now = self.clock.now();
        for key in keys {
            let route = world.route(world.route_of(key));
            let Some(pattern) = &route.journalled else { continue };
            let entered = {
                let mut table = self.table.write();
                self.is_busy.store(true, Ordering::Release);
                table.handle_invalidated(key, pattern, lateness, now)
            };
            self.stats.added.increment();
            match entered {
                Entered::Entry => self.wanted.notify_one(),
                Entered::Stale => {}
                Entered::Overflow => self.handle_overflow(),
            }
        }
    }

    /// Nobody knows what of `world`'s journalled routes has been changed.
    pub fn handle_all_invalidated(&self, world: &World) {
        let now = self.clock.now();
        let mut table = self.table.write();
        for pattern in world.routes().filter_map(|(_, route)| route.journalled.as_ref()) {
            table.stale_mut().mark_all(pattern, now);
            self.is_busy.store(true, Ordering::Release);
        }
        drop(table);
        self.sweep_wanted.notify_one();
    }

    /// `primary` has acknowledged changes of `keys` to a request of `worker`: a failover may undo them.
    pub fn handle_acknowledged(&self, worker: usize, primary: &Arc<str>, keys: impl IntoIterator<Item = Key>) {
        let now = self.clock.now();
        let mut recent = self.recent[worker % self.recent.len()].lock();
        keys.into_iter().for_each(|key| recent.handle_acknowledged(primary, key, now));
    }

    /// A new view of the deployment is about to be gone by: what was changed at primaries that have lost their place may
    /// not have reached those that have taken it.
    pub(crate) fn handle_view(&self, view: &View) {
        let Some(world) = self.world.lock().upgrade() else { return };
        let has_lost = |primary: &str, key: &[u8]| has_lost(view, primary, key);
        let orphans: Vec<Key> = self.recent.iter().flat_map(|recent| recent.lock().take_orphans(has_lost)).collect();
        if orphans.is_empty() {
            return;
        }
        self.stats.repeated.add(orphans.len() as u64);
        tracing::info!(keys = orphans.len(), "a primary has been replaced: its last invalidations are repeated");
        self.handle_invalidated(&world, orphans.iter().map(AsRef::as_ref), Lateness::Never);
    }

    /// A value is kept in local memory that the primary could not take.
    pub(crate) fn handle_kept(&self) {
        self.stats.kept.increment();
    }

    /// One could not be kept.
    pub(crate) fn handle_dropped(&self, reason: &'static str) {
        self.stats.dropped.increment(reason);
    }

    /// What has been counted.
    pub fn stats(&self) -> &JournalStats {
        &self.stats
    }

    /// The patterns of routes that are to be swept.
    pub fn stale(&self) -> Vec<String> {
        self.table.read().stale().iter().map(|route| route.pattern().to_string()).collect()
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        let recent = || self.recent.iter().map(|recent| recent.lock());
        let (remembered, truncated) =
            (recent().map(|recent| recent.len()).sum(), recent().map(|recent| recent.truncated()).sum());
        let table = self.table.read();
        let settling = table.settling();
        Fill {
            pending: table.len() - settling,
            settling,
            bytes: table.bytes(),
            stale: table.stale().len(),
            recent: remembered,
            truncated,
        }
    }

    fn handle_overflow(&self) {
        self.stats.overflows.increment();
        let routes = self.stale().join(" ");
        tracing::warn!(routes, "the journal is full: these routes are stale until they have been swept, see [journal]");
        self.sweep_wanted.notify_one();
    }

    /// Lets `act` change the table; readers heed it if it is not empty.
    fn with_table<T>(&self, act: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self.table.write();
        let result = act(&mut table);
        self.is_busy.store(!table.is_idle(), Ordering::Release);
        result
    }

    fn world(&self) -> Option<Arc<World>> {
        self.world.lock().upgrade()
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

/// Whether `key`, which `primary` has changed, is somebody else's now, and `primary` nobody's: a slot that moves takes its
/// keys along.
fn has_lost(view: &View, primary: &str, key: &[u8]) -> bool {
    let is_primary = |node: &Arc<Node>| node.name().as_ref() == primary;
    let is_still_one = || view.shards().iter().any(|shard| view.primary_of(shard).is_some_and(is_primary));
    view.primary(view.place_of(key)).is_some_and(|owner| !is_primary(owner)) && !is_still_one()
}
