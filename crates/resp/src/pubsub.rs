//! What comes without having been asked for: messages to subscribers, and RESP3's pushes; and how failsoft makes some.
//!
//! In RESP2 a message is an array like any other reply; only what it begins with, and that the client is subscribed,
//! tells it apart (<https://redis.io/docs/latest/develop/interact/pubsub/>).

use crate::Protocol;
use crate::encode;
use crate::reply::{Head, elements, head, is_push};

/// What kind of channels a subscription is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channels {
    /// By their names.
    Named,
    /// By a pattern of names.
    Patterns,
    /// Shard channels, by their names.
    Sharded,
}

impl Channels {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Named, Self::Patterns, Self::Sharded];

    /// The command that begins a subscription.
    pub const fn subscribe(self) -> &'static str {
        match self {
            Self::Named => "subscribe",
            Self::Patterns => "psubscribe",
            Self::Sharded => "ssubscribe",
        }
    }

    /// The command that ends one.
    pub const fn unsubscribe(self) -> &'static str {
        match self {
            Self::Named => "unsubscribe",
            Self::Patterns => "punsubscribe",
            Self::Sharded => "sunsubscribe",
        }
    }

    /// What a message begins with.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Named => "message",
            Self::Patterns => "pmessage",
            Self::Sharded => "smessage",
        }
    }
}

/// What a frame is to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message, or another push.
    Message,
    /// A subscription has begun or ended; so many channels are left, sharded ones counted apart.
    Confirmation(Channels, usize),
    /// The reply to a command.
    Reply,
}

/// What `frame` is to somebody who may be subscribed.
pub fn frame_of(frame: &[u8]) -> Frame {
    let pushed = is_push(frame);
    if !pushed && frame.first() != Some(&b'*') {
        return Frame::Reply;
    }
    let mut parts = elements(frame);
    let kind = parts.next().and_then(bulk).unwrap_or_default();
    let channels = match kind {
        b"message" | b"pmessage" | b"smessage" => return Frame::Message,
        b"subscribe" | b"unsubscribe" => Channels::Named,
        b"psubscribe" | b"punsubscribe" => Channels::Patterns,
        b"ssubscribe" | b"sunsubscribe" => Channels::Sharded,
        _ if pushed => return Frame::Message,
        _ => return Frame::Reply,
    };
    match parts.nth(1).and_then(head) {
        Some(Head::Integer(total)) => Frame::Confirmation(channels, usize::try_from(total).unwrap_or(0)),
        _ if pushed => Frame::Message,
        _ => Frame::Reply,
    }
}

/// The channel that a confirmation is about.
pub fn channel_of(confirmation: &[u8]) -> Option<&[u8]> {
    elements(confirmation).nth(1).and_then(bulk)
}

/// Appends the confirmation that `word` ("subscribe", "punsubscribe", ...) has been done to `channel`, after which
/// `total` are left. Without a channel: there was none to leave.
pub fn confirmation(out: &mut Vec<u8>, word: &str, channel: Option<&[u8]>, total: usize, protocol: Protocol) {
    encode::push_header(out, 3, protocol);
    encode::bulk(out, word.as_bytes());
    match channel {
        Some(channel) => encode::bulk(out, channel),
        None => encode::nil(out, protocol),
    }
    encode::integer(out, i64::try_from(total).unwrap_or(i64::MAX));
}

/// Appends a message to who has subscribed to `channel`. To who has subscribed to a pattern the channel is named by the
/// pattern itself: it is about all that it takes.
pub fn message(out: &mut Vec<u8>, channels: Channels, channel: &[u8], payload: &[u8], protocol: Protocol) {
    let is_pattern = channels == Channels::Patterns;
    encode::push_header(out, if is_pattern { 4 } else { 3 }, protocol);
    encode::bulk(out, channels.message().as_bytes());
    if is_pattern {
        encode::bulk(out, channel);
    }
    encode::bulk(out, channel);
    encode::bulk(out, payload);
}

fn bulk(frame: &[u8]) -> Option<&[u8]> {
    match head(frame) {
        Some(Head::Bulk(bytes)) => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_told_by_what_it_begins_with() {
        let frames: [(&[u8], Frame); 8] = [
            (b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", Frame::Message),
            (b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", Frame::Message),
            (b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n", Frame::Message),
            (b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n", Frame::Confirmation(Channels::Named, 2)),
            (b">3\r\n$12\r\npunsubscribe\r\n_\r\n:0\r\n", Frame::Confirmation(Channels::Patterns, 0)),
            (b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", Frame::Reply),
            (b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n$1\r\nb\r\n", Frame::Reply),
            (b"$7\r\nmessage\r\n", Frame::Reply),
        ];
        for (bytes, expected) in frames {
            assert_eq!(frame_of(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn what_is_made_here_is_read_as_what_redis_makes() {
        for channels in Channels::ALL {
            for protocol in [Protocol::Resp2, Protocol::Resp3] {
                let mut told = Vec::new();
                message(&mut told, channels, b"c*", b"text", protocol);
                assert_eq!(frame_of(&told), Frame::Message);
                for word in [channels.subscribe(), channels.unsubscribe()] {
                    let mut told = Vec::new();
                    confirmation(&mut told, word, Some(b"c"), 7, protocol);
                    assert_eq!(frame_of(&told), Frame::Confirmation(channels, 7));
                    assert_eq!(channel_of(&told), Some(&b"c"[..]));
                }
            }
        }
    }

    #[test]
    fn messages_are_those_of_redis_letter_by_letter() {
        let told = |channels, protocol| {
            let mut told = Vec::new();
            message(&mut told, channels, b"a:1", b"x", protocol);
            String::from_utf8(told).unwrap()
        };
        assert_eq!(told(Channels::Named, Protocol::Resp2), "*3\r\n$7\r\nmessage\r\n$3\r\na:1\r\n$1\r\nx\r\n");
        assert_eq!(told(Channels::Sharded, Protocol::Resp3), ">3\r\n$8\r\nsmessage\r\n$3\r\na:1\r\n$1\r\nx\r\n");
        let by_pattern = "*4\r\n$8\r\npmessage\r\n$3\r\na:1\r\n$3\r\na:1\r\n$1\r\nx\r\n";
        assert_eq!(told(Channels::Patterns, Protocol::Resp2), by_pattern);
    }

    #[test]
    fn the_end_of_no_subscription_names_no_channel() {
        let mut told = Vec::new();
        confirmation(&mut told, "unsubscribe", None, 0, Protocol::Resp2);
        assert_eq!(told, b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
    }
}
