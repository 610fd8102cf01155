//! What each primary has been seen to change of late: what a failover may undo.
//!
//! A primary answers before its replicas have heard of it. When one of them takes its place, the last changes may be lost,
//! and what they had made void is there again. So the keys of the last while are remembered for each primary, and are
//! invalidated once more when their slot has another.
//!
//! The window ends with the last change that the primary acknowledged, not with the present moment: what it acknowledged
//! just before it was lost is what matters, however long its successor takes to be found. Bounded for each primary; at the
//! bound the window is shorter, and that is counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{Key, Limits, cost};
use crate::Time;

/// How many primaries are remembered at once; beyond it the one that was heard of least recently is forgotten.
pub const MOST_PRIMARIES: usize = 1_000;

/// What was changed at each primary of late.
#[derive(Debug)]
pub struct Recent {
    limits: Limits,
    window: Duration,
    primaries: BTreeMap<Arc<str>, Window>,
    truncated: u64,
}

#[derive(Debug, Default)]
struct Window {
    changes: VecDeque<(Time, Key)>,
    bytes: u64,
    last: Time,
}

impl Recent {
    /// Nothing yet; the bounds hold for each primary.
    pub fn new(limits: Limits, window: Duration) -> Self {
        Self { limits, window, primaries: BTreeMap::new(), truncated: 0 }
    }

    /// Other bounds hold from here on.
    pub fn set_limits(&mut self, limits: Limits, window: Duration) {
        (self.limits, self.window) = (limits, window);
    }

    /// `primary` has acknowledged a change of `key`.
    pub fn handle_acknowledged(&mut self, primary: &Arc<str>, key: Key, now: Time) {
        if !self.primaries.contains_key(primary) {
            self.make_room();
        }
        let window = self.primaries.entry(primary.clone()).or_default();
        window.push(key, now, self.window);
        while window.is_beyond(self.limits) {
            window.pop();
            self.truncated += 1;
        }
    }

    /// Takes out what was changed at a primary that `is_orphan` says is not the key's any more.
    pub fn take_orphans(&mut self, mut is_orphan: impl FnMut(&str, &[u8]) -> bool) -> Vec<Key> {
        let mut orphans = Vec::new();
        for (primary, window) in &mut self.primaries {
            let changes = std::mem::take(&mut window.changes);
            let (lost, kept): (Vec<_>, Vec<_>) = changes.into_iter().partition(|(_, key)| is_orphan(primary, key));
            window.changes = kept.into();
            window.bytes = window.changes.iter().map(|(_, key)| cost(key)).sum();
            orphans.extend(lost.into_iter().map(|(_, key)| key));
        }
        self.primaries.retain(|_, window| !window.changes.is_empty());
        orphans.sort_unstable();
        orphans.dedup();
        orphans
    }

    /// How many changes are remembered.
    pub fn len(&self) -> usize {
        self.primaries.values().map(|window| window.changes.len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.primaries.is_empty()
    }

    /// Changes that were forgotten before they were as old as the window.
    pub fn truncated(&self) -> u64 {
        self.truncated
    }

    fn make_room(&mut self) {
        if self.primaries.len() < MOST_PRIMARIES {
            return;
        }
        let oldest = self.primaries.iter().min_by_key(|(_, window)| window.last).map(|(primary, _)| primary.clone());
        if let Some(window) = oldest.and_then(|oldest| self.primaries.remove(&oldest)) {
            self.truncated += window.changes.len() as u64;
        }
    }
}

impl Window {
    fn push(&mut self, key: Key, now: Time, span: Duration) {
        self.last = self.last.max(now);
        self.bytes += cost(&key);
        self.changes.push_back((now, key));
        while self.changes.front().is_some_and(|(at, _)| self.last.since(*at) > span) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some((_, key)) = self.changes.pop_front() {
            self.bytes -= cost(&key);
        }
    }

    fn is_beyond(&self, limits: Limits) -> bool {
        self.changes.len() > limits.max_entries || self.bytes > limits.capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_entries: 3, capacity: 1 << 20 };

    fn primary(name: &str) -> Arc<str> {
        name.into()
    }

    fn orphans_of(recent: &mut Recent, lost: &str) -> Vec<String> {
        let orphans = recent.take_orphans(|primary, _| primary == lost);
        orphans.iter().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_window_ends_with_the_last_acknowledgement_however_long_ago_that_was() {
        let mut recent = Recent::new(LIMITS, Duration::from_secs(10));
        recent.handle_acknowledged(&primary("a"), Arc::from(&b"old"[..]), Time::from_millis(0));
        recent.handle_acknowledged(&primary("a"), Arc::from(&b"k"[..]), Time::from_millis(10_000));
        recent.handle_acknowledged(&primary("a"), Arc::from(&b"l"[..]), Time::from_millis(10_001));
        recent.handle_acknowledged(&primary("b"), Arc::from(&b"m"[..]), Time::from_millis(90_000));
        assert_eq!(orphans_of(&mut recent, "a"), ["k", "l"]);
        assert_eq!(recent.len(), 1);
        assert_eq!(orphans_of(&mut recent, "a"), Vec::<String>::new());
    }

    #[test]
    fn at_the_bound_the_oldest_are_forgotten_and_counted() {
        let mut recent = Recent::new(LIMITS, Duration::from_secs(10));
        for (millis, key) in ["1", "2", "3", "4"].into_iter().enumerate() {
            let now = Time::from_millis(millis as u64);
            recent.handle_acknowledged(&primary("a"), Arc::from(key.as_bytes()), now);
        }
        assert_eq!((recent.len(), recent.truncated()), (3, 1));
        assert_eq!(orphans_of(&mut recent, "a"), ["2", "3", "4"]);
    }

    #[test]
    fn more_primaries_than_can_be_remembered_push_out_the_one_heard_of_least_recently() {
        let mut recent = Recent::new(LIMITS, Duration::from_secs(10));
        for number in 0..=MOST_PRIMARIES {
            let now = Time::from_millis(number as u64);
            recent.handle_acknowledged(&primary(&number.to_string()), Arc::from(&b"k"[..]), now);
        }
        assert_eq!((recent.len(), recent.truncated()), (MOST_PRIMARIES, 1));
        assert_eq!(orphans_of(&mut recent, "0"), Vec::<String>::new());
        assert_eq!(orphans_of(&mut recent, "1"), ["k"]);
    }
}
