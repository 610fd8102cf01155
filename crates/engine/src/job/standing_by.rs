//! What is answered in the primary's stead when nobody else has answered: a message that is kept, or, on a rate-limit route
//! whose settings say so, a plain command on a counter.

use failsoft_core::mode::Mode;
use failsoft_core::outage::{OnOutage, is_away};
use failsoft_core::request::{Ending, Request};
use failsoft_core::{Outcome, Tier, Time};

use super::{Brought, Job};
use crate::clock::unix_ms;
use crate::context::Context;
use crate::primitive::count::{Count, Moment};
use crate::route::Route;
use crate::stand_in::StandIn;
use crate::words::Words;
use crate::world::World;

/// What kept the primary from answering a request that ended so, if it has not: its error reply, or why there was none.
pub(crate) fn unanswered(request: &Request, ending: Ending) -> Option<Outcome> {
    match ending {
        Ending::Value(_) | Ending::Absent(_) => None,
        Ending::PassOn(tier) => request.outcome_of(tier),
        Ending::Unavailable(apology) | Ending::Overloaded(apology) | Ending::OutcomeUnknown(apology) => {
            Some(apology.because)
        }
    }
}

/// Who answers a request on `route` in `mode` that `outcome` kept the primary from answering: this instance's count, or, where
/// everybody may, the answer to a first request.
pub(crate) fn stands_by(route: &Route, mode: Mode, outcome: Option<Outcome>) -> Option<Tier> {
    match (mode, route.on_outage) {
        (Mode::PassThrough, _) | (_, OnOutage::Closed) => None,
        (Mode::Auto | Mode::OriginOnly, _) if !outcome.is_some_and(is_away) => None,
        (Mode::Auto | Mode::OriginOnly, OnOutage::Open) => Some(Tier::Default),
        (Mode::Auto | Mode::OriginOnly, OnOutage::Local) => Some(Tier::Local),
    }
}

impl Job {
    /// What kept the primary from answering, if it has not: its error reply, or why there was none.
    pub(crate) fn unanswered(&self, ending: Ending) -> Option<Outcome> {
        unanswered(&self.request, ending)
    }

    /// Does what will be said instead of this ending; if that cannot be, it is said as it is.
    pub(super) fn stand_in_for(&mut self, world: &World, ending: Ending) {
        let is_kept = self.matter.stand_in == Some(StandIn::Kept);
        if is_kept && StandIn::Kept.covers(ending) && world.publishing().keep(&self.frame).is_err() {
            self.matter.stand_in = None;
        }
    }

    /// How a request on `route` that came to this ends.
    pub(super) fn stand_by(&mut self, context: &Context, route: &Route, ending: Ending, now: Time) -> Ending {
        let by = stands_by(route, self.mode, self.unanswered(ending));
        by.and_then(|by| self.count(context, by, now)).unwrap_or(ending)
    }

    fn count(&mut self, context: &Context, by: Tier, now: Time) -> Option<Ending> {
        let words = Words::of(&self.frame);
        let count = Count::read(words.as_slices(), Moment { now, unix_ms: unix_ms() })?;
        let (key, protocol) = (words.as_slices().get(1)?, self.matter.protocol);
        let mut reply = Vec::new();
        if by == Tier::Default {
            count.answer_open(now, protocol, &mut reply);
        } else if !context.world.limits().count(key, count, now, protocol, &mut reply) {
            return None;
        }
        self.brought = Some(Brought::StoodBy(reply));
        Some(Ending::Value(by))
    }
}
