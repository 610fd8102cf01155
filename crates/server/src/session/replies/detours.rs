//! Requests that were sent elsewhere: asked again at once where it is known whom, and otherwise when that is known.
//!
//! They keep their order, so that of two writes to one key the second is never asked before the first: those that wait
//! for the map wait in one line, and whatever is sent elsewhere while there is a line joins it. A change that is to be
//! repeated after a pause (its keys are divided by a slot on the move) keeps the client's later commands waiting; if some
//! have been sent already, it is not repeated: nothing was done, and its client is told so.
//!
//! Others may have been sent already, too, when a change comes to wait for the map, and be answered by a node that is the
//! owner after all, or only a replica by now. What is read so does not show the change, and is asked again behind it; and a
//! change that another of the same place has overtaken is not made any more, which its client is told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use failsoft::context::Context;
use failsoft::delivery::{Deliver, Sink};
use failsoft::job::{Job, Progress};
use failsoft::node::Question;
use failsoft::topology::{Hint, Look, Place};
use failsoft_core::outcome::Failure;
use failsoft_core::request::Ask;
use failsoft_core::{Outcome, Tier, Time};

use super::inbox::{Errand, Inbox};
use super::{Inner, Replies, Slot};

/// Those of one client that wait, at most as many as it may have under way.
#[derive(Default)]
pub(super) struct Detours {
    line: VecDeque<Waiting>,
}

/// The ticket of the last change that is repeated, and one; 0 before the first.
#[derive(Default)]
pub(super) struct Repeated(AtomicU64);

/// A request that waits for its turn; it keeps its place among the replies.
struct Waiting {
    ticket: u64,
    cause: Cause,
    /// What its client asked later has been done where it was to be done.
    is_overtaken: bool,
}

#[derive(Clone, Copy)]
enum Cause {
    /// It has to be looked anew which nodes there are; it waits until then at the longest.
    Map(Look, Time),
    /// It is known whom to ask, and others are before it.
    Order(Ask),
}

impl Replies {
    /// Whether a change is being repeated which no later command may overtake.
    #[inline]
    pub(crate) fn is_repeating(&self) -> bool {
        let after = self.repeated.0.load(Ordering::Relaxed);
        after > 0 && !self.is_answered(after - 1)
    }

    /// Has later commands wait for the change at `ticket`.
    pub(super) fn hold_back(&self, ticket: u64) {
        self.repeated.0.store(ticket + 1, Ordering::Relaxed);
    }

    /// Whether the command at `ticket` may have a part of it repeated; later commands wait for it then. Not if there are
    /// some.
    pub(crate) fn may_come_late(&self, ticket: u64) -> bool {
        let inner = self.inner.lock();
        let is_last = inner.first + inner.slots.len() as u64 <= ticket + 1;
        if is_last {
            self.hold_back(ticket);
        }
        is_last
    }

    /// Has later commands wait for a change that is to be repeated after a pause, or, if there are such commands
    /// (`followers`), has it end.
    pub(super) fn keep_order(
        &self,
        job: &mut Job,
        context: &Context,
        ticket: u64,
        followers: u64,
        progress: Progress,
        now: Time,
    ) -> Progress {
        match progress {
            Progress::Wait(_) if job.is_change() && followers > 0 => job.forgo_repeat(context, now),
            Progress::Wait(_) if job.is_change() => {
                self.hold_back(ticket);
                progress
            }
            Progress::Wait(_) | Progress::Ask(_) | Progress::Learn(_) | Progress::Done(_) => progress,
        }
    }

    /// Carries the request at `ticket` on if it is sent to another primary, or waits to learn of one.
    pub(super) fn detour(
        self: &Arc<Self>,
        inner: &mut Inner,
        ticket: u64,
        progress: Progress,
        now: Time,
    ) -> Option<Errand> {
        if inner.closed || !matches!(inner.slot(ticket), Some(Slot::Asked { .. })) {
            return None;
        }
        let cause = match progress {
            Progress::Learn(by) => Cause::Map(inner.context.world.deployment().hint(Hint::Moved)?, by),
            Progress::Ask(ask) if ask.tier == Tier::Primary && inner.detours.line.is_empty() => {
                return Some(self.ask_again(inner, ticket, ask, now));
            }
            Progress::Ask(ask) if ask.tier == Tier::Primary => Cause::Order(ask),
            Progress::Ask(_) | Progress::Wait(_) | Progress::Done(_) => return None,
        };
        inner.detours.line.push_back(Waiting { ticket, cause, is_overtaken: false });
        Some(if inner.detours.line.len() == 1 { Errand::Detour } else { Errand::None })
    }

    fn ask_again(self: &Arc<Self>, inner: &Inner, ticket: u64, ask: Ask, now: Time) -> Errand {
        let Some(Slot::Asked { job, .. }) = inner.slot(ticket) else {
            return Errand::None;
        };
        let context = &inner.context;
        let question = Question {
            sink: Sink { to: Arc::new(Inbox(self.clone())), ticket },
            permit: ask.grant.permit,
            by: ask.by,
            asked: now,
            protocol: job.matter().protocol,
            author: job.author(),
            lane: context.lane,
            manner: ask.grant.manner,
        };
        match job.node(context, ask).ask(context.worker, job.frame(), question) {
            Ok(()) => Errand::None,
            Err(failure) => Errand::Unasked(failure),
        }
    }

