//! Shard channels before a cluster: a client listens at the owners of all its channels' slots, and sees one Redis.
//!
//! A subscription to a shard channel (SSUBSCRIBE) is a state at one shard, and a client may have some at every one. So
//! they are not held on the client's own connection but on further ones, one a shard, which a task of the client reads:
//! messages go out between the client's replies as they come, confirmations stand among them in the order of the
//! commands, and the number that each tells is that of all shards together.
//!
//! A slot that moves takes its channels with it: its old owner ends the subscription, which is begun anew at the new
//! one and not told. What was published in between is lost, as anything published to nobody is. If a connection is
//! lost, or a subscription cannot be had back, the client is closed, as Redis would have closed it: silence would look
//! like having nothing to say.

mod ear;
mod hall;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use failsoft::context::Context;
use failsoft::topology::Place;
use failsoft_resp::{Command, Protocol};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use self::hall::Hall;
use super::replies::Replies;

/// One client's shard channels. Dropping it ends them.
pub(super) struct Ears {
    orders: mpsc::Sender<Order>,
    channels: Arc<AtomicUsize>,
    context: Arc<Mutex<Context>>,
}

/// A command about shard channels.
struct Order {
    wish: Wish,
    place: Place,
    channels: Vec<Box<[u8]>>,
    /// Where among the client's replies the confirmations belong.
    ticket: u64,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Listen,
    Leave,
    LeaveAll,
}

/// Whether this command is about shard channels.
pub(super) fn is_about_shard_channels(command: &Command<'_>) -> bool {
    wish_of(command).is_some()
}

fn wish_of(command: &Command<'_>) -> Option<Wish> {
    let is = |name: &str| command.arg(0).eq_ignore_ascii_case(name.as_bytes());
    match command.len() {
        2.. if is("SSUBSCRIBE") => Some(Wish::Listen),
        2.. if is("SUNSUBSCRIBE") => Some(Wish::Leave),
        1 if is("SUNSUBSCRIBE") => Some(Wish::LeaveAll),
        _ => None,
    }
}

impl Ears {
    /// Of a client that listens to nothing yet, on the present runtime.
    pub(super) fn new(context: Context, protocol: Protocol, replies: Arc<Replies>) -> Self {
        // One order at a time: the client's next command waits for the confirmation.
        let (sender, orders) = mpsc::channel(1);
        let channels = Arc::<AtomicUsize>::default();
        let context = Arc::new(Mutex::new(context));
        tokio::spawn(Hall::new(context.clone(), protocol, replies, channels.clone()).listen(orders));
        Self { orders: sender, channels, context }
    }

    /// Something else is known from here on.
    pub(super) fn take_up(&self, context: &Context) {
        *self.context.lock() = context.clone();
    }

    /// To how many channels the client listens.
    pub(super) fn channels(&self) -> usize {
        self.channels.load(Ordering::Relaxed)
    }

    /// Has `command`, whose channels are at `place`, carried out and confirmed at `ticket`. Whether that can be.
    pub(super) fn order(&self, command: &Command<'_>, place: Place, ticket: u64) -> bool {
        let Some(wish) = wish_of(command) else {
            return false;
        };
        let channels = command.args().skip(1).map(Box::from).collect();
        self.orders.try_send(Order { wish, place, channels, ticket }).is_ok()
    }
}
