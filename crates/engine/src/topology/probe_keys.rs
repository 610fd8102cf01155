//! With which key the nodes of each shard are probed: one of its own, since of any other a node would only say whose it is.
//!
//! Keys are tried in one pass for all shards together: a cluster may have a thousand, and a search for each would keep the
//! thread that probes from probing. A shard of so few slots that none of the keys is its own keeps the key it had.

use std::collections::BTreeSet;

use failsoft_core::cluster::{Slot, ranges};

use super::Place;
use super::view::{Shard, View};

/// Keys that are tried before a shard of few slots is probed with a key of another's: it has one of so many by far.
const MOST_TRIED: usize = 200_000;

/// Gives the nodes of shards that have no key of their own one that begins with `stem`.
pub(super) fn set(view: &View, stem: &str) {
    if !view.is_sharded() {
        return;
    }
    let mut without: BTreeSet<Slot> =
        view.shards().iter().filter(|shard| !has_one(view, shard)).filter_map(first).collect();
    let mut keys = (0..MOST_TRIED).map(|number| format!("{stem}:{number}"));
    while !without.is_empty()
        && let Some(key) = keys.next()
    {
        let owner = view.shard_of(Place::Slot(Slot::of(key.as_bytes())));
        if let Some(shard) = owner.filter(|shard| first(shard).is_some_and(|first| without.remove(&first))) {
            view.members_of(shard).for_each(|node| node.set_probe_key(key.clone()));
        }
    }
}

fn has_one(view: &View, shard: &Shard) -> bool {
    view.members_of(shard).all(|node| ranges::contain(shard.slots(), Slot::of(node.probe_key().as_bytes())))
}

/// What tells a shard from the others of its view.
fn first(shard: &Shard) -> Option<Slot> {
    shard.slots().first().map(|range| *range.start())
}
