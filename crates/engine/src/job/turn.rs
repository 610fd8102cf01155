//! What keeps a client's commands in their order where some of them are sent elsewhere: what a request is, as far as its
//! neighbours are concerned, and how it gives way to them.

use failsoft_core::Tier;
use failsoft_core::Time;
use failsoft_core::request::Ask;

use super::{Job, Progress};
use crate::context::Context;
use crate::route::Way;
use crate::world::World;

impl Job {
    /// Whether it changes something, so that it may not be overtaken by what its caller asks later.
    pub fn is_change(&self) -> bool {
        match self.matter.way {
            Way::Write | Way::Script => true,
            Way::Through | Way::Made | Way::Nodes => false,
        }
    }

    /// Whether a primary was asked last.
    pub fn has_asked_primary(&self) -> bool {
        self.asked.is_some_and(|ask| ask.tier == Tier::Primary)
    }

    /// Whether it is the primary that was asked last that is not the owner, rather than this key that has gone ahead of its
    /// slot. Of a request that was sent elsewhere.
    pub fn is_disowned(&self) -> bool {
        self.trail.detour().is_none_or(|detour| detour.is_disowned())
    }

    /// A question of this request that has had to wait for its turn, as it is to be put now, if it still is.
    pub fn put_off(&self, world: &World, ask: Ask, now: Time) -> Option<Ask> {
        let plan = world.route(self.matter.route).plan(self.matter.way);
        ask.put_off(self.request.deadline(), plan.timeout(ask.tier), now)
    }

    /// Ends it if it would be repeated after a pause, and goes on.
    pub fn forgo_repeat(&mut self, context: &Context, now: Time) -> Progress {
        self.request.forgo_repeat(context.world.route(self.matter.route).plan(self.matter.way), now);
        self.advance(context, now)
    }

    /// Ends it if it waits until it is known who owns its key, and goes on: what was asked after it has been done before it.
    pub fn give_way(&mut self, context: &Context, now: Time) -> Progress {
        self.request.give_way(context.world.route(self.matter.route).plan(self.matter.way), now);
        self.advance(context, now)
    }
}
