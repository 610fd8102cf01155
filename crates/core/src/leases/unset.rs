//! Keys whose leases came to nothing, one after the other: they are missing because nobody makes them.
//!
//! A table of fixed size with one place for each hash, in which a newcomer takes the place of whoever was there: what is
//! lost by that is a wait or two, and nothing has to be looked for or thrown out. No key is kept, only its hash; two keys
//! that share all of it share a fate that is harmless to both.

use std::time::Duration;

use crate::Time;

/// Keys that are remembered.
pub const MOST_UNSET: usize = 4_096;
/// Leases in a row that have to come to nothing before a key is taken for one that nobody sets. Not the first: its holder
/// may just have died.
pub(super) const LEASES_UNSET: u8 = 2;
/// For how long a key is remembered after the last of them.
pub(super) const REMEMBERED: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    leases: u8,
    until: Time,
}

/// Keys that nobody sets, and those that may prove to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Unset {
    /// Empty until there is one.
    entries: Box<[Option<Entry>]>,
}

impl Unset {
    /// A lease for the key with this hash has come to nothing.
    pub(super) fn handle_unset(&mut self, hash: u64, now: Time) {
        if self.entries.is_empty() {
            self.entries = vec![None; MOST_UNSET].into();
        }
        let entry = &mut self.entries[place_of(hash)];
        let before = entry.filter(|entry| entry.hash == hash && now < entry.until).map_or(0, |entry| entry.leases);
        *entry = Some(Entry { hash, leases: before.saturating_add(1), until: now + REMEMBERED });
    }

    /// The key with this hash has been set.
    pub(super) fn handle_set(&mut self, hash: u64) {
        if let Some(entry) = self.entries.get_mut(place_of(hash)) {
            entry.take_if(|entry| entry.hash == hash);
        }
    }

    /// Whether it is known that nobody sets it.
    pub(super) fn is_unset(&self, hash: u64, now: Time) -> bool {
        let entry = self.entries.get(place_of(hash)).copied().flatten();
        entry.is_some_and(|entry| entry.hash == hash && is_proven(&entry, now))
    }

    /// Whether nothing is remembered, and so nothing has to be forgotten.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many keys are known that nobody sets.
    pub(super) fn count(&self, now: Time) -> usize {
        self.entries.iter().flatten().filter(|entry| is_proven(entry, now)).count()
    }
}

fn is_proven(entry: &Entry, now: Time) -> bool {
    entry.leases >= LEASES_UNSET && now < entry.until
}

pub(super) fn place_of(hash: u64) -> usize {
    (hash % MOST_UNSET as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_000);

    #[test]
    fn it_takes_leases_in_a_row_and_a_set_ends_the_row() {
        let mut unset = Unset::default();
        assert!(unset.is_empty() && !unset.is_unset(7, NOW));
        unset.handle_unset(7, NOW);
        assert!(!unset.is_unset(7, NOW));
        unset.handle_set(7);
        unset.handle_unset(7, NOW);
        assert!(!unset.is_unset(7, NOW));
        unset.handle_unset(7, NOW);
        assert_eq!((unset.is_unset(7, NOW), unset.count(NOW)), (true, 1));
        unset.handle_set(7);
        assert_eq!((unset.is_unset(7, NOW), unset.count(NOW)), (false, 0));
    }

    #[test]
    fn it_is_forgotten_in_time_and_begins_anew() {
        let mut unset = Unset::default();
        unset.handle_unset(7, NOW);
        unset.handle_unset(7, NOW);
        let later = NOW + REMEMBERED;
        assert!(unset.is_unset(7, later - Duration::from_nanos(1)) && !unset.is_unset(7, later));
        unset.handle_unset(7, later);
        assert!(!unset.is_unset(7, later));
    }

    #[test]
    fn a_key_in_the_same_place_takes_it_and_is_not_taken_for_the_other() {
        let mut unset = Unset::default();
        let other = 7 + MOST_UNSET as u64;
        unset.handle_unset(7, NOW);
        unset.handle_unset(7, NOW);
        assert!(!unset.is_unset(other, NOW));
        unset.handle_set(other);
        assert!(unset.is_unset(7, NOW));
        unset.handle_unset(other, NOW);
        assert!(!unset.is_unset(7, NOW) && !unset.is_unset(other, NOW));
    }
}
