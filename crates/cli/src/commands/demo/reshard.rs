//! Slots on the move under traffic, one after the other, by the steps of `redis-cli --cluster reshard`.
//!
//! The target imports, the source migrates, the keys go over, and everybody is told of the new owner. In between the
//! source answers ASK for what has gone; afterwards MOVED to whoever has not heard.

use std::ops::Range;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisResult, cmd};

use super::server::Server;

/// Keys that go over at once.
const BATCH: &str = "100";
/// How long that may take, in milliseconds.
const MIGRATE_TIMEOUT_MS: &str = "10000";

/// Moves `slots` with their keys from `source` to `target`, and tells the `others`.
pub(super) async fn reshard(
    slots: Range<usize>,
    source: &Server,
    target: &Server,
    others: &[&Server],
) -> RedisResult<()> {
    let mut moving = Moving {
        port: target.address().port().to_string(),
        source: source.connection().await?,
        target: target.connection().await?,
        others: Vec::with_capacity(others.len()),
    };
    for other in others {
        moving.others.push(other.connection().await?);
    }
    let id: String = ask(&mut moving.target, &["CLUSTER", "MYID"]).await?;
    let from: String = ask(&mut moving.source, &["CLUSTER", "MYID"]).await?;
    for slot in slots {
        moving.go(&slot.to_string(), &from, &id).await?;
    }
    Ok(())
}

struct Moving {
    port: String,
    source: MultiplexedConnection,
    target: MultiplexedConnection,
    others: Vec<MultiplexedConnection>,
}

impl Moving {
    async fn go(&mut self, slot: &str, from: &str, to: &str) -> RedisResult<()> {
        ask::<()>(&mut self.target, &["CLUSTER", "SETSLOT", slot, "IMPORTING", from]).await?;
        ask::<()>(&mut self.source, &["CLUSTER", "SETSLOT", slot, "MIGRATING", to]).await?;
        loop {
            let keys: Vec<String> = ask(&mut self.source, &["CLUSTER", "GETKEYSINSLOT", slot, BATCH]).await?;
            if keys.is_empty() {
                break;
            }
            let mut migrate = cmd("MIGRATE");
            migrate.arg(&["127.0.0.1", &self.port, "", "0", MIGRATE_TIMEOUT_MS, "REPLACE", "KEYS"]).arg(keys);
            migrate.exec_async(&mut self.source).await?;
        }
        let owned = ["CLUSTER", "SETSLOT", slot, "NODE", to];
        // The target first: should the source stop being one in between, somebody must already own the slot.
        ask::<()>(&mut self.target, &owned).await?;
        ask::<()>(&mut self.source, &owned).await?;
        for other in &mut self.others {
            // Replicas refuse, and hear of it from their primaries.
            let _ = ask::<()>(other, &owned).await;
        }
        Ok(())
    }
}

async fn ask<T: FromRedisValue>(connection: &mut MultiplexedConnection, words: &[&str]) -> RedisResult<T> {
    cmd(words[0]).arg(&words[1..]).query_async(connection).await
}
