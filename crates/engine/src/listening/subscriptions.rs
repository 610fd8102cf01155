//! Which channels are listened to, by kind; in order, so that what is told of all of them is the same each time.

use std::collections::BTreeSet;

use failsoft_resp::pubsub::Channels;

/// What one channel costs beyond its name, rounded up.
const OVERHEAD: usize = 64;

/// Channels that are listened to.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    named: BTreeSet<Box<[u8]>>,
    patterns: BTreeSet<Box<[u8]>>,
    sharded: BTreeSet<Box<[u8]>>,
    bytes: usize,
}

impl Subscriptions {
    /// All of a kind.
    pub(super) fn of(&self, channels: Channels) -> &BTreeSet<Box<[u8]>> {
        match channels {
            Channels::Named => &self.named,
            Channels::Patterns => &self.patterns,
            Channels::Sharded => &self.sharded,
        }
    }

    /// Every channel with its kind.
    pub(super) fn all(&self) -> impl Iterator<Item = (Channels, &[u8])> {
        Channels::ALL.into_iter().flat_map(|channels| self.of(channels).iter().map(move |name| (channels, &**name)))
    }

    pub(super) fn contains(&self, channels: Channels, name: &[u8]) -> bool {
        self.of(channels).contains(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        Channels::ALL.into_iter().all(|channels| self.of(channels).is_empty())
    }

    /// Bytes that they take here, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What `names` would add to [`bytes`](Self::bytes).
    pub(super) fn cost(names: &[Box<[u8]>]) -> usize {
        names.iter().map(|name| name.len() + OVERHEAD).sum()
    }

    pub(super) fn insert(&mut self, channels: Channels, name: &[u8]) {
        if self.set(channels).insert(name.into()) {
            self.bytes += name.len() + OVERHEAD;
        }
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, channels: Channels, name: &[u8]) -> bool {
        let was_there = self.set(channels).remove(name);
        if was_there {
            self.bytes -= name.len() + OVERHEAD;
        }
        was_there
    }

    /// Takes over all of `others`.
    pub(super) fn extend(&mut self, others: &Self) {
        others.all().for_each(|(channels, name)| self.insert(channels, name));
    }

    fn set(&mut self, channels: Channels) -> &mut BTreeSet<Box<[u8]>> {
        match channels {
            Channels::Named => &mut self.named,
            Channels::Patterns => &mut self.patterns,
            Channels::Sharded => &mut self.sharded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_gives_back_what_it_took() {
        let (mut one, mut other) = (Subscriptions::default(), Subscriptions::default());
        one.insert(Channels::Named, b"a");
        one.insert(Channels::Named, b"a");
        assert_eq!(one.bytes(), Subscriptions::cost(&[b"a"[..].into()]));
        other.insert(Channels::Patterns, b"a");
        one.extend(&other);
        assert_eq!(one.all().collect::<Vec<_>>(), [(Channels::Named, &b"a"[..]), (Channels::Patterns, b"a")]);
        assert!(one.remove(Channels::Named, b"a") && !one.remove(Channels::Named, b"a"));
        assert!(!one.is_empty() && one.remove(Channels::Patterns, b"a"));
        assert!(one.is_empty() && one.bytes() == 0);
    }
}
