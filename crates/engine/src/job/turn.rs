//! What keeps a client's commands in their order where some of them are sent elsewhere: what a request is, as far as its
//! neighbours are concerned, and how it gives way to them.

use std::sync::Arc;

use failsoft_core::Tier;
use failsoft_core::Time;
use failsoft_core::request::{Ask, Manner};

use super::{Job, Progress};
use crate::context::Context;
use crate::node::Node;
use crate::route::Way;
use crate::topology::Place;
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

    /// Whether a primary has said that it is not the owner, rather than that this key has gone ahead of its slot. Of a
    /// request that was sent elsewhere.
    pub fn is_disowned(&self) -> bool {
        self.trail.detour().is_none_or(|detour| detour.is_disowned())
    }

    /// Whether it and `other` may be about one key.
    pub fn is_about_key_of(&self, other: &Self) -> bool {
        let (own, others) = (self.only_key(), other.only_key());
        self.matter.place == other.matter.place && (own.is_empty() || others.is_empty() || own == others)
    }

    /// Empty if there are several, or none.
    fn only_key(&self) -> &[u8] {
        self.frame.get(self.matter.key.start as usize..self.matter.key.end as usize).unwrap_or_default()
    }

    /// Whether `ask` is for a node that has sent it away before.
    pub fn returns_to(&self, ask: Ask) -> bool {
        self.trail.detour().is_some_and(|detour| detour.has_been_at(ask.grant.node))
    }

    /// Where its caller's next requests at its place are to go, if `ask` is for a node that is the owner by another's word
    /// and no map has been learned since.
    pub fn moves_to(&self, ask: Ask) -> Option<(Place, u16)> {
        let is_moved = ask.grant.manner == Manner::Plain && self.is_disowned() && self.trail.views().is_none();
        is_moved.then_some((self.matter.place, ask.grant.node))
    }

    /// Whom its last question is for.
    pub fn asked_node<'n>(&'n self, context: &'n Context) -> Option<&'n Arc<Node>> {
        self.asked.map(|ask| self.node(context, ask))
    }

    /// A question of this request that has had to wait for its turn, as it is to be put now, if it still is.
    pub fn put_off(&self, world: &World, ask: Ask, now: Time) -> Option<Ask> {
        let plan = self.plan(world);
        ask.put_off(self.request.deadline(), plan.timeout(ask.tier), now)
    }

    /// Ends it if it would be repeated after a pause, and goes on.
    pub fn forgo_repeat(&mut self, context: &Context, now: Time) -> Progress {
        self.note_given_way();
        self.request.forgo_repeat(self.plan(&context.world), now);
        self.advance(context, now)
    }

    /// Ends it if it has been sent elsewhere and nobody has been asked since, and goes on: what was asked after it has been
    /// done before it.
    pub fn give_way(&mut self, context: &Context, now: Time) -> Progress {
        self.note_given_way();
        self.request.give_way(self.plan(&context.world), now);
        self.advance(context, now)
    }
}
