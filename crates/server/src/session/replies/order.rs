//! Which of a client's requests may not pass which, where some of them have been sent elsewhere.
//!
//! Those that one node is asked come there, and their answers back, in the order in which they were sent. That is lost for a
//! change that one node sends to another and that one back, because the slot is on its way back too: what was sent behind it
//! may find the first node the owner again, and be carried out. Nobody can undo that, so the change is not made any more. So
//! it is remembered which changes are under way to another node, and one that is to go back waits until those behind it that
//! are about the same key have come back as well.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use failsoft::job::Job;
use failsoft_core::Outcome;
use failsoft_core::refusal::Refusal;
use failsoft_core::request::Ask;

use super::{Inner, Replies, Slot};

/// Changes that have been sent elsewhere and put to another node, in the order of their tickets.
#[derive(Default)]
pub(super) struct Abroad(VecDeque<Absent>);

struct Absent {
    ticket: u64,
    /// What its client asked later about the same key has been done.
    is_overtaken: bool,
}

impl Abroad {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn go(&mut self, ticket: u64) {
        let at = self.0.partition_point(|absent| absent.ticket < ticket);
        self.0.insert(at, Absent { ticket, is_overtaken: false });
    }

    /// The answer to the request at `ticket` is here; whether it was overtaken while it was away.
    fn come_back(&mut self, ticket: u64) -> bool {
        let at = self.0.binary_search_by_key(&ticket, |absent| absent.ticket);
        at.ok().and_then(|at| self.0.remove(at)).is_some_and(|absent| absent.is_overtaken)
    }

    fn overtake(&mut self, ticket: u64) {
        if let Ok(at) = self.0.binary_search_by_key(&ticket, |absent| absent.ticket) {
            self.0[at].is_overtaken = true;
        }
    }

    fn before(&self, ticket: u64) -> impl Iterator<Item = u64> {
        self.0.iter().map(|absent| absent.ticket).take_while(move |absent| *absent < ticket)
    }
}

impl Replies {
    /// The answer to the request at `ticket` is here; whether it is a change that was overtaken while it was away.
    #[inline]
    pub(super) fn come_back(&self, inner: &mut Inner, ticket: u64) -> bool {
        if !inner.detours.line.is_empty() {
            self.came_back.notify_one();
        }
        !inner.detours.abroad.is_empty() && inner.detours.abroad.come_back(ticket)
    }
}

impl Inner {
    /// Whether the request at `ticket` has read what a change does not show yet that was asked before it, and that has been
    /// sent elsewhere. If it has been done and is a change itself, those that it has passed are not made any more.
    #[inline]
    pub(super) fn is_too_early(&mut self, ticket: u64, outcome: Outcome) -> bool {
        let is_usual = self.detours.line.is_empty() && self.detours.abroad.is_empty();
        !is_usual && matches!(outcome, Outcome::Hit | Outcome::Miss(_)) && self.heed_passed(ticket)
    }

    fn heed_passed(&mut self, ticket: u64) -> bool {
        let passed = self.passed_by(ticket);
        let Some(Slot::Asked { job, .. }) = self.slot(ticket) else {
            return false;
        };
        if !job.is_change() {
            return job.has_asked_primary() && !passed.is_empty();
        }
        for ticket in passed {
            self.detours.abroad.overtake(ticket);
            self.detours.overtake(ticket);
        }
        false
    }

    /// How many requests the one at `ticket` would be out of order with if it were repeated after a pause.
    #[inline]
    pub(super) fn out_of_order_with(&self, ticket: u64, outcome: Outcome) -> u64 {
        let followers = (self.first + self.slots.len() as u64).saturating_sub(ticket + 1);
        if outcome != Outcome::Refused(Refusal::TryAgain) {
            return followers;
        }
        followers + self.passed_by(ticket).len() as u64
    }

    /// The changes before `ticket` that it may not pass, and that a node has disowned.
    fn passed_by(&self, ticket: u64) -> Vec<u64> {
        let Some(Slot::Asked { job, .. }) = self.slot(ticket) else {
            return Vec::new();
        };
        let is_passed = |earlier: &u64| {
            self.change(*earlier).is_some_and(|earlier| earlier.is_disowned() && earlier.is_about_key_of(job))
        };
        self.detours.before(ticket).chain(self.detours.abroad.before(ticket)).filter(is_passed).collect()
    }

    /// Whether the request at `ticket` may not be put to the node that `ask` is for yet: changes about its key are under way
    /// that it could pass there, or that have passed it.
    pub(super) fn has_to_wait(&self, ticket: u64, ask: Ask) -> bool {
        let Some(Slot::Asked { job, .. }) = self.slot(ticket) else {
            return false;
        };
        let target = job.node(&self.context, ask);
        let is_elsewhere =
            |change: &Job| change.asked_node(&self.context).is_none_or(|node| !Arc::ptr_eq(node, target));
        let is_in_the_way = |other: u64, change: &Job| match other.cmp(&ticket) {
            Ordering::Less => is_elsewhere(change),
            Ordering::Equal => false,
            Ordering::Greater => job.is_change(),
        };
        (self.first..).zip(&self.slots).any(|(other, _)| {
            self.change(other).is_some_and(|change| {
                is_in_the_way(other, change) && change.is_about_key_of(job) && !self.detours.is_in_line(other)
            })
        })
    }

    /// The change at `ticket` that a node is asked, or that waits.
    fn change(&self, ticket: u64) -> Option<&Job> {
        match self.slot(ticket) {
            Some(Slot::Asked { job, .. }) if job.is_change() => Some(job),
            Some(Slot::Asked { .. } | Slot::Ready(_) | Slot::AskedMany { .. } | Slot::Running) | None => None,
        }
    }
}
