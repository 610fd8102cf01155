//! Every decision failsoft makes, as pure functions of facts and time.
//!
//! No sockets, no async runtime, no clock and no randomness of its own: facts come in through `handle_*`, wishes
//! through `request_*`, what is wanted comes out through `poll_*` as plain values, and nouns only read. Time is
//! [`Time`], an integer; randomness is an argument. So the code that decides in production is the code that is
//! tested by script, checked by property and run under simulated time.

pub mod circuit;
pub mod cluster;
pub mod coherence;
pub mod counter;
pub mod fencing;
pub mod fleet;
pub mod flights;
pub mod guard;
pub mod journal;
pub mod leases;
pub mod limit;
pub mod mode;
pub mod outage;
pub mod outcome;
pub mod pacer;
pub mod pattern;
pub mod plan;
pub mod refusal;
pub mod replication;
pub mod request;
pub mod retry;
pub mod role;
pub mod route_table;
pub mod sentinel;
pub mod share;
pub mod stale;
pub mod tier;
pub mod time;
pub mod unpublished;

pub use outcome::Outcome;
pub use tier::{Tier, TierSet};
pub use time::Time;
