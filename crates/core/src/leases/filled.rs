//! When keys were last filled: who was told by a node that a key is missing may have been told so before it was written, and
//! hear of it afterwards. The value is there, so nobody has to make it.
//!
//! A table of fixed size with one place for each hash, in which a newcomer takes the place of whoever was there. What is lost by
//! that is a value made twice.

use crate::Time;

/// Keys that are remembered.
pub const MOST_FILLED: usize = 4_096;

/// When keys were last filled.
#[derive(Clone, Debug, Default)]
pub(super) struct Filled {
    /// Hashes and times; empty until there is one.
    entries: Box<[Option<(u64, Time)>]>,
}

impl Filled {
    /// The key with this hash has been filled.
    pub(super) fn handle_filled(&mut self, hash: u64, now: Time) {
        if self.entries.is_empty() {
            self.entries = vec![None; MOST_FILLED].into();
        }
        self.entries[place_of(hash)] = Some((hash, now));
    }

    /// Whether the key with this hash is known to have been filled after `since`.
    pub(super) fn is_filled_since(&self, hash: u64, since: Time) -> bool {
        let entry = self.entries.get(place_of(hash)).copied().flatten();
        entry.is_some_and(|(filled, at)| filled == hash && at > since)
    }
}

fn place_of(hash: u64) -> usize {
    (hash % MOST_FILLED as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_later_is_known_and_no_other_key_is_taken_for_it() {
        let (before, at) = (Time::from_millis(1), Time::from_millis(2));
        let mut filled = Filled::default();
        assert!(!filled.is_filled_since(7, before));
        filled.handle_filled(7, at);
        assert!(filled.is_filled_since(7, before) && !filled.is_filled_since(7, at));
        let other = 7 + MOST_FILLED as u64;
        assert!(!filled.is_filled_since(other, before));
        filled.handle_filled(other, at);
        assert!(!filled.is_filled_since(7, before));
    }
}
