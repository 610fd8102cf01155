//! Shard channels of a client before a cluster.

use failsoft::classify::Course;
use failsoft::topology::Place;
use failsoft_resp::Command;

use super::{Dispatcher, Next};
use crate::session::ears::{Ears, is_about_shard_channels};
use crate::session::replies::Slot;

const LISTENS_ALREADY: &[u8] = b"-ERR HELLO has to come before SSUBSCRIBE: send RESET first\r\n";
const NOT_QUEUED: &[u8] = b"-ERR shard channels are not subscribed to in a transaction before a cluster\r\n";

impl Dispatcher {
    /// Whether messages may come that the client has not asked for one by one.
    pub(in crate::session) fn listens(&self) -> bool {
        self.ears.as_ref().is_some_and(|ears| ears.channels() > 0)
    }

    /// Whether this command is about shard channels, which are at several shards.
    pub(in crate::session) fn is_about_shard_channels(&self, command: &Command<'_>) -> bool {
        self.context.views.redis.is_sharded() && is_about_shard_channels(command)
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

    /// Takes a command about shard channels.
    pub(super) fn listen(&mut self, command: &Command<'_>, course: Course) -> Next {
        // Its messages go out as they come: not before what was asked before it has been answered.
        if self.replies.backlog().requests > 0 {
            return Next::Settle;
        }
        let place = match course {
            Course::Dedicated { place, .. } => place,
            _ => Place::Anywhere,
        };
        let (context, protocol, replies) = (&self.context, self.greeting.protocol(), &self.replies);
        let ears = self.ears.get_or_insert_with(|| Ears::new(context.clone(), protocol, replies.clone()));
        let ticket = self.replies.push(Slot::Running);
        if !ears.order(command, place, ticket) {
            self.replies.cut_off();
        }
        Next::Continue
    }
}
