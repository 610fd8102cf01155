//! Where a command's keys are among its arguments, and what happens to them.
//!
//! Most commands have their keys at fixed places. For the others this follows the functions the *server* uses to find
//! them (`getkeys` in Redis' `db.c`), down to their treatment of nonsense: a call whose key count or options make no
//! sense has no keys, and Redis is left to say what is wrong with it. The result is at most two arithmetic runs, so that
//! finding keys never allocates, whatever count a client claims.

mod movable;
#[cfg(test)]
mod tests;

pub(super) use movable::streams_options;

use super::Spec;
use crate::request::Command;

/// Arguments by index, the command's name being argument 0.
pub trait Arguments {
    /// How many there are.
    fn count(&self) -> usize;
    /// Argument `index`, if there is one.
    fn at(&self, index: usize) -> Option<&[u8]>;
}

impl Arguments for Command<'_> {
    #[inline]
    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn at(&self, index: usize) -> Option<&[u8]> {
        self.get(index)
    }
}

impl<T: AsRef<[u8]>> Arguments for [T] {
    fn count(&self) -> usize {
        self.len()
    }

    fn at(&self, index: usize) -> Option<&[u8]> {
        self.get(index).map(AsRef::as_ref)
    }
}

/// What a command does to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Only reads it.
    Read,
    /// May change, create or delete it.
    Write,
    /// Is no key but a shard channel: it decides the slot, and nothing is stored there.
    Channel,
}

/// Arguments `first, first + step, ...` up to `last`, which counts from the end if negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Index of the first key.
    pub first: u8,
    /// Index of the last key, or minus its distance from the end (-1: the last argument).
    pub last: i8,
    /// Distance between keys.
    pub step: u8,
    /// What happens to them.
    pub access: Access,
}

/// How to find a command's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySpec {
    /// At fixed places.
    Fixed(&'static [Run]),
    /// Argument `count_at` says how many keys follow it.
    Counted {
        /// Index of the count.
        count_at: u8,
        /// What happens to the keys.
        access: Access,
    },
    /// Key 1 is written; argument 2 says how many keys follow that are read.
    CountedInto,
    /// XREAD, XREADGROUP: the first half of what follows STREAMS.
    Streams,
    /// SORT: key 1, and the one after the last STORE.
    Sort,
    /// GEORADIUS: key 1, and the one after the last STORE or STOREDIST.
    GeoStore,
    /// MIGRATE: argument 3, or if that is empty all after KEYS.
    Migrate,
    /// DEBUG: argument 2 of the subcommands that look at one key.
    Debug,
}

/// One key of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPosition {
    /// Its argument index.
    pub index: usize,
    /// What happens to it.
    pub access: Access,
}

/// The keys of one command, in argument order but for a stored result, which comes last.
#[derive(Clone, Debug, Default)]
pub struct KeyPositions {
    near: Walk,
    far: Walk,
}

/// Indexes from `next` to `last`, both included.
#[derive(Clone, Debug)]
struct Walk {
    next: usize,
    last: usize,
    step: usize,
    access: Access,
}

const NOWHERE: Walk = Walk { next: 1, last: 0, step: 1, access: Access::Read };

impl Walk {
    fn one(index: usize, access: Access) -> Self {
        Self::some(index, 1, access)
    }

    /// `keys` indexes from `first` on.
    fn some(first: usize, keys: usize, access: Access) -> Self {
        Self { next: first, last: (first + keys).saturating_sub(1), step: 1, access }
    }
}

impl Default for Walk {
    fn default() -> Self {
        NOWHERE
    }
}

impl Iterator for Walk {
    type Item = KeyPosition;

    #[inline]
    fn next(&mut self) -> Option<KeyPosition> {
        if self.next > self.last {
            return None;
        }
        let index = self.next;
        self.next += self.step;
        Some(KeyPosition { index, access: self.access })
    }
}

impl Iterator for KeyPositions {
    type Item = KeyPosition;

    #[inline]
    fn next(&mut self) -> Option<KeyPosition> {
        self.near.next().or_else(|| self.far.next())
    }
}

/// Where the keys of this call are; none if the call makes no sense.
#[inline]
pub fn keys<A: Arguments + ?Sized>(spec: &Spec, args: &A) -> KeyPositions {
    match spec.keys {
        KeySpec::Fixed(runs) => fixed(runs, args.count()),
        KeySpec::Counted { count_at, access } => movable::counted(args, count_at, access).into(),
        KeySpec::CountedInto => movable::counted_into(args),
        KeySpec::Streams => movable::streams(args).into(),
        KeySpec::Sort => movable::sort(args),
        KeySpec::GeoStore => movable::geo_store(args),
        KeySpec::Migrate => movable::migrate(args).into(),
        KeySpec::Debug => movable::debug(args).into(),
    }
}

impl From<Option<Walk>> for KeyPositions {
    fn from(near: Option<Walk>) -> Self {
        Self { near: near.unwrap_or_default(), far: NOWHERE }
    }
}

#[inline]
fn fixed(runs: &[Run], count: usize) -> KeyPositions {
    let near = runs.first().map_or(Some(NOWHERE), |run| resolve(*run, count));
    let far = runs.get(1).and_then(|run| resolve(*run, count));
    match near {
        // There may be none of the second kind: PFMERGE of nothing into one key.
        Some(near) => KeyPositions { near, far: far.unwrap_or_default() },
        None => KeyPositions::default(),
    }
}

#[inline]
fn resolve(run: Run, count: usize) -> Option<Walk> {
    let last = match usize::try_from(run.last) {
        Ok(last) => last,
        Err(_) => count.checked_sub(usize::from(run.last.unsigned_abs()))?,
    };
    let next = usize::from(run.first);
    (next <= last && last < count).then_some(Walk { next, last, step: usize::from(run.step), access: run.access })
}
