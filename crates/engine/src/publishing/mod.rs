//! Messages to channels of invalidation routes that could not be published, or perhaps were: kept, and published on return.
//!
//! One queue for the whole process, carried over by every reload. Who publishes is answered `:0` as long as the message is
//! kept: "nobody has heard it yet", which is true. While anything waits here, new messages wait behind it, so that they
//! stay in order. A message whose outcome is unknown is kept as well: news may come twice.
//!
//! What had to go (too old, no room) leaves a gap, which is published as the route's
//! [gap message](crate::route::Route::gap_message) before the rest: see [`failsoft_core::unpublished`].

mod sending;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use failsoft_core::Time;
use failsoft_core::unpublished::{Bounds, Channel, Full, Item, Loss, Reach, Unpublished};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::shutdown::Shutdown;
use crate::telemetry::counter::{Counter, CounterMap};
use crate::words::Words;
use crate::world::World;

/// Messages that could not be published.
pub struct Publishing {
    queue: Mutex<Unpublished>,
    /// Messages and gaps in the queue.
    waiting: AtomicUsize,
    filled: Notify,
    clock: Clock,
    /// To whose deployment they go.
    world: Mutex<Weak<World>>,
    shutdown: Shutdown,
    stats: PublishingStats,
}

/// What has been counted.
#[derive(Debug, Default)]
pub struct PublishingStats {
    /// Messages that were published from the queue.
    pub sent: Counter,
    /// Gaps that were published.
    pub gaps: Counter,
    /// Messages that were not taken into the queue, which their publishers were told.
    pub refused: Counter,
    /// Messages and gaps from the queue that Redis would not have, by its word.
    pub rejected: CounterMap,
}

/// How full the queue is, and what it has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFigures {
    /// Messages that wait.
    pub messages: usize,
    /// Bytes that they take, with what it is remembered is missing.
    pub bytes: usize,
    /// Messages that had to go, by what for.
    pub lost: [(Loss, u64); 2],
}

impl Publishing {
    /// A queue within `bounds`.
    pub(crate) fn new(bounds: Bounds, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(Unpublished::new(bounds)),
            waiting: AtomicUsize::new(0),
            filled: Notify::new(),
            clock,
            world: Mutex::default(),
            shutdown: Shutdown::default(),
            stats: PublishingStats::default(),
        })
    }

    /// Other bounds hold from here on.
    pub(crate) fn set_bounds(&self, bounds: Bounds) {
        self.queue.lock().set_bounds(bounds);
    }

    /// To whose deployment messages go from here on.
    pub(crate) fn attach(&self, world: &Arc<World>) {
        *self.world.lock() = Arc::downgrade(world);
    }

    /// Begins to publish what waits, on the present runtime.
    pub(crate) fn start(self: &Arc<Self>) {
        tokio::spawn(self.clone().send_forever());
    }

    /// Ends it; what waits is lost.
    pub(crate) fn close(&self) {
        self.shutdown.begin();
    }

    /// Whether anything waits: whoever comes now waits behind it.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// How full the queue is, and what it has lost.
    pub fn figures(&self) -> QueueFigures {
        let queue = self.queue.lock();
        let lost = Loss::ALL.map(|loss| (loss, queue.lost(loss)));
        QueueFigures { messages: queue.messages(), bytes: queue.bytes(), lost }
    }

    /// What has been counted.
    pub fn stats(&self) -> &PublishingStats {
        &self.stats
    }

    /// Keeps the message of `frame`, a PUBLISH or SPUBLISH that has not been carried out, or perhaps not.
    ///
    /// # Errors
    /// [`Full`]: it is not kept.
    pub(crate) fn keep(&self, frame: &[u8]) -> Result<(), Full> {
        let words = Words::of(frame);
        let [name, channel, payload] = *words.as_slices() else {
            return Err(Full);
        };
        let reach = if name.eq_ignore_ascii_case(b"SPUBLISH") { Reach::Shard } else { Reach::Everywhere };
        let channel = Channel { reach, name: channel.into() };
        let kept = self.with_queue(|queue, now| queue.handle_unpublished(channel, payload, now));
        match kept {
            Ok(()) => self.filled.notify_one(),
            Err(Full) => self.stats.refused.increment(),
        }
        kept
    }

    fn next(&self, most: usize, may_be: impl Fn(&Channel) -> bool) -> Vec<Item> {
        self.with_queue(|queue, now| queue.poll_items(most, may_be, now))
    }

    fn handle_published(&self, item: &Item) {
        self.with_queue(|queue, _| queue.handle_published(item));
    }

    fn with_queue<R>(&self, act: impl FnOnce(&mut Unpublished, Time) -> R) -> R {
        let now = self.clock.now();
        let mut queue = self.queue.lock();
        let done = act(&mut queue, now);
        self.waiting.store(queue.items(), Ordering::Release);
        done
    }
}
