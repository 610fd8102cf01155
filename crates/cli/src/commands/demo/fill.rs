//! What is in both caches when the play begins: every user, under failsoft's key and under that of the program beside it.

use std::ops::RangeInclusive;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, pipe};

use super::{aside, through, users};

/// Values live between half and one and a half minutes, so that some run out in every phase.
const SHORTEST_TTL_MS: u64 = 30_000;
const TTL_SPREAD_MS: u64 = 60_000;
/// Commands that are sent at once.
const BATCH: usize = 1_000;

/// A key, and whose it is.
pub(super) type Entry = (String, u32);

/// The keys of these users.
pub(super) fn keys(users: RangeInclusive<u32>) -> Vec<Entry> {
    users.flat_map(|id| [(through::key(id), id), (aside::key(id), id)]).collect()
}

/// Puts the users' values there.
pub(super) async fn put(connection: &mut MultiplexedConnection, entries: &[Entry]) -> RedisResult<()> {
    for batch in entries.chunks(BATCH) {
        let mut pipeline = pipe();
        for (key, id) in batch {
            pipeline.pset_ex(key, users::json(*id), ttl_ms(*id)).ignore();
        }
        pipeline.exec_async(connection).await?;
    }
    Ok(())
}

/// Spread evenly and the same in every run.
fn ttl_ms(id: u32) -> u64 {
    SHORTEST_TTL_MS + u64::from(id) * 7_919 % TTL_SPREAD_MS
}
