//! Which keys a command may change, and what this process does about it: when the command is sent, and when it has ended.
//!
//! The one place where a write meets what is kept here of its keys, whoever has it carried out: a client's session, a
//! client's own connection, a call in process. A [`Job`](crate::job::Job) that changes something carries its `Touched`
//! and tells it of its beginning and its end; a client's own connection does the same itself.
//!
//! Copies are made void twice, before the command is sent and when it has ended, because what was read in between may be
//! older than the write. How it ended does not matter to copies: one too many is lost rather than one too few. It matters
//! to what Redis holds: what has become of the write is decided in [`fate`](failsoft_core::journal::fate), and what it has
//! not reached is journalled.
//!
//! The order: first the journal, then the copies, then whoever waits is told. A read that was let through before the key
//! was journalled finds its version raised when it comes back; one that comes later is not let through.

mod change;
mod kept;

use std::sync::Arc;

use failsoft_core::Time;
use failsoft_core::journal::Lateness;
use failsoft_core::journal::fate::{Change, Fate, Turn, fate};
use failsoft_core::mode::Mode;
use failsoft_core::plan::AuthPolicy;
use failsoft_core::refusal::Refusal;
use failsoft_core::request::Ending;
use failsoft_core::role::Role;
use failsoft_core::{Outcome, Tier};
use failsoft_resp::commands::{self, Access, Arguments, Spec};
use failsoft_resp::reply::{self, Head};

use crate::classify::{Course, Unjudged, Voids};
use crate::route::Route;
use crate::world::World;

/// Keys that are remembered by name for one transaction; beyond it all are meant.
const MOST_NAMED: usize = 1_024;

/// Which keys a command may change, as far as anything is kept of them here, or remembered of what Redis holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Touched {
    /// None.
    #[default]
    Nothing,
    /// These.
    Keys(Keys),
    /// All.
    Everything,
}

/// Keys by name, and what is done to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    change: Change,
    names: Vec<Box<[u8]>>,
}

/// By whom something was carried out.
#[derive(Clone, Copy)]
pub struct Executor<'e> {
    /// For which thread.
    pub worker: usize,
    /// The primary.
    pub primary: &'e Arc<str>,
}

/// What has become of a command on a client's own connection, to which a node has answered `reply`.
pub fn fate_of_reply(reply: &[u8]) -> Fate {
    match reply::head(reply) {
        Some(Head::Error(text)) => {
            let said = Outcome::Refused(Refusal::from_error(text));
            fate(Change::Other, Turn::InOrder, Ending::PassOn(Tier::Primary), Some(said), AuthPolicy::Error)
        }
        // It waits in a transaction; or the transaction was not carried out, its keys having changed.
        Some(_) if matches!(reply, b"+QUEUED\r\n" | b"*-1\r\n") => Fate::Answered,
        Some(_) | None => Fate::Done,
    }
}

impl Keys {
    /// All of what one command does to these.
    pub fn new(change: Change, names: Vec<Box<[u8]>>) -> Self {
        Self { change, names }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(AsRef::as_ref)
    }
}

impl Touched {
    /// What `command`, of which `course` is to be taken, may change.
    pub fn by<A: Arguments + ?Sized>(world: &World, course: Course, command: &A) -> Self {
        match course {
            Course::Change { voids, .. } | Course::Dedicated { voids, .. } | Course::Scatter { voids, .. } => {
                Self::named(world, voids, command)
            }
            Course::Unjudged(Unjudged::Unknown) => Self::by_unknown(world, command),
            Course::Here
            | Course::Own(_)
            | Course::CrossSlot
            | Course::AboutCluster(_)
            | Course::Unjudged(Unjudged::Arity(_))
            | Course::Read(_)
            | Course::ReadMany { .. } => Self::Nothing,
        }
    }

    fn named<A: Arguments + ?Sized>(world: &World, voids: Voids, command: &A) -> Self {
        match voids {
            Voids::Nothing => Self::Nothing,
            Voids::Everything => Self::Everything,
            Voids::Keys(spec) => Self::of_keys(world, spec, command),
        }
    }

    fn of_keys<A: Arguments + ?Sized>(world: &World, spec: &Spec, command: &A) -> Self {
        let written = || {
            let written = commands::keys(spec, command).filter(|position| position.access == Access::Write);
            written.filter_map(|position| command.at(position.index))
        };
        let are_caches = written().all(|key| is_kept_for(world.route(world.route_of(key))));
        let change = if are_caches { change::of(spec, command) } else { Change::Other };
        let names = written().filter(|key| is_noted(world.route(world.route_of(key)))).map(Box::from).collect();
        Self::Keys(Keys { change, names })
    }

    /// Any word of a command that is not known may be a key that it changes.
    fn by_unknown<A: Arguments + ?Sized>(world: &World, command: &A) -> Self {
        let words = (1..command.count()).filter_map(|index| command.at(index));
        let routed = words.filter(|word| is_noted(world.route(world.route_of(word))));
        Self::Keys(Keys { change: Change::Other, names: routed.map(Box::from).collect() })
    }

    /// Whether it can change nothing of which anything is known here.
    #[inline]
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// What is done to the keys.
    pub fn change(&self) -> Change {
        match self {
            Self::Keys(keys) => keys.change,
            Self::Nothing | Self::Everything => Change::Other,
        }
    }

