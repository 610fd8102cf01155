//! The gutter: values that applications SET while their primary cannot take them, kept in local memory for a while.
//!
//! Kept for no longer than they would have lived, and for [`GUTTER_MOST`] at most; never served beyond that. What cannot be
//! kept (it is too large, or there is no local memory) is dropped, as a cache may drop anything at any time: the key is
//! in the journal in any case, so that nothing older is found in its place.

use std::time::Duration;

use bytes::Bytes;
use failsoft_core::Time;
use failsoft_core::coherence::Epoch;
use failsoft_core::stale::Stamp;

use super::change::time_to_live;
use crate::tier::local::{Copy, CopyKind, GUTTER_MOST};
use crate::value::Value;
use crate::words::Words;
use crate::world::World;

/// Keeps what the command in `frame` gives its keys.
pub(super) fn keep(world: &World, frame: &[u8], now: Time) {
    let words = Words::of(frame);
    let words = words.as_slices();
    let name = words.first().copied().unwrap_or_default();
    if name.eq_ignore_ascii_case(b"MSET") {
        for pair in words.get(1..).unwrap_or_default().chunks_exact(2) {
            keep_one(world, pair[0], pair[1], Duration::MAX, now);
        }
        return;
    }
    // SETEX and PSETEX have the expiry between key and value.
    let value_at = if name.eq_ignore_ascii_case(b"SET") { 2 } else { 3 };
    if let (Some(key), Some(value)) = (words.get(1), words.get(value_at)) {
        keep_one(world, key, value, time_to_live(words).unwrap_or_default(), now);
    }
}

fn keep_one(world: &World, key: &[u8], value: &[u8], time_to_live: Duration, now: Time) {
    // Loads under way carry what was there before, and copies are made void, whether or not this one can be kept.
    world.invalidate(key);
    if time_to_live.is_zero() {
        return;
    }
    if !world.route(world.route_of(key)).keeps_local() {
        return world.journal().handle_dropped("no_local");
    }
    let stamp = Stamp { obtained: now, fresh_for: time_to_live.min(GUTTER_MOST) };
    let value = Some(Value::Raw(Bytes::copy_from_slice(value)));
    let copy = Copy { value, stamp, epoch: Epoch::NONE, kind: CopyKind::Gutter };
    if world.local().keep_written(key, copy) {
        world.journal().handle_kept();
    } else {
        world.journal().handle_dropped("too_large");
    }
}
