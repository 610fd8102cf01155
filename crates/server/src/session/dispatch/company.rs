//! Which of failsoft's own commands may be under way beside a client's others.
//!
//! Redis carries a client's commands out one after the other. What a client can see of that is the order of its replies,
//! which is kept in any case, and what commands about the same key find. So those of failsoft's own commands that are
//! about one key go on beside each other and beside commands about other things; they wait, and are waited for, where it
//! may be the same key. Such keys are on routes of a few roles, so another command whose keys are all on other routes is
//! about other things; one that names no key, or is a script, may be about anything.
//!
//! A client that has not sent such a command pays nothing for this, so the first waits for everything before it.

use failsoft::world::World;
use failsoft_core::role::Role;
use failsoft_resp::commands::{self, Arguments, Class};

use crate::session::replies::Replies;

/// Own commands of one client under way at once: each takes a place among the fallbacks of all clients, and most a
/// connection to the primary.
pub(super) const MOST_AT_ONCE: usize = 16;

/// The own commands of one client that are under way, and what else may be about their keys.
#[derive(Default)]
pub(super) struct Company {
    /// Their tickets and keys.
    own: Vec<(u64, Box<[u8]>)>,
    /// The ticket of the last other command that may be about such keys.
    other: u64,
    /// Whether other commands are looked at: since the first own command.
    is_watching: bool,
}

impl Company {
    /// Whether an own command about `key` may begin although not everything before it has been answered.
    pub(super) fn may_join(&mut self, key: &[u8], replies: &Replies) -> bool {
        self.forget_answered(replies);
        self.is_watching
            && replies.is_answered(self.other)
            && self.own.len() < MOST_AT_ONCE
            && self.own.iter().all(|(_, own)| **own != *key)
    }

    /// An own command about `key` begins.
    pub(super) fn handle_own(&mut self, ticket: u64, key: &[u8]) {
        self.is_watching = true;
        self.own.push((ticket, key.into()));
    }

    /// Whether another command has to wait for own commands. If not, it is taken to begin.
    pub(super) fn holds_up<A: Arguments + ?Sized>(&mut self, command: &A, world: &World, replies: &Replies) -> bool {
        if !self.is_watching || !may_meet(command, world) {
            return false;
        }
        self.forget_answered(replies);
        self.other = replies.next_ticket();
        !self.own.is_empty()
    }

    fn forget_answered(&mut self, replies: &Replies) {
        self.own.retain(|(ticket, _)| !replies.is_answered(*ticket));
    }
}

/// Whether `command`, not one of failsoft's own, may be about a key that those are about.
fn may_meet<A: Arguments + ?Sized>(command: &A, world: &World) -> bool {
    let spec = command.at(0).and_then(|name| commands::lookup(name, command.at(1)));
    let Some(spec) = spec.filter(|spec| spec.class != Class::Script) else { return true };
    if spec.class == Class::Connection || spec.class == Class::Own {
        return false;
    }
    let mut keys = commands::keys(spec, command).filter_map(|position| command.at(position.index)).peekable();
    keys.peek().is_none() || keys.any(|key| has_own_commands(world.route(world.route_of(key)).role))
}

fn has_own_commands(role: Role) -> bool {
    match role {
        Role::Lock | Role::Idempotency | Role::RateLimit | Role::Flag => true,
        Role::Cache | Role::Session | Role::Invalidation | Role::Unclassified => false,
    }
}
