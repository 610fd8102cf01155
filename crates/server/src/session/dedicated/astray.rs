//! A client's own connection that has led to the wrong node: the command that needed it is asked of the right one.
//!
//! A blocking pop whose slot moves away is told so by Redis while it waits, and a WATCH when it comes. Nothing has been
//! done, and nothing else hangs on that connection, so the command is shown again: at the node that was named for this
//! once (ASK), or at the owner by a map that has been learned anew (MOVED). A pop then waits for as long as it was to
//! wait from the beginning.

use std::sync::Arc;
use std::time::Duration;

use failsoft::node::{Node, Undedicated};
use failsoft::settings::NodeAddress;
use failsoft_core::Tier;
use failsoft_core::cluster::{Redirect, RedirectKind};
use failsoft_core::outcome::Failure;

use crate::session::dispatch::Want;
use crate::session::{Left, Session};

/// How often one command is asked of another node.
const MOST_HOPS: u8 = 5;
/// How long it may take until it is known who owns its slot.
const TO_LEARN: Duration = Duration::from_secs(2);

/// A command that has been sent to the wrong node.
pub(crate) struct Astray {
    redirect: Redirect,
    asked: NodeAddress,
    hops: u8,
}

/// What is to be said on a connection before the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preface {
    /// Nothing.
    None,
    /// That it is known that the slot is on its way.
    Asking,
}

impl Session {
    /// Shows `command` again: the node at `asked` has named another.
    pub(super) fn stray(&mut self, command: &[u8], redirect: Redirect, asked: NodeAddress, before: u8) {
        self.incoming.splice(0..0, command.iter().copied());
        self.left = Left::Held;
        self.astray = Some(Box::new(Astray { redirect, asked, hops: before + 1 }));
    }

    /// Where the client's own connection is to lead, and how often its command has been elsewhere. `None` if nobody is
    /// known, or nobody believed; the client is told.
    pub(super) async fn find_berth(&mut self, want: Want) -> Option<(Arc<Node>, Preface, u8)> {
        let Some(astray) = self.astray.take() else {
            return self.owner(want).map(|owner| (owner, Preface::None, 0));
        };
        let Astray { redirect, asked, hops } = *astray;
        if hops > MOST_HOPS {
            self.regret(Failure::Unowned);
            return None;
        }
        match redirect.kind {
            RedirectKind::Ask => {
                if let Some(node) = self.dispatcher.named_by(&redirect, &asked) {
                    return Some((node, Preface::Asking, hops));
                }
                self.learn().await;
            }
            RedirectKind::Moved => self.learn().await,
        }
        self.owner(want).map(|owner| (owner, Preface::None, hops))
    }

    fn owner(&mut self, want: Want) -> Option<Arc<Node>> {
        let owner = self.dispatcher.primary(want.place, want.leave).cloned();
        owner.map_err(|because| self.regret(because)).ok()
    }

    async fn learn(&mut self) {
        self.dispatcher.learn(TO_LEARN).await;
        self.dispatcher.set_context(self.shared.context(self.worker, self.lane));
    }

    fn regret(&mut self, because: Failure) {
        let mut sorry = Vec::new();
        Undedicated::Failed(because).apologise(Tier::Primary, self.shared.clock().now(), &mut sorry);
        self.dispatcher.refuse_dedication(sorry);
    }
}
