//! What a request has to know once it has been sent elsewhere: where it has been, what it was last told, and the views
//! that it goes by if they were learned for its sake.

use failsoft_core::cluster::Redirect;
use failsoft_resp::reply::{self, Head};

use crate::topology::Views;

/// A request's way beside the one that the map had for it.
#[derive(Default)]
pub(super) struct Detour {
    /// Indexes in the present view.
    been: Vec<u16>,
    told: Option<Redirect>,
    views: Option<Views>,
}

impl Detour {
    /// Node `asked` has sent the request elsewhere.
    pub(super) fn handle_sent_elsewhere(&mut self, asked: Option<u16>, reply: &[u8]) {
        self.told = match reply::head(reply) {
            Some(Head::Error(text)) => Redirect::parse(text),
            _ => None,
        };
        self.been.extend(asked);
    }

    /// A node has refused without saying who is to be asked instead.
    pub(super) fn handle_refused(&mut self) {
        self.told = None;
    }

    /// What was last told, and by whom.
    pub(super) fn redirect(&self) -> Option<(&Redirect, u16)> {
        self.told.as_ref().zip(self.been.last().copied())
    }

    /// Whether node `index` has sent the request elsewhere.
    pub(super) fn has_been_at(&self, index: u16) -> bool {
        self.been.contains(&index)
    }

    /// The views that were learned for the request's sake.
    pub(super) fn views(&self) -> Option<&Views> {
        self.views.as_ref()
    }

    /// Goes on by these views: nobody in them has been asked.
    pub(super) fn take_up(&mut self, views: Views) {
        *self = Self { views: Some(views), ..Self::default() };
    }
}
