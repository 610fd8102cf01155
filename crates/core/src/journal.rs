//! Invalidations that Redis has not had yet: which keys of it are not to be believed, and what is to be done about that.
//!
//! A write that its primary could not take leaves an old value behind. Each such key has an entry, and goes through two
//! phases. While it is **pending** no node is asked for the key. Once the invalidation has been replayed it **settles**:
//! replicas may not have had it yet, and a write that was sent and never answered may be carried out late, so after
//! [`QUIET`] the invalidation is replayed once more, and only then the entry goes. The primary is believed while a key
//! settles, unless something about it may come late.
//!
//! An invalidation that comes while an earlier one of its key is being replayed has a new [`Generation`], and what is said
//! of the earlier one does not count. So replaying may be cut off at any point and begun anew; it only ever deletes.
//!
//! The table is bounded in entries and bytes. When it is full, the route with the most entries gives them up and is
//! [stale](stale) in the slots of those keys, until all that Redis holds of it there has been swept away. Nothing is forgotten:
//! at worst too much is deleted.

pub mod fate;
pub mod recent;
pub mod stale;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::stale::StaleRoutes;
use crate::Time;
use crate::pattern::KeyPattern;

/// How long nothing must have come late before an invalidation is replayed for the last time.
pub const QUIET: Duration = Duration::from_secs(1);
/// How many entries one call of [`Journal::poll_due`] looks at, whatever becomes of them.
pub const LOOKED_AT: usize = 1_024;
/// What an entry costs beside its key: its places in the table and in a line.
pub const OVERHEAD: u64 = 160;

/// A key, shared by the table, its lines and those who replay.
pub type Key = Arc<[u8]>;

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries.
    pub max_entries: usize,
    /// Bytes of keys, [`OVERHEAD`] included.
    pub capacity: u64,
}

/// Which invalidation of a key is spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

/// Whether what made an invalidation necessary may still be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// It was never sent, or it was refused.
    Never,
    /// It was sent and not answered.
    Possible,
}

/// Whom of a key's nodes may be asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Anybody.
    Everybody,
    /// Only the primary.
    Primary,
    /// Nobody.
    Nobody,
}

/// An invalidation that is to be replayed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The key.
    pub key: Key,
    /// Which invalidation of it.
    pub generation: Generation,
}

/// What became of an invalidation that was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It has an entry.
    Entry,
    /// There was no room: a route has become stale.
    Overflow,
    /// Its route is stale already.
    Stale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It waits in the line.
    Waiting,
    /// It is being replayed.
    Asked,
    /// It has been replayed, and waits until nothing comes late any more.
    Settling,
    /// It is being replayed for the last time.
    Repeating,
}

#[derive(Debug)]
struct Entry {
    generation: Generation,
    lateness: Lateness,
    phase: Phase,
    route: Arc<KeyPattern>,
    /// When it was last invalidated.
    since: Time,
}

/// The invalidations of one process.
#[derive(Debug)]
pub struct Journal {
    limits: Limits,
    entries: BTreeMap<Key, Entry>,
    bytes: u64,
    line: VecDeque<Due>,
    /// Those whose primary could not be asked when their turn came; they come after the others.
    put_off: VecDeque<Due>,
    /// In the order of their moments.
    settling: VecDeque<(Time, Due)>,
    stale: StaleRoutes,
    next: u64,
}

