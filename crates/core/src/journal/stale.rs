//! Routes of which invalidations have been given up: what Redis holds of them is not believed until it has been swept.
//!
//! By slot, as a cluster divides keys (where there is none, the slots are only a way of counting): an overflow that one
//! shard's outage has caused leaves the keys of the others as they are. A sweep of some slots covers what was marked before
//! it began; what has been marked since waits for the next. So sweeps may be cut off, and marks may come at any time.
//!
//! A mark goes by the route's pattern, not by its name: a reload that renames the route does not lift it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::Time;
use crate::cluster::{Slot, ranges};
use crate::pattern::KeyPattern;

/// Up to which mark a sweep covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// The stale routes; as many as there are patterns in settings, at most.
#[derive(Debug, Default)]
pub struct StaleRoutes {
    routes: Vec<StaleRoute>,
    latest: u64,
}

/// A route that is to be swept.
#[derive(Debug)]
pub struct StaleRoute {
    pattern: Arc<KeyPattern>,
    /// The latest mark of each slot; 0: none.
    marks: Box<[u64]>,
    marked: usize,
    since: Time,
    last: Time,
}

impl StaleRoutes {
    /// An invalidation of `key`, which `pattern` takes, has been given up.
    pub fn mark(&mut self, pattern: &Arc<KeyPattern>, key: &[u8], now: Time) {
        self.latest += 1;
        let mark = self.latest;
        let index = self.routes.iter().position(|route| route.pattern == *pattern).unwrap_or_else(|| {
            self.routes.push(StaleRoute::new(pattern.clone(), now));
            self.routes.len() - 1
        });
        self.routes[index].mark(Slot::of(key), mark, now);
    }

    /// All that Redis holds of `pattern` is not to be believed.
    pub fn mark_all(&mut self, pattern: &Arc<KeyPattern>, now: Time) {
        self.mark(pattern, b"", now);
        let mark = self.latest;
        if let Some(route) = self.routes.iter_mut().find(|route| route.pattern == *pattern) {
            ranges::slots(&[Slot::FIRST..=Slot::LAST]).for_each(|slot| route.mark(slot, mark, now));
        }
    }

    /// Whether some of `pattern` is stale.
    pub fn has(&self, pattern: &KeyPattern) -> bool {
        self.routes.iter().any(|route| *route.pattern == *pattern)
    }

    /// Whether `key` may be stale.
    pub fn bars(&self, key: &[u8]) -> bool {
        self.routes.iter().any(|route| route.bars(key))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &StaleRoute> {
        self.routes.iter()
    }

    /// What a sweep that begins now covers.
    pub fn latest(&self) -> Mark {
        Mark(self.latest)
    }

    /// The keys of `pattern` that are in `slots` have been swept away, beginning when `covered` was the latest mark.
    pub fn handle_swept(&mut self, pattern: &KeyPattern, slots: &[RangeInclusive<Slot>], covered: Mark) {
        if let Some(route) = self.routes.iter_mut().find(|route| *route.pattern == *pattern) {
            ranges::slots(slots).for_each(|slot| route.lift(slot, covered));
        }
        self.routes.retain(|route| route.marked > 0);
    }
}

impl StaleRoute {
    fn new(pattern: Arc<KeyPattern>, now: Time) -> Self {
        Self { pattern, marks: vec![0; Slot::COUNT].into(), marked: 0, since: now, last: now }
    }

    /// Which keys it takes.
    pub fn pattern(&self) -> &Arc<KeyPattern> {
        &self.pattern
    }

    /// In how many slots it is stale.
    pub fn slots(&self) -> usize {
        self.marked
    }

    /// Since when.
    pub fn since(&self) -> Time {
        self.since
    }

    /// When an invalidation of it was last given up.
    pub fn last(&self) -> Time {
        self.last
    }

    /// Whether some of it in `slots` is stale.
    pub fn is_stale_in(&self, slots: &[RangeInclusive<Slot>]) -> bool {
        ranges::slots(slots).any(|slot| self.marks[slot.index()] > 0)
    }

    /// Whether `key` is one of its keys, and may be stale.
    pub fn bars(&self, key: &[u8]) -> bool {
        self.pattern.matches(key) && self.marks[Slot::of(key).index()] > 0
    }

    fn mark(&mut self, slot: Slot, mark: u64, now: Time) {
        let present = &mut self.marks[slot.index()];
        self.marked += usize::from(*present == 0);
        *present = mark;
        self.last = self.last.max(now);
    }

    fn lift(&mut self, slot: Slot, covered: Mark) {
        let present = &mut self.marks[slot.index()];
        if *present > 0 && *present <= covered.0 {
            *present = 0;
            self.marked -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Arc<KeyPattern> {
        Arc::new(KeyPattern::parse(text).unwrap())
    }

    fn slot(key: &[u8]) -> RangeInclusive<Slot> {
        Slot::of(key)..=Slot::of(key)
    }

    #[test]
    fn only_the_slots_of_what_was_given_up_are_stale_and_only_keys_of_the_route() {
        let mut stale = StaleRoutes::default();
        stale.mark(&pattern("page:*"), b"page:{a}1", Time::ZERO);
        assert!(stale.bars(b"page:{a}1") && stale.bars(b"page:{a}2"));
        assert!(!stale.bars(b"page:{b}1") && !stale.bars(b"user:{a}1"));
    }

    #[test]
    fn a_sweep_covers_what_was_marked_before_it_began_and_where_it_went() {
        let (mut stale, page) = (StaleRoutes::default(), pattern("page:*"));
        stale.mark(&page, b"page:{a}1", Time::ZERO);
        stale.mark(&page, b"page:{b}1", Time::ZERO);
        let covered = stale.latest();
        stale.mark(&page, b"page:{b}2", Time::ZERO);
        stale.handle_swept(&page, &[slot(b"page:{a}1")], covered);
        assert!(!stale.bars(b"page:{a}1") && stale.bars(b"page:{b}1"));
        stale.handle_swept(&page, &[Slot::FIRST..=Slot::LAST], covered);
        assert!(stale.bars(b"page:{b}1"), "it was marked again meanwhile");
        stale.handle_swept(&page, &[Slot::FIRST..=Slot::LAST], stale.latest());
        assert!(stale.is_empty());
    }

    #[test]
    fn all_of_a_route_can_be_marked_at_once() {
        let (mut stale, page) = (StaleRoutes::default(), pattern("page:*"));
        stale.mark_all(&page, Time::from_millis(5));
        let route = stale.iter().next().unwrap();
        assert_eq!((route.slots(), route.since()), (Slot::COUNT, Time::from_millis(5)));
        assert!(stale.bars(b"page:x") && !stale.bars(b"user:x"));
    }
}
