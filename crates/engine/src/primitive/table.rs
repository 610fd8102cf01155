//! A bounded table of what is remembered of keys, for as long as it is of use.
//!
//! Keys are the callers', so there may be any number of them. When a part of the table is full, what no longer matters
//! goes first; if that is not enough, the eighth that has been idle longest, so that finding them costs little per key.
//! Whose memory is lost begins anew: a limit that a flood of keys pushes out of the table is had once more.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use failsoft_core::Time;
use parking_lot::Mutex;

use crate::telemetry::counter::Counter;

/// Keys of one table.
pub const MOST_KEYS: usize = 65_536;
/// A longer key is not remembered.
pub(super) const LONGEST_KEY: usize = 1_024;

const STRIPES: usize = 16;
const PER_STRIPE: usize = MOST_KEYS / STRIPES;

type Stripe<T> = HashMap<Box<[u8]>, Entry<T>>;

/// What is remembered of keys.
pub(crate) struct Table<T> {
    stripes: [Mutex<Stripe<T>>; STRIPES],
    hasher: RandomState,
    forgotten: Counter,
}

struct Entry<T> {
    value: T,
    used: Time,
}

/// Whether something must be remembered still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    Keep,
    Forget,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            stripes: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            forgotten: Counter::default(),
        }
    }
}

impl<T> Table<T> {
    /// Shows what is remembered of `key`, made by `begin` if there is nothing.
    pub(crate) fn with<R>(
        &self,
        key: &[u8],
        now: Time,
        worth: impl Fn(&T) -> Worth,
        begin: impl FnOnce() -> T,
        look: impl FnOnce(&mut T) -> R,
    ) -> R {
        let mut stripe = self.stripe(key).lock();
        if let Some(entry) = stripe.get_mut(key) {
            entry.used = now;
            return look(&mut entry.value);
        }
        if stripe.len() >= PER_STRIPE {
            self.make_room(&mut stripe, worth);
        }
        let mut entry = Entry { value: begin(), used: now };
        let looked = look(&mut entry.value);
        stripe.insert(key.into(), entry);
        looked
    }

    /// Shows what is remembered of `key`, if anything is.
    pub(crate) fn with_known<R>(&self, key: &[u8], look: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.stripe(key).lock().get_mut(key).map(|entry| look(&mut entry.value))
    }

    /// Forgets what is no longer worth it.
    pub(crate) fn tidy(&self, worth: impl Fn(&T) -> Worth) {
        for stripe in &self.stripes {
            stripe.lock().retain(|_, entry| worth(&entry.value) == Worth::Keep);
        }
    }

    /// Up to `most` keys of which `pick` brings something.
    pub(crate) fn pick<R>(&self, most: usize, mut pick: impl FnMut(&[u8], &mut T) -> Option<R>) -> Vec<(Box<[u8]>, R)> {
        let mut picked = Vec::new();
        for stripe in &self.stripes {
            for (key, entry) in stripe.lock().iter_mut() {
                if picked.len() >= most {
                    return picked;
                }
                picked.extend(pick(key, &mut entry.value).map(|found| (key.clone(), found)));
            }
        }
        picked
    }

    /// Keys remembered.
    pub(crate) fn len(&self) -> usize {
        self.stripes.iter().map(|stripe| stripe.lock().len()).sum()
    }

    /// Keys that had to be forgotten although they mattered.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.get()
    }

    fn stripe(&self, key: &[u8]) -> &Mutex<Stripe<T>> {
        &self.stripes[self.hasher.hash_one(key) as usize % STRIPES]
    }

    fn make_room(&self, stripe: &mut Stripe<T>, worth: impl Fn(&T) -> Worth) {
        stripe.retain(|_, entry| worth(&entry.value) == Worth::Keep);
        if stripe.len() < PER_STRIPE {
            return;
        }
        let mut used: Vec<Time> = stripe.values().map(|entry| entry.used).collect();
        let (_, oldest, _) = used.select_nth_unstable(PER_STRIPE / 8);
        let (oldest, before) = (*oldest, stripe.len());
        stripe.retain(|_, entry| entry.used > oldest);
        self.forgotten.add((before - stripe.len()) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(index: usize) -> Vec<u8> {
        index.to_be_bytes().to_vec()
    }

    fn fill(table: &Table<u32>, keys: std::ops::Range<usize>, worth: Worth) {
        for index in keys {
            table.with(&key(index), Time::from_nanos(index as u64), |_| worth, || 0, |count| *count += 1);
        }
    }

    #[test]
    fn it_never_holds_more_than_its_bound_and_those_go_that_were_idle_longest() {
        let table = Table::default();
        fill(&table, 0..MOST_KEYS * 2, Worth::Keep);
        assert!(table.len() <= MOST_KEYS, "{}", table.len());
        assert!(table.len() > MOST_KEYS / 2);
        assert_eq!(table.forgotten() as usize, MOST_KEYS * 2 - table.len());
        assert_eq!(table.with_known(&key(MOST_KEYS * 2 - 1), |count| *count), Some(1));
        assert_eq!(table.with_known(&key(0), |count| *count), None);
    }

    #[test]
    fn what_no_longer_matters_goes_first_and_is_not_counted_as_lost() {
        let table = Table::default();
        fill(&table, 0..MOST_KEYS * 2, Worth::Forget);
        assert!(table.len() <= MOST_KEYS);
        assert_eq!(table.forgotten(), 0);
        table.tidy(|_| Worth::Forget);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn some_are_picked_and_no_more_than_asked_for() {
        let table = Table::default();
        fill(&table, 0..100, Worth::Keep);
        assert_eq!(table.pick(7, |_, count| Some(*count)).len(), 7);
        assert_eq!(table.pick(1_000, |_, count| (*count > 1).then_some(())).len(), 0);
    }
}
