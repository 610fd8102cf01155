//! Which keys a command may change, and what this process does about it: when the command is sent, and when it has ended.
//!
//! The one place where a write meets what is kept here of its keys, whoever has it carried out: a client's session, a
//! client's own connection, a call in process. A [`Job`](crate::job::Job) that changes something carries its `Touched`
//! and tells it of its beginning and its end; a client's own connection does the same itself.
//!
//! Copies are made void twice, before the command is sent and when it has ended, because what was read in between may be
//! older than the write. How it ended does not matter to copies: one too many is lost rather than one too few.

use failsoft_core::request::Ending;
use failsoft_resp::commands::{self, Access, Arguments};

use crate::classify::{Course, Unjudged, Voids};
use crate::route::Way;
use crate::world::World;

/// Keys that are remembered by name for one transaction; beyond it all are meant.
const MOST_NAMED: usize = 1_024;

/// Which keys a command may change, as far as anything is kept of them here.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Touched {
    /// None.
    #[default]
    Nothing,
    /// These.
    Keys(Vec<Box<[u8]>>),
    /// All.
    Everything,
}

/// What has become of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The primary has carried it out.
    Done,
    /// Nothing was done.
    Undone,
    /// Nobody knows; or a script has failed on the way.
    Unknown,
}

impl Fate {
    /// Of a request on `way` that ended so.
    pub fn of(ending: Ending, way: Way) -> Self {
        match (ending, way) {
            (Ending::Value(_) | Ending::Absent(_), _) => Self::Done,
            (Ending::PassOn(_), Way::Script) | (Ending::OutcomeUnknown(_), _) => Self::Unknown,
            (Ending::PassOn(_), Way::Through | Way::Made | Way::Nodes | Way::Write) => Self::Undone,
            (Ending::Unavailable(_) | Ending::Overloaded(_), _) => Self::Undone,
        }
    }

    /// Of what a node has answered so, on a client's own connection.
    pub fn of_reply(reply: &[u8]) -> Self {
        match reply.first() {
            Some(b'-' | b'!') => Self::Undone,
            Some(_) => Self::Done,
            None => Self::Unknown,
        }
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
            Voids::Keys(spec) => Self::Keys(
                commands::keys(spec, command)
                    .filter(|position| position.access == Access::Write)
                    .filter_map(|position| command.at(position.index))
                    .filter(|key| world.route(world.route_of(key)).reads_through())
                    .map(Box::from)
                    .collect(),
            ),
        }
    }

    /// Any word of a command that is not known may be a key that it changes.
    fn by_unknown<A: Arguments + ?Sized>(world: &World, command: &A) -> Self {
        let words = (1..command.count()).filter_map(|index| command.at(index));
        let routed = words.filter(|word| world.route(world.route_of(word)).reads_through());
        Self::Keys(routed.map(Box::from).collect())
    }

    /// Whether it can change nothing that is kept here.
    #[inline]
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// These as well.
    pub fn add(&mut self, more: &Self) {
        match (&mut *self, more) {
            (_, Self::Nothing) | (Self::Everything, _) => {}
            (Self::Keys(keys), Self::Keys(more)) if keys.len() + more.len() <= MOST_NAMED => {
                keys.extend_from_slice(more);
            }
            (Self::Nothing, Self::Keys(more)) if more.len() <= MOST_NAMED => *self = Self::Keys(more.clone()),
            (Self::Nothing | Self::Keys(_), Self::Keys(_) | Self::Everything) => *self = Self::Everything,
        }
    }

    /// The command is about to be sent.
    pub fn handle_begun(&self, world: &World) {
        self.invalidate(world);
    }

    /// It has ended.
    pub fn handle_ended(&self, world: &World, fate: Fate) {
        match fate {
            Fate::Done | Fate::Undone | Fate::Unknown => self.invalidate(world),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> Touched {
        Touched::Keys(vec![Box::from(&b"k"[..]); count])
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
}
