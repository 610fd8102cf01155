//! Requests that were sent elsewhere: asked again at once where it is known whom, and otherwise when that is known.
//!
//! They keep their order, so that of two writes to one key the second is never asked before the first: those that wait
//! for the map, or that are sent back to a node, wait in one line, and whatever is sent elsewhere while there is a line
//! joins it. A change that waits there, or that is to be repeated after a pause (its keys are divided by a slot on the move),
//! keeps the client's later commands waiting; if some have been sent already, it is not repeated after a pause: nothing was
//! done, and its client is told so.
//!
//! Others may have been sent already, too, when a change comes to wait in line, and be answered by a node that is the
//! owner after all, or only a replica by now. What is read so does not show the change, and is asked again behind it; and a
//! change that another of the same key has overtaken is not made any more, which its client is told (see `order`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use failsoft::context::Context;
use failsoft::delivery::{Deliver, Sink};
use failsoft::job::{Job, Progress};
use failsoft::node::Question;
use failsoft::topology::{Hint, Look};
use failsoft_core::outcome::Failure;
use failsoft_core::request::Ask;
use failsoft_core::{Outcome, Tier, Time};

use super::inbox::{Errand, Inbox};
use super::order::Abroad;
use super::{Inner, Replies, Slot};

/// Those of one client that wait, at most as many as it may have under way.
#[derive(Default)]
pub(super) struct Detours {
    /// In the order of their tickets.
    pub(super) line: VecDeque<Waiting>,
    /// A task carries on those in line.
    is_carried_on: bool,
    /// Changes that have been asked elsewhere.
    pub(super) abroad: Abroad,
}

/// The ticket of the last change that later commands wait for, and one; 0 before the first.
#[derive(Default)]
pub(super) struct Repeated(AtomicU64);

/// A request that waits for its turn; it keeps its place among the replies.
pub(super) struct Waiting {
    ticket: u64,
    cause: Cause,
    /// What its client asked later about the same key has been done.
    is_overtaken: bool,
}

#[derive(Clone, Copy)]
enum Cause {
    /// It has to be looked anew which nodes there are; it waits until then at the longest.
    Map(Look, Time),
    /// It is known whom to ask, and others are before it.
    Order(Ask),
}

/// What has become of the first in line.
enum Turn {
    /// It has had its turn, or is not the first any more.
    Over,
    /// It cannot go on before others have come back.
    Held,
}

impl Detours {
    /// Takes a place in line; whether somebody has to carry it on.
    fn join(&mut self, ticket: u64, cause: Cause) -> bool {
        let at = self.line.partition_point(|waiting| waiting.ticket < ticket);
        self.line.insert(at, Waiting { ticket, cause, is_overtaken: false });
        !std::mem::replace(&mut self.is_carried_on, true)
    }

    /// Who waits in line before `ticket`.
    pub(super) fn before(&self, ticket: u64) -> impl Iterator<Item = u64> {
        self.line.iter().map(|waiting| waiting.ticket).take_while(move |waiting| *waiting < ticket)
    }

    pub(super) fn is_in_line(&self, ticket: u64) -> bool {
        self.line.binary_search_by_key(&ticket, |waiting| waiting.ticket).is_ok()
    }

    /// The change at `ticket`, if it is in line, has been passed.
    pub(super) fn overtake(&mut self, ticket: u64) {
        if let Ok(at) = self.line.binary_search_by_key(&ticket, |waiting| waiting.ticket) {
            self.line[at].is_overtaken = true;
        }
    }
}

impl Replies {
    /// Whether there is a change that no later command may overtake.
    #[inline]
    pub(crate) fn is_repeating(&self) -> bool {
        let after = self.repeated.0.load(Ordering::Relaxed);
        after > 0 && !self.is_answered(after - 1)
    }