impl Journal {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            bytes: 0,
            line: VecDeque::new(),
            put_off: VecDeque::new(),
            settling: VecDeque::new(),
            stale: StaleRoutes::default(),
            next: 0,
        }
    }

    /// Other bounds hold from here on. What is there stays.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// A write to `key`, which the pattern `route` takes, has not reached Redis, or nobody knows.
    pub fn handle_invalidated(
        &mut self,
        key: &[u8],
        route: &Arc<KeyPattern>,
        lateness: Lateness,
        now: Time,
    ) -> Entered {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.since = now;
            if lateness == Lateness::Possible {
                entry.lateness = lateness;
            }
            if entry.phase != Phase::Waiting {
                self.begin_anew(key);
            }
            return Entered::Entry;
        }
        if self.stale.has(route) {
            self.stale.mark(route, key, now);
            return Entered::Stale;
        }
        if self.has_room_for(key) {
            self.insert(key.into(), route.clone(), lateness, now);
            return Entered::Entry;
        }
        self.overflow(key, route, lateness, now);
        Entered::Overflow
    }

    /// Whom of its nodes may be asked for `key`.
    pub fn trust(&self, key: &[u8]) -> Trust {
        if self.stale.bars(key) {
            return Trust::Nobody;
        }
        match self.entries.get(key) {
            None => Trust::Everybody,
            Some(Entry { phase: Phase::Settling | Phase::Repeating, lateness: Lateness::Never, .. }) => Trust::Primary,
            Some(_) => Trust::Nobody,
        }
    }

    /// The same of who was asked for it at `asked` and has answered: one who was asked before the invalidation may have
    /// answered before it was replayed, although it has been since.
    pub fn trust_in_answer(&self, key: &[u8], asked: Time) -> Trust {
        match self.entries.get(key) {
            Some(entry) if entry.since >= asked => Trust::Nobody,
            Some(_) | None => self.trust(key),
        }
    }

    /// Invalidations that are to be replayed now, `most` at most, of keys that `may_be_asked`. Whoever takes one brings
    /// back what came of it.
    pub fn poll_due(&mut self, now: Time, most: usize, mut may_be_asked: impl FnMut(&[u8]) -> bool) -> Vec<Due> {
        let mut taken = self.take_settled(now, most, &mut may_be_asked);
        for _ in 0..(self.line.len() + self.put_off.len()).min(LOOKED_AT) {
            if taken.len() >= most {
                break;
            }
            let Some(due) = self.line.pop_front().or_else(|| self.put_off.pop_front()) else { break };
            let Some(entry) = self.entries.get_mut(&due.key).filter(|entry| entry.generation == due.generation) else {
                continue;
            };
            if may_be_asked(&due.key) {
                entry.phase = Phase::Asked;
                taken.push(due);
            } else {
                self.put_off.push_back(due);
            }
        }
        taken
    }

    /// The primary has carried out what [`poll_due`](Self::poll_due) gave.
    pub fn handle_replayed(&mut self, due: &Due, now: Time) {
        match self.phase_of(due) {
            Some(Phase::Asked) => self.settle(due.clone(), now),
            Some(Phase::Repeating) => self.remove(&due.key),
            Some(Phase::Waiting | Phase::Settling) | None => {}
        }
    }

    /// It has not, or nobody knows; which only means that it has to be asked again.
    pub fn handle_unreplayed(&mut self, due: &Due, now: Time) {
        match self.phase_of(due) {
            Some(Phase::Asked) => self.wait(due.clone()),
            Some(Phase::Repeating) => self.settle(due.clone(), now),
            Some(Phase::Waiting | Phase::Settling) | None => {}
        }
    }

    /// When something settled is due next; pending ones are due as soon as their primary may be asked.
    pub fn next_settled(&self) -> Option<Time> {
        self.settling.front().map(|(until, _)| *until)
    }

    /// Whether something waits for its primary.
    pub fn has_waiting(&self) -> bool {
        !self.line.is_empty() || !self.put_off.is_empty()
    }

    /// Whether there is nothing to be heeded by anybody.
    pub fn is_idle(&self) -> bool {
        self.entries.is_empty() && self.stale.is_empty()
    }

    /// How many keys have an entry.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no key has an entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many of them have been replayed and settle.
    pub fn settling(&self) -> usize {
        let is_settling = |entry: &&Entry| matches!(entry.phase, Phase::Settling | Phase::Repeating);
        self.entries.values().filter(is_settling).count()
    }

    /// Bytes in use, by its own reckoning.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The routes that are to be swept.
    pub fn stale(&self) -> &StaleRoutes {
        &self.stale
    }

    /// The same, to be told of sweeps.
    pub fn stale_mut(&mut self) -> &mut StaleRoutes {
        &mut self.stale
    }

    fn has_room_for(&self, key: &[u8]) -> bool {
        self.entries.len() < self.limits.max_entries && self.bytes + cost(key) <= self.limits.capacity
    }

    /// The route with the most entries gives them up, and is stale wherever one of them was; if the new one is not its
    /// own, there is room for it then.
    fn overflow(&mut self, key: &[u8], route: &Arc<KeyPattern>, lateness: Lateness, now: Time) {
        if let Some(largest) = self.largest_route() {
            let given_up: Vec<Key> =
                self.entries.iter().filter(|(_, entry)| entry.route == largest).map(|(key, _)| key.clone()).collect();
            for key in given_up {
                self.stale.mark(&largest, &key, now);
                self.remove(&key);
            }
            self.line.clear();
            self.put_off.clear();
            self.settling.clear();
            self.line_up_again(now);
        }
        if !self.stale.has(route) && self.has_room_for(key) {
            self.insert(key.into(), route.clone(), lateness, now);
        } else {
            self.stale.mark(route, key, now);
        }
    }

    /// Most of what the lines held is gone with a route that was given up.
    fn line_up_again(&mut self, now: Time) {
        let entries = self.entries.iter();
        let mut waiting: Vec<(Generation, Phase, Key)> =
            entries.map(|(key, entry)| (entry.generation, entry.phase, key.clone())).collect();
        waiting.sort_by_key(|(generation, ..)| *generation);
        for (generation, phase, key) in waiting {
            match phase {
                Phase::Waiting => self.line.push_back(Due { key, generation }),
                Phase::Settling => self.settling.push_back((now + QUIET, Due { key, generation })),
                Phase::Asked | Phase::Repeating => {}
            }
        }
    }

    fn largest_route(&self) -> Option<Arc<KeyPattern>> {
        let mut counts: Vec<(&Arc<KeyPattern>, usize)> = Vec::new();
        for entry in self.entries.values() {
            match counts.iter_mut().find(|(route, _)| Arc::ptr_eq(route, &entry.route) || **route == entry.route) {
                Some((_, count)) => *count += 1,
                None => counts.push((&entry.route, 1)),
            }
        }
        counts
            .into_iter()
            .max_by(|one, other| one.1.cmp(&other.1).then_with(|| other.0.text().cmp(one.0.text())))
            .map(|(route, _)| route.clone())
    }

    fn take_settled(&mut self, now: Time, most: usize, may_be_asked: &mut impl FnMut(&[u8]) -> bool) -> Vec<Due> {
        let mut taken = Vec::new();
        for _ in 0..self.settling.len().min(LOOKED_AT) {
            if taken.len() >= most || self.settling.front().is_none_or(|(until, _)| *until > now) {
                break;
            }
            let Some((_, due)) = self.settling.pop_front() else { break };
            let Some(entry) = self.entries.get_mut(&due.key).filter(|entry| entry.generation == due.generation) else {
                continue;
            };
            if may_be_asked(&due.key) {
                entry.phase = Phase::Repeating;
                taken.push(due);
            } else {
                self.settling.push_back((now + QUIET, due));
            }
        }
        taken
    }

    fn insert(&mut self, key: Key, route: Arc<KeyPattern>, lateness: Lateness, now: Time) {
        self.bytes += cost(&key);
        let generation = self.next_generation();
        self.entries.insert(key.clone(), Entry { generation, lateness, phase: Phase::Waiting, route, since: now });
        self.line.push_back(Due { key, generation });
    }

    fn begin_anew(&mut self, key: &[u8]) {
        let generation = self.next_generation();
        let Some((key, _)) = self.entries.get_key_value(key) else { return };
        let key = key.clone();
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.generation = generation;
        }
        self.wait(Due { key, generation });
    }

    fn wait(&mut self, due: Due) {
        if let Some(entry) = self.entries.get_mut(&due.key) {
            entry.phase = Phase::Waiting;
            self.line.push_back(due);
        }
    }

    fn settle(&mut self, due: Due, now: Time) {
        if let Some(entry) = self.entries.get_mut(&due.key) {
            entry.phase = Phase::Settling;
            self.settling.push_back((now + QUIET, due));
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if self.entries.remove(key).is_some() {
            self.bytes -= cost(key);
        }
    }

    fn phase_of(&self, due: &Due) -> Option<Phase> {
        self.entries.get(&due.key).filter(|entry| entry.generation == due.generation).map(|entry| entry.phase)
    }

    fn next_generation(&mut self) -> Generation {
        self.next += 1;
        Generation(self.next)
    }
}

fn cost(key: &[u8]) -> u64 {
    key.len() as u64 + OVERHEAD
}
