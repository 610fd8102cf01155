//! What is true of a primary that sentinels watch: which process it is, and which replicas may be read.
//!
//! Any sentinel answers at once, also one that was cut off an hour ago and still names the old primary. So several are
//! asked as [`SentinelWitness`]es, and [`believe`] takes an address only from a majority of all sentinels there are. A
//! primary is therefore never replaced here before the sentinels themselves have agreed to replace it, after their own
//! `down-after-milliseconds`; that the process named is a primary has to be asked of it besides. Nothing here asks
//! anybody: fields go in, a [`SentinelLayout`] or a reason why not comes out.
//!
//! Source: redis.io, "High availability with Redis Sentinel" and "Guidelines for Redis clients with support for Redis
//! Sentinel"; `src/sentinel.c` of Redis 6.2 and 7.0.

mod disbelief;
mod fields;
mod unreadable;
mod verdict;
mod witness;

pub use disbelief::Disbelief;
pub use fields::Fields;
pub use unreadable::Unreadable;
pub use verdict::{ReplicaLayout, SentinelLayout, believe, yet_unheard};
pub use witness::{Condition, MAX_WATCHED, ReplicaSighting, SentinelSighting, SentinelWitness, Watch, Word};
