//! Subscriptions of one listener that are not bound to one connection to Redis: the client stays, connections come and go.
//!
//! A task holds the connections, one for each node that has something to say: to the owners of all shard channels before
//! a cluster, and to one primary for other channels and patterns. Messages go to the [`Audience`] as they come, and what it
//! is told of its subscriptions is made here, so that it sees one Redis.
//!
//! What becomes of a subscription whose connection is lost is a matter of roles. If all that the listener listens to is of
//! invalidation routes, it is subscribed anew as soon as that is possible, and on each of its channels it is told of the
//! [gap](crate::route::Route::gap_message): messages may have been missed, nobody can say which, so every copy is to be
//! dropped. Meanwhile what it subscribes to is promised, and told of as a gap when it comes true; what it leaves is left.
//! Any other listener is cut off, as Redis would have closed it: silence would look like having nothing to say.
//!
//! A shard channel whose slot moves is followed to its new owner. What was published in between is lost, so that on an
//! invalidation route it is a gap as well.

mod ear;
mod hall;
mod orders;
mod regaining;
mod subscriptions;
mod unheard;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use failsoft_resp::Protocol;
use failsoft_resp::pubsub::Channels;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use self::hall::Hall;
use crate::context::Context;
use crate::telemetry::counter::Counter;

/// Who is told what is heard. All bytes are RESP, in the listener's protocol.
pub trait Audience: Send + Sync + 'static {
    /// Brings messages, in the order in which they came.
    fn tell(&self, messages: &[u8]);

    /// Brings what the order with this ticket has come to.
    fn confirm(&self, ticket: u64, told: Vec<u8>);

    /// Nothing more will come, and something may have been missed.
    fn cut_off(&self);
}

/// One listener's subscriptions. Dropping it ends them.
pub struct Listener {
    orders: mpsc::Sender<Order>,
    counts: Arc<Counts>,
    context: Arc<Mutex<Context>>,
    protocol: Protocol,
}

/// What a listener asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Whether to begin or to end.
    pub wish: Wish,
    /// What kind of channels it is about.
    pub channels: Channels,
    /// Which of them; of shard channels only such as lie in one slot.
    pub names: Vec<Box<[u8]>>,
    /// Under which the audience is told what came of it.
    pub ticket: u64,
}

/// Whether to begin or to end listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To begin.
    Listen,
    /// To end.
    Leave,
    /// To end all of the kind.
    LeaveAll,
}

/// What has been counted of all listeners.
#[derive(Debug, Default)]
pub struct ListeningStats {
    /// Connections that were lost while their listener stayed.
    pub lost: Counter,
    /// Times that a listener's missing subscriptions were all had back.
    pub regained: Counter,
    /// Messages that told of a gap.
    pub gaps: Counter,
}

/// How many subscriptions there are, for others to see.
#[derive(Debug, Default)]
struct Counts {
    /// To channels and patterns.
    plain: AtomicUsize,
    sharded: AtomicUsize,
}

impl Listener {
    /// Of nothing yet, on the present runtime.
    pub fn start(context: Context, protocol: Protocol, audience: Arc<dyn Audience>) -> Self {
        // One order at a time: the next waits for what has come of it.
        let (sender, orders) = mpsc::channel(1);
        let counts = Arc::<Counts>::default();
        let context = Arc::new(Mutex::new(context));
        tokio::spawn(Hall::new(context.clone(), protocol, audience, counts.clone()).listen(orders));
        Self { orders: sender, counts, context, protocol }
    }

    /// Something else is known from here on.
    pub fn take_up(&self, context: &Context) {
        *self.context.lock() = context.clone();
    }

    /// In which protocol the audience is told.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// To how many channels and patterns it listens.
    pub fn subscriptions(&self) -> usize {
        self.counts.plain.load(Ordering::Relaxed) + self.counts.sharded.load(Ordering::Relaxed)
    }

    /// To how many it listens that Redis counts together with `channels`.
    pub fn counted_with(&self, channels: Channels) -> usize {
        match channels {
            Channels::Named | Channels::Patterns => self.counts.plain.load(Ordering::Relaxed),
            Channels::Sharded => self.counts.sharded.load(Ordering::Relaxed),
        }
    }

    /// Has `order` carried out. Whether that can be: not while another is, nor after the end.
    pub fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }
}
