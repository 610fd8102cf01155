//! Decides when which user is read, for both sides alike.
//!
//! Open loop: reads are due at fixed moments whatever became of the ones before, and time is taken from when a read
//! was due, not from when somebody came round to it. So a stall is felt by every read that fell into it, as by users
//! who do not wait for one another (Gil Tene calls the opposite "coordinated omission").
//!
//! A thread of its own, since a runtime's timer knows milliseconds only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::error::DemoError;
use super::users;
use super::zipf::Zipf;

/// One read to be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) at: Instant,
    pub(super) user: u32,
    /// The place of its phase in the play.
    pub(super) phase: usize,
}

/// The thread that hands out reads. Dropping it ends the load.
#[derive(Debug)]
pub(super) struct Pacer {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    phase: AtomicUsize,
    is_over: AtomicBool,
}

impl Pacer {
    /// Begins: `rate` reads a second to each of `sides`.
    pub(super) fn start(rate: u32, sides: Vec<UnboundedSender<Due>>) -> Result<Self, DemoError> {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new().name("pacer".to_owned()).spawn(move || pace(rate, &sides, &shared));
        let thread = thread.map_err(DemoError::io("start a thread"))?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// Reads that are due from here on belong to this phase.
    pub(super) fn enter(&self, phase: usize) {
        self.state.phase.store(phase, Ordering::Relaxed);
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        // The thread can only have ended; a panic of it has been printed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn pace(rate: u32, sides: &[UnboundedSender<Due>], state: &State) {
    let mut zipf = Zipf::new(users::COUNT);
    let start = Instant::now();
    let due_at = |read: u64| start + Duration::from_nanos(read * 1_000_000_000 / u64::from(rate));
    for read in 0.. {
        let at = due_at(read);
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if state.is_over.load(Ordering::Relaxed) {
            return;
        }
        let due = Due { at, user: zipf.draw(), phase: state.phase.load(Ordering::Relaxed) };
        for side in sides {
            // A side that has ended is reported by whoever waits for it.
            let _ = side.send(due);
        }
    }
}
