//! Which slot a key is in, worked out bit by bit.
//!
//! Deliberately not `failsoft-core`'s: tests compare the two, and both with what Redis itself says. The source is
//! Redis' cluster specification (CRC16 as in XMODEM; only what stands in the first `{...}` counts, if anything does).

use std::ops::RangeInclusive;

/// How many slots there are.
pub const COUNT: u16 = 16_384;

/// The slot of `key`.
pub fn of(key: &str) -> u16 {
    crc16(hashed_part(key).as_bytes()) % COUNT
}

/// Keys of `slots`, as many as one takes: `key:0`, `key:7`, ... for the prefix `key`.
pub fn keys_in(slots: RangeInclusive<u16>, prefix: &str) -> impl Iterator<Item = String> {
    (0_u64..).map(move |number| format!("{prefix}:{number}")).filter(move |key| slots.contains(&of(key)))
}

/// The first of [`keys_in`].
pub fn key_in(slots: RangeInclusive<u16>, prefix: &str) -> String {
    keys_in(slots, prefix).next().expect("the keys do not end before one falls into a slot that exists")
}

fn hashed_part(key: &str) -> &str {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    tag.filter(|tag| !tag.is_empty()).unwrap_or(key)
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => (crc << 1) ^ 0x1021,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_own_check_value() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn only_the_first_tag_counts_and_only_if_it_holds_something() {
        assert_eq!(of("{user1000}.following"), of("user1000"));
        assert_eq!(of("foo{{bar}}zap"), of("{bar"));
        assert_eq!(of("foo{bar}{zap}"), of("bar"));
        assert_eq!(hashed_part("foo{}{bar}"), "foo{}{bar}");
        assert_eq!(hashed_part("foo{bar"), "foo{bar");
    }

    #[test]
    fn keys_can_be_had_for_any_slot() {
        assert_eq!(of(&key_in(0..=0, "k")), 0);
        assert_eq!(keys_in(100..=200, "k").take(3).filter(|key| (100..=200).contains(&of(key))).count(), 3);
    }
}
