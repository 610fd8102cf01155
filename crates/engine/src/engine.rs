//! The engine: one world, the settings it came from, and the tasks that keep it true.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::assemble::{AssembleError, Before, Ground, assemble};
use crate::clock::Clock;
use crate::context::Context;
use crate::journal::Journal;
use crate::mode::{SwitchError, Switched, Wish, switch, tell_reloaded};
use crate::node::Lane;
use crate::origin::CodeOrigins;
use crate::primitive::Limits;
use crate::settings::{Change, Route, Settings, changes};
use crate::tier::origin::OriginTier;
use crate::topology::Deployment;
use crate::tracking::Tracking;
use crate::world::World;

/// Everything that failsoft is, but for the faces it shows.
pub struct Engine {
    ground: Ground,
    world: ArcSwap<World>,
    settings: Mutex<Arc<Settings>>,
}

impl Engine {
    /// An engine with connections for `workers` threads. Nothing is connected yet, and nothing needs to be there.
    pub fn new(settings: Settings, workers: usize) -> Result<Self, AssembleError> {
        Self::with_code(settings, workers, CodeOrigins::default())
    }

    /// The same as part of a program, which makes values itself where settings say `code:`.
    pub fn with_code(settings: Settings, workers: usize, code: CodeOrigins) -> Result<Self, AssembleError> {
        let clock = Clock::start();
        let limits = Arc::new(Limits::new(clock));
        let journal = Arc::new(Journal::new(settings.journal(), workers, clock));
        let ground = Ground { clock, workers, code, limits, journal, news: Arc::new(watch::Sender::new(0)) };
        let world = assemble(&settings, &ground, None)?;
        ground.limits.take_up(&settings, &world);
        Ok(Self { ground, world: ArcSwap::from_pointee(world), settings: Mutex::new(Arc::new(settings)) })
    }

    /// Begins to watch the nodes, and to be told of writes, on the present runtime.
    pub fn start_probes(&self) {
        let world = self.world.load_full();
        self.ground.journal.attach(&world);
        self.ground.journal.start();
        world.deployments().for_each(|deployment| deployment.start());
        world.publishing().attach(&world);
        world.publishing().start();
        self.ground.limits.attach(&world);
        self.ground.limits.start();
        if let Some(tracking) = world.tracking() {
            tracking.attach(&world);
            tracking.start();
        }
    }

    /// Begins to connect `worker`'s connections, on the present runtime.
    pub fn start_worker(&self, worker: usize) {
        self.world.load().views().nodes().for_each(|node| node.start(worker));
    }

    /// Takes up new settings, or keeps the old ones whole if that is not possible. Says what has changed.
    ///
    /// Requests under way end as they began. Call it on the runtime that the probes run on.
    pub fn reload(&self, new: Settings) -> Result<Vec<Change>, AssembleError> {
        let mut settings = self.settings.lock();
        let changes = changes(&settings, &new);
        if changes.is_empty() {
            return Ok(changes);
        }
        let old = self.world.load_full();
        let before = Before { settings: &settings, world: &old };
        let world = Arc::new(assemble(&new, &self.ground, Some(&before))?);
        let is_new = |deployment: &&Arc<Deployment>| !old.deployments().any(|known| Arc::ptr_eq(known, deployment));
        world.deployments().filter(is_new).for_each(|deployment| deployment.start());
        self.ground.limits.take_up(&new, &world);
        self.ground.limits.attach(&world);
        let told = hand_over_tracking(&old, &world);
        world.publishing().attach(&world);
        self.ground.journal.set_bounds(new.journal());
        self.ground.journal.attach(&world);
        self.ground.journal.handle_view(&world.deployment().view());
        self.world.store(world.clone());
        tell_reloaded(&old, &world);
        if !are_same_but_for_modes(settings.routes(), new.routes()) || settings.origins() != new.origins() {
            // Copies of other routes may have been made the old way, or have missed writes while their route kept none.
            let (before, after) = (settings.clone(), &new);
            world.local().retain(|key| is_kept_as_before((&old, &before), (&world, after), key));
        }
        if let Some(tracking) = told {
            tracking.start();
        }
        let is_gone = |origin: &&Arc<OriginTier>| !world.origins().iter().any(|kept| Arc::ptr_eq(kept, origin));
        old.origins().iter().filter(is_gone).for_each(|origin| origin.close());
        self.ground.news.send_modify(|generation| *generation += 1);
        *settings = Arc::new(new);
        Ok(changes)
    }

