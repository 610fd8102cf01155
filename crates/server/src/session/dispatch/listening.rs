//! Subscriptions that are not on a connection of the client's own: see [`ears`](crate::session::ears).
//!
//! Where a client's channels are heard is settled by the first: what Redis counts together is heard in one place. Who
//! listens already and asks for a channel of another route has it there too, and is no longer kept when the connection
//! is lost; who has a connection of its own for another reason subscribes on that one.

use failsoft_resp::pubsub::Channels;
use failsoft_resp::{Command, Protocol, commands};

use super::{Dispatcher, Next};
use crate::session::ears::{Asked, Ears, are_news, asked};
use crate::session::replies::Slot;

const LISTENS_ALREADY: &[u8] = b"-ERR HELLO has to come before SUBSCRIBE and SSUBSCRIBE: send RESET first\r\n";
const NOT_QUEUED: &[u8] =
    b"-ERR channels of invalidation routes, and shard channels before a cluster, are not subscribed \
    to in a transaction\r\n";

impl Dispatcher {
    /// Whether messages may come that the client has not asked for one by one.
    pub(in crate::session) fn listens(&self) -> bool {
        self.ears.as_ref().is_some_and(|ears| ears.subscriptions() > 0)
    }

    /// Whether this command of a client that has a connection of its own is about channels that are not on that one.
    pub(in crate::session) fn is_for_ears(&self, command: &Command<'_>) -> bool {
        asked(command).is_some_and(|asked| self.is_heard_apart(asked))
    }

    /// What is said to it in a transaction.
    pub(in crate::session) fn not_queued() -> &'static [u8] {
        NOT_QUEUED
    }

    /// What is said to a change of protocol while messages of the present one may come.
    pub(in crate::session) fn refuse_protocol(&self, command: &Command<'_>) -> Option<&'static [u8]> {
        let is_hello = command.arg(0).eq_ignore_ascii_case(b"HELLO");
        (is_hello && self.listens() && self.greeting.changes_protocol(command)).then_some(LISTENS_ALREADY)
    }

    /// What a client that listens in RESP2 is told that sends anything else: it could not tell the reply from a message.
    pub(super) fn refuse_to_listener(&self, command: &Command<'_>) -> Option<Vec<u8>> {
        if self.greeting.protocol() != Protocol::Resp2 || !self.listens() {
            return None;
        }
        let spec = commands::lookup(command.arg(0), command.get(1))?;
        let is_readable = commands::arity_ok(spec, command.len());
        let is_allowed = matches!(
            spec.name,
            "ping"
                | "quit"
                | "reset"
                | "subscribe"
                | "unsubscribe"
                | "psubscribe"
                | "punsubscribe"
                | "ssubscribe"
                | "sunsubscribe"
        );
        let told = || {
            format!(
                "-ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
                 this context\r\n",
                spec.name
            )
        };
        (is_readable && !is_allowed).then(|| told().into_bytes())
    }

    /// What this command of a client without a connection of its own asks the ears for, if it is for them.
    pub(super) fn asks_ears(&self, command: &Command<'_>) -> Option<Asked> {
        let begins =
            |asked: &Asked| asked.wish == failsoft::listening::Wish::Listen && are_news(command, &self.context);
        asked(command).filter(|asked| self.is_heard_apart(*asked) || begins(asked))
    }

    /// Takes a command about channels.
    pub(super) fn listen(&mut self, command: &Command<'_>, asked: Asked) -> Next {
        // Its messages go out as they come: not before what was asked before it has been answered.
        if self.replies.backlog().requests > 0 {
            return Next::Settle;
        }
        let (context, protocol, replies) = (&self.context, self.greeting.protocol(), &self.replies);
        self.ears = self.ears.take().filter(|ears| ears.protocol() == protocol);
        let ears = self.ears.get_or_insert_with(|| Box::new(Ears::new(context.clone(), protocol, replies.clone())));
        let ticket = self.replies.push(Slot::Running);
        // Whether the client listens decides what else it may ask for.
        self.barrier = Some(ticket);
        if !ears.order(asked, command, ticket) {
            self.replies.cut_off();
        }
        Next::Continue
    }

    fn is_heard_apart(&self, asked: Asked) -> bool {
        let is_at_shards = asked.channels == Channels::Sharded && self.context.views.redis.is_sharded();
        is_at_shards || self.ears.as_ref().is_some_and(|ears| ears.counted_with(asked.channels) > 0)
    }
}
