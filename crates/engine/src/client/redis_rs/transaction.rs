//! An atomic pipeline: MULTI, the commands and EXEC, written at once on a connection that is theirs alone.
//!
//! It is carried through even if nobody waits for it, and what is kept here of its keys is dropped before it is sent and
//! when it has ended. Before EXEC is answered nobody knows whether it has happened; unless MULTI was not even sent.

use std::sync::Arc;

use failsoft_core::Tier;
use failsoft_core::journal::Lateness;
use failsoft_core::journal::fate::Fate;
use failsoft_core::outcome::{Failure, Outcome, Silence};
use failsoft_core::request::{Apology, RETRY_AFTER_DEFAULT};
use failsoft_resp::Protocol;
use failsoft_resp::commands;
use failsoft_resp::reply::{Head, head};
use redis::{RedisResult, Value};
use tokio::io::Interest;
use tokio::time::timeout_at;

use super::{Connection, told, value_of};
use crate::apology::{Code, apologise};
use crate::classify::classify;
use crate::client::{Error, WORKER};
use crate::context::Context;
use crate::node::{Dedicated, Leave, Node, Speaker};
use crate::topology::Place;
use crate::touched::{Executor, Touched, fate_of_reply};
use crate::words::Words;
use crate::world::RouteId;

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

impl Connection {
    /// What EXEC answers, or the error of the first command that could not be queued.
    pub(super) async fn transact(&self, frames: Vec<Vec<u8>>) -> RedisResult<Value> {
        let context = self.client.inner.caller.context();
        let done = self.client.carry_through(async move { Ok(carry_out(&context, &frames).await) }).await;
        value_of(&done.map_err(|error: Error| told(&error))?)
    }
}

async fn carry_out(context: &Context, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut touched = Touched::Nothing;
    for frame in frames {
        let words = Words::of(frame);
        let course = classify(&context.world, &context.views.redis, words.as_slices());
        touched.add(&Touched::by(&context.world, course, words.as_slices()));
    }
    touched.handle_begun(&context.world);
    let owner = context.views.redis.owner(place_of(context, frames)).ok().cloned();
    let (reply, fate) = match &owner {
        Some(node) => put(context, node, frames).await,
        None => not_sent(apology(Outcome::Failed(Failure::Unowned))),
    };
    let executor = owner.as_ref().map(|node| Executor { worker: WORKER, primary: node.name() });
    touched.handle_ended(&context.world, executor, fate);
    reply
}

/// What the caller is told, and what has become of the changes: EXEC is refused whole, or done whole.
async fn put(context: &Context, node: &Arc<Node>, frames: &[Vec<u8>]) -> (Vec<u8>, Fate) {
    let mut connection = match node.dedicate(WORKER, Protocol::Resp2, Speaker::Failsoft, Leave::OfCircuit).await {
        Ok(connection) => connection,
        Err(undedicated) => {
            let mut sorry = Vec::new();
            undedicated.apologise(Tier::Primary, context.now(), &mut sorry);
            return (sorry, Fate::Journalled(Lateness::Never));
        }
    };
    let start = connection.send(MULTI);
    for frame in frames {
        connection.send(frame);
    }
    connection.send(EXEC);
    let by = context.now() + context.world.route(RouteId::PLAIN).plan(crate::route::Way::Write).deadline;
    let told = timeout_at(context.clock.instant(by), read(&mut connection, frames.len() + 2)).await;
    match told.unwrap_or(Err(Silence::Timeout)) {
        Ok(reply) => {
            connection.release();
            let fate = fate_of_reply(&reply);
            (reply, fate)
        }
        Err(silence) => {
            connection.handle_silence(silence);
            if !connection.may_have_sent(start) {
                return not_sent(apology(Outcome::Failed(Failure::Disconnected)));
            }
            let mut sorry = Vec::new();
            apologise(Code::OutcomeUnknown, apology(Outcome::Silent(silence)), &mut sorry);
            (sorry, Fate::Journalled(Lateness::Possible))
        }
    }
}

/// Nothing was sent: what Redis holds of the keys may not be what it should be.
fn not_sent(apology: Apology) -> (Vec<u8>, Fate) {
    let mut sorry = Vec::new();
    apologise(Code::Unavailable, apology, &mut sorry);
    (sorry, Fate::Journalled(Lateness::Never))
}

fn place_of(context: &Context, frames: &[Vec<u8>]) -> Place {
    let first = frames.iter().find_map(|frame| {
        let words = Words::of(frame);
        let words = words.as_slices();
        let spec = commands::lookup(words.first()?, words.get(1).copied())?;
        let position = commands::keys(spec, words).next()?;
        words.get(position.index).map(|key| context.views.redis.place_of(key))
    });
    first.unwrap_or(Place::Anywhere)
}

fn apology(because: Outcome) -> Apology {
    Apology { tier: Tier::Primary, because, retry_after: RETRY_AFTER_DEFAULT }
}

/// The last of `count` replies; of those before it the first error, if the last says only that there was one.
async fn read(connection: &mut Dedicated, count: usize) -> Result<Vec<u8>, Silence> {
    let mut first_error = None;
    let mut left = count;
    loop {
        connection.flush()?;
        while let Some(reply) = connection.next_reply()? {
            left -= 1;
            let is_error = matches!(head(reply), Some(Head::Error(_)));
            if left == 0 {
                let reply = reply.to_vec();
                return Ok(if is_error { first_error.unwrap_or(reply) } else { reply });
            }
            if is_error && first_error.is_none() {
                first_error = Some(reply.to_vec());
            }
        }
        if connection.ready(Interest::READABLE).await?.is_readable() {
            connection.receive()?;
        }
    }
}