    /// The world as it is, and its generation: a number that rises with each reload, and when something has become known
    /// of a deployment.
    pub fn world(&self) -> (Arc<World>, u64) {
        let generation = self.generation();
        (self.world.load_full(), generation)
    }

    /// How often settings, or news of a deployment, have been taken up.
    pub fn generation(&self) -> u64 {
        *self.ground.news.borrow()
    }

    /// Tells of each new generation.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.ground.news.subscribe()
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.lock().clone()
    }

    /// Fulfils a wish about the modes of routes, for `who`, in words for the log.
    ///
    /// # Errors
    /// Why nothing was switched.
    pub fn switch_mode(&self, wish: &Wish, who: &str) -> Result<Switched, SwitchError> {
        // A reload that is under way would make the routes' switches anew.
        let _settings = self.settings.lock();
        switch(&self.world.load(), wish, who)
    }

    /// The engine's clock.
    pub fn clock(&self) -> Clock {
        self.ground.clock
    }

    /// Where a job of `worker` runs, in turn with others of its `lane`.
    pub fn context(&self, worker: usize, lane: Lane) -> Context {
        let world = self.world.load_full();
        Context { views: world.views(), world, worker, lane, clock: self.ground.clock }
    }

    /// Connections to nodes that are open, but for those of single clients.
    pub fn connections(&self) -> u64 {
        let world = self.world.load();
        world.views().nodes().map(|node| node.stats().connections.load(Ordering::Relaxed)).sum()
    }

    /// It is about to be closed: nobody waits any more for what other callers make.
    pub fn end_waiting(&self) {
        self.world.load().end_waiting();
    }

    /// Closes every connection.
    pub fn close(&self) {
        let world = self.world.load();
        self.ground.limits.close();
        self.ground.journal.close();
        world.end_waiting();
        world.deployments().for_each(|deployment| deployment.close());
        world.origins().iter().for_each(|origin| origin.close());
        world.publishing().close();
        if let Some(tracking) = world.tracking() {
            tracking.close();
        }
    }
}

/// Whether a copy of `key` is still what its route says: the route is the same, and so is what makes its values.
fn is_kept_as_before(before: (&World, &Settings), after: (&World, &Settings), key: &[u8]) -> bool {
    let has_same_origins = before.1.origins() == after.1.origins();
    match (route_in(before, key), route_in(after, key)) {
        (Some(old), Some(new)) => old.is_same_but_for_mode(new) && (has_same_origins || new.source().is_none()),
        (Some(_) | None, _) => false,
    }
}

fn route_in<'s>((world, settings): (&World, &'s Settings), key: &[u8]) -> Option<&'s Route> {
    settings.routes().get(world.route_of(key).index()?)
}

fn are_same_but_for_modes(old: &[Route], new: &[Route]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.is_same_but_for_mode(new))
}

/// Before the new world is seen, the old one's tracking ends if it is not the new one's too: otherwise it would vouch for
/// keys that it is not told of. Returns what is to be started once the world is seen.
fn hand_over_tracking<'w>(old: &World, new: &'w Arc<World>) -> Option<&'w Arc<Tracking>> {
    let (before, after) = (old.tracking(), new.tracking());
    let is_same = before.zip(after).is_some_and(|(before, after)| Arc::ptr_eq(before, after));
    if let Some(after) = after {
        after.attach(new);
    }
    if is_same {
        return None;
    }
    if let Some(before) = before {
        before.close();
    }
    after
}
