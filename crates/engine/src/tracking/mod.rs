//! Being told of every write: what keeps local copies that answer in front of Redis coherent.
//!
//! One connection to the primary, for the whole process, speaks RESP3 and asks Redis to broadcast which keys change, by
//! the prefixes of the routes in front (`CLIENT TRACKING ON BCAST PREFIX ...`). Broadcast, because the connections that
//! read values are shared by all clients and there are several of them: in the default mode each would have to be
//! redirected, and Redis would remember every key that any of them has read.
//!
//! While it is up, and has shown a sign of life of late, local memory vouches for what the primary gave meanwhile. When
//! it is lost an epoch ends: writes may have passed untold, so copies from before are never again vouched for. See
//! [`failsoft_core::coherence`] for what that promises.

mod connection;
mod prefixes;
mod push;
mod stats;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use failsoft_core::Time;
use failsoft_core::coherence::Epoch;
use parking_lot::Mutex;

use self::prefixes::Prefixes;
pub use self::stats::TrackingStats;
use crate::clock::{Clock, dice};
use crate::node::{Backoff, Node};
use crate::shutdown::Shutdown;
use crate::tier::local::{Holder, Local};
use crate::world::World;

/// One process' wish to be told by one primary.
pub struct Tracking {
    primary: Arc<Node>,
    local: Arc<Local>,
    prefixes: Prefixes,
    clock: Clock,
    stats: Arc<TrackingStats>,
    /// Whose routes say what becomes of a key that is told of.
    world: Mutex<Weak<World>>,
    shutdown: Shutdown,
    closed: AtomicBool,
}

impl Tracking {
    /// The wish to be told by `primary` of keys that begin so, for the sake of the copies in `local`; `None` if there is
    /// nothing to be told of. What `before` was, if it was the same, is carried over.
    pub(crate) fn of<'p>(
        primary: &Arc<Node>,
        local: &Arc<Local>,
        prefixes: impl Iterator<Item = &'p [u8]>,
        clock: Clock,
        before: Option<&Arc<Self>>,
    ) -> Option<Arc<Self>> {
        let prefixes = Prefixes::covering(prefixes);
        let is_same = |before: &&Arc<Self>| {
            Arc::ptr_eq(&before.primary, primary) && Arc::ptr_eq(&before.local, local) && before.prefixes == prefixes
        };
        if prefixes.is_empty() {
            return None;
        }
        Some(before.filter(is_same).cloned().unwrap_or_else(|| {
            Arc::new(Self {
                primary: primary.clone(),
                local: local.clone(),
                prefixes,
                clock,
                stats: before.map(|before| before.stats.clone()).unwrap_or_default(),
                world: Mutex::default(),
                shutdown: Shutdown::default(),
                closed: AtomicBool::new(false),
            })
        }))
    }

    /// Whose routes say from here on what becomes of a key that is told of.
    pub(crate) fn attach(&self, world: &Arc<World>) {
        *self.world.lock() = Arc::downgrade(world);
    }

    /// Begins to be told, on the present runtime; whoever was told before for the same copies no longer vouches for them.
    pub(crate) fn start(self: &Arc<Self>) {
        let holder = self.local.vouching().take_over();
        tokio::spawn(self.clone().follow_forever(holder));
    }

    /// Ends it: on return nothing is vouched for any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.shutdown.begin();
        self.local.vouching().take_over();
    }

    /// The epoch in which a value that is asked for from here on is obtained, as far as its key is told of here.
    pub(crate) fn epoch(&self) -> Epoch {
        let epoch = self.local.vouching().epoch();
        // Read after the epoch: whoever comes after this tracking begins none before this one is closed.
        if self.closed.load(Ordering::Acquire) { Epoch::NONE } else { epoch }
    }

    /// Who tells.
    pub fn primary(&self) -> &Arc<Node> {
        &self.primary
    }

    /// Whether local copies are vouched for at this moment.
    pub fn is_up(&self) -> bool {
        self.local.vouching().is_up(self.now())
    }

    /// What has been counted.
    pub fn stats(&self) -> &TrackingStats {
        &self.stats
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    async fn follow_forever(self: Arc<Self>, holder: Holder) {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            () = self.keep_connected(holder) => {}
            () = shutdown.begun() => {}
        }
        self.local.vouching().end(holder);
    }

    /// Connects again and again for as long as there is a world to tell.
    async fn keep_connected(&self, holder: Holder) {
        let mut backoff = Backoff::default();
        let mut told = None;
        while self.world.lock().strong_count() > 0 {
            let begun = self.stats.begun.get();
            let dropped = connection::follow(self, holder).await;
            self.local.vouching().end(holder);
            self.stats.dropped.increment(dropped.name());
            if self.stats.begun.get() > begun {
                backoff.handle_success();
                told = None;
            }
            if told != Some(dropped) {
                let node = self.primary.name();
                tracing::warn!(%node, reason = dropped.name(), "not told of writes: local copies are not in front");
                told = Some(dropped);
            }
            tokio::time::sleep(backoff.handle_failure(dice())).await;
        }
    }

    fn handle_begun(&self, holder: Holder) {
        self.local.vouching().begin(holder);
        self.stats.begun.increment();
        tracing::info!(node = %self.primary.name(), "told of writes: local copies are in front");
    }

    fn handle_alive(&self, holder: Holder, until: Time) {
        self.local.vouching().vouch_until(holder, until);
    }

    fn handle_changed<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        let world = self.world.lock().upgrade();
        let mut count = 0;
        for key in keys {
            count += 1;
            match &world {
                Some(world) => world.handle_told(key),
                None => self.local.invalidate_told(key),
            }
        }
        self.stats.invalidations.add(count);
    }

    fn handle_all_changed(&self) {
        match self.world.lock().upgrade() {
            Some(world) => world.handle_told_all(),
            None => self.local.clear_told(),
        }
        self.stats.flushes.increment();
    }
}
