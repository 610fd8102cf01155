//! The local tier: copies of values in this process' memory, bounded in bytes, each with its age.
//!
//! Copies are kept as they pass by and looked at when Redis cannot answer. Time to live is not the store's business:
//! each copy carries its stamp, and whether it is too old is judged by who asks, because serving something old is
//! sometimes right.
//!
//! Serving something invalidated never is. A write that passes by, or that Redis tells of, removes the copy, and a copy
//! that was already on its way then must not be kept after it: whoever keeps a copy names the [`Version`] under which it
//! was asked for, and it is not kept if the version has moved.
//!
//! Copies of flags have a part of their own, so that nothing else pushes them out: they are few, and have to be there when
//! Redis is not. There it is also known, as a value would be, that there is none.
//!
//! A copy that is to answer in front of Redis must be more than fresh: it must have been obtained in the present epoch,
//! and somebody must vouch for that epoch now ([`Vouching`]).

mod flags;
#[cfg(test)]
mod tests;
mod versions;
mod vouching;

use std::sync::Arc;
use std::time::Duration;

use failsoft_core::coherence::Epoch;

use failsoft_core::outcome::MissCause;
use failsoft_core::stale::{Acceptance, Freshness, Stamp};
use failsoft_core::{Outcome, Time};
use foldhash::quality::RandomState;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::hash::BuildHasher;

use self::flags::Flags;
pub use self::versions::Version;
use self::versions::{News, Versions};
pub(crate) use self::vouching::Holder;
pub use self::vouching::Vouching;
use crate::telemetry::counter::Counter;
use crate::value::Value;

/// What one copy costs beyond its key and payload: the store's slot, the allocations' headers. Measured, rounded up.
const OVERHEAD: usize = 160;
/// Copies are at least this large on average when the store sizes its tables.
const TYPICAL_WEIGHT: u64 = 256;

/// A copy of what an authoritative tier answered.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The value; `None` if the origin said that there is none.
    pub value: Option<Value>,
    /// When it was obtained and how long it is fresh.
    pub stamp: Stamp,
    /// In which epoch the primary gave it; [`Epoch::NONE`] if it may not answer in front of the primary.
    pub epoch: Epoch,
    /// Whence it is.
    pub kind: CopyKind,
}

/// Whence a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyKind {
    /// The primary gave it.
    Seen,
    /// An origin did.
    Loaded,
    /// An application SET it while the primary could not take it. Never served beyond its time to live.
    Gutter,
}

/// How long a value is kept, at most, that the primary could not take.
pub const GUTTER_MOST: Duration = Duration::from_secs(60);

/// What was found, with its age.
#[derive(Clone, Debug)]
pub struct Found {
    /// The copy.
    pub copy: Arc<Copy>,
    /// Time since it was obtained.
    pub age: Duration,
}

type Copies = Cache<Box<[u8]>, Arc<Copy>, Weigh, RandomState>;

/// The local tier.
pub struct Local {
    cache: Option<Copies>,
    flags: Option<Flags>,
    hasher: RandomState,
    versions: Versions,
    vouching: Vouching,
    max_entry: usize,
    capacity: u64,
    stats: LocalStats,
}

/// What has been counted about the local tier.
#[derive(Debug, Default)]
pub struct LocalStats {
    /// Looks that found a copy fresh enough.
    pub hits: Counter,
    /// Looks that found a copy beyond its time to live, within the budget.
    pub stale_hits: Counter,
    /// Looks that found nothing, or something too old.
    pub misses: Counter,
    /// Copies kept.
    pub kept: Counter,
    /// Looks in front that passed over a copy because nothing vouched for it.
    pub unverified: Counter,
    /// Copies of flags that had to go for others.
    pub flags_evicted: Arc<Counter>,
    /// Copies not kept because a write had passed, or because they were too large.
    pub refused: Counter,
    /// Copies removed because a write passed, or because Redis told of one.
    pub invalidated: Counter,
}

/// In which part a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shelf {
    General,
    Flags,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<Box<[u8]>, Arc<Copy>> for Weigh {
    fn weight(&self, key: &Box<[u8]>, copy: &Arc<Copy>) -> u64 {
        (key.len() + copy.value.as_ref().map_or(0, Value::payload_len) + OVERHEAD) as u64
    }
}

