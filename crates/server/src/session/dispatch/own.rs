//! What a client's own connection has to know of the client, and tells of it.

use std::sync::Arc;
use std::time::Duration;

use failsoft::classify::{Course, classify};
use failsoft::node::{Leave, Node, Speaker};
use failsoft::settings::{Auth, NodeAddress};
use failsoft::topology::{Hint, Place};
use failsoft_core::cluster::Redirect;
use failsoft_core::outcome::Failure;
use failsoft_resp::commands::{self, Class, Spec};
use failsoft_resp::{Command, Protocol};

use super::{Dispatcher, Want};
use crate::session::access::Login;
use crate::session::greeting::names_user;

impl Dispatcher {
    /// Whether it is failsoft, not Redis, that this command is to convince of who the client is.
    pub(in crate::session) fn names_own_user(&self, command: &Command<'_>) -> bool {
        self.access.auth() == Auth::Users && names_user(command)
    }

    /// Redis has recognised the client.
    pub(in crate::session) fn note_recognised(&mut self) {
        self.access.note_recognised();
    }

    /// Redis has not recognised the client; whether that was once too often.
    pub(in crate::session) fn note_wrong_password(&mut self) -> Login {
        self.access.note_wrong_password()
    }

    /// What a command is, unless only Redis can judge it, and what is to become of it.
    pub(in crate::session) fn classify(&self, command: &Command<'_>) -> (Option<&'static Spec>, Course) {
        match classify(&self.context.world, &self.context.views.redis, command) {
            course @ Course::Unjudged(_) => (None, course),
            course => (commands::lookup(command.arg(0), command.get(1)), course),
        }
    }

    /// What kind of connection of its own the client needs for this command, if it needs one.
    pub(in crate::session) fn wants_own(&self, command: &Command<'_>, course: Course) -> Option<Want> {
        match course {
            Course::Dedicated { class, place, .. } => {
                let leave = if class == Class::Server { Leave::Regardless } else { Leave::OfCircuit };
                Some(Want { speaker: Speaker::Failsoft, leave, class, place })
            }
            Course::Here => {
                let speaker = self.greeting.needs_own(command).filter(|_| !self.names_own_user(command))?;
                let (class, place) = (Class::Connection, Place::Anywhere);
                Some(Want { speaker, leave: Leave::OfCircuit, class, place })
            }
            Course::Own(_)
            | Course::Unjudged(_)
            | Course::Read(_)
            | Course::ReadMany { .. }
            | Course::Scatter { .. }
            | Course::CrossSlot
            | Course::AboutCluster(_)
            | Course::Change { .. } => None,
        }
    }

    /// The next command for which the client needs a connection of its own is answered with `told`.
    pub(in crate::session) fn refuse_dedication(&mut self, told: Vec<u8>) {
        self.refusal = Some(told.into_boxed_slice());
    }

    /// Answers a command about the connection, without taking a place for it.
    pub(in crate::session) fn answer_here(&mut self, command: &Command<'_>) -> Vec<u8> {
        let mut reply = Vec::new();
        self.greeting.answer(command, &mut self.access, &mut reply);
        reply
    }

    /// Where a connection of the client's own leads that is wanted at `place`. What goes there regardless of the circuit may
    /// be what ends the trouble, and so goes there whatever is thought of the primary, too.
    pub(in crate::session) fn primary(&self, place: Place, leave: Leave) -> Result<&Arc<Node>, Failure> {
        let view = &self.context.views.redis;
        match leave {
            Leave::OfCircuit => view.owner(place),
            Leave::Regardless => view.primary(place).ok_or(Failure::Unowned),
        }
    }

    /// Whether `node` is a primary still, and believed to be one. A slot that has gone from it to another is another matter: of that it tells
    /// itself.
    pub(in crate::session) fn is_primary(&self, node: &Arc<Node>) -> bool {
        self.context.views.redis.has_primary(node)
    }

    /// Whether there are several shards.
    pub(in crate::session) fn is_sharded(&self) -> bool {
        self.context.views.redis.is_sharded()
    }

    /// Whether there is more to know of the nodes than the settings say.
    pub(in crate::session) fn is_discovered(&self) -> bool {
        self.context.world.deployment().is_discovered()
    }

    /// The primary that `redirect`, a word of the node at `asked`, is about.
    pub(in crate::session) fn named_by(&self, redirect: &Redirect, asked: &NodeAddress) -> Option<Arc<Node>> {
        self.context.world.deployment().named_by(redirect, asked, &self.context.views.redis)
    }

    /// Returns when it has been looked anew which nodes there are, or after `patience`.
    pub(in crate::session) async fn learn(&self, patience: Duration) {
        let deployment = self.context.world.deployment();
        if let Some(look) = deployment.hint(Hint::Moved) {
            deployment.learned(look, patience).await;
        }
    }

    /// A node has said that what was asked is not its own.
    pub(in crate::session) fn note_moved(&self) {
        self.context.world.deployment().hint(Hint::Moved);
    }

    /// The protocol that the client is answered in.
    pub(in crate::session) fn protocol(&self) -> Protocol {
        self.greeting.protocol()
    }

    /// The client is answered in another protocol from here on.
    pub(in crate::session) fn set_protocol(&mut self, protocol: Protocol) {
        self.greeting.set_protocol(protocol);
    }

    /// failsoft's own number of the client.
    pub(in crate::session) fn client(&self) -> u64 {
        self.greeting.id()
    }

    /// What the client calls itself.
    pub(in crate::session) fn name(&self) -> &[u8] {
        self.greeting.name()
    }

    /// The client calls itself something else.
    pub(in crate::session) fn set_name(&mut self, name: &[u8]) {
        self.greeting.set_name(name);
    }

    /// The client's last answer has come on a connection of its own.
    pub(in crate::session) fn note_last_of_own(&self) {
        self.replies.note_last_of_own();
    }

    /// The client has reset its connection.
    pub(in crate::session) fn reset(&mut self) {
        self.ears = None;
        self.greeting.reset();
        self.access.log_out();
    }
}
