//! Takes a command apart by the slots of its keys.
//!
//! By slot and not by shard: a node refuses keys of two slots even if it owns both, and a slot may move to another shard
//! while the parts are on their way. Keys of one slot keep their order, so that of `MSET a 1 a 2` the last one counts.

use failsoft_core::cluster::Slot;
use failsoft_resp::commands::{self, Arguments, KeySpec, Spec};
use failsoft_resp::encode;

/// Where the keys of a command lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysAt {
    /// It has none.
    Nowhere,
    /// All in this slot.
    Slot(Slot),
    /// In several.
    Apart,
}

/// A command on those keys of another that lie in one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where they lie.
    pub slot: Slot,
    /// The command.
    pub frame: Vec<u8>,
    /// Which of the whole command's keys they are, counted from 0.
    pub keys: Vec<usize>,
}

/// Where the keys of this call lie.
#[inline]
pub fn keys_at<A: Arguments + ?Sized>(spec: &Spec, command: &A) -> KeysAt {
    let mut slots = commands::keys(spec, command).filter_map(|key| command.at(key.index)).map(Slot::of);
    match slots.next() {
        None => KeysAt::Nowhere,
        Some(first) if slots.all(|slot| slot == first) => KeysAt::Slot(first),
        Some(_) => KeysAt::Apart,
    }
}

/// The parts of this call, slot by slot; none if its keys are not followed by as many words as they should be.
///
/// Of commands only that the table says may be [taken apart](commands::Spread::Keys).
pub fn take_apart<A: Arguments + ?Sized>(spec: &Spec, command: &A) -> Vec<Part> {
    let mut keys = keys_of(spec, command);
    keys.sort_by_key(|key| key.slot);
    keys.chunk_by(|one, other| one.slot == other.slot).map(|keys| part(spec, command, keys)).collect()
}

/// The same, key by key.
pub fn take_to_pieces<A: Arguments + ?Sized>(spec: &Spec, command: &A) -> Vec<Part> {
    keys_of(spec, command).chunks(1).map(|key| part(spec, command, key)).collect()
}

/// One key of a command that is taken apart.
struct Key {
    slot: Slot,
    /// Which of the keys it is.
    number: usize,
    /// Which of the words.
    index: usize,
}

fn keys_of<A: Arguments + ?Sized>(spec: &Spec, command: &A) -> Vec<Key> {
    if !(command.count() - 1).is_multiple_of(words_per_key(spec)) {
        return Vec::new();
    }
    let keys = commands::keys(spec, command).enumerate();
    let key = |(number, key): (usize, commands::KeyPosition)| {
        let slot = Slot::of(command.at(key.index).unwrap_or_default());
        Key { slot, number, index: key.index }
    };
    keys.map(key).collect()
}

/// How many words a key has, itself included: one, or two where it is followed by its value.
fn words_per_key(spec: &Spec) -> usize {
    match spec.keys {
        KeySpec::Fixed([run, ..]) => usize::from(run.step),
        KeySpec::Fixed([])
        | KeySpec::Counted { .. }
        | KeySpec::CountedInto
        | KeySpec::Streams
        | KeySpec::Sort
        | KeySpec::GeoStore
        | KeySpec::Migrate
        | KeySpec::Debug => 1,
    }
}

/// The command on `keys`, which lie in one slot.
fn part<A: Arguments + ?Sized>(spec: &Spec, command: &A, keys: &[Key]) -> Part {
    let words = words_per_key(spec);
    let mut frame = Vec::new();
    encode::array_header(&mut frame, 1 + keys.len() * words);
    encode::bulk(&mut frame, command.at(0).unwrap_or_default());
    for key in keys {
        for word in key.index..key.index + words {
            encode::bulk(&mut frame, command.at(word).unwrap_or_default());
        }
    }
    Part { slot: keys[0].slot, frame, keys: keys.iter().map(|key| key.number).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Words;

    fn spec(call: &[&str]) -> &'static Spec {
        commands::lookup(call[0].as_bytes(), call.get(1).map(|word| word.as_bytes())).unwrap()
    }

    fn words(call: &str) -> Vec<&str> {
        call.split(' ').collect()
    }

    fn at(call: &str) -> KeysAt {
        let call = words(call);
        keys_at(spec(&call), &call[..])
    }

    fn parts(call: &str) -> Vec<(String, Vec<usize>)> {
        let call = words(call);
        let parts = take_apart(spec(&call), &call[..]);
        assert!(parts.is_sorted_by_key(|part| part.slot));
        let text = |part: &Part| {
            let words = Words::of(&part.frame);
            words.as_slices().iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
        };
        parts.iter().map(|part| (text(part), part.keys.clone())).collect()
    }

    #[test]
    fn keys_lie_nowhere_together_or_apart() {
        assert_eq!(at("PING"), KeysAt::Nowhere);
        assert_eq!(at("EVAL s 0"), KeysAt::Nowhere);
        assert_eq!(at("GET foo"), KeysAt::Slot(Slot::new(12_182).unwrap()));
        assert_eq!(at("RENAME {a}1 {a}2"), KeysAt::Slot(Slot::of(b"a")));
        assert_eq!(at("SSUBSCRIBE {a}1 {a}2"), KeysAt::Slot(Slot::of(b"a")));
        for call in ["RENAME a b", "EVAL s 2 a b", "SUNIONSTORE {a}d {a}1 b", "SORT a STORE b", "WATCH a b"] {
            assert_eq!(at(call), KeysAt::Apart, "{call}");
        }
    }

    #[test]
    fn keys_of_one_slot_stay_together_and_in_order() {
        // bar: 5061, foo: 12182.
        let taken = parts("MSET foo 1 bar 2 {foo}x 3 foo 4");
        assert_eq!(taken, [("MSET bar 2".into(), vec![1]), ("MSET foo 1 {foo}x 3 foo 4".into(), vec![0, 2, 3])]);
        let taken = parts("mget foo bar foo");
        assert_eq!(taken, [("mget bar".into(), vec![1]), ("mget foo foo".into(), vec![0, 2])]);
    }

    #[test]
    fn taken_to_pieces_every_key_is_by_itself_as_often_as_it_is_named() {
        let call = words("MSET foo 1 bar 2 foo 3");
        let pieces = take_to_pieces(spec(&call), &call[..]);
        let frames: Vec<&[u8]> = pieces.iter().map(|part| part.frame.as_slice()).collect();
        let frame = |call: &str| {
            let mut frame = Vec::new();
            encode::command(&mut frame, call.split(' ').map(str::as_bytes).collect::<Vec<_>>());
            frame
        };
        assert_eq!(frames, [frame("MSET foo 1"), frame("MSET bar 2"), frame("MSET foo 3")]);
        assert_eq!(pieces.iter().flat_map(|part| part.keys.clone()).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_key_without_its_value_is_not_taken_for_one_with() {
        assert_eq!(parts("MSET foo 1 bar"), []);
    }
}
