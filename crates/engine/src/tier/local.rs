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
}

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
            Freshness::Stale { age } if copy.value.is_some() || shelf == Shelf::Flags => {
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
            is_vouched_for && copy.value.is_some() && copy.stamp.judge(acceptance, now) != Freshness::TooOld
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
            copy.value.is_some() && copy.epoch == epoch && young
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn copy(text: &'static str) -> Copy {
        let value = Some(Value::Raw(Bytes::from_static(text.as_bytes())));
        Copy { value, stamp: Stamp { obtained: Time::ZERO, fresh_for: MINUTE }, epoch: Epoch::NONE }
    }

    #[test]
    fn a_copy_asked_for_before_a_write_is_not_kept_after_it() {
        let local = Local::new(1 << 20, 1 << 10);
        let version = local.version(b"k");
        local.invalidate(b"k");
        local.keep(b"k", copy("old"), version);
        assert!(local.look(b"k", Acceptance::Fresh, Time::ZERO).is_err());
        local.keep(b"k", copy("new"), local.version(b"k"));
        assert!(local.look(b"k", Acceptance::Fresh, Time::ZERO).is_ok());
    }

    #[test]
    fn clearing_voids_what_is_on_its_way() {
        for clear in [Local::clear, Local::clear_told] {
            let local = Local::new(1 << 20, 1 << 10);
            let version = local.version(b"k");
            clear(&local);
            local.keep(b"k", copy("old"), version);
            assert_eq!(local.entries(), 0);
        }
    }

    #[test]
    fn what_redis_tells_of_voids_what_is_kept_and_what_is_on_its_way() {
        let local = Local::new(1 << 20, 1 << 10);
        local.keep(b"k", copy("old"), local.version(b"k"));
        let version = local.version(b"k");
        local.invalidate_told(b"k");
        local.keep(b"k", copy("old"), version);
        assert_eq!(local.entries(), 0);
        assert!(local.is_unwritten(version) && !local.is_current(version));
    }

    #[test]
    fn in_front_only_what_is_vouched_for_is_found_and_the_others_may_still_be_a_fallback() {
        let local = Local::new(1 << 20, 1 << 10);
        let holder = local.vouching().take_over();
        local.vouching().begin(holder);
        local.vouching().vouch_until(holder, Time::from_millis(1_000));
        let told = Copy { epoch: local.vouching().epoch(), ..copy("from the primary") };
        local.keep(b"k", told, local.version(b"k"));
        local.keep(b"l", copy("from an origin"), local.version(b"l"));
        let look = |key: &[u8], acceptance, millis| local.look(key, acceptance, Time::from_millis(millis)).is_ok();
        assert!(look(b"k", Acceptance::Coherent, 1_000) && !look(b"l", Acceptance::Coherent, 1_000));
        assert!(!look(b"k", Acceptance::Coherent, 1_001) && look(b"k", Acceptance::Fresh, 1_001));
        local.vouching().vouch_until(holder, Time::from_millis(100_000));
        assert!(look(b"k", Acceptance::Coherent, 60_000) && !look(b"k", Acceptance::Coherent, 60_001));
        local.vouching().end(holder);
        assert!(!look(b"k", Acceptance::Coherent, 1_000) && look(b"k", Acceptance::Fresh, 1_000));
        assert_eq!(local.stats().unverified.get(), 3);
    }

    #[test]
    fn a_copy_of_an_earlier_epoch_is_not_recent_in_the_next() {
        let local = Local::new(1 << 20, 1 << 10);
        local.keep(b"k", copy("v"), local.version(b"k"));
        assert!(local.is_recent(b"k", Epoch::NONE, Time::ZERO));
        assert!(!local.is_recent(b"k", Epoch::NONE.next(), Time::ZERO));
    }

    #[test]
    fn bytes_stay_within_the_capacity_whatever_is_kept() {
        let local = Local::new(64 << 10, 1 << 10);
        for i in 0..10_000_u32 {
            let key = i.to_be_bytes();
            local.keep(&key, copy("some value of some length"), local.version(&key));
            assert!(local.bytes() <= local.capacity());
        }
        assert!(local.entries() > 50);
    }

    #[test]
    fn too_large_an_entry_is_not_kept() {
        let local = Local::new(1 << 20, 4);
        local.keep(b"k", copy("12345"), local.version(b"k"));
        assert_eq!(local.entries(), 0);
        local.keep(b"k", copy("1234"), local.version(b"k"));
        assert_eq!(local.entries(), 1);
    }

    #[test]
    fn flags_are_not_pushed_out_by_others_and_not_even_their_absence_is_forgotten() {
        let local = Local::new(64 << 10, 1 << 10).with_flags(64 << 10);
        local.keep_flag(b"flag", copy("on"), local.version(b"flag"));
        local.keep_flag(b"none", Copy { value: None, ..copy("") }, local.version(b"none"));
        for i in 0..10_000_u32 {
            let key = i.to_be_bytes();
            local.keep(&key, copy("some value of some length"), local.version(&key));
        }
        let late = Acceptance::StaleUpTo(MINUTE);
        let value =
            |key: &[u8]| local.look(key, late, Time::from_millis(90_000)).map(|found| found.copy.value.is_some());
        assert_eq!((value(b"flag"), value(b"none")), (Ok(true), Ok(false)));
        assert!(local.is_known(b"none", None, Epoch::NONE, Time::ZERO));
        local.invalidate(b"flag");
        assert!(value(b"flag").is_err());
        local.clear();
        assert!(value(b"none").is_err() && local.flags().0 == 0);
    }

    #[test]
    fn flags_beyond_their_bound_go_and_are_counted() {
        let local = Local::new(1 << 20, 1 << 10).with_flags(16 << 10);
        for i in 0..1_000_u32 {
            let key = i.to_be_bytes();
            local.keep_flag(&key, copy("on"), local.version(&key));
        }
        let (entries, bytes, capacity) = local.flags();
        assert!(entries > 10 && bytes <= capacity);
        assert_eq!(local.stats().flags_evicted.get(), 1_000 - entries as u64);
    }

    #[test]
    fn an_absence_is_never_served_stale() {
        let local = Local::new(1 << 20, 1 << 10);
        let stamp = Stamp { obtained: Time::ZERO, fresh_for: Duration::from_secs(5) };
        let absence = Copy { value: None, stamp, epoch: Epoch::NONE };
        local.keep(b"k", absence, local.version(b"k"));
        assert!(local.look(b"k", Acceptance::StaleUpTo(MINUTE), Time::from_millis(4_000)).is_ok());
        assert!(local.look(b"k", Acceptance::StaleUpTo(MINUTE), Time::from_millis(6_000)).is_err());
    }
}
