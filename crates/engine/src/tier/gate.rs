//! A guard's gate: who may begin now goes through, who may not yet waits for the guard's word, each for so long as it likes.
//!
//! The guard decides ([`failsoft_core::guard`]); here is what it must not know, tasks that wait and a timer that asks it
//! again. Whoever goes through holds a place until it drops it, and whoever stops waiting leaves the line, also if
//! its task is dropped in the middle: a leave that nobody takes would be lost for good.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use failsoft_core::Time;
use failsoft_core::guard::{
    Admission, Guard, GuardSettings, GuardStats, LoadPermit, LoadResult, ShedReason, Ticket, Want,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep_until, timeout_at};

use crate::clock::Clock;
use crate::shutdown::Shutdown;

/// A guard, and those who wait for it.
pub(crate) struct Gate {
    line: Mutex<Line>,
    clock: Clock,
    /// The guard's next timer may have changed.
    pump_wanted: Notify,
    pump_started: AtomicBool,
    shutdown: Shutdown,
}

struct Line {
    guard: Guard,
    waiting: HashMap<Ticket, oneshot::Sender<Result<LoadPermit, ShedReason>>>,
}

/// A place among those who went through; given back when it is dropped.
pub(crate) struct Passage {
    gate: Arc<Gate>,
    permit: Option<LoadPermit>,
    result: LoadResult,
}

impl Passage {
    /// Gives the place back, with what came of it.
    pub(crate) fn end(mut self, result: LoadResult) {
        self.result = result;
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.gate.line.lock().guard.handle_done(permit, self.result, self.gate.clock.now());
            self.gate.pump_wanted.notify_one();
        }
    }
}

impl Gate {
    pub(crate) fn new(settings: &GuardSettings, clock: Clock) -> Self {
        Self {
            line: Mutex::new(Line { guard: Guard::new(settings), waiting: HashMap::new() }),
            clock,
            pump_wanted: Notify::new(),
            pump_started: AtomicBool::new(false),
            shutdown: Shutdown::default(),
        }
    }

    /// How the guard is doing.
    pub(crate) fn stats(&self) -> GuardStats {
        self.line.lock().guard.stats(self.clock.now())
    }

    /// So many begin a second from here on, if there was a rate at all.
    pub(crate) fn set_max_rate(&self, max_rate: f64) {
        self.line.lock().guard.set_max_rate(max_rate);
        self.pump_wanted.notify_one();
    }

    /// Ends the guard's timer.
    pub(crate) fn close(&self) {
        self.shutdown.begin();
    }

    /// Goes through if that is possible without waiting.
    pub(crate) fn pass_now(self: &Arc<Self>, now: Time) -> Option<Passage> {
        let permit = self.line.lock().guard.request_now(now)?;
        Some(self.passage(permit))
    }

    /// Waits for the guard's leave, until `by`.
    pub(crate) async fn pass(self: &Arc<Self>, now: Time, by: Time) -> Result<Passage, ShedReason> {
        let mut waiting = {
            let mut line = self.line.lock();
            match line.guard.request_load(now, by) {
                Admission::Start(permit) => return Ok(self.passage(permit)),
                Admission::Shed(reason) => return Err(reason),
                Admission::Wait(ticket, _) => {
                    let (sender, called) = oneshot::channel();
                    line.waiting.insert(ticket, sender);
                    Waiting { gate: self, ticket, called }
                }
            }
        };
        self.start_pump();
        self.pump_wanted.notify_one();
        match timeout_at(self.clock.instant(by), &mut waiting.called).await {
            Ok(Ok(called)) => called.map(|permit| self.passage(permit)),
            Ok(Err(_)) => Err(ShedReason::Expired),
            Err(_) => waiting.leave().ok_or(ShedReason::Expired),
        }
    }

    fn passage(self: &Arc<Self>, permit: LoadPermit) -> Passage {
        Passage { gate: self.clone(), permit: Some(permit), result: LoadResult::Abandoned }
    }

    /// Tells everybody whose turn has come, or will not come.
    fn pump(&self) {
        let now = self.clock.now();
        let mut line = self.line.lock();
        while let Some(want) = line.guard.poll(now) {
            match want {
                Want::Start(ticket, permit) => {
                    let unsent = match line.waiting.remove(&ticket) {
                        Some(sender) => sender.send(Ok(permit)).err().and_then(Result::ok),
                        None => Some(permit),
                    };
                    if let Some(permit) = unsent {
                        line.guard.handle_done(permit, LoadResult::Abandoned, now);
                    }
                }
                Want::Shed(ticket, reason) => {
                    if let Some(sender) = line.waiting.remove(&ticket) {
                        // Whoever has stopped waiting does not want to know.
                        let _ = sender.send(Err(reason));
                    }
                }
            }
        }
    }

    fn start_pump(self: &Arc<Self>) {
        if !self.pump_started.swap(true, Ordering::AcqRel) {
            tokio::spawn(self.clone().pump_forever());
        }
    }

    async fn pump_forever(self: Arc<Self>) {
        loop {
            self.pump();
            let next = self.line.lock().guard.next_timer().unwrap_or(Time::NEVER);
            tokio::select! {
                () = sleep_until(self.clock.instant(next)) => {}
                () = self.pump_wanted.notified() => {}
                () = self.shutdown.begun() => return,
            }
        }
    }
}

/// A place in the line.
struct Waiting<'g> {
    gate: &'g Arc<Gate>,
    ticket: Ticket,
    called: oneshot::Receiver<Result<LoadPermit, ShedReason>>,
}

impl Waiting<'_> {
    /// Leaves the line; with leave, if it was given at the last moment.
    fn leave(&mut self) -> Option<Passage> {
        let mut line = self.gate.line.lock();
        if line.waiting.remove(&self.ticket).is_some() {
            line.guard.handle_cancel(self.ticket);
            self.gate.pump_wanted.notify_one();
        }
        drop(line);
        self.called.try_recv().ok().and_then(Result::ok).map(|permit| self.gate.passage(permit))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        drop(self.leave());
    }
}
