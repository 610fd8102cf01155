//! The testkit's own connection to a server, kept between questions.
//!
//! Polling several servers every few milliseconds over fresh connections would burden a small machine and disturb the counts
//! a test takes. An answer comes within [`ANSWER_WITHIN`] or not at all, since a server may be stopped, asleep or dead.

use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisResult, Value, from_redis_value};

use super::{Redis, connect};

/// A server that has not answered by then does not count for this look.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The connection, and the process it leads to: another one at the same port is another server.
#[derive(Debug, Default)]
pub(crate) struct Steady(Mutex<Option<(u32, MultiplexedConnection)>>);

impl Steady {
    /// What `redis` answers, if it does; an error is no answer.
    pub(crate) async fn ask<T: FromRedisValue>(&self, redis: &Redis, words: &[&str]) -> Option<T> {
        if !redis.is_running() {
            return None;
        }
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.run(redis, words)).await;
        let value = answer.ok().and_then(Result::ok);
        if value.is_none() {
            self.0.lock().take();
        }
        from_redis_value(value?).ok()
    }

    /// Runs a command, with redis-rs' patience.
    pub(crate) async fn run(&self, redis: &Redis, words: &[&str]) -> RedisResult<Value> {
        let pid = redis.pid();
        let kept = self.0.lock().clone();
        let mut connection = match kept {
            Some((of, connection)) if of == pid => connection,
            Some(_) | None => connect(&redis.url()).await?,
        };
        let mut command = redis::Cmd::new();
        words.iter().for_each(|word| {
            command.arg(word);
        });
        let value = command.query_async(&mut connection).await?;
        *self.0.lock() = Some((pid, connection));
        Ok(value)
    }
}
