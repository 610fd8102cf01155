//! What is said at once of a value that is to be made: by the origin, what it has said a moment ago; by the callers, who of
//! them makes it.

use failsoft_core::outcome::{Failure, MissCause};
use failsoft_core::request::Ask;
use failsoft_core::{Outcome, Tier, Time};

use super::Job;
use crate::context::Context;
use crate::route::Route;
use crate::tier::aside::Aside;
use crate::verb::Verb;

impl Job {
    /// The outcome of asking the origin tier, if nobody has to be waited for.
    pub(super) fn make_at_once(&mut self, context: &Context, route: &Route, ask: Ask, now: Time) -> Option<Outcome> {
        match (ask.tier, &route.aside) {
            (Tier::Origin, Some(aside)) => self.ask_callers(context, aside, now),
            (Tier::Origin, None) => self.recall(&context.world, route, ask, now),
            (Tier::Primary | Tier::Replica | Tier::Regional | Tier::Local | Tier::Default, _) => None,
        }
    }

    fn ask_callers(&self, context: &Context, aside: &Aside, now: Time) -> Option<Outcome> {
        if self.matter.verb.is_some_and(Verb::is_answered_by_making) {
            return aside.request_now(self.key(), aside.asker(context.lane), self.begun, now);
        }
        Some(match self.request.absent() {
            Some(_) => Outcome::Miss(MissCause::Absent),
            None => Outcome::Failed(Failure::Unfilled),
        })
    }
}
