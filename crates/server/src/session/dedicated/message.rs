//! What comes without having been asked for: messages to subscribers, and RESP3's pushes.
//!
//! In RESP2 a message is an array like any other reply; only what it begins with, and that the client is subscribed,
//! tells it apart (<https://redis.io/docs/latest/develop/interact/pubsub/>).

use failsoft_resp::reply::{Head, elements, head, is_push};

use super::effect::Channels;

/// What a frame is to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Frame {
    /// A message, or another push.
    Message,
    /// A subscription has begun or ended; so many channels are left, sharded ones counted apart.
    Confirmation(Channels, usize),
    /// The reply to a command.
    Reply,
}

/// What `frame` is to somebody who may be subscribed.
pub(in crate::session) fn frame_of(frame: &[u8]) -> Frame {
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
}
