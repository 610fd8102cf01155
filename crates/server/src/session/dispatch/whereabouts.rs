//! Whether a command of a client that has a connection of its own is for that connection.
//!
//! What makes a client have one is a state at one node: a watched key, a transaction, a subscription. Before a cluster a
//! command may belong to another; then it has nothing to do with that state and goes the way that it would go without
//! it. In a transaction there is no other way: its keys lie in one slot, or it is refused, in Redis' words.

use failsoft::apology::{Code, apologise};
use failsoft::classify::{CROSSSLOT, Course, Read};
use failsoft::node::{Dedicated, Leave};
use failsoft::topology::Place;
use failsoft_core::outcome::Failure;
use failsoft_core::request::{Apology, RETRY_AFTER_DEFAULT};
use failsoft_core::{Outcome, Tier};
use failsoft_resp::Command;
use failsoft_resp::commands::{self, Access, Class};

use super::Dispatcher;
use super::opened::{NOT_OF_ONE_SHARD, refusal_of};
use crate::session::greeting::names_user;

/// What a client of one Redis can be, and a client of a cluster cannot.
const NO_USER: &[u8] =
    b"-ERR before a cluster clients cannot be users of Redis' own: ask for server.auth = \"users\"\r\n";
const ONE_NODE: &[u8] =
    b"-ERR this would hold for the connection to one of the cluster's nodes only, so failsoft does not do it\r\n";

/// Where a command of a client that has a connection of its own is to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Whereabouts {
    /// On that connection.
    Here,
    /// As if there were none.
    Elsewhere,
    /// Not at all; this is said.
    Nowhere(&'static [u8]),
}

/// Where a client's own connection leads, and what that means for its other commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Berth {
    /// All that is watched or queued has to be there.
    Pinned(Place),
    /// What else the client asks for may be anywhere.
    Free(Place),
}

/// Whether a transaction is being queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Queue {
    Open,
    Closed,
}

impl Dispatcher {
    /// What is said to a command that could be carried out at one node, and would be taken to hold for the cluster: about
    /// the connection, about clients by their numbers, about what replicas have, about the server's life.
    pub(in crate::session) fn impossible(&self, command: &Command<'_>, course: Course) -> Option<&'static [u8]> {
        let is_concerned = matches!(course, Course::Here | Course::Dedicated { .. } | Course::Change { .. });
        if !is_concerned || !self.context.views.redis.is_sharded() {
            return None;
        }
        if course == Course::Here && names_user(command) && !self.names_own_user(command) {
            return Some(NO_USER);
        }
        let spec = commands::lookup(command.arg(0), command.get(1)).filter(|spec| is_of_one_node(spec.class))?;
        match spec.name {
            "client|reply" if command.get(2).is_some_and(|mode| mode.eq_ignore_ascii_case(b"on")) => None,
            "client|tracking" | "client|caching" | "client|no-evict" | "client|no-touch" | "client|reply"
            | "client|kill" | "client|unblock" | "wait" | "waitaof" | "shutdown" => Some(ONE_NODE),
            _ => None,
        }
    }

    /// What is said to a command for a connection of the client's own, if no node is to be asked about one of its keys.
    pub(in crate::session) fn refuse_held(&self, command: &Command<'_>) -> Option<Vec<u8>> {
        let spec = commands::lookup(command.arg(0), command.get(1))?;
        let world = &self.context.world;
        let mut keys = commands::keys(spec, command).filter(|position| position.access != Access::Channel);
        let is_held = |index: usize| world.route(world.route_of(command.arg(index))).is_held();
        keys.any(|position| is_held(position.index)).then(|| {
            let because = Outcome::Failed(Failure::HeldOpen);
            let apology = Apology { tier: Tier::Primary, because, retry_after: RETRY_AFTER_DEFAULT };
            let mut told = Vec::new();
            apologise(Code::Unavailable, apology, &mut told);
            told
        })
    }

    /// Where a command with this course is to be carried out.
    pub(in crate::session) fn whereabouts(
        &self,
        course: Course,
        berth: Berth,
        queue: Queue,
        line: &Dedicated,
    ) -> Whereabouts {
        let place = match course {
            Course::CrossSlot => return Whereabouts::Nowhere(CROSSSLOT),
            Course::AboutCluster(_) if queue == Queue::Open => return Whereabouts::Nowhere(NOT_OF_ONE_SHARD),
            Course::Scatter { spec, .. } if queue == Queue::Open => return Whereabouts::Nowhere(refusal_of(spec)),
            Course::AboutCluster(_) | Course::Scatter { .. } | Course::Own(_) => return Whereabouts::Elsewhere,
            Course::Here | Course::Unjudged(_) => return Whereabouts::Here,
            Course::Read(Read { place, .. })
            | Course::ReadMany { place, .. }
            | Course::Change { place, .. }
            | Course::Dedicated { place, .. } => place,
        };
        let is_held = queue == Queue::Open || matches!(course, Course::Dedicated { .. });
        match (place, berth) {
            (Place::Anywhere, _) => Whereabouts::Here,
            (place, Berth::Pinned(own) | Berth::Free(own)) if place == own => Whereabouts::Here,
            (_, Berth::Pinned(Place::Slot(_))) if is_held => Whereabouts::Nowhere(CROSSSLOT),
            (place, _) if self.leads_to(line, place) => Whereabouts::Here,
            _ if is_held => Whereabouts::Nowhere(CROSSSLOT),
            _ => Whereabouts::Elsewhere,
        }
    }

    fn leads_to(&self, line: &Dedicated, place: Place) -> bool {
        self.primary(place, Leave::OfCircuit).is_ok_and(|primary| std::sync::Arc::ptr_eq(primary, line.node()))
    }
}

/// Whether commands of this class may be about one node, or a connection to it, and nothing else.
fn is_of_one_node(class: Class) -> bool {
    match class {
        Class::Server | Class::Blocking | Class::Connection => true,
        Class::Read
        | Class::Write
        | Class::Script
        | Class::Transaction
        | Class::PubSub
        | Class::Publish
        | Class::Monitor
        | Class::Own => false,
    }
}
