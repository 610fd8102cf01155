//! One command, several shards: taking it apart, and putting the replies together again.
//!
//! A client that knows nothing of clusters says `MGET a b c` and expects one answer. What may be taken apart and how the
//! replies become one stands in the table of commands ([`Spread`](failsoft_resp::commands::Spread)). Taking apart and
//! putting together is pure: bytes in, bytes out; a [`Gathering`] carries it out. A part is a command by itself and goes
//! the way of any other, with its own route, redirections and tiers.
//!
//! What cannot be taken apart, because it would no longer be one act (MSETNX, RENAME, a script, a transaction), is
//! refused in the words of Redis.
//!
//! At the edges: a read of which one part has no answer has none, for an array with a hole in it would say "absent" where
//! nobody knows; a write of which one part was not done says how much was (`told`); a shard whose reply does not fit
//! the command is an error, never a guess.

mod apart;
mod aside;
mod cursor;
mod gathering;
mod merge;
pub mod scan;
#[cfg(test)]
mod tests;
mod told;
mod undertaking;

pub use apart::{KeysAt, Part, keys_at, take_apart, take_to_pieces};
pub use cursor::{BadCursor, Position, Survey};
pub use gathering::{AT_ONCE, Gathering, Means};
pub use merge::{Act, Answer, Unit, merge};
pub use undertaking::Undertaking;
