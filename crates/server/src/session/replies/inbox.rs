//! What a node has brought finds its place: it answers the request that waits there, or is the reason for the next step.

use std::sync::Arc;

use failsoft::delivery::Deliver;
use failsoft::job::{Job, Progress};
use failsoft::verb::ManyVerb;
use failsoft_core::outcome::Failure;
use failsoft_core::refusal::Refusal;
use failsoft_core::{Outcome, Time};

use super::apart::Apart;
use super::{Replies, Slot};

/// What is to be done after the lock is released.
pub(super) enum Errand {
    None,
    Run(Job, Progress),
    /// The node that was to be asked again could not be.
    Unasked(Failure),
    /// The first has come to wait for the map.
    Detour,
    RunMany(Job, ManyVerb, Outcome),
    /// Some of its keys have moved, and some have not.
    FallApart(Apart),
}

/// A client's replies, shared with those who bring them.
pub(crate) struct Inbox(pub(crate) Arc<Replies>);

impl Deliver for Inbox {
    fn deliver(&self, ticket: u64, outcome: Outcome, reply: &[u8], now: Time) {
        match self.0.handle_delivery(ticket, outcome, reply, now) {
            Errand::None => {}
            Errand::Unasked(failure) => self.deliver(ticket, Outcome::Failed(failure), &[], now),
            Errand::Detour => self.0.carry_on_detours(),
            Errand::Run(job, progress) => self.0.run(ticket, job, progress),
            Errand::RunMany(job, verb, outcome) => {
                self.0.run_many(ticket, job, verb, Some((outcome, reply.to_vec())));
            }
            Errand::FallApart(apart) => self.0.fall_apart(ticket, apart),
        }
    }

    fn wake(&self) {
        self.0.inner.lock().wake();
    }
}

impl Replies {
    /// Jobs are told where they lie: the requests of a healthy pipeline are not moved.
    fn handle_delivery(self: &Arc<Self>, ticket: u64, outcome: Outcome, reply: &[u8], now: Time) -> Errand {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        let is_overtaken = self.come_back(inner, ticket);
        let followers = inner.out_of_order_with(ticket, outcome);
        if outcome == Outcome::Refused(Refusal::TryAgain)
            && let Some(apart) = self.take_apart(inner, ticket, followers)
        {
            return Errand::FallApart(apart);
        }
        let (outcome, reply): (_, &[u8]) =
            if inner.is_too_early(ticket, outcome) || inner.is_superseded(ticket, outcome) {
                (Outcome::Refused(Refusal::Moved), &[])
            } else {
                (outcome, reply)
            };
        let progress = match inner.slots.get_mut((ticket - inner.first) as usize) {
            Some(Slot::Asked { job }) => {
                let progress = job.handle_reply(&inner.context, outcome, reply, now);
                Some(self.keep_order(job, &inner.context, ticket, followers, progress, now))
            }
            Some(Slot::AskedMany { job, verb, keys }) if outcome == Outcome::Hit && verb.is_complete(reply, *keys) => {
                Some(job.handle_reply(&inner.context, outcome, reply, now))
            }
            Some(Slot::AskedMany { .. } | Slot::Ready(_) | Slot::Running) | None => None,
        };
        if let Some(Progress::Done(ending)) = progress {
            inner.answer(ticket, ending, reply, now);
            return Errand::None;
        }
        if let Some(progress) = progress
            && let Some(errand) = self.detour(inner, ticket, progress, is_overtaken, now)
        {
            return errand;
        }
        match (inner.take(ticket), progress) {
            (Slot::Asked { job, .. }, Some(progress)) if inner.closed => {
                inner.context.give_back(&job, progress, now);
                Errand::None
            }
            (Slot::Asked { job, .. }, Some(progress)) => Errand::Run(job, progress),
            (Slot::AskedMany { .. }, _) if inner.closed => Errand::None,
            (Slot::AskedMany { job, verb, .. }, _) => Errand::RunMany(job, verb, outcome),
            (slot @ (Slot::Asked { .. } | Slot::Ready(_) | Slot::Running), _) => {
                debug_assert!(false, "delivered twice");
                inner.place(ticket, slot);
                Errand::None
            }
        }
    }
}