    /// The keys that are known by name.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let keys = match self {
            Self::Keys(keys) => Some(keys.iter()),
            Self::Nothing | Self::Everything => None,
        };
        keys.into_iter().flatten()
    }

    /// These as well, with what else is done to them.
    pub fn add(&mut self, more: &Self) {
        match (&mut *self, more) {
            (_, Self::Nothing) | (Self::Everything, _) => {}
            (Self::Keys(keys), Self::Keys(more)) if keys.names.len() + more.names.len() <= MOST_NAMED => {
                keys.change = Change::Other;
                keys.names.extend_from_slice(&more.names);
            }
            (Self::Nothing, Self::Keys(more)) if more.names.len() <= MOST_NAMED => *self = Self::Keys(more.clone()),
            (Self::Nothing | Self::Keys(_), Self::Keys(_) | Self::Everything) => *self = Self::Everything,
        }
    }

    /// The command is about to be sent.
    pub fn handle_begun(&self, world: &World) {
        self.invalidate(world);
    }

    /// It has ended so, at `executor` as far as it was carried out by anybody.
    pub fn handle_ended(&self, world: &World, executor: Option<Executor<'_>>, fate: Fate) {
        match fate {
            Fate::Done => self.handle_done(world, executor),
            Fate::Answered => {}
            Fate::Journalled(lateness) | Fate::Kept(lateness) => self.journal(world, lateness),
        }
        self.invalidate(world);
        match fate {
            Fate::Done | Fate::Kept(_) => self.tell_waiting(world),
            Fate::Answered | Fate::Journalled(_) => {}
        }
    }

    /// It has been kept here: `frame` is the command. Where it has given keys a value, that is found in local memory.
    pub(crate) fn handle_kept(&self, world: &World, frame: &[u8], lateness: Lateness, now: Time) {
        self.journal(world, lateness);
        match self.change() {
            Change::Set => kept::keep(world, frame, now),
            Change::Delete | Change::Expire | Change::Other => self.invalidate(world),
        }
        self.tell_waiting(world);
    }

    /// Whoever waits for a value of these keys is told what has become of them.
    fn tell_waiting(&self, world: &World) {
        match self.change() {
            Change::Set | Change::Other => self.keys().for_each(|key| world.handle_written(key)),
            Change::Delete => self.keys().for_each(|key| world.handle_deleted(key)),
            Change::Expire => {}
        }
    }

    /// Appends what Redis would have said, had it been carried out there.
    pub(crate) fn tell_kept(&self, out: &mut Vec<u8>) {
        use failsoft_resp::encode;
        match self.change() {
            Change::Set | Change::Other => encode::simple(out, "OK"),
            Change::Expire => encode::integer(out, 1),
            Change::Delete => encode::integer(out, i64::try_from(self.keys().count()).unwrap_or(i64::MAX)),
        }
    }

    /// A failover may undo it, where one can happen.
    fn handle_done(&self, world: &World, executor: Option<Executor<'_>>) {
        let Some(Executor { worker, primary }) = executor.filter(|_| world.deployment().is_discovered()) else {
            return;
        };
        let journalled = self.keys().filter(|key| world.route(world.route_of(key)).journalled.is_some());
        world.journal().handle_acknowledged(worker, primary, journalled.map(Arc::from));
    }

    fn journal(&self, world: &World, lateness: Lateness) {
        match self {
            Self::Nothing => {}
            Self::Keys(keys) => world.journal().handle_invalidated(world, keys.iter(), lateness),
            Self::Everything => world.journal().handle_all_invalidated(world),
        }
    }

    fn invalidate(&self, world: &World) {
        match self {
            Self::Nothing => {}
            Self::Keys(keys) => keys.iter().for_each(|key| world.invalidate(key)),
            Self::Everything => world.invalidate_all(),
        }
    }
}

/// Whether a write to keys of `route` may be kept here: not where the operator wants no more than Redis.
fn is_kept_for(route: &Route) -> bool {
    route.role == Role::Cache && route.mode.get() != Mode::PassThrough
}

/// Whether anything is kept of the keys of `route`, or remembered.
pub(crate) fn is_noted(route: &Route) -> bool {
    route.reads_through() || route.journalled.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> Touched {
        Touched::Keys(Keys::new(Change::Other, vec![Box::from(&b"k"[..]); count]))
    }

    #[test]
    fn more_keys_than_are_remembered_are_all() {
        let mut touched = Touched::Nothing;
        touched.add(&keys(MOST_NAMED - 1));
        touched.add(&keys(1));
        assert_eq!(touched, keys(MOST_NAMED));
        touched.add(&keys(1));
        assert_eq!(touched, Touched::Everything);
        touched.add(&keys(1));
        assert_eq!(touched, Touched::Everything);
    }

    #[test]
    fn on_a_clients_own_connection_only_an_error_that_is_not_the_commands_own_is_no_answer() {
        assert_eq!(fate_of_reply(b"+OK\r\n"), Fate::Done);
        for nothing_yet in [&b"+QUEUED\r\n"[..], b"*-1\r\n"] {
            assert_eq!(fate_of_reply(nothing_yet), Fate::Answered);
        }
        assert_eq!(fate_of_reply(b"-WRONGTYPE x\r\n"), Fate::Answered);
        assert_eq!(fate_of_reply(b"-EXECABORT x\r\n"), Fate::Answered);
        assert_eq!(fate_of_reply(b"-READONLY x\r\n"), Fate::Journalled(Lateness::Never));
        assert_eq!(fate_of_reply(b"!13\r\nMISCONF xxxxx\r\n"), Fate::Journalled(Lateness::Never));
    }
}