    /// Carries on those that wait, one after the other, in a task that ends when nobody waits any more.
    pub(super) fn carry_on_detours(self: &Arc<Self>) {
        let replies = self.clone();
        tokio::spawn(async move {
            while let Some((cause, context)) = replies.next_detour() {
                if let Cause::Map(look, by) = cause {
                    context.world.deployment().learned(look, by.since(context.now())).await;
                }
                replies.end_detour();
            }
        });
    }

    fn next_detour(&self) -> Option<(Cause, Context)> {
        let inner = self.inner.lock();
        let first = inner.detours.line.front()?;
        Some((first.cause, inner.context.clone()))
    }

    /// The first in line goes on by what is known now.
    fn end_detour(self: &Arc<Self>) {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        let now = inner.context.now();
        let Some(Waiting { ticket, cause, is_overtaken }) = inner.detours.line.pop_front() else {
            return;
        };
        let errand = match cause {
            Cause::Order(ask) => self.ask_in_turn(inner, ticket, ask, now),
            Cause::Map(..) if is_overtaken => inner.give_way(ticket, now),
            Cause::Map(..) => self.go_on(inner, ticket, now),
        };
        drop(guard);
        match errand {
            Errand::Run(job, progress) => self.run(ticket, job, progress),
            Errand::Unasked(failure) => {
                let inbox = Inbox(self.clone());
                inbox.deliver(ticket, Outcome::Failed(failure), &[], now);
                inbox.wake();
            }
            Errand::None | Errand::Detour | Errand::RunMany(..) | Errand::FallApart(_) => {}
        }
    }

    /// What the node was allowed to take began when it was the turn of this request, or the node would be charged with the
    /// wait.
    fn ask_in_turn(self: &Arc<Self>, inner: &Inner, ticket: u64, ask: Ask, now: Time) -> Errand {
        let Some(Slot::Asked { job, .. }) = inner.slot(ticket) else {
            return Errand::None;
        };
        match job.put_off(&inner.context.world, ask, now) {
            Some(ask) => self.ask_again(inner, ticket, ask, now),
            None => {
                inner.context.give_back(job, Progress::Ask(ask), now);
                Errand::Unasked(Failure::DeadlineSpent)
            }
        }
    }

    fn go_on(self: &Arc<Self>, inner: &mut Inner, ticket: u64, now: Time) -> Errand {
        let views = inner.context.world.views();
        let Some((job, context)) = inner.job(ticket) else {
            return Errand::None;
        };
        job.take_up(views);
        match job.advance(context, now) {
            Progress::Ask(ask) if ask.tier == Tier::Primary => self.ask_again(inner, ticket, ask, now),
            Progress::Done(ending) => {
                inner.answer(ticket, ending, &[], now);
                inner.wake();
                Errand::None
            }
            progress @ (Progress::Ask(_) | Progress::Wait(_) | Progress::Learn(_)) => match inner.take(ticket) {
                Slot::Asked { job, .. } => Errand::Run(job, progress),
                Slot::Ready(_) | Slot::AskedMany { .. } | Slot::Running => Errand::None,
            },
        }
    }
}

impl Inner {
    /// Whether the request at `ticket` has read what a change does not show yet that was asked before it, and that waits for
    /// the map. If it has been done and is a change itself, those that wait are not made any more.
    #[inline]
    pub(super) fn is_too_early(&mut self, ticket: u64, outcome: Outcome) -> bool {
        !self.detours.line.is_empty() && matches!(outcome, Outcome::Hit | Outcome::Miss(_)) && self.heed_line(ticket)
    }

    fn heed_line(&mut self, ticket: u64) -> bool {
        let Some(Slot::Asked { job, .. }) = self.slot(ticket) else {
            return false;
        };
        let (place, is_change, is_asked) = (job.matter().place, job.is_change(), job.has_asked_primary());
        let is_passed = |waiting: &Waiting| waiting.ticket < ticket && self.has_disowned_change(waiting.ticket, place);
        let passed: Vec<bool> = self.detours.line.iter().map(is_passed).collect();
        if is_change {
            let waiting = self.detours.line.iter_mut().zip(passed);
            waiting.for_each(|(waiting, is_passed)| waiting.is_overtaken |= is_passed);
            return false;
        }
        is_asked && passed.contains(&true)
    }

    fn has_disowned_change(&self, ticket: u64, place: Place) -> bool {
        match self.slot(ticket) {
            Some(Slot::Asked { job, .. }) => job.is_change() && job.is_disowned() && job.matter().place == place,
            Some(Slot::Ready(_) | Slot::AskedMany { .. } | Slot::Running) | None => false,
        }
    }

    /// The change at `ticket` is not made any more.
    fn give_way(&mut self, ticket: u64, now: Time) -> Errand {
        if let Some((job, context)) = self.job(ticket)
            && let Progress::Done(ending) = job.give_way(context, now)
        {
            self.answer(ticket, ending, &[], now);
            self.wake();
        }
        Errand::None
    }
}
