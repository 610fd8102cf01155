//! From a command's words to its row, in constant time and without allocation.
//!
//! A hash table built by the compiler: open addressing over four times as many slots as rows. The hash takes the length,
//! the first and the last eight bytes with the case bit cleared, which tells apart all names there are with few
//! collisions; the name is then compared in full. A subcommand is hashed together with its container's row, so both
//! steps use one table. Clients cannot add to it, so it cannot be flooded.

use super::Spec;
use super::flags::Flags;
use super::table::TABLE;

const SLOTS: usize = 2048;
/// No name is longer; anything longer is not hashed.
const LONGEST: usize = 32;
/// Clears the bit that tells lower from upper case, in eight bytes at once.
const NO_CASE: u64 = 0xDFDF_DFDF_DFDF_DFDF;
/// The container of commands that are not subcommands.
const TOP: u16 = 0;

/// Who sits in a slot.
#[derive(Clone, Copy)]
struct Entry {
    /// Its row in the table, counted from 1; 0 if the slot is free.
    number: u16,
    /// The number of its container.
    container: u16,
    /// Where in its name its own word begins.
    word_at: u16,
}

const FREE: Entry = Entry { number: 0, container: TOP, word_at: 0 };

static INDEX: [Entry; SLOTS] = build();

/// The command `first`, or if that is a container and `second` is given, its subcommand `second`.
#[inline]
pub(super) fn find(first: &[u8], second: Option<&[u8]>) -> Option<&'static Spec> {
    let (number, spec) = probe(TOP, first)?;
    match second {
        Some(second) if spec.flags.contains(Flags::CONTAINER) => probe(number, second).map(|(_, spec)| spec),
        Some(_) | None => Some(spec),
    }
}

#[inline]
fn probe(container: u16, word: &[u8]) -> Option<(u16, &'static Spec)> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let mut slot = hash(container, word);
    loop {
        let entry = INDEX[slot % SLOTS];
        let spec = TABLE.get(usize::from(entry.number).checked_sub(1)?)?;
        let own_word = &spec.name.as_bytes()[usize::from(entry.word_at)..];
        if entry.container == container && own_word.eq_ignore_ascii_case(word) {
            return Some((entry.number, spec));
        }
        slot += 1;
    }
}

#[inline]
const fn hash(container: u16, word: &[u8]) -> usize {
    let seed = ((container as u64) << 8) | word.len() as u64;
    let mixed = (head(word) & NO_CASE).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (tail(word) & NO_CASE).wrapping_mul(0xC2B2_AE3D_27D4_EB4F)
        ^ seed.wrapping_mul(0x1656_67B1_9E37_79F9);
    (mixed >> 32) as usize % SLOTS
}

/// The first eight bytes, or the whole word if shorter.
#[inline]
const fn head(word: &[u8]) -> u64 {
    match word.first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => short(word),
    }
}

/// The last eight bytes; nothing new if the word is shorter.
#[inline]
const fn tail(word: &[u8]) -> u64 {
    match word.last_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => 0,
    }
}

/// Up to seven bytes, none of them lost.
#[inline]
const fn short(word: &[u8]) -> u64 {
    match (word.first_chunk::<4>(), word.last_chunk::<4>()) {
        (Some(first), Some(last)) => (u32::from_le_bytes(*first) as u64) << 32 | u32::from_le_bytes(*last) as u64,
        _ => match word {
            [a] => *a as u64,
            [a, b] => (*a as u64) << 8 | *b as u64,
            [a, b, c] => (*a as u64) << 16 | (*b as u64) << 8 | *c as u64,
            _ => 0,
        },
    }
}

const fn build() -> [Entry; SLOTS] {
    let mut index = [FREE; SLOTS];
    let mut container = TOP;
    let mut row = 0;
    while row < TABLE.len() {
        let number = row as u16 + 1;
        let name = TABLE[row].name.as_bytes();
        let word_at = word_at(name);
        let owner = if word_at == 0 { TOP } else { container };
        let mut slot = hash(owner, name.split_at(word_at).1);
        while index[slot % SLOTS].number != 0 {
            slot += 1;
        }
        index[slot % SLOTS] = Entry { number, container: owner, word_at: word_at as u16 };
        if TABLE[row].flags.contains(Flags::CONTAINER) {
            container = number;
        }
        row += 1;
    }
    index
}

/// Where a subcommand's own word begins; 0 for any other name.
const fn word_at(name: &[u8]) -> usize {
    let mut at = 0;
    while at < name.len() {
        if name[at] == b'|' {
            return at + 1;
        }
        at += 1;
    }
    0
}
