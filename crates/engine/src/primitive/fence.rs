//! The fence of a key: where its last token is remembered, and what this process has seen of it.
//!
//! Redis remembers the last token in a key of the same slot. That key can be lost; so this process remembers the greatest
//! token that it was ever told, in a table of fixed size that keys share: a token that is too great for a key does no
//! harm. Tokens beyond every bound would, so a key whose fence somebody has set far ahead spoils a 1024th of the keys and
//! not all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use failsoft_core::cluster::Slot;
use failsoft_core::fencing::{Replicas, Token};

use super::refusal::Refusal;
use crate::telemetry::counter::CounterMap;
use crate::topology::View;

/// What a fence's name begins with.
const PREFIX: &str = "failsoft:fence:";
/// Places that keys share.
const PLACES: usize = 1024;

const OF_A_HOLDER: &[&str] = &["done", "not_held", "unavailable", "unknown", "error"];

/// What can come of each command about leases.
pub const RESULTS: &[(&str, &[&str])] = &[
    ("lock", &["granted", "held", "unavailable", "unknown", "error"]),
    ("extend", OF_A_HOLDER),
    ("unlock", OF_A_HOLDER),
    ("begin", &["new", "in_progress", "done", "unavailable", "unknown", "error"]),
    ("commit", OF_A_HOLDER),
    ("abort", OF_A_HOLDER),
];

/// What this process has seen of all fences.
pub struct Fences {
    seen: Box<[AtomicU64]>,
    has_replicas: AtomicBool,
    /// What came of commands about leases: command, result.
    results: CounterMap<(&'static str, &'static str)>,
}

impl Default for Fences {
    fn default() -> Self {
        Self {
            seen: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            has_replicas: AtomicBool::new(false),
            results: CounterMap::default(),
        }
    }
}

impl Fences {
    /// What came of commands about leases: (command, result) and how often.
    pub fn results(&self) -> Vec<((&'static str, &'static str), u64)> {
        self.results.snapshot()
    }

    /// Counts what came of one.
    pub(crate) fn handle_result(&self, command: &'static str, result: &'static str) {
        self.results.increment((command, result));
    }

    /// The greatest token that was ever told for `key`, or one that is greater.
    pub(super) fn seen(&self, key: &[u8]) -> u64 {
        self.place(key).load(Ordering::Acquire)
    }

    /// `token` has been told for `key`.
    pub(super) fn handle_token(&self, key: &[u8], token: Token) {
        self.place(key).fetch_max(token.number(), Ordering::AcqRel);
    }

    /// Whether the deployment has replicas by this view, or had some by one that was looked at before.
    pub(super) fn replicas(&self, view: &View) -> Replicas {
        let mut shards = view.shards().iter();
        if shards.any(|shard| view.replicas_of(shard).next().is_some()) {
            self.has_replicas.store(true, Ordering::Relaxed);
        }
        if self.has_replicas.load(Ordering::Relaxed) { Replicas::Seen } else { Replicas::NeverSeen }
    }

    fn place(&self, key: &[u8]) -> &AtomicU64 {
        &self.seen[Slot::of(key).index() % PLACES]
    }
}

/// The name of the fence of `key`: one that lies in the same slot.
///
/// # Errors
/// There is none, and the deployment has slots.
pub(super) fn name_of(key: &[u8], view: &View) -> Result<Vec<u8>, Refusal> {
    let has_tag = Slot::tag(key).len() < key.len();
    let name = if has_tag { [PREFIX.as_bytes(), key].concat() } else { [PREFIX.as_bytes(), b"{", key, b"}"].concat() };
    if view.is_sharded() && Slot::of(&name) != Slot::of(key) {
        return Err(Refusal::error(
            "this key cannot be leased in a cluster: it is empty or has a } but no hash tag, so no fence can lie in its \
             slot; write a {tag} into it",
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use failsoft_core::Time;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fence_lies_in_the_slot_of_its_key() {
        let view = View::unknown_cluster(Time::ZERO);
        for (key, name) in [
            ("lock:a", "failsoft:fence:{lock:a}"),
            ("lock:{a}:b", "failsoft:fence:lock:{a}:b"),
            ("a{b", "failsoft:fence:{a{b}"),
        ] {
            assert_eq!(name_of(key.as_bytes(), &view).unwrap(), name.as_bytes());
        }
        for key in ["", "a}b", "{}x", "}"] {
            assert!(name_of(key.as_bytes(), &view).is_err(), "{key}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_key_it_is_the_same_slot_or_an_error(key in "[ab{}]{0,8}") {
            let view = View::unknown_cluster(Time::ZERO);
            if let Ok(name) = name_of(key.as_bytes(), &view) {
                prop_assert_eq!(Slot::of(&name), Slot::of(key.as_bytes()));
            }
        }
    }

    #[test]
    fn what_has_been_seen_only_grows() {
        let fences = Fences::default();
        fences.handle_token(b"a", Token::new(9).unwrap());
        fences.handle_token(b"a", Token::new(7).unwrap());
        assert_eq!((fences.seen(b"a"), fences.seen(b"b")), (9, 0));
    }
}
