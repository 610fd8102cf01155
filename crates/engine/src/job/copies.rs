//! What a request takes from local memory, and what it leaves there.
//!
//! A copy is kept only under the version that was noted before its question was put, so that none is older than a write
//! that has passed since; and what a node says of a key that has been journalled meanwhile is no answer at all.

use failsoft_core::circuit::Evidence;
use failsoft_core::coherence::Epoch;
use failsoft_core::journal::Trust;
use failsoft_core::mode::Mode;
use failsoft_core::outcome::MissCause;
use failsoft_core::plan::LocalPlace;
use failsoft_core::request::Ask;
use failsoft_core::stale::Acceptance;
use failsoft_core::{Outcome, Tier, Time};

use super::doors::Doors;
use super::{Brought, Job};
use crate::context::Context;
use crate::route::Route;
use crate::verb::Verb;
use crate::world::World;

impl Job {
    /// Under which version and in which epoch a value is asked for: those of the first question, before it is put.
    pub(super) fn note_version(&mut self, world: &World, route: &Route) {
        if self.matter.verb.is_none() || !self.plan(world).tiers.contains(Tier::Local) || self.kept_under.is_some() {
            return;
        }
        let epoch = match route.through.local {
            LocalPlace::InFront => world.epoch(),
            LocalPlace::Behind => Epoch::NONE,
        };
        self.kept_under = Some((world.local().version(self.key()), epoch));
    }

    /// Whether a node has answered a read with what a write had replaced that was journalled meanwhile: one that the same
    /// client has asked for before, it may be.
    pub fn is_answered_too_early(&mut self, context: &Context, outcome: Outcome) -> bool {
        let Some(ask) = self.asked else { return false };
        let is_answer = matches!(outcome, Outcome::Hit | Outcome::Miss(_));
        if !is_answer || self.is_change() || !context.world.journal().is_busy() {
            return false;
        }
        let (route, touched) = (context.world.route(self.matter.route), self.under_way.touched());
        Doors::of(context, route, self.mode, &self.matter, &self.frame, touched, &mut self.trail)
            .is_superseded(ask.tier, self.asked_at)
    }

    /// Whether the key has been journalled between its question's being let through and its version's being noted: a copy
    /// under that version might be older than the write.
    pub(super) fn is_barred_by_now(&self, world: &World, ask: Ask) -> bool {
        let journal = world.journal();
        ask.tier == Tier::Primary
            && self.kept_under.is_some()
            && self.mode == Mode::Auto
            && journal.is_busy()
            && journal.trust(self.key()) == Trust::Nobody
    }

    pub(super) fn look(&mut self, world: &World, acceptance: Acceptance, now: Time) -> Outcome {
        if self.matter.verb.is_none() {
            return Outcome::Miss(MissCause::Absent);
        }
        match world.local().look(self.key(), acceptance, now) {
            Err(outcome) => outcome,
            Ok(found) if found.copy.value.is_none() => Outcome::Miss(MissCause::NoSuchRow),
            Ok(found) => {
                self.brought = Some(Brought::Copy(found.copy));
                Outcome::Hit
            }
        }
    }

    /// What the origin said a moment ago need not be asked again: that there is no such row, or that a row which is
    /// there lacks the part that was asked for.
    pub(super) fn recall(&mut self, world: &World, route: &Route, ask: Ask, now: Time) -> Option<Outcome> {
        if ask.tier != Tier::Origin || !route.keeps_local() {
            return None;
        }
        let found = world.local().look(self.key(), Acceptance::Fresh, now).ok()?;
        let outcome = match &found.copy.value {
            None => Outcome::Miss(MissCause::NoSuchRow),
            Some(_) if self.asks_for_a_part() && found.age <= route.negative_ttl => {
                self.brought = Some(Brought::Copy(found.copy));
                Outcome::Hit
            }
            Some(_) => return None,
        };
        if let Some(source) = &route.source {
            source.origin.health().handle_evidence(ask.grant.permit, Evidence::Abandoned, now);
        }
        Some(outcome)
    }

    pub(super) fn asks_for_a_part(&self) -> bool {
        match self.matter.verb {
            Some(Verb::HGet | Verb::HMGet | Verb::GetRange | Verb::StrLen) => true,
            Some(Verb::Get | Verb::Exists | Verb::HGetAll) | None => false,
        }
    }
}
