//! The engine as a connection of redis-rs, so that code written for it runs on failsoft unchanged: its commands, pipelines,
//! transactions and scripts, with every decision that the sidecar makes for a client.
//!
//! Like a multiplexed connection it may be cloned, and clones may be used at once. Unlike one it is not a connection: what
//! gives a connection a state (WATCH, SELECT, SUBSCRIBE, blocking pops) is refused with a sentence.
//!
//! A command that changes something is carried through even if its future is dropped. Commands of a plain pipeline go out
//! together as far as they are about different keys; about one key they keep their order.

mod batches;
mod transaction;

use failsoft_resp::commands::{self, Class};
use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value, parse_redis_value};

use self::batches::batches;
use super::{Error, Failsoft};
use crate::words::Words;

/// An engine as redis-rs knows connections.
///
/// ```no_run
/// use redis::AsyncCommands;
/// # async fn run(failsoft: failsoft::client::Failsoft) -> redis::RedisResult<()> {
/// let mut connection = failsoft.redis_connection();
/// let () = connection.set("greeting", "hello").await?;
/// let greeting: String = connection.get("greeting").await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    client: Failsoft,
}

impl Failsoft {
    /// This engine as a connection of redis-rs: for [`AsyncCommands`](redis::AsyncCommands), pipelines and scripts.
    pub fn redis_connection(&self) -> Connection {
        Connection { client: self.clone() }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let frame = cmd.get_packed_command();
            let reply = if only_reads(&frame) {
                let _call = self.client.inner.calls.begin().map_err(|error| told(&error))?;
                self.client.inner.caller.call_frame(frame).await.reply
            } else {
                self.carry_through(frame).await.map_err(|error| told(&error))?
            };
            value_of(&reply)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let frames: Vec<Vec<u8>> = pipeline.cmd_iter().map(Cmd::get_packed_command).collect();
            if pipeline.is_transaction() {
                return self.transact(frames).await.map(|value| vec![value]);
            }
            let replies = self.pipeline(frames).await.map_err(|error| told(&error))?;
            let values: Vec<Value> = replies.iter().map(|reply| parsed(reply)).collect::<RedisResult<_>>()?;
            Ok(values.into_iter().skip(offset).take(count).collect())
        })
    }

    fn get_db(&self) -> i64 {
        let (world, _) = self.client.engine().world();
        i64::from(world.deployment().database())
    }
}

impl Connection {
    async fn carry_through(&self, frame: Vec<u8>) -> Result<Vec<u8>, Error> {
        let caller = self.client.inner.caller.clone();
        self.client.carry_through(async move { Ok(caller.call_frame(frame).await.reply) }).await
    }

    /// The replies to `frames`, in their order.
    async fn pipeline(&self, frames: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        let mut replies = Vec::with_capacity(frames.len());
        for batch in batches(frames) {
            let client = self.client.clone();
            let together = self.client.carry_through(async move { Ok(client.call_together(batch).await) }).await?;
            replies.extend(together);
        }
        Ok(replies)
    }
}

impl Failsoft {
    /// The replies to commands that are under way at once.
    async fn call_together(&self, batch: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let under_way: Vec<_> = (batch.into_iter())
            .map(|frame| {
                let caller = self.inner.caller.clone();
                tokio::spawn(async move { caller.call_frame(frame).await.reply })
            })
            .collect();
        let mut replies = Vec::with_capacity(under_way.len());
        for call in under_way {
            replies.push(call.await.unwrap_or_else(|_| LOST.to_vec()));
        }
        replies
    }
}

const LOST: &[u8] =
    b"-OUTCOMEUNKNOWN the call was broken off, it may have happened reason=internal retry-after-ms=100\r\n";

fn only_reads(frame: &[u8]) -> bool {
    let words = Words::of(frame);
    let words = words.as_slices();
    let name = words.first().copied().unwrap_or_default();
    let spec = commands::lookup(name, words.get(1).copied());
    spec.is_some_and(|spec| commands::class_of(spec, words) == Class::Read)
}

/// A reply as redis-rs has it, an error among the values.
fn parsed(reply: &[u8]) -> RedisResult<Value> {
    parse_redis_value(reply)
}

/// A reply as redis-rs has it.
fn value_of(reply: &[u8]) -> RedisResult<Value> {
    match parsed(reply)? {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// What is refused before it is a command.
fn told(error: &Error) -> RedisError {
    (ErrorKind::Client, "failsoft", error.to_string()).into()
}
