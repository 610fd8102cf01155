//! Where a request has been: whom of a shard's nodes it has asked, whether the primary was there, and, once it has been
//! sent elsewhere, what it was last told and the views that it goes by if they were learned for its sake.

use std::time::Duration;

use failsoft_core::Outcome;
use failsoft_core::circuit::Evidence;
use failsoft_core::cluster::{Redirect, RedirectKind};
use failsoft_core::replication::Presence;
use failsoft_core::request::{Grant, Manner};
use failsoft_resp::reply::{self, Head};

use crate::topology::{Asked, Views, Wish};

/// Where a request has been.
#[derive(Default)]
pub(super) struct Trail {
    detour: Option<Box<Detour>>,
    replicas: Asked,
    regional: Asked,
    is_primary_lost: bool,
}

/// A request's way beside the one that the map had for it.
#[derive(Default)]
pub(super) struct Detour {
    /// Indexes in the present view, and how each was asked.
    been: Vec<(u16, Manner)>,
    told: Option<Redirect>,
    is_disowned: bool,
    views: Option<Views>,
}

impl Trail {
    /// What the primary has said so far: the request may be the first to hear that it is not there.
    pub(super) fn handle_primary(&mut self, outcome: Option<Outcome>) {
        self.is_primary_lost = outcome.is_some_and(|outcome| outcome.evidence() == Evidence::Failure);
    }

    /// What it wants of its shard's replicas, and whom of them it has asked.
    pub(super) fn replicas(&mut self, budget: Duration) -> (Wish, &mut Asked) {
        let presence = if self.is_primary_lost { Presence::Lost } else { Presence::Well };
        (Wish { budget, presence }, &mut self.replicas)
    }

    /// What it wants of the second deployment, and whom of it it has asked.
    pub(super) fn regional(&mut self, budget: Duration) -> (Wish, &mut Asked) {
        (Wish { budget, presence: Presence::Well }, &mut self.regional)
    }

    /// Its way beside the map's, if it has been sent elsewhere.
    pub(super) fn detour(&self) -> Option<&Detour> {
        self.detour.as_deref()
    }

    /// The same, to be told.
    pub(super) fn detour_mut(&mut self) -> Option<&mut Detour> {
        self.detour.as_deref_mut()
    }

    /// It has been sent elsewhere.
    pub(super) fn begin_detour(&mut self) -> &mut Detour {
        self.detour.get_or_insert_default()
    }

    /// The views that were learned for its sake.
    pub(super) fn views(&self) -> Option<&Views> {
        self.detour()?.views()
    }

    /// Goes on by these views: nobody in them has been asked.
    pub(super) fn take_up(&mut self, views: Views) {
        let is_disowned = self.detour().is_none_or(|detour| detour.is_disowned);
        let detour = Detour { views: Some(views), is_disowned, ..Detour::default() };
        *self = Self { detour: Some(Box::new(detour)), ..Self::default() };
    }
}

impl Detour {
    /// The node of `asked` has sent the request elsewhere.
    pub(super) fn handle_sent_elsewhere(&mut self, asked: Option<Grant>, reply: &[u8]) {
        self.told = match reply::head(reply) {
            Some(Head::Error(text)) => Redirect::parse(text),
            _ => None,
        };
        self.is_disowned |= self.told.as_ref().is_none_or(|redirect| redirect.kind == RedirectKind::Moved);
        self.been.extend(asked.map(|grant| (grant.node, grant.manner)));
    }

    /// A node has refused without saying who is to be asked instead.
    pub(super) fn handle_refused(&mut self) {
        self.told = None;
        self.is_disowned = true;
    }

    /// What was last told, and by whom.
    pub(super) fn redirect(&self) -> Option<(&Redirect, u16)> {
        self.told.as_ref().zip(self.been.last().map(|(asked, _)| *asked))
    }

    /// Whether a node has said that it is not the owner.
    pub(super) fn is_disowned(&self) -> bool {
        self.is_disowned
    }

    /// Whether node `index` has sent the request elsewhere, however it was asked.
    pub(super) fn has_been_at(&self, index: u16) -> bool {
        self.been.iter().any(|(been, _)| *been == index)
    }

    /// Whether node `index` has sent the request elsewhere when it was asked like this: who takes a slot over sends those
    /// away who come as to its owner, and not those whom the owner sends.
    pub(super) fn has_asked(&self, index: u16, manner: Manner) -> bool {
        self.been.contains(&(index, manner))
    }

    /// The views that were learned for the request's sake.
    pub(super) fn views(&self) -> Option<&Views> {
        self.views.as_ref()
    }
}
