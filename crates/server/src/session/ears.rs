//! Subscriptions of a client that are not on a connection of its own: shard channels before a cluster, which are at several
//! shards, and channels of invalidation routes, which outlive the connection that they are heard on.
//!
//! The client stays on the shared connections, and hears what a [`Listener`] of the engine hears for it: messages go out
//! between its replies as they come, confirmations stand among them in the order of the commands.

use std::sync::Arc;

use failsoft::context::Context;
use failsoft::listening::{Audience, Listener, Order, Wish};
use failsoft_resp::pubsub::Channels;
use failsoft_resp::{Command, Protocol};

use super::replies::Replies;

/// The channel on which Redis tells who has asked for it which keys change: it belongs to a connection.
const INVALIDATE: &[u8] = b"__redis__:invalidate";

/// What a command about channels asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) wish: Wish,
    pub(super) channels: Channels,
}

/// What `command` asks for, if it is about channels and has as many arguments as it needs.
pub(super) fn asked(command: &Command<'_>) -> Option<Asked> {
    let is = |name: &str| command.arg(0).eq_ignore_ascii_case(name.as_bytes());
    let channels = Channels::ALL.into_iter().find(|kind| is(kind.subscribe()) || is(kind.unsubscribe()))?;
    let wish = match command.len() {
        2.. if is(channels.subscribe()) => Wish::Listen,
        2.. => Wish::Leave,
        1 if is(channels.unsubscribe()) => Wish::LeaveAll,
        _ => return None,
    };
    Some(Asked { wish, channels })
}

/// Whether all channels that `command` names are of invalidation routes.
pub(super) fn are_news(command: &Command<'_>, context: &Context) -> bool {
    command.args().skip(1).all(|name| name != INVALIDATE && context.world.gap_message(name).is_some())
}

/// One client's ears. Dropping them ends its subscriptions.
pub(super) struct Ears(Listener);

impl Ears {
    /// Of a client that listens to nothing yet, on the present runtime.
    pub(super) fn new(context: Context, protocol: Protocol, replies: Arc<Replies>) -> Self {
        Self(Listener::start(context, protocol, replies))
    }

    /// Something else is known from here on.
    pub(super) fn take_up(&self, context: &Context) {
        self.0.take_up(context);
    }

    /// In which protocol they hear.
    pub(super) fn protocol(&self) -> Protocol {
        self.0.protocol()
    }

    /// To how many channels and patterns the client listens.
    pub(super) fn subscriptions(&self) -> usize {
        self.0.subscriptions()
    }

    /// To how many that are counted together with `channels`.
    pub(super) fn counted_with(&self, channels: Channels) -> usize {
        self.0.counted_with(channels)
    }

    /// Has `command` carried out and confirmed at `ticket`. Whether that can be.
    pub(super) fn order(&self, asked: Asked, command: &Command<'_>, ticket: u64) -> bool {
        let names = command.args().skip(1).map(Box::from).collect();
        self.0.order(Order { wish: asked.wish, channels: asked.channels, names, ticket })
    }
}

impl Audience for Replies {
    fn tell(&self, messages: &[u8]) {
        self.push_message(messages);
    }

    fn confirm(&self, ticket: u64, told: Vec<u8>) {
        self.complete(ticket, told.into());
    }

    fn cut_off(&self) {
        Self::cut_off(self);
    }
}

#[cfg(test)]
mod tests {
    use failsoft_resp::{Limits, RequestScanner};

    use super::*;

    fn asked_by(line: &str) -> Option<(Wish, Channels)> {
        let mut scanner = RequestScanner::new(Limits::default());
        let line = format!("{line}\r\n");
        let command = scanner.scan(line.as_bytes()).unwrap().unwrap();
        asked(&command).map(|asked| (asked.wish, asked.channels))
    }

    #[test]
    fn what_is_asked_for_is_read_in_any_case_and_only_where_it_can_be_done() {
        assert_eq!(asked_by("subscribe a"), Some((Wish::Listen, Channels::Named)));
        assert_eq!(asked_by("PUNSUBSCRIBE a* b*"), Some((Wish::Leave, Channels::Patterns)));
        assert_eq!(asked_by("sUnsubscribe"), Some((Wish::LeaveAll, Channels::Sharded)));
        assert_eq!(asked_by("SSUBSCRIBE"), None);
        assert_eq!(asked_by("PUBLISH a b"), None);
    }
}
