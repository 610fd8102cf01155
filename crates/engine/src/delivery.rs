//! How what came back from a node finds whoever asked.
//!
//! A connection knows only that somebody waits under a ticket; whether that is a client session's place in its order
//! of replies or a future of the library is not its business. Every accepted question is delivered to exactly once.

use std::sync::Arc;

use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::{Outcome, Time};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Whoever waits for replies, told apart by tickets of its own making.
pub trait Deliver: Send + Sync {
    /// Brings what came back for `ticket` at `now`. `reply` is the reply's bytes, empty unless a node answered.
    ///
    /// An answer is [`Outcome::Hit`] whatever its bytes say, unless it is an error reply: only who knows the command
    /// can tell a value from an absence.
    fn deliver(&self, ticket: u64, outcome: Outcome, reply: &[u8], now: Time);

    /// Called once after a run of deliveries, so that a waiter is woken once per run.
    fn wake(&self);
}

/// Where one answer is to be delivered.
#[derive(Clone)]
pub struct Sink {
    /// Who waits.
    pub to: Arc<dyn Deliver>,
    /// For which of its questions.
    pub ticket: u64,
}

/// One answer, brought to a future.
#[derive(Debug)]
pub struct Delivered {
    /// What came back.
    pub outcome: Outcome,
    /// The reply's bytes, empty unless a node answered.
    pub reply: Vec<u8>,
}

/// Waits for a single answer.
struct Waiter(Mutex<Option<oneshot::Sender<Delivered>>>);

impl Deliver for Waiter {
    fn deliver(&self, _ticket: u64, outcome: Outcome, reply: &[u8], _now: Time) {
        if let Some(sender) = self.0.lock().take() {
            // A receiver that has gone away no longer wants to know.
            let _ = sender.send(Delivered { outcome, reply: reply.to_vec() });
        }
    }

    fn wake(&self) {}
}

/// A sink for one answer, and the future of that answer.
pub fn waiter() -> (Sink, impl Future<Output = Delivered>) {
    let (sender, receiver) = oneshot::channel();
    let sink = Sink { to: Arc::new(Waiter(Mutex::new(Some(sender)))), ticket: 0 };
    let delivered = async {
        receiver.await.unwrap_or(Delivered { outcome: Outcome::Silent(Silence::ConnectionLost), reply: Vec::new() })
    };
    (sink, delivered)
}

/// An answer for a question that was never sent.
pub fn not_sent(failure: Failure) -> Delivered {
    Delivered { outcome: Outcome::Failed(failure), reply: Vec::new() }
}
