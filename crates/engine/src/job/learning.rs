//! What is kept of what the primary has said, for when it cannot be asked.

use failsoft_core::Time;
use failsoft_core::role::Role;
use failsoft_core::stale::Stamp;

use super::Job;
use crate::tier::local::{Copy, CopyKind};
use crate::verb::Verb;
use crate::world::World;

impl Job {
    /// What the primary does not have must not be answered from a copy later. Where something makes the values a copy
    /// stays, to rescue a read for which that then fails. That there is no such flag is known as its value would be.
    pub(super) fn unlearn(&self, world: &World, now: Time) {
        let route = world.route(self.matter.route);
        let is_made = route.source.is_some() || route.aside.is_some();
        let Some((version, epoch)) = self.kept_under.filter(|_| !is_made) else {
            return;
        };
        let is_whole = matches!(self.matter.verb, Some(Verb::Get | Verb::HGetAll));
        // What was written here meanwhile is younger than what the primary has said.
        if !world.local().is_unwritten(version) {
            return;
        }
        if route.role != Role::Flag || !is_whole {
            world.local().invalidate(self.key());
        } else if !world.local().is_known(self.key(), None, epoch, now) {
            let stamp = Stamp { obtained: self.begun, fresh_for: route.fresh_for };
            world.local().keep_flag(self.key(), Copy { value: None, stamp, epoch, kind: CopyKind::Seen }, version);
        }
    }

    /// Keeps a copy of a value that the primary gave. A replica's may be older than a write that has passed since.
    pub(super) fn learn(&self, world: &World, reply: &[u8], now: Time) {
        let (Some((version, epoch)), Some(verb)) = (self.kept_under, self.matter.verb) else {
            return;
        };
        let (local, route) = (world.local(), world.route(self.matter.route));
        let is_flag = route.role == Role::Flag;
        if !is_flag && local.is_recent(self.key(), epoch, now) {
            return;
        }
        let Some(value) = verb.learn(reply) else {
            return;
        };
        let stamp = route.stamp(Some(&value), self.begun);
        let copy = Copy { value: Some(value), stamp, epoch, kind: CopyKind::Seen };
        match is_flag {
            // What was seen last counts, however young the copy of what was seen before it.
            true if local.is_known(self.key(), copy.value.as_ref(), epoch, now) => {}
            true => local.keep_flag(self.key(), copy, version),
            false => local.keep(self.key(), copy, version),
        }
    }
}
