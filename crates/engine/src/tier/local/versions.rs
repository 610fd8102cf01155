//! Versions of keys: what has been invalidated since a value was asked for must not be kept.
//!
//! Every key has a version (shared with a few others: a clash costs a copy, never correctness). Two kinds of news raise
//! it, and are counted apart in one word: a write that passed through this process, and a change that Redis has told of.
//! Either voids a copy that is on its way. Only the first says that a write-back was overtaken, because Redis tells of
//! the write-back itself too.
//!
//! Keeping a copy and voiding it take turns, under a lock that a few keys share: once a key has been voided nobody finds
//! the old copy, not even for the moment between its being kept and its keeper's noticing.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

/// Versions, shared between keys by hash.
const VERSIONS: usize = 1 << 14;
/// Locks, shared between versions.
const STRIPES: usize = 64;

/// What a write that passes adds to a version's word.
const WRITE: u64 = 1 << 32;
/// What a change that Redis tells of adds.
const TOLD: u64 = 1;

/// Whence it is known that a key has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// A write passes through this process.
    Write,
    /// Redis has told of a change.
    Told,
}

impl News {
    fn step(self) -> u64 {
        match self {
            Self::Write => WRITE,
            Self::Told => TOLD,
        }
    }
}

/// The version under which a value was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    slot: usize,
    word: u64,
}

pub(super) struct Versions {
    words: Box<[AtomicU64]>,
    stripes: Box<[Mutex<()>]>,
}

/// The turn of one key to be kept or voided.
pub(super) struct Turn<'v> {
    word: &'v AtomicU64,
    _stripe: MutexGuard<'v, ()>,
}

impl Versions {
    pub(super) fn new() -> Self {
        Self {
            words: (0..VERSIONS).map(|_| AtomicU64::new(0)).collect(),
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
        }
    }

    /// The version now of a key with this hash.
    pub(super) fn of(&self, hash: u64) -> Version {
        let slot = slot(hash);
        Version { slot, word: self.words[slot].load(Ordering::Acquire) }
    }

    /// Whether nothing has changed since.
    pub(super) fn is_current(&self, version: Version) -> bool {
        self.words[version.slot].load(Ordering::Acquire) == version.word
    }

    /// Whether no write has passed since, whatever Redis has told of.
    pub(super) fn is_unwritten(&self, version: Version) -> bool {
        self.words[version.slot].load(Ordering::Acquire) / WRITE == version.word / WRITE
    }

    /// Waits for the turn to keep what was asked for under `version`.
    pub(super) fn turn_of(&self, version: Version) -> Turn<'_> {
        self.turn(version.slot)
    }

    /// Raises the version of a key with this hash; while the turn lasts its copy can be removed.
    pub(super) fn raise(&self, hash: u64, news: News) -> Turn<'_> {
        let turn = self.turn(slot(hash));
        turn.word.fetch_add(news.step(), Ordering::AcqRel);
        turn
    }

    /// Raises all versions.
    pub(super) fn raise_all(&self, news: News) {
        for (index, stripe) in self.stripes.iter().enumerate() {
            let _stripe = stripe.lock();
            for word in self.words.iter().skip(index).step_by(STRIPES) {
                word.fetch_add(news.step(), Ordering::AcqRel);
            }
        }
    }

    fn turn(&self, slot: usize) -> Turn<'_> {
        Turn { word: &self.words[slot], _stripe: self.stripes[slot % STRIPES].lock() }
    }
}

impl Turn<'_> {
    /// Whether nothing has changed since `version`; it stays so while the turn lasts.
    pub(super) fn is_current(&self, version: Version) -> bool {
        self.word.load(Ordering::Acquire) == version.word
    }
}

fn slot(hash: u64) -> usize {
    hash as usize % VERSIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_news_makes_a_version_old_and_only_a_write_makes_it_written() {
        let versions = Versions::new();
        let version = versions.of(7);
        assert!(versions.is_current(version) && versions.is_unwritten(version));
        drop(versions.raise(7, News::Told));
        assert!(!versions.is_current(version) && versions.is_unwritten(version));
        drop(versions.raise(7, News::Write));
        assert!(!versions.is_unwritten(version));
    }

    #[test]
    fn raising_all_leaves_no_version_out() {
        let versions = Versions::new();
        let before: Vec<_> = (0..VERSIONS as u64).map(|hash| versions.of(hash)).collect();
        versions.raise_all(News::Told);
        assert!(before.iter().all(|version| !versions.is_current(*version) && versions.is_unwritten(*version)));
        versions.raise_all(News::Write);
        assert!(before.iter().all(|version| !versions.is_unwritten(*version)));
    }
}