impl Local {
    /// A tier of `capacity` bytes, keeping no copy with a payload beyond `max_entry` bytes. No capacity, no tier. It has no
    /// part for flags, see [`with_flags`](Self::with_flags).
    pub fn new(capacity: u64, max_entry: usize) -> Self {
        let hasher = RandomState::default();
        let items = usize::try_from(capacity / TYPICAL_WEIGHT).unwrap_or(usize::MAX).max(16);
        let cache = (capacity > 0).then(|| {
            Cache::with(items, capacity, Weigh, hasher.clone(), quick_cache::sync::DefaultLifecycle::default())
        });
        let (versions, vouching) = (Versions::new(), Vouching::default());
        Self { cache, flags: None, hasher, versions, vouching, max_entry, capacity, stats: LocalStats::default() }
    }

    /// The same with a part for flags, of `capacity` bytes beside the others.
    #[must_use]
    pub fn with_flags(self, capacity: u64) -> Self {
        let evicted = self.stats.flags_evicted.clone();
        let flags = self.cache.is_some().then(|| Flags::new(capacity, self.hasher.clone(), evicted));
        Self { flags, ..self }
    }

    /// Looks for a copy that satisfies `acceptance`.
    pub fn look(&self, key: &[u8], acceptance: Acceptance, now: Time) -> Result<Found, Outcome> {
        let Some((copy, shelf)) = self.find(key) else {
            self.stats.misses.increment();
            return Err(Outcome::Miss(MissCause::Absent));
        };
        if acceptance == Acceptance::Coherent && !self.vouching.vouches_for(copy.epoch, now) {
            self.stats.unverified.increment();
            return Err(Outcome::Miss(MissCause::Unverified));
        }
        match copy.stamp.judge(acceptance, now) {
            Freshness::Fresh { age } => {
                self.stats.hits.increment();
                Ok(Found { copy, age })
            }
            Freshness::Stale { age } if is_of_use_when_stale(&copy) || shelf == Shelf::Flags => {
                self.stats.stale_hits.increment();
                Ok(Found { copy, age })
            }
            // "There was no such row" is not worth repeating beyond its time.
            Freshness::Stale { .. } | Freshness::TooOld => {
                self.stats.misses.increment();
                Err(Outcome::Miss(MissCause::TooOld))
            }
        }
    }

    /// Whether there is a value that satisfies `acceptance`, without counting it as a look.
    pub fn holds(&self, key: &[u8], acceptance: Acceptance, now: Time) -> bool {
        self.find(key).is_some_and(|(copy, _)| {
            let is_vouched_for = acceptance != Acceptance::Coherent || self.vouching.vouches_for(copy.epoch, now);
            let is_young = match copy.stamp.judge(acceptance, now) {
                Freshness::Fresh { .. } => true,
                Freshness::Stale { .. } => copy.kind != CopyKind::Gutter,
                Freshness::TooOld => false,
            };
            is_vouched_for && copy.value.is_some() && is_young
        })
    }

    /// Whether a copy of `key` was obtained in this epoch and less than half its fresh time ago, so that another need not
    /// be kept.
    pub fn is_recent(&self, key: &[u8], epoch: Epoch, now: Time) -> bool {
        let Some(cache) = &self.cache else {
            return true;
        };
        cache.get(key).is_some_and(|copy| {
            let young = now.since(copy.stamp.obtained) < copy.stamp.fresh_for / 2;
            copy.value.is_some() && copy.kind != CopyKind::Gutter && copy.epoch == epoch && young
        })
    }

    /// Whether this is what is known of the flag `key`, and has been seen in this epoch and less than half its fresh time
    /// ago.
    pub fn is_known(&self, key: &[u8], value: Option<&Value>, epoch: Epoch, now: Time) -> bool {
        let Some(flags) = &self.flags else {
            return true;
        };
        flags.get(key).is_some_and(|copy| {
            let young = now.since(copy.stamp.obtained) < copy.stamp.fresh_for / 2;
            copy.value.as_ref() == value && copy.epoch == epoch && young
        })
    }

    /// The version of `key` now, to be named when a value asked for now is kept.
    pub fn version(&self, key: &[u8]) -> Version {
        self.versions.of(self.hasher.hash_one(key))
    }

    /// Whether nothing has been invalidated since `version` was taken.
    pub fn is_current(&self, version: Version) -> bool {
        self.versions.is_current(version)
    }

    /// Whether no write has passed since `version` was taken, whatever Redis has told of.
    pub fn is_unwritten(&self, version: Version) -> bool {
        self.versions.is_unwritten(version)
    }

    /// Keeps a copy of what was asked for under `version`, unless it has been invalidated since.
    pub fn keep(&self, key: &[u8], copy: Copy, version: Version) {
        if let Some(cache) = &self.cache {
            self.keep_if_current(copy, version, |copy| cache.insert(key.into(), copy));
        }
    }

