//! Copies of flags: a part of local memory of their own, bounded in bytes, that counts what has to go.

use std::sync::Arc;

use foldhash::quality::RandomState;
use quick_cache::Lifecycle;
use quick_cache::sync::Cache;

use super::{Copy, TYPICAL_WEIGHT, Weigh};
use crate::telemetry::counter::Counter;

/// Copies of flags.
pub(super) struct Flags(Cache<Box<[u8]>, Arc<Copy>, Weigh, RandomState, Evictions>);

/// Counts copies that go for others.
#[derive(Clone)]
struct Evictions(Arc<Counter>);

impl Lifecycle<Box<[u8]>, Arc<Copy>> for Evictions {
    type RequestState = ();

    fn on_evict(&self, _state: &mut (), _key: Box<[u8]>, _copy: Arc<Copy>) {
        self.0.increment();
    }
}

impl Flags {
    /// At most `capacity` bytes of them.
    pub(super) fn new(capacity: u64, hasher: RandomState, evicted: Arc<Counter>) -> Self {
        let items = usize::try_from(capacity / TYPICAL_WEIGHT).unwrap_or(usize::MAX).max(16);
        Self(Cache::with(items, capacity, Weigh, hasher, Evictions(evicted)))
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Arc<Copy>> {
        self.0.get(key)
    }

    pub(super) fn insert(&self, key: &[u8], copy: Arc<Copy>) {
        self.0.insert(key.into(), copy);
    }

    /// Whether it was there.
    pub(super) fn remove(&self, key: &[u8]) -> bool {
        self.0.remove(key).is_some()
    }

    pub(super) fn retain(&self, is_kept: impl Fn(&[u8]) -> bool) {
        self.0.retain(|key, _| is_kept(key));
    }

    pub(super) fn clear(&self) {
        self.0.clear();
    }

    pub(super) fn entries(&self) -> usize {
        self.0.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.weight()
    }

    pub(super) fn capacity(&self) -> u64 {
        self.0.capacity()
    }
}