    /// Has later commands wait for the change at `ticket`.
    pub(super) fn hold_back(&self, ticket: u64) {
        self.repeated.0.fetch_max(ticket + 1, Ordering::Relaxed);
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
        is_overtaken: bool,
        now: Time,
    ) -> Option<Errand> {
        let Some(Slot::Asked { job, .. }) = inner.slot(ticket).filter(|_| !inner.closed) else {
            return None;
        };
        let is_change = job.is_change();
        let cause = match progress {
            Progress::Ask(Ask { tier: Tier::Primary, .. }) | Progress::Learn(_) if is_overtaken => {
                return Some(inner.give_way(ticket, progress, now));
            }
            Progress::Learn(by) => Cause::Map(inner.context.world.deployment().hint(Hint::Moved)?, by),
            Progress::Ask(ask) if ask.tier == Tier::Primary => {
                let is_direct = inner.detours.line.is_empty() && !(is_change && job.returns_to(ask));
                let moves_to = job.moves_to(ask);
                moves_to.into_iter().for_each(|(place, node)| inner.moved.note(place, node));
                if is_direct {
                    return Some(self.ask_again(inner, ticket, ask, now));
                }
                Cause::Order(ask)
            }
            Progress::Ask(_) | Progress::Wait(_) | Progress::Done(_) => return None,
        };
        if is_change {
            self.hold_back(ticket);
        }
        Some(if inner.detours.join(ticket, cause) { Errand::Detour } else { Errand::None })
    }

    fn ask_again(self: &Arc<Self>, inner: &mut Inner, ticket: u64, ask: Ask, now: Time) -> Errand {
        if inner.slot(ticket).is_some_and(is_change) {
            inner.detours.abroad.go(ticket);
        }
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
            while let Some((ticket, cause, context)) = replies.next_detour() {
                if let Cause::Map(look, by) = cause {
                    context.world.deployment().learned(look, by.since(context.now())).await;
                }
                match replies.end_detour(ticket) {
                    Turn::Over => {}
                    Turn::Held => replies.came_back.notified().await,
                }
            }
        });
    }

    fn next_detour(&self) -> Option<(u64, Cause, Context)> {
        let mut inner = self.inner.lock();
        let first = inner.detours.line.front().map(|first| (first.ticket, first.cause, inner.context.clone()));
        inner.detours.is_carried_on = first.is_some();
        first
    }

    /// The request at `ticket`, if it is the first in line, goes on by what is known now.
    fn end_detour(self: &Arc<Self>, ticket: u64) -> Turn {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        let now = inner.context.now();
        let Some(&Waiting { cause, is_overtaken, .. }) =
            inner.detours.line.front().filter(|first| first.ticket == ticket)
        else {
            return Turn::Over;
        };
        let errand = match cause {
            Cause::Map(_, by) if is_overtaken => inner.leave_line(ticket, Progress::Learn(by), now),
            Cause::Order(ask) if is_overtaken => inner.leave_line(ticket, Progress::Ask(ask), now),
            Cause::Map(..) => self.go_on(inner, ticket, now),
            Cause::Order(ask) if inner.has_to_wait(ticket, ask) => return Turn::Held,
            Cause::Order(ask) => {
                inner.detours.line.pop_front();
                self.ask_in_turn(inner, ticket, ask, now)
            }
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
        Turn::Over
    }

    /// What the node was allowed to take began when it was the turn of this request, or the node would be charged with the
    /// wait.
    fn ask_in_turn(self: &Arc<Self>, inner: &mut Inner, ticket: u64, ask: Ask, now: Time) -> Errand {
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

    /// The first in line goes by the map that has been learned. Whom it is to ask now, it asks when it is its turn.
    fn go_on(self: &Arc<Self>, inner: &mut Inner, ticket: u64, now: Time) -> Errand {
        let views = inner.context.world.views();
        inner.detours.line.pop_front();
        let Some((job, context)) = inner.job(ticket) else {
            return Errand::None;
        };
        job.take_up(views);
        match job.advance(context, now) {
            Progress::Ask(ask) if ask.tier == Tier::Primary => {
                inner.detours.join(ticket, Cause::Order(ask));
                Errand::None
            }
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
    /// The first in line, a change at `ticket` which wants this next, is not made any more.
    fn leave_line(&mut self, ticket: u64, progress: Progress, now: Time) -> Errand {
        self.detours.line.pop_front();
        self.give_way(ticket, progress, now)
    }

    /// The change at `ticket`, which wants this next, is not made any more.
    fn give_way(&mut self, ticket: u64, progress: Progress, now: Time) -> Errand {
        if let Some((job, context)) = self.job(ticket) {
            context.give_back(job, progress, now);
            if let Progress::Done(ending) = job.give_way(context, now) {
                self.answer(ticket, ending, &[], now);
                self.wake();
            }
        }
        Errand::None
    }
}

fn is_change(slot: &Slot) -> bool {
    match slot {
        Slot::Asked { job, .. } => job.is_change(),
        Slot::Ready(_) | Slot::AskedMany { .. } | Slot::Running => false,
    }
}
