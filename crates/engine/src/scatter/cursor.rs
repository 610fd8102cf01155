//! The cursor of a SCAN over all shards.
//!
//! The shards are scanned one after the other, in the order of their lowest slots, each with its own cursors. What a
//! client is given is one number, which says all there is to say, so that it may come back on any connection, to any
//! failsoft, and days later:
//!
//! ```text
//! (node's cursor × shards + shard) × 2^16  +  print × 2^3  +  restarts
//! ```
//!
//! It is as small as it can be, for there are clients that take a cursor for a floating point number: with three shards
//! of a hundred million keys it has 46 bits.
//!
//! A node's cursor means something only to that node, and "all shards before this one are done" only as long as no slot
//! moves from a shard that is not done to one that is. The *print* is a checksum of who owned which slots and of who the
//! shard's primary was; if it does not fit any more, the scan begins anew. Elements may then be returned twice, which
//! SCAN always permitted; what was there all the time is still returned. Where it would have to begin anew for the
//! eighth time there is an error instead: no scan is endless, and none claims to have seen everything when it has not.
//!
//! Not seen is what moves while its slot is still said to be where it was (keys of a slot under migration), and a
//! primary that restarts with the same address: there Redis' own cursors promise no more.
//!
//! Source: <https://redis.io/commands/scan>, "Scan guarantees".

use std::fmt;
use std::ops::RangeInclusive;

use failsoft_core::cluster::Slot;

const RESTART_BITS: u32 = 3;
const PRINT_BITS: u32 = 13;
const MOST_PRINT: u64 = (1 << PRINT_BITS) - 1;
/// How often a scan may begin anew.
const MOST_RESTARTS: u64 = (1 << RESTART_BITS) - 1;
/// The largest position of a cursor that 64 bits can hold.
const LAST_PLACE: u64 = u64::MAX >> (RESTART_BITS + PRINT_BITS);

/// The shards that there are to be scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// In the order of their lowest slots.
    stops: Vec<Stop>,
    /// Of who owns which slots.
    print: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stop {
    /// Its number among the shards.
    shard: usize,
    lowest: Slot,
    /// Of its primary, and of who owns which slots. None if it has no primary at the moment: then nobody can say that it
    /// is another one, and nobody will answer.
    print: Option<u64>,
}

/// How far a scan has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    stop: usize,
    cursor: u64,
    restarts: u64,
}

/// Why a scan cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCursor {
    /// What the client sent is no cursor.
    Invalid,
    /// The shards have changed too often.
    Unsettled,
    /// The node's own cursor is so large that no room is left to say which node's it is.
    TooLarge,
}

impl fmt::Display for BadCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "ERR invalid cursor",
            Self::Unsettled => {
                "ERR the cluster has changed too often during this SCAN for it to be complete: begin again with cursor 0 \
                 when it has settled"
            }
            Self::TooLarge => "ERR the node's cursor leaves no room to name the node: SCAN the nodes one by one",
        })
    }
}

impl Survey {
    /// The shards with these slots and these primaries' names; `None` if there are none.
    pub fn of<'a, I>(shards: I) -> Option<Self>
    where
        I: IntoIterator<Item = (&'a [RangeInclusive<Slot>], Option<String>)>,
    {
        let mut stops = Vec::new();
        for (shard, (slots, primary)) in shards.into_iter().enumerate() {
            if let Some(lowest) = slots.iter().map(|range| *range.start()).min() {
                stops.push((lowest, shard, checksum_of_slots(slots), primary));
            }
        }
        stops.sort_unstable_by_key(|(lowest, ..)| *lowest);
        let owners = stops.iter().fold(SEED, |owners, (_, _, slots, _)| checksum(owners, &slots.to_le_bytes()));
        let with_primary = |primary: String| print_of(checksum(owners, primary.as_bytes()));
        let stops: Vec<Stop> = stops
            .into_iter()
            .map(|(lowest, shard, _, primary)| Stop { shard, lowest, print: primary.map(with_primary) })
            .collect();
        (!stops.is_empty()).then_some(Self { stops, print: print_of(owners) })
    }

    /// Where the scan goes on whose cursor is `word`.
    pub fn find(&self, word: &[u8]) -> Result<Position, BadCursor> {
        let number = read(word).ok_or(BadCursor::Invalid)?;
        if number == 0 {
            return Ok(Position { stop: 0, cursor: 0, restarts: 0 });
        }
        let shards = self.stops.len() as u64;
        let (place, restarts) = (number >> (RESTART_BITS + PRINT_BITS), number & MOST_RESTARTS);
        let print = number >> RESTART_BITS & MOST_PRINT;
        let position = Position { stop: (place % shards) as usize, cursor: place / shards, restarts };
        match self.print_at(position.stop, position.cursor) {
            Some(own) if own != print && restarts == MOST_RESTARTS => Err(BadCursor::Unsettled),
            Some(own) if own != print => Ok(Position { stop: 0, cursor: 0, restarts: restarts + 1 }),
            Some(_) | None => Ok(position),
        }
    }

    /// At the beginning of a shard it does not matter who its primary is.
    fn print_at(&self, stop: usize, cursor: u64) -> Option<u64> {
        if cursor == 0 { Some(self.print) } else { self.stops[stop].print }
    }

    /// The shard to be asked, by its number.
    pub fn shard(&self, position: Position) -> usize {
        self.stops[position.stop].shard
    }

    /// The lowest slot of the shard to be asked.
    pub fn lowest_slot(&self, position: Position) -> Slot {
        self.stops[position.stop].lowest
    }

    /// What the client is told to go on with when the node has answered with `cursor`; 0 at the end.
    pub fn after(&self, position: Position, cursor: u64) -> Result<u64, BadCursor> {
        let stop = if cursor == 0 { position.stop + 1 } else { position.stop };
        if stop == self.stops.len() {
            return Ok(0);
        }
        let place = cursor.checked_mul(self.stops.len() as u64).and_then(|place| place.checked_add(stop as u64));
        let place = place.filter(|place| *place <= LAST_PLACE).ok_or(BadCursor::TooLarge)?;
        let print = self.print_at(stop, cursor).unwrap_or_default();
        Ok((place << PRINT_BITS | print) << RESTART_BITS | position.restarts)
    }
}

impl Position {
    /// What the shard is asked with.
    pub fn cursor(self) -> u64 {
        self.cursor
    }
}

/// A number as Redis reads a cursor.
pub(super) fn read(word: &[u8]) -> Option<u64> {
    let word = std::str::from_utf8(word).ok().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    word.and_then(|word| word.parse().ok())
}

/// Never 0, so that no cursor of ours is but the last.
fn print_of(sum: u64) -> u64 {
    sum % MOST_PRINT + 1
}

const SEED: u64 = 0xCBF2_9CE4_8422_2325;

/// FNV-1a: the same in every process, for a cursor may come back to another.
fn checksum(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

fn checksum_of_slots(slots: &[RangeInclusive<Slot>]) -> u64 {
    slots.iter().fold(SEED, |sum, range| {
        let sum = checksum(sum, &range.start().number().to_le_bytes());
        checksum(sum, &range.end().number().to_le_bytes())
    })
}

#[cfg(test)]
mod tests;
