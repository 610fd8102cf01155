//! How a request that changes something ends: once, whoever carries it out, and also if nobody does any more.
//!
//! What becomes of the write is decided by [`fate`]; here it is carried out before anybody is told. A request that is
//! dropped without an ending (its caller has gone, there was no room for it) may have been sent: what it would have changed
//! is journalled.

use std::sync::Arc;

use failsoft_core::journal::Lateness;
use failsoft_core::journal::fate::{Fate, Turn, fate};
use failsoft_core::mode::Mode;
use failsoft_core::request::Ending;
use failsoft_core::{Tier, Time};

use super::{Brought, Job};
use crate::context::Context;
use crate::touched::{Executor, Touched};
use crate::world::World;

/// What a request may change, until it is known what has become of it.
#[derive(Default)]
pub(super) struct UnderWay(Option<(Arc<World>, Touched)>);

impl UnderWay {
    pub(super) fn new(world: &Arc<World>, touched: Touched) -> Self {
        Self((!touched.is_nothing()).then(|| (world.clone(), touched)))
    }

    pub(super) fn touched(&self) -> &Touched {
        self.0.as_ref().map_or(&Touched::Nothing, |(_, touched)| touched)
    }

    /// What becomes of it is seen to elsewhere.
    pub(super) fn take(&mut self) -> Option<Touched> {
        self.0.take().map(|(_, touched)| touched)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some((world, touched)) = self.0.take() {
            touched.handle_ended(&world, None, Fate::Journalled(Lateness::Possible));
        }
    }
}

impl Job {
    /// What it may change.
    pub fn touched(&self) -> &Touched {
        self.under_way.touched()
    }

    /// It goes on as several others, which see to what they change.
    pub fn handle_divided(&mut self) {
        self.under_way.take();
    }

    /// The request has ended so; returns how its caller is told that it ended.
    #[inline]
    pub(super) fn conclude(&mut self, context: &Context, ending: Ending, now: Time) -> Ending {
        if let Some(Brought::Kept(_)) = self.brought {
            return Ending::Value(Tier::Local);
        }
        match self.under_way.take() {
            Some(touched) => self.conclude_change(context, &touched, ending, now),
            None => ending,
        }
    }

    fn conclude_change(&mut self, context: &Context, touched: &Touched, ending: Ending, now: Time) -> Ending {
        let world = &*context.world;
        let said = self.request.outcome_of(Tier::Primary);
        let auth = self.plan(world).auth_policy;
        let fate = match self.mode {
            Mode::Auto | Mode::OriginOnly => fate(touched.change(), self.turn, ending, said, auth),
            // It is as if there were nothing but Redis.
            Mode::PassThrough => Fate::Answered,
        };
        match fate {
            Fate::Kept(lateness) => {
                touched.handle_kept(world, &self.frame, lateness, now);
                let mut reply = Vec::new();
                touched.tell_kept(&mut reply);
                self.brought = Some(Brought::Kept(reply));
                Ending::Value(Tier::Local)
            }
            Fate::Done | Fate::Answered | Fate::Journalled(_) => {
                let primary = self.asked.map(|ask| self.node(context, ask).name().clone());
                let executor = primary.as_ref().map(|primary| Executor { worker: context.worker, primary });
                touched.handle_ended(world, executor, fate);
                ending
            }
        }
    }

    /// What its caller asked for later has been done before it.
    pub(super) fn note_given_way(&mut self) {
        self.turn = Turn::GivenWay;
    }
}
