//! A connection to the primary of a key that is this question's alone: what is asked on it afterwards comes afterwards.
//!
//! Two things need that. `WAIT` tells of what its own connection has written, and of nothing else. And where an answer
//! does not come in time, what takes the question back must not overtake it: on the same connection it cannot.

use std::sync::Arc;
use std::time::Duration;

use failsoft_core::circuit::{Evidence, Permit};
use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::refusal::Refusal as Word;
use failsoft_core::request::{Ask, Manner};
use failsoft_core::{Outcome, Time};
use failsoft_resp::reply::{self, Head};
use failsoft_resp::{Protocol, encode};
use tokio::io::Interest;
use tokio::time::timeout_at;

use crate::clock::Clock;
use crate::context::Context;
use crate::delivery::{Delivered, not_sent};
use crate::health::Health;
use crate::node::{Dedicated, Leave, Speaker};

/// A connection on which one thing is asked after the other.
pub(super) struct Line {
    connection: Dedicated,
    clock: Clock,
    /// Replies that were not waited for any longer, and that still come before any other.
    owed: usize,
}

/// What replicas have of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// As many as were asked for have it.
    Whole,
    /// Fewer said so in time, or nobody knows.
    Short,
}

/// A circuit's leave, given back if nothing comes of it.
struct Ticket {
    health: Arc<Health>,
    permit: Option<Permit>,
}

impl Ticket {
    fn settle(&mut self, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            self.health.handle_outcome(permit, outcome, self.health.now());
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(permit) = self.permit {
            self.health.handle_evidence(permit, Evidence::Abandoned, self.health.now());
        }
    }
}

impl Line {
    /// Puts `frame` to the node that `ask` is for; what came of it, and the line if there is one.
    pub(super) async fn ask(
        context: &Context,
        node: &Arc<crate::node::Node>,
        ask: Ask,
        frame: &[u8],
    ) -> (Delivered, Option<Self>) {
        let mut ticket = Ticket { health: node.health().clone(), permit: Some(ask.grant.permit) };
        // A node may be given longer to let anybody in than this question has.
        let by = context.clock.instant(ask.by);
        let dedicated = node.dedicate(context.worker, Protocol::Resp2, Speaker::Failsoft, Leave::Regardless);
        let connection = match timeout_at(by, dedicated).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(undedicated)) => return (not_sent(undedicated.failure()), None),
            Err(_) => return (not_sent(Failure::DeadlineSpent), None),
        };
        if context.now() >= ask.by {
            connection.release();
            return (not_sent(Failure::DeadlineSpent), None);
        }
        let mut line = Self { connection, clock: context.clock, owed: 0 };
        let delivered = line.put(ask.grant.manner, frame, ask.by).await;
        ticket.settle(delivered.outcome);
        (delivered, Some(line))
    }

    async fn put(&mut self, manner: Manner, frame: &[u8], by: Time) -> Delivered {
        if manner == Manner::Asking {
            let mut asking = Vec::new();
            encode::command(&mut asking, [&b"ASKING"[..]]);
            self.connection.send(&asking);
            self.owed += 1;
        }
        let start = self.connection.send(frame);
        match self.next(by).await {
            Ok(reply) => Delivered { outcome: outcome_of(&reply), reply },
            Err(_) if !self.connection.may_have_sent(start) => not_sent(Failure::Disconnected),
            Err(silence) => Delivered { outcome: Outcome::Silent(silence), reply: Vec::new() },
        }
    }

    /// Asks `copies` replicas whether they have what was written on this line, for at most `patience`.
    pub(super) async fn prove(&mut self, copies: u32, patience: Duration, deadline: Time) -> Proof {
        if copies == 0 {
            return Proof::Whole;
        }
        let patience = patience.min(deadline.since(self.clock.now()) / 2).max(Duration::from_millis(1));
        let mut wait = Vec::new();
        let (count, millis) = (copies.to_string(), patience.as_millis().to_string());
        encode::command(&mut wait, [&b"WAIT"[..], count.as_bytes(), millis.as_bytes()]);
        self.connection.send(&wait);
        match self.next(deadline).await.as_deref().map(reply::head) {
            Ok(Some(Head::Integer(have))) if have >= i64::from(copies) => Proof::Whole,
            Ok(_) | Err(_) => Proof::Short,
        }
    }

    /// Asks something else; the reply.
    pub(super) async fn then(&mut self, frame: &[u8], by: Time) -> Result<Vec<u8>, Silence> {
        self.connection.send(frame);
        self.next(by).await
    }

    /// Gives the connection back, if nothing is outstanding on it.
    pub(super) fn hang_up(self) {
        if self.owed == 0 {
            self.connection.release();
        }
    }

    /// The same after something was granted; now and then the node is asked first whether it keeps what it is given, which
    /// nobody waits for.
    pub(super) fn hang_up_and_wonder(mut self) {
        let node = self.connection.node().clone();
        if !node.stats().eviction.request_question(self.clock.now()) {
            return self.hang_up();
        }
        tokio::spawn(async move {
            let mut info = Vec::new();
            encode::command(&mut info, [&b"INFO"[..], b"memory"]);
            let by = self.clock.now() + node.options().timeout;
            if let Ok(reply) = self.then(&info, by).await {
                if let Some(Head::Bulk(text)) = reply::head(&reply) {
                    node.stats().eviction.handle_report(node.name(), text);
                }
                self.hang_up();
            }
        });
    }

    /// The reply to what was sent last, after those that are owed for what was sent before.
    async fn next(&mut self, by: Time) -> Result<Vec<u8>, Silence> {
        self.owed += 1;
        let by = self.clock.instant(by);
        let replied = timeout_at(by, self.read()).await.unwrap_or(Err(Silence::Timeout));
        replied.inspect_err(|silence| self.connection.handle_silence(*silence))
    }

    async fn read(&mut self) -> Result<Vec<u8>, Silence> {
        loop {
            self.connection.flush()?;
            while let Some(reply) = self.connection.next_reply()? {
                self.owed -= 1;
                if self.owed == 0 {
                    return Ok(reply.to_vec());
                }
            }
            if self.connection.ready(Interest::READABLE).await?.is_readable() {
                self.connection.receive()?;
            }
        }
    }
}

/// What a script of failsoft's own says is either an answer or Redis' own refusal.
fn outcome_of(frame: &[u8]) -> Outcome {
    match reply::head(frame) {
        Some(Head::Error(text)) => Outcome::Refused(Word::from_error(text)),
        _ => Outcome::Hit,
    }
}
