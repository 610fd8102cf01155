//! Clients that mix commands with and without a state on their connection, each checked against a model of its own.
//!
//! Everything that a client writes carries its number: its keys, its values, its queues and channels, its name. The
//! [`model`] knows what may come back for each command, the [`moves`] write commands at random, and a [`client`] sends
//! them cut anywhere and hears the replies one by one. In calm weather every reply is known to the byte. In rough weather a
//! reply may be an honest error and a connection may end; from then on what was not answered may have happened or not, and
//! what was answered `UNAVAILABLE` must not have.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

pub mod client;
pub mod model;
pub mod moves;
pub mod resp;
pub mod stage;

use failsoft_testkit::redis::Redis;

use model::Model;

/// Gives every client's counter a beginning that is nobody else's.
pub async fn prepare(redis: &Redis, clients: usize) {
    for own in 0..clients {
        redis.command(&["SET", &Model::counter_key(own), &Model::counter_base(own).to_string()]).await;
    }
}

/// The number that decides what a test does: `FAILSOFT_SEED`, or another one each time.
pub fn seed() -> u64 {
    let from_clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    std::env::var("FAILSOFT_SEED").ok().map_or_else(from_clock, |seed| seed.parse().unwrap())
}