    /// The same for a flag.
    pub fn keep_flag(&self, key: &[u8], copy: Copy, version: Version) {
        if let Some(flags) = &self.flags {
            self.keep_if_current(copy, version, |copy| flags.insert(key, copy));
        }
    }

    fn keep_if_current(&self, copy: Copy, version: Version, insert: impl FnOnce(Arc<Copy>)) {
        let too_large = copy.value.as_ref().is_some_and(|value| value.payload_len() > self.max_entry);
        let turn = self.versions.turn_of(version);
        if too_large || !turn.is_current(version) {
            self.stats.refused.increment();
            return;
        }
        insert(Arc::new(copy));
        self.stats.kept.increment();
    }

    /// A write to `key` passes that is kept here and nowhere else: its copy takes the place of what was there, and one that
    /// is on its way will not be kept. Says whether there was room for it.
    pub fn keep_written(&self, key: &[u8], copy: Copy) -> bool {
        let _turn = self.versions.raise(self.hasher.hash_one(key), News::Write);
        let Some(cache) = &self.cache else {
            return false;
        };
        if copy.value.as_ref().is_some_and(|value| value.payload_len() > self.max_entry) {
            cache.remove(key);
            return false;
        }
        cache.insert(key.into(), Arc::new(copy));
        self.stats.kept.increment();
        true
    }

    /// A write to `key` passes: its copy goes, and one that is on its way will not be kept.
    pub fn invalidate(&self, key: &[u8]) {
        self.void(key, News::Write);
    }

    /// Redis has told that `key` has changed; the same as a write that passes.
    pub fn invalidate_told(&self, key: &[u8]) {
        self.void(key, News::Told);
    }

    fn void(&self, key: &[u8], news: News) {
        let _turn = self.versions.raise(self.hasher.hash_one(key), news);
        let was_kept = self.cache.as_ref().is_some_and(|cache| cache.remove(key).is_some());
        if was_kept || self.flags.as_ref().is_some_and(|flags| flags.remove(key)) {
            self.stats.invalidated.increment();
        }
    }

    /// Everything has been invalidated by what passed here.
    pub fn clear(&self) {
        self.void_all(News::Write);
    }

    /// Only the copies of keys that `is_kept` stay; whatever is on its way will not be kept.
    pub fn retain(&self, is_kept: impl Fn(&[u8]) -> bool) {
        self.versions.raise_all(News::Write);
        if let Some(cache) = &self.cache {
            let before = cache.len();
            cache.retain(|key, _| is_kept(key));
            self.stats.invalidated.add(before.saturating_sub(cache.len()) as u64);
        }
        if let Some(flags) = &self.flags {
            let before = flags.entries();
            flags.retain(is_kept);
            self.stats.invalidated.add(before.saturating_sub(flags.entries()) as u64);
        }
    }

    /// Redis has told that everything has changed.
    pub fn clear_told(&self) {
        self.void_all(News::Told);
    }

    fn void_all(&self, news: News) {
        self.versions.raise_all(news);
        if let Some(cache) = &self.cache {
            self.stats.invalidated.add(cache.len() as u64);
            cache.clear();
        }
        if let Some(flags) = &self.flags {
            self.stats.invalidated.add(flags.entries() as u64);
            flags.clear();
        }
    }

    fn find(&self, key: &[u8]) -> Option<(Arc<Copy>, Shelf)> {
        let general = self.cache.as_ref().and_then(|cache| cache.get(key)).map(|copy| (copy, Shelf::General));
        general.or_else(|| self.flags.as_ref().and_then(|flags| flags.get(key)).map(|copy| (copy, Shelf::Flags)))
    }

    /// Who vouches for copies that answer in front of Redis.
    pub fn vouching(&self) -> &Vouching {
        &self.vouching
    }

    /// Bytes in use, by the tier's own reckoning.
    pub fn bytes(&self) -> u64 {
        self.cache.as_ref().map_or(0, Cache::weight)
    }

    /// Copies kept now.
    pub fn entries(&self) -> usize {
        self.cache.as_ref().map_or(0, Cache::len)
    }

    /// Copies of flags, and the bytes that they use beside the others, with their bound.
    pub fn flags(&self) -> (usize, u64, u64) {
        self.flags.as_ref().map_or((0, 0, 0), |flags| (flags.entries(), flags.bytes(), flags.capacity()))
    }

    /// The bound on [`bytes`](Self::bytes).
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// What has been counted.
    pub fn stats(&self) -> &LocalStats {
        &self.stats
    }
}

fn is_of_use_when_stale(copy: &Copy) -> bool {
    copy.value.is_some() && copy.kind != CopyKind::Gutter
}
