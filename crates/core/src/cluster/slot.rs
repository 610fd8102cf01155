//! The slot of a key: which of the 16,384 parts of the key space it lies in.
//!
//! CRC16 (the XMODEM variant) of the key, modulo 16,384. Of a key with a hash tag only the tag counts, so that keys can
//! be made to lie together: what stands between the first `{` and the first `}` after it, unless that is nothing.
//!
//! Source: Redis cluster specification, "Key distribution model" and "Hash tags"; `keyHashSlot` in `src/cluster.c`.

use std::fmt;

use crc::{CRC_16_XMODEM, Crc, Table};

static CHECKSUM: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);

/// One of the parts into which a cluster divides its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// How many there are.
    pub const COUNT: usize = 16_384;

    /// The first.
    pub const FIRST: Self = Self(0);

    /// The last.
    pub const LAST: Self = Self(Self::COUNT as u16 - 1);

    /// The slot of that number, if there is one.
    pub const fn new(number: u16) -> Option<Self> {
        if number <= Self::LAST.0 { Some(Self(number)) } else { None }
    }

    /// The slot in which `key` lies.
    #[inline]
    pub fn of(key: &[u8]) -> Self {
        Self(CHECKSUM.checksum(Self::tag(key)) & Self::LAST.0)
    }

    /// The part of `key` that counts: its hash tag, or all of it.
    #[inline]
    pub fn tag(key: &[u8]) -> &[u8] {
        let Some(open) = key.iter().position(|byte| *byte == b'{') else {
            return key;
        };
        let inside = &key[open + 1..];
        match inside.iter().position(|byte| *byte == b'}') {
            None | Some(0) => key,
            Some(close) => &inside[..close],
        }
    }

    /// Its number, 0 to 16,383.
    #[inline]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its number, to look it up in a table of [`Slot::COUNT`] places.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Reads a decimal number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::new)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_the_specification_names() {
        assert_eq!(CHECKSUM.checksum(b"123456789"), 0x31C3);
        assert_eq!(Slot::of(b"123456789").number(), 0x31C3);
    }

    /// What `CLUSTER KEYSLOT` of Redis 7.0.15 says.
    #[test]
    fn keys_lie_where_redis_says() {
        let known: [(&[u8], u16); 8] = [
            (b"", 0),
            (b"foo", 12_182),
            (b"bar", 5_061),
            (b"{user1000}.following", 3_443),
            (b"foo{}{bar}", 8_363),
            (b"foo{{bar}}zap", 4_015),
            (b"foo{bar}{zap}", 5_061),
            (b"{foo", 13_308),
        ];
        for (key, slot) in known {
            assert_eq!(Slot::of(key).number(), slot, "{}", key.escape_ascii());
        }
    }

    #[test]
    fn only_a_tag_that_is_closed_and_not_empty_counts() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"{user1000}.following", b"user1000"),
            (b"foo{}{bar}", b"foo{}{bar}"),
            (b"foo{{bar}}zap", b"{bar"),
            (b"foo{bar}{zap}", b"bar"),
            (b"}foo{bar}", b"bar"),
            (b"foo{bar", b"foo{bar"),
            (b"{}", b"{}"),
        ];
        for (key, expected) in cases {
            assert_eq!(Slot::tag(key).escape_ascii().to_string(), expected.escape_ascii().to_string());
        }
    }

    #[test]
    fn there_is_no_slot_beyond_the_last() {
        assert_eq!(Slot::new(16_383), Some(Slot::LAST));
        assert_eq!(Slot::new(16_384), None);
        assert_eq!(Slot::parse("16384"), None);
        assert_eq!(Slot::parse("-1"), None);
    }

    proptest! {
        #[test]
        fn every_key_has_a_slot_and_keys_of_one_tag_share_it(
            key: Vec<u8>, tag in "[a-z0-9{]{1,20}", before in "[^{]{0,9}", after: Vec<u8>,
        ) {
            prop_assert!(Slot::of(&key) <= Slot::LAST);
            let tagged = [before.as_bytes(), b"{", tag.as_bytes(), b"}", &after].concat();
            prop_assert_eq!(Slot::of(&tagged), Slot(CHECKSUM.checksum(tag.as_bytes()) % 16_384));
        }
    }
}
