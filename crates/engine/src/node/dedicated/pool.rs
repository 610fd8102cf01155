//! The places for dedicated connections to one node, and those connections that wait for their next client.
//!
//! A transaction lasts a moment, and most clients that open one open many: connecting anew each time would cost three
//! round trips. So a few connections without any state are kept, per thread because a socket belongs to its thread's
//! runtime, and per protocol because that is a state too.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::pacer::Pacer;
use failsoft_resp::Protocol;
use parking_lot::Mutex;

use crate::gauge::Gauge;
use crate::wire::Wire;

/// Connections kept per thread and protocol.
const MOST_IDLE: usize = 16;
/// For how long one is kept: less than any sensible `timeout` of a server.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// A connection without a client.
pub(super) struct Idle {
    pub(super) wire: Wire,
    pub(super) id: i64,
    pub(super) name: Vec<u8>,
}

/// The places, and the connections that wait, the longest waiting first.
pub(in crate::node) struct Pool {
    places: Arc<Gauge>,
    pacer: Mutex<Pacer>,
    shelves: [Box<[Shelf]>; 2],
}

type Shelf = Mutex<VecDeque<(Time, Idle)>>;

/// One taken place; free again when dropped.
pub(super) struct Place(Arc<Gauge>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Pool {
    pub(in crate::node) fn new(bound: usize, connects: u32, workers: usize) -> Self {
        let shelves = || (0..workers.max(1)).map(|_| Shelf::default()).collect();
        let pacer = Mutex::new(Pacer::new(connects.into()));
        Self { places: Arc::new(Gauge::new(bound)), pacer, shelves: [shelves(), shelves()] }
    }

    /// The places: taken, bound, refused.
    pub(in crate::node) fn places(&self) -> &Gauge {
        &self.places
    }

    pub(super) fn enter(&self) -> Option<Place> {
        self.places.try_enter().then(|| Place(self.places.clone()))
    }

    /// When a new connection may be opened, if that is within `patience`: a node that has come back must not have to
    /// greet everybody at once. Otherwise how long it would take.
    pub(super) fn turn(&self, patience: Duration, now: Time) -> Result<Time, Duration> {
        let mut pacer = self.pacer.lock();
        let turn = pacer.next_at().max(now);
        let wait = turn.since(now);
        if wait > patience {
            return Err(wait);
        }
        pacer.note_start(turn);
        Ok(turn)
    }

    /// The connection that was last used, if it is still there.
    pub(super) fn take(&self, worker: usize, protocol: Protocol) -> Option<Idle> {
        let mut shelf = self.shelf(worker, protocol).lock();
        while let Some((_, mut idle)) = shelf.pop_back() {
            if is_alive(&mut idle.wire) {
                return Some(idle);
            }
        }
        None
    }

    /// Keeps a connection for the next client, and lets those go that have waited too long for theirs.
    pub(super) fn keep(&self, worker: usize, protocol: Protocol, idle: Idle, now: Time) {
        let mut shelf = self.shelf(worker, protocol).lock();
        shelf.push_back((now, idle));
        while shelf.len() > MOST_IDLE || shelf.front().is_some_and(|(since, _)| now.since(*since) > IDLE_FOR) {
            shelf.pop_front();
        }
    }

    fn shelf(&self, worker: usize, protocol: Protocol) -> &Shelf {
        let shelves = &self.shelves[protocol as usize];
        &shelves[worker % shelves.len()]
    }
}

/// Whether the other end is there, and has said nothing that nobody asked for.
fn is_alive(wire: &mut Wire) -> bool {
    let mut byte = [0; 1];
    let read = wire.read_now(&mut &mut byte[..]);
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}
